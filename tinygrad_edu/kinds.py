"""What kind of tensor it is, under the many names that PyTorch has for that, and its elements one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from tinygrad_edu import backends
from tinygrad_edu.hooks import RETAIN, RemovableHandle, add_hook_after
from tinygrad_edu.node import LEAF

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class layout:
    """How elements lie in memory; there is one kind, ``strided``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "tg.strided"


strided = layout()


def _never(what: str) -> property:
    return property(lambda self: False, doc=f"Whether {what}: never, for there are none.")


class Kinds:
    """Facts about a tensor that scripts ask for; most have one answer here."""

    __slots__ = ()
    if TYPE_CHECKING:
        _data: Any
        _node: Any
        device: Any
        dtype: Any
        shape: Any

    is_cpu = property(lambda self: self.device.type == "cpu", doc="Whether the tensor is in main memory.")
    layout = property(lambda self: strided, doc="How the elements lie in memory: always ``strided``.")
    is_sparse_csr, is_mkldnn = _never("the elements are stored by rows"), _never("a library has its own form of it")
    is_meta, is_nested = _never("it has no elements"), _never("it is a list of tensors")
    is_quantized, is_mps = _never("numbers are quantised"), _never("it is on such a device")
    is_mtia, is_vulkan, is_xla = is_mps, is_mps, is_mps
    is_xpu, is_ipu, is_maia = is_mps, is_mps, is_mps

    def is_conj(self) -> bool:
        """Whether the elements are to be conjugated when they are read: never."""
        return False

    is_neg = is_inference = is_distributed = is_shared = is_conj

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on a tensor that is no leaf."""
        node = self._node
        hooks = None if node is None or node.kind == LEAF or node.extra is None else node.extra.hooks
        return hooks is not None and RETAIN in hooks

    def register_post_accumulate_grad_hook(self: Any, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(tensor)`` when a gradient has been added to the ``.grad`` of this leaf: to step at once, for example."""
        node = self._current()._node
        if node is None or node.kind != LEAF:
            raise RuntimeError(
                "register_post_accumulate_grad_hook: only a leaf that requires a gradient accumulates one"
            )
        return add_hook_after(node, hook)

    def get_device(self) -> int:
        """The number of the card; -1 for a tensor in main memory."""
        return -1 if self.device.type == "cpu" else int(self.device.index or 0)

    def data_ptr(self) -> int:
        """The address of the first element, to see whether two tensors begin in the same place."""
        return backends.of(self._data).address(self._data)

    const_data_ptr = data_ptr

    def to_dense(self) -> Self:
        """The tensor itself, which is dense."""
        return self

    # Real numbers ----------------------------------------------------------------------------------------------------

    real = property(lambda self: self, doc="The tensor itself: numbers are real.")

    def conj(self) -> Self:
        """The tensor itself: numbers are real."""
        return self

    conj_physical = conj_physical_ = resolve_conj = resolve_neg = conj

    def angle(self: Any) -> Tensor:
        """0 for numbers that are not negative, π for negative ones, and what is no number stays none."""
        return self.detach().lt(0).to(self.dtype if self.is_floating_point() else None) * math.pi + 0 * self

    # Element by element ----------------------------------------------------------------------------------------------

    def apply_(self: Any, callable: Callable[[Any], Any]) -> Any:
        """Replace every element by a Python function of it, one after the other: slow, and without a gradient."""
        return _each(self, callable)

    def map_(self: Any, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Any:
        """Replace every element by a Python function of it and of the element of another tensor in its place."""
        return _each(self, callable, tensor)

    def map2_(self: Any, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Any:
        """Replace every element by a Python function of it and of the elements of two other tensors in its place."""
        return _each(self, callable, x, y)

    # Other shapes ----------------------------------------------------------------------------------------------------

    def new(self: Any, *data: Any, device: Any = None) -> Tensor:
        """A tensor of this one's type and device, of sizes or of a sequence, as PyTorch's first versions made them."""
        from tinygrad_edu.legacy import construct

        return construct("new", data, self.dtype, device or self.device)

    def resize_(self: Any, *sizes: Any) -> Any:
        """Take another shape: the first elements stay, and where there are more, nobody has set them.

        Raises
        ------
        RuntimeError
            For a tensor that requires a gradient.
        """
        if self.requires_grad:
            raise RuntimeError("resize_: a tensor that requires a gradient keeps its shape; work on detach()")
        larger = self.new_empty(*sizes)
        kept = min(self.numel(), larger.numel())
        larger.view(-1)[:kept] = self.reshape(-1)[:kept]
        self.data = larger
        return self

    def resize_as_(self: Any, other: Tensor) -> Any:
        """Take the shape of another tensor; see :meth:`resize_`."""
        return self.resize_(other.shape)

    def narrow_copy(self: Any, dim: int, start: int, length: int) -> Tensor:
        """A copy of the part that `narrow` sees."""
        part: Tensor = self.narrow(dim, start, length).clone()
        return part

    def unsafe_chunk(self: Any, chunks: int, dim: int = 0) -> Any:
        """The same as `chunk`."""
        return self.chunk(chunks, dim)

    def unsafe_split(self: Any, split_size: Any, dim: int = 0) -> Any:
        """The same as `split`."""
        return self.split(split_size, dim)

    unsafe_split_with_sizes = unsafe_split


def _each(x: Any, function: Callable[..., Any], *others: Any) -> Any:
    """Write ``function(x[i], others[i]…)`` to every place of ``x``."""
    if x.device.type != "cpu":
        raise TypeError(f"apply_: Python functions are applied to tensors on the cpu, this one is on {x.device}")
    if x.requires_grad:
        raise RuntimeError("apply_: a Python function has no derivative; work on detach()")
    columns = [t.broadcast_to(x.shape).reshape(-1).tolist() for t in (x, *others)]
    values = [function(*row) for row in zip(*columns, strict=True)]
    return x.copy_(x.new_tensor(values).reshape(x.shape))
