"""Layers that learn their input's size from the first call."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from tinygrad_edu.errors import describe
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn import batchnorm, conv
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.nn.uninitialized import Uninitialized, UninitializedBuffer, UninitializedParameter
from tinygrad_edu.tensor import Tensor

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
    "LazyModuleMixin",
]


class LazyModuleMixin(Module):
    """Makes a module lazy: its first call gives its parameters their shapes, and makes it an ordinary module.

    Derive from this and from the ordinary class, in this order; put `UninitializedParameter`s where shapes depend on the input,
    and give them shapes in `initialize_parameters`, which gets the arguments of the first call.

    Attributes
    ----------
    cls_to_become : type, optional
        The class that the module has from the first call on.
    """

    cls_to_become: ClassVar[type[Module] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_forward_pre_hook(_initialize, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give all parameters their shapes and starting values, from the arguments of the first call."""
        raise NotImplementedError(f"{self._get_name()} has no initialize_parameters(): it cannot learn its shapes")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(isinstance(t, Uninitialized) for t in (*self.parameters(False), *self.buffers(False)))

    def reset_parameters(self) -> None:
        """Nothing as long as there is nothing to reset."""
        if not self.has_uninitialized_params() and self._is_sized():
            super().reset_parameters()  # type: ignore[misc]  # the ordinary class has it

    def _is_sized(self) -> bool:
        """Whether the size of the input is known."""
        return True


