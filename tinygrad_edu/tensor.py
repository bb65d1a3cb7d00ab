"""The Tensor: a raw array and its place in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from tinygrad_edu import backends, function, hooks
from tinygrad_edu._state import modes
from tinygrad_edu.absent import TENSOR_NAMES, AbsentAttribute
from tinygrad_edu.anomaly import inherit_protection
from tinygrad_edu.dtypes import to_dtype
from tinygrad_edu.errors import describe
from tinygrad_edu.node import LEAF, OUTPUT, Leaf, Node
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.values import Values
from tinygrad_edu.views import follow_base


class Tensor(Values):
    """An array that knows how it was computed.

    Make one with :func:`tinygrad_edu.tensor` and its relatives. With ``requires_grad=True`` every operation on it is
    recorded, and ``backward()`` on a result fills ``.grad`` of the tensors that it was made from.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x**2).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    # _data: raw array.  _node: the node that made it; a Leaf when the user asked for a gradient, None without gradient.
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
        from tinygrad_edu.legacy import construct

        if dtype is None:
            dtype = data[0].dtype if len(data) == 1 and isinstance(data[0], Tensor) else modes.dtype
        made = construct(type(self).__name__, data, to_dtype(dtype), device)
        self._init(made._data, requires_grad)

    def _init(self, raw: Any, requires_grad: bool) -> None:
        """Become a leaf on the memory of ``raw``."""
        self._data = backends.of(raw).alias(raw)
        self._grad = self._node = self._view = None
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
            follow_base(self)
        return self

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
                    f"grad: expected {describe(self)} on {self.device}, got {describe(value)} on {value.device}"
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
        return Tensor._wrap(inherit_protection(xp.alias(self._data)))

    def detach_(self) -> Self:
        """Leave the graph: the tensor becomes a leaf that needs no gradient."""
        self._node = self._view = None
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> hooks.RemovableHandle:
        """Call ``hook(gradient)`` when this tensor's gradient is computed; a tensor that it returns takes its place."""
        node = self._current()._node
        if node is None:
            raise RuntimeError("register_hook: this tensor does not require a gradient")
        return hooks.add_hook(node, hook)

    def retain_grad(self) -> None:
        """Keep ``.grad`` of a tensor that is no leaf, too."""
        node = self._current()._node
        if node is None:
            raise RuntimeError("retain_grad: this tensor does not require a gradient")
        if node.kind != LEAF:
            hooks.retain_grad(self)

    __hash__ = object.__hash__  # __eq__ compares elements; a tensor is told by its identity

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

    # Writing in place ------------------------------------------------------------------------------------------------

    def __setitem__(self, index: Any, value: Any) -> None:
        from tinygrad_edu.inplace import setitem

        setitem(self, index, value)

    def _rebind(self, out: Tensor) -> Tensor:
        """Take over the values and the history of ``out``: what every in-place method does."""
        from tinygrad_edu.inplace import rebind

        return rebind(self, out)


def current(t: Tensor) -> Tensor:
    """``t`` itself, wired to the newest value of its base if it is a view."""
    return t._current()


function.Tensor = Tensor  # type: ignore[misc]
for _name in TENSOR_NAMES:
    setattr(Tensor, _name, AbsentAttribute(_name))
