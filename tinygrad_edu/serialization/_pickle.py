"""A reader of pickles that can't run code: a small stack machine that knows containers, numbers, strings and PyTorch's tensors.

A pickle is a program. Python's own reader imports whatever the program names and calls it; this one never imports. The
names that PyTorch writes stand for entries of a table, and any other name ends the reading. So does an instruction that
plain data have no use for.
"""

from __future__ import annotations

import io
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

DEEPEST = 100  # levels of nesting, as in what `save` writes
_SINGLE = (str, int, float, bool, bytes, type(None))


class Forbidden(ValueError):
    """A pickle asks for something that would be a call of code."""


class Global(NamedTuple):
    """A name in a pickle; what it stands for is looked up in a table, never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


_Constructor = Callable[..., Any]


class Machine:
    """Runs one pickle after the other from a stream.

    Parameters
    ----------
    stream : binary file
        Where to read, up to the STOP of a pickle.
    size : int
        How many bytes the stream has; nothing that is copied may add up to more.
    constants : dict
        What names stand for that are values, by :class:`Global`.
    constructors : dict
        Functions of our own for names that are called.
    find_storage : callable, optional
        Takes a persistent identifier, a tuple, and returns what it stands for.
    """

    def __init__(
        self,
        stream: io.BufferedIOBase,
        size: int,
        constants: dict[Global, Any],
        constructors: dict[Global, _Constructor],
        find_storage: Callable[[Any], Any] | None = None,
    ) -> None:
        self._stream = stream
        self._size = self._left = size
        self._constants = constants
        self._constructors = constructors | {
            Global("collections", "OrderedDict"): OrderedDict,
            Global("collections", "Counter"): self._counter,
            Global("_codecs", "encode"): self._encode,
            Global("__builtin__", "set"): self._set,
            Global("builtins", "set"): self._set,
        }
        self._find_storage = find_storage

    def load(self) -> Any:
        """Run one pickle and return what it describes."""
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        while (code := self._take(1)) != b".":
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                raise Forbidden(f"the pickle has the instruction {code!r}, which plain data don't need")
            instruction(self)
        (value,) = self._stack
        check_nesting(value)
        return value

    # Reading and the stack -------------------------------------------------------------------------------------------

    def _take(self, count: int) -> bytes:
        data = self._stream.read(count) if count <= self._size else b""
        if len(data) != count:
            raise ValueError("the pickle ends too early")
        return data

    def _number(self, form: str) -> int:
        return int(struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def _line(self) -> str:
        line = self._stream.readline(1000)
        if not line.endswith(b"\n"):
            raise ValueError("a name in the pickle doesn't end")
        return line[:-1].decode()

    def _spend(self, count: int) -> None:
        """Count what is copied: pickles that grow when they are read are no honest ones."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the pickle would grow to more than its size when it is read")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise ValueError("the pickle takes more values than it has made")
        return self._stack.pop()

    def _top(self, kinds: tuple[type, ...]) -> Any:
        if not self._stack or type(self._stack[-1]) not in kinds:
            raise ValueError("the pickle adds entries to something that is no container")
        return self._stack[-1]

    def _pop_to_mark(self) -> list[Any]:
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    # Values ----------------------------------------------------------------------------------------------------------

    def _long(self, form: str) -> None:
        self._push(int.from_bytes(self._take(self._number(form)), "little", signed=True))

    def _text(self, form: str) -> None:
        self._push(self._take(self._number(form)).decode("utf-8", "surrogatepass"))

    def _bytes(self, form: str) -> None:
        self._push(self._take(self._number(form)))

    def _tuple(self, count: int) -> None:
        self._push(tuple(reversed([self._pop() for _ in range(count)])))

    def _append(self, values: list[Any]) -> None:
        self._top((list,)).extend(values)

    def _add(self, values: list[Any]) -> None:
        self._top((set,)).update(map(_hashable, values))

    def _set_items(self, values: list[Any]) -> None:
        target = self._top((dict, OrderedDict, Counter))
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_hashable(key)] = value

    def _pair(self) -> list[Any]:
        value, key = self._pop(), self._pop()
        return [key, value]

    def _memoize(self, place: int | None = None) -> None:
        if not self._stack:
            raise ValueError("the pickle takes more values than it has made")
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    # Names and calls -------------------------------------------------------------------------------------------------

    def _global(self, module: Any, name: Any) -> None:
        found = Global(str(module), str(name))
        if found in self._constants:
            self._push(self._constants[found])
        elif found in self._constructors:
            self._push(found)
        else:
            raise Forbidden(f"it names the forbidden global {found}")

    def _stack_global(self) -> None:
        module, name = self._pair()
        self._global(module, name)

    def _reduce(self) -> None:
        function, arguments = self._pair()
        if type(function) is not Global or type(arguments) is not tuple:
            raise Forbidden(f"it calls {describe(function)}")
        if function.name == "OrderedDict" and arguments:
            raise Forbidden("it makes an OrderedDict of something else than its entries")
        self._push(self._constructors[function](*arguments))

    def _build(self) -> None:
        """Pass over what an OrderedDict carries besides its entries, such as the versions of a state_dict."""
        self._pop()
        self._top((OrderedDict,))

    def _persistent(self) -> None:
        if self._find_storage is None:
            raise Forbidden("it refers to data outside of the pickle")
        self._push(self._find_storage(self._pop()))

    def _counter(self, content: Any) -> Counter[Any]:
        if type(content) is not dict:
            raise ValueError("a Counter is made of a dict")
        self._spend(len(content))
        return Counter(content)

    def _set(self, content: Any) -> set[Any]:
        if type(content) is not list:
            raise ValueError("a set is made of a list")
        self._spend(len(content))
        return set(map(_hashable, content))

    def _encode(self, text: Any, encoding: Any) -> bytes:
        if type(text) is not str or encoding != "latin1":
            raise ValueError("bytes are written as text in latin1")
        self._spend(len(text))
        return text.encode("latin1")


