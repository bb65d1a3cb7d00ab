"""What safetensors can't express, nesting, numbers, strings and the order of keys, as JSON in a file's metadata."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu.device import device
from tinygrad_edu.dtypes import DType, to_dtype
from tinygrad_edu.generator import Generator
from tinygrad_edu.serialization._pickle import DEEPEST
from tinygrad_edu.serialization._safetensors import NUMPY_TYPES
from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.values import Size

_VERSION = 1
_SAVED_TYPES = frozenset(np.dtype(code).name for code in NUMPY_TYPES.values())


class WholeObject(TypeError):
    """Something with a state_dict, such as a model, that a checkpoint can't hold as a whole."""


class Encoder:
    """Turns a checkpoint into JSON, and collects its arrays under the names that they get in the file."""

    def __init__(self, root: Any) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self._open: list[int] = []  # the containers around the present entry
        # A state_dict is readable for others by its own keys, so nothing else may take them.
        self._reserved = {key for key in root if type(key) is str} if isinstance(root, dict) else set()

    def text(self, root: Any) -> str:
        """Return the whole of `root` as text; the arrays are then in ``self.arrays``."""
        structure = {"version": _VERSION, "root": self.encode(root, "checkpoint", None)}
        return json.dumps(structure, allow_nan=False, separators=(",", ":"))

    def encode(self, value: Any, where: str, name: str | None) -> Any:
        """Return JSON for `value`, found at `where`; `name` is where its arrays go."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            # Hexadecimal has no limit on the number of digits.
            return value if -(2**63) <= value < 2**63 else {"int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, Tensor):
            return {"tensor": self._add(value.detach().cpu().numpy(), where, name)}
        if kind is np.ndarray:
            return {"array": self._add(value, where, name)}
        if isinstance(value, np.generic):
            return {"scalar": self._add(np.asarray(value), where, name)}
        if kind is bytes:
            return {"bytes": base64.b64encode(value).decode()}
        if isinstance(value, DType):
            return {"dtype": value.name}
        if kind is device:
            return {"device": str(value)}
        if kind is Generator:
            state = self._add(value.get_state().numpy(), where, name)
            return {"generator": [str(value.device), state, hex(value.initial_seed())]}
        if kind in (dict, OrderedDict, Counter, list, tuple, Size, set):
            return self._container(value, where, name)
        hint = "; save its state_dict()" if hasattr(value, "state_dict") else ""
        raise (WholeObject if hint else TypeError)(
            f"save: {where} is a {kind.__module__}.{kind.__qualname__}, which is not stored{hint} (what is: tensors, "
            "generators, dtypes, NumPy arrays, numbers, strings, booleans, None, and dicts, lists, tuples and sets of them)"
        )

    def _container(self, value: Any, where: str, name: str | None) -> Any:
        if id(value) in self._open:
            raise ValueError(f"save: {where} contains itself")
        if len(self._open) == DEEPEST:
            raise ValueError(f"save: {where} is nested more than {DEEPEST} levels deep")
        self._open.append(id(value))
        prefix = "" if name is None else f"{name}."
        if isinstance(value, dict):
            entries = []
            for key, item in value.items():
                if not _is_key(key):
                    raise TypeError(
                        f"save: {where} has the key {key!r}: keys must be strings, numbers, booleans, None, or tuples of them"
                    )
                inner = f"{where}[{key!r}]"
                entries.append([self.encode(key, inner, None), self.encode(item, inner, f"{prefix}{key}")])
            result: Any = {type(value).__name__: entries}
        else:
            if isinstance(value, set) and not all(map(_is_key, value)):
                raise TypeError(f"save: {where} is a set of something else than strings, numbers, booleans and None")
            items = [self.encode(item, f"{where}[{i}]", f"{prefix}{i}") for i, item in enumerate(value)]
            result = items if isinstance(value, list) else {type(value).__name__: items}
        self._open.pop()
        return result

    def _add(self, array: np.ndarray[Any, Any], where: str, name: str | None) -> str:
        if array.dtype.name not in _SAVED_TYPES:
            raise TypeError(f"save: {where} has the type {array.dtype}, which can't be stored")
        name = "value" if name is None else name.encode("utf-8", "backslashreplace").decode()
        reserved = self._reserved - {name} if where == f"checkpoint[{name!r}]" else self._reserved
        unique, count = name, 1
        while unique in self.arrays or unique in reserved or unique == "__metadata__":
            count += 1
            unique = f"{name}~{count}"
        # The writer looks at bare memory: it must be contiguous, in the machine's byte order.
        self.arrays[unique] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
        return unique


def _is_key(key: Any) -> bool:
    """Whether `key` can be the key of a dictionary, or an element of a set, that is stored."""
    plain = (str, int, float, bool, bytes, type(None))
    return type(key) in plain or (type(key) is tuple and all(type(k) in plain for k in key))


class Decoder:
    """Puts the containers of a checkpoint together again."""

    def __init__(
        self, arrays: dict[str, np.ndarray[Any, Any]], place: Callable[[np.ndarray[Any, Any], str], Tensor]
    ) -> None:
        self._arrays = arrays
        self._place = place
        self._used: set[str] = set()

    def decode(self, text: str) -> Any:
        """Return what the structure `text` describes."""
        tree = json.loads(text)
        if tree["version"] != _VERSION:
            raise ValueError(
                f"its structure has version {tree['version']!r}, this tinygrad_edu reads version {_VERSION}"
            )
        value = self._value(tree["root"])
        if self._used != set(self._arrays):
            raise ValueError(f"the structure doesn't mention {sorted(set(self._arrays) - self._used)}")
        return value

    def tensor(self, name: str) -> Tensor:
        """Return the array `name` as a tensor on the wanted device."""
        return self._place(self._array(name), "cpu")

    def _array(self, name: str) -> np.ndarray[Any, Any]:
        self._used.add(name)
        return self._arrays[name]

    def _generator(self, content: Any) -> Generator:
        where, state, seed = content
        generator = Generator(where).manual_seed(int(seed, 16))
        generator.set_state(from_numpy(self._array(state)))
        return generator

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._value(item) for item in node]
        if not isinstance(node, dict):
            return node
        ((tag, content),) = node.items()
        return self._TAGS[tag](self, content)

    def _pairs(self, content: Any) -> Iterator[tuple[Any, Any]]:
        return ((self._value(key), self._value(item)) for key, item in content)

    _TAGS: dict[str, Callable[[Decoder, Any], Any]] = {
        "tensor": tensor,
        "array": _array,
        "scalar": lambda self, content: self._array(content)[()],
        "int": lambda self, content: int(content, 16),
        "float": lambda self, content: float(content),
        "tuple": lambda self, content: tuple(self._value(item) for item in content),
        "Size": lambda self, content: Size(self._value(item) for item in content),
        "set": lambda self, content: {self._value(item) for item in content},
        "bytes": lambda self, content: base64.b64decode(content, validate=True),
        "dtype": lambda self, content: to_dtype(content),
        "device": lambda self, content: device(content),
        "generator": _generator,
        "Counter": lambda self, content: Counter(dict(self._pairs(content))),
        "dict": lambda self, content: dict(self._pairs(content)),
        "OrderedDict": lambda self, content: OrderedDict(self._pairs(content)),
    }