def _initialize(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Before the first call: learn the shapes, then be an ordinary module."""
    lazy = cast(LazyModuleMixin, module)
    lazy.initialize_parameters(*args, **kwargs)
    if lazy.has_uninitialized_params():
        raise RuntimeError(f"{lazy._get_name()}: initialize_parameters left parameters or buffers without a shape")
    for number, hook in list(module._hooks.items()):
        if hook.fn is _initialize:
            del module._hooks[number]
    if lazy.cls_to_become is not None:
        object.__setattr__(module, "__class__", lazy.cls_to_become)


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` that takes `in_features` from its first input.

    Parameters
    ----------
    out_features : int
    bias : bool, default True
    device, dtype : optional
        Of the parameters.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.LazyLinear(3)
    >>> layer.weight
    <UninitializedParameter>
    >>> layer(tg.zeros(2, 5)).shape, layer
    (Size([2, 3]), Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False, device, dtype)
        self.out_features = out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def _is_sized(self) -> bool:
        return self.in_features != 0

    def initialize_parameters(self, input: Any) -> None:
        """Take the size of the last dimension."""
        shape = _shape(self, input, 1)
        if self.has_uninitialized_params():
            self.in_features = shape[-1]
            _give_shapes(self, (self.out_features, self.in_features), (self.out_features,))
        else:  # loaded from a checkpoint before the first call
            self.in_features = self.weight.shape[1]


def _shape(module: Module, input: Any, least: int) -> tuple[int, ...]:
    """The shape of the first input."""
    shape = tuple(getattr(input, "shape", ()))
    if len(shape) < least:
        raise ValueError(
            f"{module._get_name()}: expected an input of at least {least} dimensions, got {describe(input)}"
        )
    return shape


def _give_shapes(module: Any, weight: tuple[int, ...], bias: tuple[int, ...]) -> None:
    """Give weight and bias their shapes, where they have none, and starting values."""
    for param, shape in ((module.weight, weight), (module.bias, bias)):
        if isinstance(param, UninitializedParameter):
            param.materialize(shape)
    with no_grad():
        module.cls_to_become.reset_parameters(module)


class _LazyConv(LazyModuleMixin):
    """What lazy convolutions share; the class with which they are combined makes them of one kind."""

    in_channels: int
    weight: Parameter
    bias: Parameter | None

    def __init__(self, out_channels: int, kernel_size: Any, *args: Any, **kwargs: Any) -> None:
        names: tuple[str, ...] = ("stride", "padding", "dilation", "groups", "bias", "padding_mode", "device", "dtype")
        if issubclass(type(self), conv._Transpose):
            names = (
                "stride",
                "padding",
                "output_padding",
                "groups",
                "bias",
                "dilation",
                "padding_mode",
                "device",
                "dtype",
            )
        given = dict(zip(names, args, strict=False)) | kwargs
        bias, settings = given.pop("bias", True), {k: given.get(k) for k in ("device", "dtype")}
        # One channel a group, so that there is something to check the other arguments on.
        super().__init__(given.get("groups", 1), out_channels, kernel_size, bias=False, **given)
        self.in_channels = 0
        self.weight = UninitializedParameter(True, **settings)
        if bias:
            self.bias = UninitializedParameter(True, **settings)

    def _is_sized(self) -> bool:
        return self.in_channels != 0

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Take the number of channels."""
        layer = cast(Any, self)
        n, name = layer.dimensions, self._get_name()
        shape = tuple(getattr(input, "shape", ()))
        if len(shape) not in (n + 1, n + 2):
            raise ValueError(f"{name}: expected an input of {n + 1} or {n + 2} dimensions, got {describe(input)}")
        channels = shape[-n - 1]
        outer = layer.transposed
        if not self.has_uninitialized_params():  # loaded from a checkpoint before the first call
            self.in_channels = layer.weight.shape[0] if outer else layer.weight.shape[1] * layer.groups
            return
        if channels < 1 or channels % layer.groups:
            raise ValueError(
                f"{name}: the channels of the input must be divisible by groups={layer.groups}, got {channels}"
            )
        self.in_channels = channels
        first, second = (channels, layer.out_channels) if outer else (layer.out_channels, channels)
        _give_shapes(self, (first, second // layer.groups, *layer.kernel_size), (layer.out_channels,))


class LazyConv1d(_LazyConv, conv.Conv1d):
    """A `Conv1d` that takes `in_channels` from its first input; see `LazyConv2d`."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyConv, conv.Conv2d):
    """A `Conv2d` that takes `in_channels` from its first input; the other arguments are those of `Conv2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.LazyConv2d(4, 3)
    >>> _ = layer(tg.zeros(1, 2, 5, 5))
    >>> layer
    Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyConv, conv.Conv3d):
    """A `Conv3d` that takes `in_channels` from its first input; see `LazyConv2d`."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_LazyConv, conv.ConvTranspose1d):
    """A `ConvTranspose1d` that takes `in_channels` from its first input; see `LazyConv2d`."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyConv, conv.ConvTranspose2d):
    """A `ConvTranspose2d` that takes `in_channels` from its first input; see `LazyConv2d`."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyConv, conv.ConvTranspose3d):
    """A `ConvTranspose3d` that takes `in_channels` from its first input; see `LazyConv2d`."""

    cls_to_become = conv.ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    """What lazy batch and instance norms share."""

    num_features: int
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=bias)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = batchnorm.no_batches(device)

    def _is_sized(self) -> bool:
        return self.num_features != 0

    def initialize_parameters(self, input: Any) -> None:
        """Take the number of channels."""
        layer = cast(Any, self)
        layer._check_input_dim(input)
        alone = isinstance(self, batchnorm._InstanceNorm) and len(input.shape) == layer.dims[0]
        self.num_features = input.shape[0 if alone else 1]
        if not self.has_uninitialized_params():  # loaded from a checkpoint before the first call
            held = [t for t in (layer.weight, layer.running_mean) if t is not None]
            self.num_features = held[0].shape[0] if held else self.num_features
            return
        for buffer in (layer.running_mean, layer.running_var):
            if isinstance(buffer, UninitializedBuffer):
                buffer.materialize((self.num_features,))
        _give_shapes(self, (self.num_features,), (self.num_features,))


class LazyBatchNorm1d(_LazyNorm, batchnorm.BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from its first input; the other arguments are those of `BatchNorm1d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.LazyBatchNorm1d()
    >>> _ = layer(tg.rand(4, 3))
    >>> layer.num_features
    3
    """

    cls_to_become = batchnorm.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, batchnorm.BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from its first input; see `LazyBatchNorm1d`."""

    cls_to_become = batchnorm.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, batchnorm.BatchNorm3d):
    """A `BatchNorm3d` that takes `num_features` from its first input; see `LazyBatchNorm1d`."""

    cls_to_become = batchnorm.BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, batchnorm.InstanceNorm1d):
    """An `InstanceNorm1d` that takes `num_features` from its first input; see `LazyBatchNorm1d`."""

    cls_to_become = batchnorm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, batchnorm.InstanceNorm2d):
    """An `InstanceNorm2d` that takes `num_features` from its first input; see `LazyBatchNorm1d`."""

    cls_to_become = batchnorm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, batchnorm.InstanceNorm3d):
    """An `InstanceNorm3d` that takes `num_features` from its first input; see `LazyBatchNorm1d`."""

    cls_to_become = batchnorm.InstanceNorm3d
