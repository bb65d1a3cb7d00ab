"""Module: the base class of everything that has parameters, called, moved, saved and printed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Self

from tinygrad_edu import dtypes
from tinygrad_edu.creation import empty_like
from tinygrad_edu.hooks import RemovableHandle
from tinygrad_edu.layouts import check_format
from tinygrad_edu.nn import _hooks, _state_dict
from tinygrad_edu.nn._registry import BUFFER, MODULE, PARAMETER, Registry
from tinygrad_edu.nn.uninitialized import Uninitialized
from tinygrad_edu.tensor import Tensor

__all__ = ["Module"]


class Module(Registry):
    """Base class of layers and models: subclass it, make the parts in ``__init__``, use them in ``forward``.

    A `Parameter`, a `Buffer` or a `Module` that is assigned to an attribute is registered: it is part of
    ``parameters()``, ``state_dict()``, ``to(device)`` and so on, and so is everything that it contains in turn.
    Call the module itself, not ``forward``, so that hooks run.

    Attributes
    ----------
    training : bool
        True after ``train()`` and from the start, False after ``eval()``. Dropout and batch norm look at it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> class Affine(nn.Module):
    ...     def __init__(self, size):
    ...         super().__init__()
    ...         self.scale = nn.Parameter(tg.ones(size))
    ...         self.shift = nn.Parameter(tg.zeros(size))
    ...
    ...     def forward(self, x):
    ...         return x * self.scale + self.shift
    >>> model = Affine(3)
    >>> [name for name, _ in model.named_parameters()]
    ['scale', 'shift']
    >>> model(tg.tensor([1.0, 2.0, 3.0])).tolist()
    [1.0, 2.0, 3.0]
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines its own."""
        raise NotImplementedError(
            f"{self._get_name()} has no forward(): define what it computes in `def forward(self, ...)`"
        )

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if not self._hooks:
            return self.forward(*args, **kwargs)
        return _hooks.call(self, self._hooks, args, kwargs)

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call `fn` on every module below this one, children first, then on this module itself; return the module.

        Examples
        --------
        >>> from tinygrad_edu import nn
        >>> net = nn.Sequential(nn.Module(), nn.Module())
        >>> seen = []
        >>> _ = net.apply(lambda m: seen.append(type(m).__name__))
        >>> seen
        ['Module', 'Module', 'Sequential']
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # --- modes, devices and dtypes ----------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Put this module and all below it into training mode, or with ``mode=False`` into evaluation mode."""
        if not isinstance(mode, bool):
            raise ValueError(f"train() takes True or False, got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Put this module and all below it into evaluation mode: the same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether the parameters get gradients; False freezes the module."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or with ``set_to_none=False`` fill them with zeros."""
        for param in self.parameters():
            if set_to_none:  # without looking at it: reading a row-sparse gradient would fill it in
                param.grad = None
            elif param.grad is not None:
                param.grad = param.grad.detach().clone().zero_()

    def _apply(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Replace every parameter, gradient and buffer `t` by ``fn(t)``.

        A parameter stays the same object with new memory, so that optimizers and ties keep hold of it.
        """
        for param in self.parameters():
            if isinstance(param, Uninitialized):
                param._move(fn)
                continue
            old = param.detach()
            new = fn(old)
            if new is old:
                continue
            grad, param.grad = param.grad, None
            param.data = new
            param.grad = None if grad is None else fn(grad)
        replaced: dict[int, Tensor] = {}
        for module in self.modules():
            for name, buffer in module._own(BUFFER):
                if isinstance(buffer, Uninitialized):
                    buffer._move(fn)
                elif buffer is not None:
                    replaced.setdefault(id(buffer), fn(buffer))
                    module.__dict__[name] = replaced[id(buffer)]
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move the module to a device and/or convert it to a floating-point dtype, in place; return the module.

        Called as ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)`` or with the keywords ``device=``
        and ``dtype=``. Integer buffers keep their dtype. With ``non_blocking`` copies from pinned memory are not waited for.

        Raises
        ------
        TypeError
            If the dtype isn't a floating-point one, or an argument is neither device, dtype nor Tensor.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> from tinygrad_edu import nn
        >>> m = nn.Module()
        >>> m.w = nn.Parameter(tg.ones(2))
        >>> m.to(tg.float64).w.dtype
        tg.float64
        """
        device, dtype = _parse_to(args, kwargs)
        wait = not (kwargs.get("non_blocking") or any(a is True for a in args))
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"Module.to takes a floating-point dtype, got {dtype}: integer parameters can't be trained")

        def moved(t: Tensor) -> Tensor:
            return t.to(device=device, dtype=dtype if t.is_floating_point() else None, non_blocking=not wait)

        return self._apply(moved)

    def cpu(self) -> Self:
        """Move the module to the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: int | str | None = None) -> Self:
        """Move the module to a CUDA device: its number, its name, or None for the current one."""
        if device is None:
            device = "cuda"
        return self.to(device=f"cuda:{device}" if isinstance(device, int) else device)

    def float(self) -> Self:
        """Convert all floating-point parameters and buffers to float32."""
        return self.to(dtype=dtypes.float32)

    def double(self) -> Self:
        """Convert all floating-point parameters and buffers to float64."""
        return self.to(dtype=dtypes.float64)

    def half(self) -> Self:
        """Convert all floating-point parameters and buffers to float16."""
        return self.to(dtype=dtypes.float16)

    def bfloat16(self) -> Self:
        """Convert all floating-point parameters and buffers to bfloat16."""
        return self.to(dtype=dtypes.bfloat16)

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers, those of integers too, to a dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Give all parameters and buffers new memory on a device, without copying their values."""
        if recurse:
            return self._apply(lambda t: empty_like(t, device=device))
        for kind in (PARAMETER, BUFFER):
            for _, held in self._own(kind):
                if held is not None:
                    held.data = empty_like(held.detach(), device=device)
        return self

    def share_memory(self) -> Self:
        """Not possible here: processes send each other values.

        Raises
        ------
        RuntimeError
            Always.
        """
        raise RuntimeError(
            f"{self._get_name()}.share_memory: processes cannot share the memory of parameters here; "
            "send state_dict() to the other process, or use threads"
        )

    # --- persistence ------------------------------------------------------------------------------------------------

    def state_dict(
        self, *, destination: MutableMapping[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> MutableMapping[str, Any]:
        """Return all parameters and persistent buffers by dotted name.

        The tensors share memory with the module: ``tg.save`` them, or clone what must not change.

        Parameters
        ----------
        destination : mapping, optional
            Where to put the entries; a new ordered dictionary where it is left out.
        prefix : str, default ""
            Put before every name.
        keep_vars : bool, default False
            Whether to return the parameters themselves instead of detached tensors.
        """
        destination = OrderedDict() if destination is None else destination
        _state_dict.collect(self, destination, prefix, keep_vars)
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _state_dict.IncompatibleKeys:
        """Copy the tensors of `state_dict` into this module's parameters and buffers, by dotted name.

        Everything is checked first: an error leaves the module as it was.

        Parameters
        ----------
        state_dict : mapping of str to Tensor
            What `state_dict` of such a module returned.
        strict : bool, default True
            Whether missing and unexpected keys are an error. A wrong shape always is.
        assign : bool, default False
            Whether to take the tensors themselves, with their device and dtype, instead of copying their values.

        Returns
        -------
        IncompatibleKeys
            Named tuple ``(missing_keys, unexpected_keys)``.

        Raises
        ------
        RuntimeError
            If keys or shapes don't fit; the message lists all of them.
        """
        return _state_dict.load(self, state_dict, strict, assign)

    def get_extra_state(self) -> Any:
        """Return what ``state_dict`` should hold besides tensors; override it together with `set_extra_state`."""
        raise NotImplementedError(f"{self._get_name()} has no extra state: override get_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned; called by ``load_state_dict``."""
        raise NotImplementedError(f"{self._get_name()} has extra state: override set_extra_state to load it")

    # --- hooks ------------------------------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Have ``hook(module, args)`` called before ``forward``; what it returns, if not None, replaces `args`.

        With `with_kwargs` it is ``hook(module, args, kwargs)`` and returns None or both. `prepend` puts it before the
        hooks that are there.
        """
        return _hooks.add(self._hooks, _hooks.FORWARD_PRE, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Have ``hook(module, args, output)`` called after ``forward``; if not None, its result replaces `output`.

        With `with_kwargs` it is ``hook(module, args, kwargs, output)``.

        Examples
        --------
        >>> from tinygrad_edu import nn
        >>> net = nn.Sequential()
        >>> handle = net.register_forward_hook(lambda module, args, output: output + 1)
        >>> net(1)
        2
        >>> handle.remove()
        >>> net(1)
        1
        """
        return _hooks.add(self._hooks, _hooks.FORWARD, hook, prepend, with_kwargs)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Have ``hook(module, grad_output)`` called when the gradients of the outputs are known, before they go on.

        What it returns, if not None, replaces `grad_output`, a tuple with one entry per output.
        """
        return _hooks.add(self._hooks, _hooks.BACKWARD_PRE, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Have ``hook(module, grad_input, grad_output)`` called when the gradients of the inputs are known.

        What it returns, if not None, replaces `grad_input`, a tuple with one entry per positional argument (None for
        those that need no gradient).
        """
        return _hooks.add(self._hooks, _hooks.BACKWARD, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """An older name of `register_full_backward_hook`."""
        return self.register_full_backward_hook(hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Have ``hook(module, prefix, keep_vars)`` called before ``state_dict`` reads this module."""
        return _hooks.add(self._state_hooks, _hooks.STATE_PRE, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Have ``hook(module, state_dict, prefix, local_metadata)`` called to edit what ``state_dict`` collected."""
        return _hooks.add(self._state_hooks, _hooks.STATE_POST, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Have a hook called before ``load_state_dict`` looks at this module's keys, for example to rename them.

        It is called as ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)`` on a copy of the mapping that the user passed, and edits its arguments in place.
        """
        return _hooks.add(self._state_hooks, _hooks.LOAD_PRE, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Have ``hook(module, incompatible_keys)`` called after ``load_state_dict`` has copied everything."""
        return _hooks.add(self._state_hooks, _hooks.LOAD_POST, hook)

    # --- printing ---------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return what stands between the parentheses when the module is printed, such as its sizes."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().splitlines()
        children = [f"({name}): {indent(repr(child))}" for name, child in self._own(MODULE)]
        return frame(self._get_name(), extra, children)


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dtypes.DType | None]:
    """Sort the arguments of `Module.to` into ``(device, dtype)``."""
    unknown = set(kwargs) - {"device", "dtype", "tensor", "non_blocking", "memory_format"}
    if unknown or len(args) > 3:
        raise TypeError(f"Module.to takes a device, a dtype or a Tensor, got {sorted(unknown) or args}")
    check_format("Module.to", kwargs.get("memory_format"))
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    for value in (*args, kwargs.get("tensor")):
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, dtypes.DType):
            dtype = value
        elif value is not None and not isinstance(value, bool):  # a bool is non_blocking
            device = value
    return device, dtype


def indent(text: str, width: int = 2) -> str:
    """Indent all lines of `text` but the first."""
    return text.replace("\n", "\n" + " " * width)


def frame(name: str, extra: list[str], children: list[str]) -> str:
    """Lay out the printed form of a module: on one line where there are no children and at most one extra line."""
    if not children and len(extra) <= 1:
        return f"{name}({''.join(extra)})"
    return f"{name}(\n  " + "\n  ".join(extra + children) + "\n)"
