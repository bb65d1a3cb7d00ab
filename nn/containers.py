"""Containers: modules that hold modules or parameters by position or by key."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Self, SupportsIndex, overload

from tinygrad_edu.nn.module import Module, frame, indent
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.tensor import Tensor

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


def _position(container: Module, index: SupportsIndex, length: int) -> int:
    """Turn an index that may be negative into one that is not."""
    position = operator.index(index)
    if not -length <= position < length:
        raise IndexError(f"{container._get_name()} has {length} entries: index {position} is out of range")
    return position % length


class _ListOfModules(Module):
    """What Sequential and ModuleList share: child modules in an order, called "0", "1", ... where nobody names them."""

    def _names(self) -> list[str]:
        return [name for name, kind in self._kinds.items() if kind == "module"]

    def _renew(self, modules: Iterable[Module]) -> None:
        """Make `modules` the content, numbered from 0."""
        modules = list(modules)
        for name in self._names():
            delattr(self, name)
        for i, module in enumerate(modules):
            self.register_module(str(i), module)

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[Module]:
        return iter([self.__dict__[name] for name in self._names()])

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module | Self:
        if isinstance(index, slice):
            return self._like(self._names()[index])
        module: Module = self.__dict__[self._names()[_position(self, index, len(self))]]
        return module

    def _like(self, names: list[str]) -> Self:
        """Make a container of the same class with some of the modules."""
        raise NotImplementedError

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        self.register_module(self._names()[_position(self, index, len(self))], module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        names = self._names()
        gone = names[index] if isinstance(index, slice) else [names[_position(self, index, len(names))]]
        self._renew(self.__dict__[name] for name in names if name not in gone)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, index: SupportsIndex = -1) -> Module:
        """Remove the module at `index` and return it."""
        module = self[index]
        del self[index]
        return module

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def _insert(self, index: SupportsIndex, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"insert takes a Module, got a {type(module).__name__}")
        modules = list(self)
        modules.insert(operator.index(index), module)
        self._renew(modules)


class Sequential(_ListOfModules):
    """Modules that are called one after the other, each on what the one before returned.

    Parameters
    ----------
    *args : Module, or one ordered mapping of str to Module
        The modules in their order; a mapping gives them names.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> from tinygrad_edu import nn
    >>> net = nn.Sequential(OrderedDict(first=nn.Sequential(), second=nn.Sequential()))
    >>> net
    Sequential(
      (first): Sequential()
      (second): Sequential()
    )
    >>> len(net), net[1] is net.second
    (2, True)
    """

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.register_module(name, module)
            return
        for i, entry in enumerate(args):
            if not isinstance(entry, Module):
                hint = ": unpack it, Sequential(*modules)" if isinstance(entry, (list, tuple)) else ""
                raise TypeError(f"Sequential takes modules, argument {i} is a {type(entry).__name__}{hint}")
            self.register_module(str(i), entry)

    def forward(self, input: Any) -> Any:
        """Pass `input` through all modules."""
        members = self.__dict__
        for name, kind in self._kinds.items():
            if kind == "module":
                input = members[name](input)
        return input

    def _like(self, names: list[str]) -> Self:
        return type(self)({name: self.__dict__[name] for name in names})

    def insert(self, index: SupportsIndex, module: Module) -> Self:
        """Insert a module before position `index`; the modules are numbered anew."""
        self._insert(index, module)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int):
            return NotImplemented
        if times <= 0:
            raise ValueError(f"a Sequential can be repeated 1 or more times, not {times}")
        return Sequential(*(list(self) * times))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        if times <= 0:
            raise ValueError(f"a Sequential can be repeated 1 or more times, not {times}")
        return self.extend(list(self) * (times - 1))


class ModuleList(_ListOfModules):
    """A list whose modules are registered; what they do is up to the ``forward`` around it.

    Parameters
    ----------
    modules : iterable of Module, optional
        The first content.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> layers = nn.ModuleList(nn.Sequential() for _ in range(3))
    >>> layers
    ModuleList(
      (0-2): 3 x Sequential()
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _like(self, names: list[str]) -> Self:
        return type(self)(self.__dict__[name] for name in names)

    def insert(self, index: SupportsIndex, module: Module) -> None:
        """Insert a module before position `index`."""
        self._insert(index, module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __repr__(self) -> str:
        runs: list[tuple[int, int, str]] = []  # equal neighbours are printed once: (first, last, text)
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        lines = [
            f"({a}): {indent(text)}" if a == b else f"({a}-{b}): {b - a + 1} x {indent(text)}" for a, b, text in runs
        ]
        return frame(self._get_name(), [], lines)


class _Keyed(Module):
    """What ModuleDict and ParameterDict share: entries that are attributes called by their keys."""

    def keys(self) -> list[str]:
        """Return the keys, in the order of insertion."""
        raise NotImplementedError

    def __setitem__(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(key)
        return self.__dict__[key]

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        delattr(self, key)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def values(self) -> list[Any]:
        """Return the values."""
        return [self[key] for key in self]

    def items(self) -> list[tuple[str, Any]]:
        """Return the pairs of key and value."""
        return [(key, self[key]) for key in self]

    def pop(self, key: str) -> Any:
        """Remove the value under `key` and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Remove all entries."""
        for key in self:
            del self[key]

    def update(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]] | _Keyed) -> None:
        """Add or replace entries, from a mapping or from pairs."""
        if isinstance(entries, (Mapping, _Keyed)):
            entries = entries.items()
        for pair in entries:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(f"{self._get_name()} takes a mapping or (key, value) pairs, got the entry {pair!r}")
            self[pair[0]] = pair[1]


class ModuleDict(_Keyed):
    """A dictionary whose modules are registered under their keys.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional
        The first content.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> heads = nn.ModuleDict({"left": nn.Sequential(), "right": nn.Sequential()})
    >>> list(heads), "left" in heads
    (['left', 'right'], True)
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def keys(self) -> list[str]:
        """Return the keys, in the order of insertion."""
        return [name for name, kind in self._kinds.items() if kind == "module"]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)


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
        return self.__dict__[str(_position(self, index, self._size))]

    def __setitem__(self, index: SupportsIndex, value: Any) -> None:
        setattr(self, str(_position(self, index, self._size)), _trained(value))

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


class ParameterDict(_Keyed):
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
