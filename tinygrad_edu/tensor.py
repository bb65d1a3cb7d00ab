"""The Tensor: a raw array and its place in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from tinygrad_edu import backends, function
from tinygrad_edu._state import modes
from tinygrad_edu.device import device, resolve
from tinygrad_edu.dtypes import DType, from_raw, to_dtype
from tinygrad_edu.function import LEAF, OUTPUT, Leaf, Node
from tinygrad_edu.methods import Methods
from tinygrad_edu.sparse import SparseGrad

if TYPE_CHECKING:
    from tinygrad_edu.autograd import RemovableHandle


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of sizes with a count of elements."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements."""
        n = 1
        for size in self:
            n *= size
        return n

    def __repr__(self) -> str:
        return f"Size({list(self)})"


class Tensor(Methods):
    """An array that knows how it was computed.

    Make one with :func:`tinygrad_edu.tensor` and its relatives. With ``requires_grad=True`` every operation on it is
    recorded,
    and ``backward()`` on a result fills ``.grad`` of the tensors that it was made from.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x**2).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    # _data: raw array.  _node: the node that made it (a Leaf when the user asked for a gradient, None without
    # gradient).
    # _grad: gradient.  _view: for a view (base, base's node then, steps to make it again, recorded), else None.
    __slots__ = ("__weakref__", "_data", "_grad", "_node", "_view")
    __array_ufunc__ = None  # NumPy leaves mixed arithmetic to the operators of Tensor
    _data: Any
    _grad: Any
    _node: Node | None
    _view: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        return super().__new__(cls)

    def __init__(self, *data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> None:
        from tinygrad_edu.creation import empty, tensor

        if len(data) != 1 or isinstance(data[0], int):
            made = empty(*data, dtype=dtype, device=device)
        else:
            source = data[0]
            if dtype is None and not isinstance(source, Tensor):
                dtype = modes.dtype
            made = tensor(source, dtype=dtype, device=device)
        self._init(made._data, requires_grad)

    def _init(self, raw: Any, requires_grad: bool) -> None:
        """Become a leaf on the memory of ``raw``."""
        self._data = backends.of(raw).alias(raw)
        self._grad = None
        self._node = None
        self._view = None
        if requires_grad:
            self.requires_grad = True

    @staticmethod
    def _wrap(raw: Any) -> Tensor:
        """A tensor around a raw array, without gradient."""
        t = function.new(Tensor)
        t._data = raw
        t._grad = t._node = t._view = None
        return t

    def _current(self) -> Tensor:
        """The tensor itself, wired to the newest value of its base if it is a view."""
        if self._view is not None and self._view[0]._node is not self._view[1]:
            function._follow_base(self)
        return self

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

    nelement = numel

    def element_size(self) -> int:
        """Bytes an element."""
        return self.dtype.itemsize

    def is_floating_point(self) -> bool:
        """Whether the elements are floating-point numbers, which alone can carry a gradient."""
        return from_raw(self._data.dtype).category == 2

    def is_contiguous(self) -> bool:
        """Always true: layout in memory is the backend's business."""
        return True

    def __len__(self) -> int:
        if not self._data.shape:
            raise TypeError("len() of a tensor without dimensions")
        return int(self._data.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.shape:
            raise TypeError("a tensor without dimensions cannot be iterated over")
        return iter(self.unbind(0))

    # The graph -------------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is computed for this tensor."""
        return self._current()._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value:
            if self._node is None:
                if not self.is_floating_point():
                    raise RuntimeError(
                        f"requires_grad: only floating-point tensors can have a gradient, this is {self.dtype}"
                    )
                self._node = Leaf(self)
        elif self._node is not None:
            if self._node.kind != LEAF:
                raise RuntimeError("requires_grad: only a leaf's flag can be changed; use detach() to leave the graph")
            self._node = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than by a recorded operation."""
        node = self._current()._node
        return node is None or node.kind == LEAF

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made the tensor; None for a leaf."""
        node = self._current()._node
        if node is None or node.kind == LEAF:
            return None
        return node.edges[0] if node.kind == OUTPUT else node

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes have added up, or None."""
        if type(self._grad) is SparseGrad:
            self._grad = Tensor._wrap(self._grad.dense())
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
            if value.shape != self.shape or value.dtype is not self.dtype or value.device != self.device:
                raise RuntimeError(
                    f"grad: expected {function.describe(self)} on {self.device}, got {function.describe(value)} on {value.device}"
                )
        self._grad = value

    @property
    def data(self) -> Tensor:
        """The same memory without the graph; assigning replaces the values and keeps the place in the graph."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}")
        self._data = backends.of(value._data).alias(value._data)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor to the ``.grad`` of the leaves that it depends on.

        Parameters
        ----------
        gradient : Tensor, optional
            The cotangent, of this tensor's shape; may be left out for a tensor with one element, where it is 1.
        retain_graph : bool, optional
            Keep what the graph saved, for another backward pass; by default only with ``create_graph``.
        create_graph : bool
            Record the derivative as a graph, so that it can be differentiated again.
        inputs : Tensor or sequence of Tensor, optional
            Add gradients to these tensors alone.
        """
        from tinygrad_edu.autograd import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory, outside of the graph."""
        xp = backends.of(self._data)
        self._data = xp.viewable(self._data)
        return Tensor._wrap(xp.alias(self._data))

    def detach_(self) -> Self:
        """Leave the graph: the tensor becomes a leaf that needs no gradient."""
        self._node = self._view = None
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(gradient)`` when this tensor's gradient is computed; a tensor that it returns takes its place."""
        from tinygrad_edu.autograd import add_hook

        node = self._current()._node
        if node is None:
            raise RuntimeError("register_hook: this tensor does not require a gradient")
        return add_hook(node, hook)

    def retain_grad(self) -> None:
        """Keep ``.grad`` of a tensor that is no leaf, too."""
        from tinygrad_edu.autograd import retain_grad

        node = self._current()._node
        if node is None:
            raise RuntimeError("retain_grad: this tensor does not require a gradient")
        if node.kind != LEAF:
            retain_grad(self)

    # Values ----------------------------------------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> Any:
        """The values as a NumPy array, sharing memory on the CPU.

        Raises
        ------
        RuntimeError
            When the tensor needs a gradient, which the array would lose; ``detach()`` it first, or pass ``force=True``.
        """
        if self.requires_grad and not force:
            raise RuntimeError("numpy: this tensor requires a gradient; use tensor.detach().numpy()")
        xp = backends.of(self._data)
        self._data = xp.viewable(self._data)
        return xp.to_host(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

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

        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        return (
            format(self.item(), spec)
            if not self._data.shape
            else (object.__format__(self, spec) if spec else repr(self))
        )

    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaf tensors can be deep-copied; clone() or detach() this one")
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin._init(backends.of(self._data).copy(self._data), self.requires_grad)
        if self._grad is not None and self.grad is not None:
            twin._grad = self.grad.detach().clone()
        for name, value in getattr(self, "__dict__", {}).items():
            setattr(twin, name, value)
        return twin

    # Conversions -----------------------------------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Convert to a dtype, a device, both, or those of another tensor; the tensor itself when nothing changes."""
        target, dtype = _to_arguments(args, kwargs)
        out: Tensor = self
        if target is not None:
            target = resolve(target)
            if target != self.device:
                from tinygrad_edu.ops.transfer import to_device

                out = to_device(out, target)
        if dtype is not None and to_dtype(dtype) is not out.dtype:
            from tinygrad_edu.ops.elementwise import Cast, CastToInteger

            wanted = to_dtype(dtype)
            raw = backends.of(out._data).dtype(wanted.name)
            op = Cast if wanted.is_floating_point and out.is_floating_point() else CastToInteger
            out = op.apply(out, raw)
        if kwargs.get("copy") and out is self:
            return self.clone()
        return out

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

    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
        """A constant, of this tensor's type and device unless said otherwise."""
        from tinygrad_edu.creation import full

        where = device if device is not None else self.device
        return full(size, fill_value, dtype=dtype or self.dtype, device=where)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Uninitialised memory, of this tensor's type and device unless said otherwise."""
        return self.new_zeros(*size, dtype=dtype, device=device)

    # Writing in place ------------------------------------------------------------------------------------------------

    def __setitem__(self, index: Any, value: Any) -> None:
        from tinygrad_edu.inplace import setitem

        setitem(self, index, value)

    def _rebind(self, out: Tensor) -> Tensor:
        """Take over the values and the history of ``out``: what every in-place method does."""
        from tinygrad_edu.inplace import rebind

        return rebind(self, out)


def _to_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The device and dtype meant by the arguments of ``to``."""
    target, dtype = kwargs.get("device"), kwargs.get("dtype")
    for a in args:
        if isinstance(a, Tensor):
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


def current(t: Tensor) -> Tensor:
    """``t`` itself, wired to the newest value of its base if it is a view."""
    return t._current()


function.Tensor = Tensor  # type: ignore[misc]