def _hashable(key: Any) -> Any:
    """Return ``key`` if it is a plain one: the hash of nested tuples can take longer than a life."""
    simple = type(key) in _SINGLE or (type(key) is tuple and all(type(k) in _SINGLE for k in key))
    if not simple:
        raise ValueError(f"a key is {describe(key)}")
    return key


def describe(value: Any) -> str:
    """A few words for a message."""
    return f"a {type(value).__name__}"


def children(value: Any) -> list[Any]:
    """The values inside a container."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []


def check_nesting(root: Any) -> None:
    """Raise ``ValueError`` where containers are nested too deep, or contain themselves.

    Each container is looked at once, since small files can describe trees that share branches without end.
    """
    height: dict[int, int] = {}  # of a container that is done; 0 while it is open
    stack = [(root, False)]
    while stack:
        value, done = stack.pop()
        if done:
            height[id(value)] = 1 + max((height.get(id(c), 0) for c in children(value)), default=0)
            if height[id(value)] > DEEPEST:
                raise ValueError(f"containers are nested more than {DEEPEST} levels deep")
            continue
        if height.get(id(value)) == 0:
            raise ValueError("a container contains itself")
        if id(value) in height:
            continue
        height[id(value)] = 0
        stack.append((value, True))
        stack += [(c, False) for c in children(value) if isinstance(c, (dict, list, tuple))]


_INSTRUCTIONS: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": lambda m: _check_protocol(m._number("<B")),
    b"\x95": lambda m: _ignore(m._number("<Q")),  # a frame is only a hint how much to read ahead
    b"(": lambda m: m._marks.append(len(m._stack)),
    b"0": lambda m: _ignore(m._pop()),
    b"1": lambda m: _ignore(m._pop_to_mark()),
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"J": lambda m: m._push(m._number("<i")),
    b"K": lambda m: m._push(m._number("<B")),
    b"M": lambda m: m._push(m._number("<H")),
    b"\x8a": lambda m: m._long("<B"),
    b"\x8b": lambda m: m._long("<I"),
    b"G": lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    b"X": lambda m: m._text("<I"),
    b"\x8c": lambda m: m._text("<B"),
    b"\x8d": lambda m: m._text("<Q"),
    b"T": lambda m: m._text("<I"),  # strings of Python 2
    b"U": lambda m: m._text("<B"),
    b"B": lambda m: m._bytes("<I"),
    b"C": lambda m: m._bytes("<B"),
    b"\x8e": lambda m: m._bytes("<Q"),
    b"]": lambda m: m._push([]),
    b")": lambda m: m._push(()),
    b"}": lambda m: m._push({}),
    b"\x8f": lambda m: m._push(set()),
    b"l": lambda m: m._push(m._pop_to_mark()),
    b"t": lambda m: m._push(tuple(m._pop_to_mark())),
    b"\x85": lambda m: m._tuple(1),
    b"\x86": lambda m: m._tuple(2),
    b"\x87": lambda m: m._tuple(3),
    b"a": lambda m: m._append([m._pop()]),
    b"e": lambda m: m._append(m._pop_to_mark()),
    b"\x90": lambda m: m._add(m._pop_to_mark()),
    b"s": lambda m: m._set_items(m._pair()),
    b"u": lambda m: m._set_items(m._pop_to_mark()),
    b"q": lambda m: m._memoize(m._number("<B")),
    b"r": lambda m: m._memoize(m._number("<I")),
    b"\x94": lambda m: m._memoize(),
    b"h": lambda m: m._push(m._memo[m._number("<B")]),
    b"j": lambda m: m._push(m._memo[m._number("<I")]),
    b"c": lambda m: m._global(m._line(), m._line()),
    b"\x93": lambda m: m._stack_global(),
    b"R": lambda m: m._reduce(),
    b"b": lambda m: m._build(),
    b"Q": lambda m: m._persistent(),
}


def _check_protocol(version: int) -> None:
    if not 2 <= version <= 5:
        raise ValueError(f"the pickle has the protocol {version}")


def _ignore(value: Any) -> None:
    pass
