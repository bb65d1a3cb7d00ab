"""Parameters and buffers whose shape is not known yet."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Self

from tinygrad_edu.creation import empty
from tinygrad_edu.nn.parameter import Buffer, Parameter
from tinygrad_edu.tensor import Tensor

__all__ = ["UninitializedBuffer", "UninitializedParameter"]

_MEMORY: Any = Tensor.__dict__[
    "_data"
]  # where every tensor has its array; here one without elements, for type and device


class Uninitialized:
    """What makes a tensor one without a shape: everything that would look at its values says so."""

    __slots__ = ()
    becomes: ClassVar[type[Tensor]] = Tensor

    def _values(self) -> Any:
        name = type(self).__name__
        raise RuntimeError(
            f"{name}: it has no shape and no values before the first call of its lazy module; call the module once, "
            "or give it a shape with materialize(shape)"
        )

    _data = property(_values, lambda self, raw: _MEMORY.__set__(self, raw))

    def _lost(self) -> Tensor:
        """A tensor without elements: what is written to it before there are values is lost, and a warning says so."""
        warnings.warn(
            f"{type(self).__name__}: it has no values yet, so writing to its data has no effect", stacklevel=2
        )
        return self._held()

    data: Any = property(_lost)

    def materialize(self, shape: tuple[int, ...], device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of a shape, with values that are whatever was in memory.

        Parameters
        ----------
        shape : sequence of int
        device, dtype : optional
            By default those that it was made with.
        """
        held = self._held()
        new = empty(shape, device=device or held.device, dtype=dtype or held.dtype)
        self.__class__ = type(self).becomes  # type: ignore[assignment]
        self._data = new._data

    def _held(self) -> Tensor:
        """The tensor without elements that has the type and the device."""
        return Tensor._wrap(_MEMORY.__get__(self))

    def _move(self, fn: Callable[[Tensor], Tensor]) -> None:
        """Take over type and device of what ``fn`` makes of a tensor without elements."""
        _MEMORY.__set__(self, fn(self._held())._data)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        held = self._held()
        twin = self._twin(device=held.device, dtype=held.dtype)
        memo[id(self)] = twin
        return twin

    def _twin(self, **settings: Any) -> Self:
        raise NotImplementedError


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter whose shape is not known yet, as lazy modules have them before their first call.

    Parameters
    ----------
    requires_grad : bool, default True
        Whether ``backward()`` will compute a gradient for it.
    device, dtype : optional
        What it will have.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> weight = nn.UninitializedParameter()
    >>> weight.materialize((2, 3))
    >>> weight.shape
    Size([2, 3])
    """

    becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        made = Parameter(empty(0, device=device, dtype=dtype), requires_grad)
        _MEMORY.__set__(self, made._data)
        self._grad = self._node = self._view = None
        if requires_grad:
            self._require()

    def _require(self) -> None:
        from tinygrad_edu.node import Leaf

        self._node = Leaf(self)

    def _twin(self, **settings: Any) -> Self:
        return type(self)(self.requires_grad, **settings)


class UninitializedBuffer(Uninitialized, Buffer):
    """A buffer whose shape is not known yet.

    Parameters
    ----------
    requires_grad : bool, default False
        Has no effect on a buffer that is not trained; PyTorch has it as well.
    device, dtype : optional
        What it will have.
    persistent : bool, default True
        Whether the module's `state_dict` will contain it.
    """

    __slots__ = ()
    becomes = Buffer

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> None:
        _MEMORY.__set__(self, empty(0, device=device, dtype=dtype)._data)
        self._grad = self._node = self._view = None
        self.persistent = persistent

    def _twin(self, **settings: Any) -> Self:
        return type(self)(persistent=self.persistent, **settings)
