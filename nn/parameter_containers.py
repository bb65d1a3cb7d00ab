"""Containers of parameters: a list and a dictionary whose tensors are registered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Self, SupportsIndex

from tinygrad_edu.nn.containers import Keyed, position
from tinygrad_edu.nn.module import Module, indent
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.tensor import Tensor

__all__ = ["ParameterDict", "ParameterList"]


def _describe(value: Any) -> str:
    """Return one line about an entry of a ParameterList or ParameterDict."""
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    size = "x".join(map(str, value.shape))
    return f"{type(value).__name__} containing: [{value.dtype} of size {size}]"


def _trained(value: Any) -> Any:
    """Make a plain tensor a Parameter; leave anything else as it is."""
    return Parameter(value) if type(value) is Tensor else value


class ParameterList(Module):
    """A list whose parameters are registered; a plain tensor that is put in becomes a Parameter.

    Parameters
    ----------
    values : iterable, optional
        The first content: tensors, or anything else, which is kept but not registered.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> weights = nn.ParameterList([tg.ones(2, 3), tg.zeros(3)])
    >>> weights
    ParameterList(
        (0): Parameter containing: [tg.float32 of size 2x3]
        (1): Parameter containing: [tg.float32 of size 3]
    )
    """

    _size: int

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self.__dict__[str(i)] for i in range(self._size)])

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self.__dict__[str(position(self, index, self._size))]

    def __setitem__(self, index: SupportsIndex, value: Any) -> None:
        setattr(self, str(position(self, index, self._size)), _trained(value))

    def append(self, value: Any) -> Self:
        """Add a value at the end."""
        setattr(self, str(self._size), _trained(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add several values at the end."""
        if isinstance(values, Tensor):
            raise TypeError("extend takes an iterable of parameters, got one Tensor: append it")
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def __repr__(self) -> str:
        return _listing(self, enumerate(self))


class ParameterDict(Keyed):
    """A dictionary whose parameters are registered; a plain tensor that is put in becomes a Parameter.

    Parameters
    ----------
    parameters : mapping of str to anything, or iterable of pairs, optional
        The first content.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> weights = nn.ParameterDict({"gain": tg.ones(2)})
    >>> [name for name, _ in weights.named_parameters()]
    ['gain']
    """

    _order: dict[str, None]  # the keys: some entries may not be registered

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self._order = {}
        if parameters is not None:
            self.update(parameters)

    def keys(self) -> list[str]:
        """Return the keys, in the order of insertion."""
        return list(self._order)

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"the keys of a ParameterDict are strings, got {key!r}")
        if hasattr(type(self), key) or (key in self.__dict__ and key not in self._order):
            raise KeyError(f"ParameterDict has an attribute {key!r} already: choose another key")
        setattr(self, key, _trained(value))
        self._order[key] = None

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        del self._order[key]

    def __reversed__(self) -> Iterator[str]:
        return reversed(self.keys())

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under `key`, or `default` where there is none."""
        return self[key] if key in self else default  # noqa: SIM401 (this is the definition)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value under `key`, after putting `default` there if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Remove the entry that was put in last and return it as a pair."""
        if not self:
            raise KeyError("popitem: the ParameterDict is empty")
        key = next(reversed(self))
        return key, self.pop(key)

    def copy(self) -> ParameterDict:
        """Return a new ParameterDict with the same values."""
        return ParameterDict(self.items())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Return a new ParameterDict with `default` under each of `keys`."""
        return ParameterDict((key, default) for key in keys)

    def __or__(self, other: Mapping[str, Any] | ParameterDict) -> ParameterDict:
        return ParameterDict(chain(self.items(), other.items()))

    def __ror__(self, other: Mapping[str, Any]) -> ParameterDict:
        return ParameterDict(chain(other.items(), self.items()))

    def __ior__(self, other: Mapping[str, Any] | ParameterDict) -> Self:
        self.update(other)
        return self

    def __repr__(self) -> str:
        return _listing(self, self.items())


def _listing(container: Module, entries: Iterable[tuple[object, Any]]) -> str:
    """Print a ParameterList or ParameterDict, one line an entry."""
    lines = [
        f"    ({key}): {indent(repr(value), 4) if isinstance(value, Module) else _describe(value)}"
        for key, value in entries
    ]
    return f"{container._get_name()}(" + ("\n" + "\n".join(lines) + "\n)" if lines else ")")
