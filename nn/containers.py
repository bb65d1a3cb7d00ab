"""Containers: modules that hold modules by position or by key. Those of parameters are in `parameter_containers`."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Self, SupportsIndex, overload

from tinygrad_edu.nn.module import Module, frame, indent

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


def position(container: Module, index: SupportsIndex, length: int) -> int:
    """Turn an index that may be negative into one that is not."""
    at = operator.index(index)
    if not -length <= at < length:
        raise IndexError(f"{container._get_name()} has {length} entries: index {at} is out of range")
    return at % length


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
        module: Module = self.__dict__[self._names()[position(self, index, len(self))]]
        return module

    def _like(self, names: list[str]) -> Self:
        """Make a container of the same class with some of the modules."""
        raise NotImplementedError

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        self.register_module(self._names()[position(self, index, len(self))], module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        names = self._names()
        gone = names[index] if isinstance(index, slice) else [names[position(self, index, len(names))]]
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


class Keyed(Module):
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

    def update(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]] | Keyed) -> None:
        """Add or replace entries, from a mapping or from pairs."""
        if isinstance(entries, (Mapping, Keyed)):
            entries = entries.items()
        for pair in entries:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(f"{self._get_name()} takes a mapping or (key, value) pairs, got the entry {pair!r}")
            self[pair[0]] = pair[1]


class ModuleDict(Keyed):
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
