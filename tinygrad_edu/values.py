"""What a tensor tells about its elements and makes of them: shape, type, Python numbers, NumPy arrays, other types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tinygrad_edu import backends, dtypes
from tinygrad_edu.device import device, resolve
from tinygrad_edu.dtypes import DType, from_raw, to_dtype
from tinygrad_edu.interchange import Interchange
from tinygrad_edu.kinds import Kinds
from tinygrad_edu.layouts import channels_last, channels_last_3d, check_format
from tinygrad_edu.methods import Methods

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of sizes with a count of elements; parts and sums of shapes are shapes, too."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements."""
        n = 1
        for size in self:
            n *= size
        return n

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Size(found) if type(index) is slice else found

    def __add__(self, other: Any) -> Size:
        return Size(super().__add__(tuple(other)))

    def __radd__(self, other: Any) -> Size:
        return Size((*other, *self))

    def __mul__(self, times: Any) -> Size:
        return Size(super().__mul__(times))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"{'' if dtypes.library == 'tg' else dtypes.library + '.'}Size({list(self)})"


class Values(Interchange, Kinds, Methods):
    """The part of :class:`Tensor` that has nothing to do with gradients."""

    __slots__ = ()
    _data: Any
    if TYPE_CHECKING:
        requires_grad: bool

        @property
        def is_leaf(self) -> bool: ...

    # Facts -----------------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The size of each dimension."""
        return Size(self._data.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._data.shape)

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return from_raw(self._data.dtype)

    @property
    def device(self) -> device:
        """Where the elements are."""
        return device(backends.of(self._data).device_of(self._data))

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return self.numel() * self.dtype.itemsize

    is_sparse = property(lambda self: False, doc="Always false: a gradient of few rows is made dense when it is read.")
    is_cuda = property(lambda self: self.device.type == "cuda", doc="Whether the tensor is on a GPU.")

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Number of dimensions."""
        return len(self._data.shape)

    def numel(self) -> int:
        """Number of elements."""
        return self.shape.numel()

    nelement, ndimension = numel, dim

    def element_size(self) -> int:
        """Bytes an element."""
        return self.dtype.itemsize

    def is_floating_point(self) -> bool:
        """Whether the elements are floating-point numbers, which alone can carry a gradient."""
        return from_raw(self._data.dtype).category == 2

    def is_complex(self) -> bool:
        """Whether the elements are complex numbers: never, for there are none."""
        return False

    def is_signed(self) -> bool:
        """Whether elements can be negative."""
        return self.dtype.is_signed

    def is_nonzero(self) -> bool:
        """Whether the one element is not 0."""
        if self.numel() != 1:
            raise RuntimeError(f"is_nonzero: only a tensor with one element is 0 or not, this one has {self.numel()}")
        return bool(self.item())

    def is_same_size(self, other: Tensor) -> bool:
        """Whether the shapes are equal."""
        return self.shape == other.shape

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in memory in the order of the dimensions, the last one fastest.

        With ``channels_last``: whether the channels (dimension 1) are fastest instead.
        """
        data = self._data
        if memory_format in (channels_last, channels_last_3d):
            dims = 4 if memory_format == channels_last else 5
            if data.ndim != dims:
                return False
            data = backends.of(data).permute_dims(data, (0, *range(2, dims), 1))
        elif memory_format is not None:
            check_format("is_contiguous", memory_format)
        return backends.of(data).is_contiguous(data)

    def stride(self, dim: int | None = None) -> Any:
        """How far apart in memory neighbours along each dimension lie, in elements; or along one dimension."""
        steps: tuple[int, ...] = backends.of(self._data).strides(self._data)
        return steps if dim is None else steps[dim]

    def __len__(self) -> int:
        if not self._data.shape:
            raise TypeError("len() of a tensor without dimensions")
        return int(self._data.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.shape:
            raise TypeError("a tensor without dimensions cannot be iterated over")
        from tinygrad_edu.ops.parts import unbind

        return iter(unbind(self, 0))  # type: ignore[arg-type]

    # Values ----------------------------------------------------------------------------------------------------------

    def item(self) -> Any:
        """The value of a tensor with one element as a Python number."""
        if self.numel() != 1:
            raise RuntimeError(
                f"item: only a tensor with one element is a number, this one has shape {tuple(self.shape)}"
            )
        return backends.of(self._data).to_host(self._data).reshape(()).item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return backends.of(self._data).to_host(self._data).tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(f"a tensor of shape {tuple(self.shape)} is neither true nor false; use .any() or .all()")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.is_floating_point():
            raise TypeError(f"only integer tensors with one element can be an index, this is {self.dtype}")
        return int(self.item())

    def __repr__(self) -> str:
        from tinygrad_edu.printing import tensor_repr

        return tensor_repr(self)  # type: ignore[arg-type]

    def __format__(self, spec: str) -> str:
        return (
            format(self.item(), spec)
            if not self._data.shape
            else (object.__format__(self, spec) if spec else repr(self))
        )

    # Conversions -----------------------------------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Convert to a dtype, a device, both, or those of another tensor; the tensor itself when nothing changes."""
        target, dtype = _to_arguments(args, kwargs)
        out: Any = self
        if target is not None:
            target = resolve(target)
            if target != self.device:
                from tinygrad_edu.ops.transfer import to_device

                out = to_device(out, target, not kwargs.get("non_blocking"))
        if dtype is not None and to_dtype(dtype) is not out.dtype:
            from tinygrad_edu.ops.elementwise import Cast, CastToInteger

            wanted = to_dtype(dtype)
            raw = backends.of(out._data).dtype(wanted.name)
            op = Cast if wanted.is_floating_point and out.is_floating_point() else CastToInteger
            out = op.apply(out, raw)
        if kwargs.get("copy") and out is self:
            return self.clone()
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a leaf: its values, whether it requires a gradient, and attributes that a user gave it."""
        if not self.is_leaf:
            raise RuntimeError("pickle: only leaf tensors can be pickled; detach() this one")
        raw, place = self._data, self.device
        if place.type != "cpu":  # arrays of other libraries travel as NumPy's
            raw = backends.of(raw).to_host(raw)
        return _restored, (type(self), raw, str(place), self.requires_grad, getattr(self, "__dict__", {}))

    # New tensors like this one ---------------------------------------------------------------------------------------

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """A tensor from data, of this tensor's type and device unless said otherwise."""
        from tinygrad_edu.creation import tensor

        where = device if device is not None else self.device
        return tensor(data, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """Zeros, of this tensor's type and device unless said otherwise."""
        from tinygrad_edu.creation import zeros

        where = device if device is not None else self.device
        return zeros(*size, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """Ones, of this tensor's type and device unless said otherwise."""
        from tinygrad_edu.creation import ones

        where = device if device is not None else self.device
        return ones(*size, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)

    def new_full(
        self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        """A constant, of this tensor's type and device unless said otherwise."""
        from tinygrad_edu.creation import full

        where = device if device is not None else self.device
        return full(size, fill_value, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """Uninitialised memory, of this tensor's type and device unless said otherwise."""
        from tinygrad_edu.creation import empty

        where = device if device is not None else self.device
        return empty(*size, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)


def _restored(kind: type[Tensor], raw: Any, place: str, requires_grad: bool, attributes: dict[str, Any]) -> Tensor:
    """Make a tensor of what was pickled."""
    if place != "cpu":
        target = resolve(place)
        raw = target.backend.from_host(raw, target.index or 0)
    t = kind.__new__(kind)
    t._init(raw, requires_grad)
    for name, value in attributes.items():
        setattr(t, name, value)
    return t


def _to_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The device and dtype meant by the arguments of ``to``."""
    if "memory_format" in kwargs:
        check_format("to", kwargs["memory_format"])
    target, dtype = kwargs.get("device"), kwargs.get("dtype")
    for a in args:
        if isinstance(a, Values):
            target, dtype = a.device, a.dtype
        elif isinstance(a, (device, int)) and not isinstance(a, bool):
            target = a
        elif isinstance(a, str):
            try:
                dtype = to_dtype(a)
            except TypeError:
                target = a
        elif isinstance(a, bool) or a is None:
            continue
        else:
            dtype = to_dtype(a)
    return target, dtype
