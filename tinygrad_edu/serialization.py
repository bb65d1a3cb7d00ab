"""Checkpoints: nested containers of tensors in one safetensors file, written whole or not at all.

The tensors stand in the file under readable names: a state_dict is saved under its own keys, and any program that knows
the format can read it. What safetensors can't express (nesting, numbers, strings, the order of keys) is JSON in the
file's metadata, which other programs pass over. Reading never runs code that stands in the file.
"""

from __future__ import annotations

import io
import json
import math
import os
import secrets
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save as to_bytes
from safetensors.numpy import save_file

from tinygrad_edu._state import default_device
from tinygrad_edu.creation import from_numpy
from tinygrad_edu.tensor import Tensor

__all__ = ["CheckpointError", "load", "save"]

_Path = str | os.PathLike[str]

# How the metadata names our structure, and the version of what stands there.
_KEY = "tinygrad_edu"
_VERSION = 1
_DEEPEST = 100
_LONGEST_HEADER = 100_000_000  # bytes, a limit of the format

_NUMPY_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
_SAVED_TYPES = frozenset(np.dtype(code).name for code in _NUMPY_TYPES.values())


# What reading JSON that isn't as it should be can raise.
_MALFORMED = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


class CheckpointError(RuntimeError):
    """A file is not a readable checkpoint; the message says what was found and what was expected."""


def save(obj: Any, f: _Path | IO[bytes]) -> None:
    """Save tensors, alone or in nested containers, to one safetensors file.

    A file is written under a temporary name, flushed to the disk and then renamed, so that `f` holds the old content or
    the new one, whatever happens. A state_dict is stored under its own keys, for any program that reads safetensors.

    Parameters
    ----------
    obj : object
        Dictionaries (keys: str or int), lists, tuples and OrderedDicts of tensors, NumPy arrays, numbers, strings,
        booleans and None. Tensors that share memory are written out each on its own, and come back separate.
    f : path or binary file
        Where to write.

    Raises
    ------
    TypeError
        If something in `obj` can't be stored; the message names its place, such as ``checkpoint['optimizer']['fn']``.
    OSError
        If the file can't be written.

    Examples
    --------
    >>> import io
    >>> import tinygrad_edu as tg
    >>> file = io.BytesIO()
    >>> tg.save({"epoch": 3, "model": {"weight": tg.ones(2)}}, file)
    >>> _ = file.seek(0)
    >>> tg.load(file)
    {'epoch': 3, 'model': {'weight': tensor([1., 1.])}}
    """
    encoder = _Encoder(obj)
    structure = {"version": _VERSION, "root": encoder.encode(obj, "checkpoint", None)}
    metadata = {_KEY: json.dumps(structure, allow_nan=False, separators=(",", ":"))}
    if not isinstance(f, (str, os.PathLike)):
        f.write(to_bytes(encoder.arrays, metadata))
        return
    path = os.path.realpath(f)  # a link stays a link, its target is replaced
    if os.path.isdir(path):
        raise IsADirectoryError(f"save: {os.fspath(f)!r} is a directory; give the name of a file in it")
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"save: there is no directory {os.path.dirname(path)!r} to write into")
    with _replacing(path) as temporary:
        try:
            save_file(encoder.arrays, temporary, metadata)
        except SafetensorError as error:
            raise OSError(f"save: could not write {os.fspath(f)!r}: {error}") from error


def load(f: _Path | IO[bytes], map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Load what `save` wrote, or any other safetensors file as a dictionary of tensors.

    Nothing in the file is executed. Sizes are checked against the length of the file before memory is allocated.

    Parameters
    ----------
    f : path or binary file
        What to read.
    map_location : device, optional
        Where to put the tensors; by default the default device.
    weights_only : bool, default True
        Accepted for PyTorch's sake. Nothing is ever unpickled, whatever it says.

    Returns
    -------
    object
        The same containers with the same values; tensors need no gradient. bfloat16 tensors, which NumPy doesn't
        have, become float32, which holds their values exactly.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CheckpointError
        If the file is something else, damaged or cut off.
    """
    if callable(map_location) or isinstance(map_location, dict):
        raise TypeError("load: map_location takes a device such as 'cpu'; functions and dictionaries are not supported")
    device = default_device() if map_location is None else map_location
    from_numpy(np.empty(0, np.float32)).to(device)  # a device that isn't there is no fault of the file
    if isinstance(f, (str, os.PathLike)):
        name = os.fspath(f)
        with open(f, "rb") as file:
            text, arrays = _read(file, os.fstat(file.fileno()).st_size, name)
    else:
        data, name = f.read(), str(getattr(f, "name", type(f).__name__))
        if not isinstance(data, bytes):
            raise TypeError(f"load: {name} must be opened in binary mode, reading it gave a {type(data).__name__}")
        text, arrays = _read(io.BytesIO(data), len(data), name)
    decoder = _Decoder(arrays, device)
    if text is None:
        return {key: decoder.tensor(key) for key in arrays}
    try:
        return decoder.decode(text)
    except _MALFORMED as error:
        raise _damaged(name, error) from None


# Writing -------------------------------------------------------------------------------------------------------------


@contextmanager
def _replacing(path: str) -> Iterator[str]:
    """Yield a temporary name in the same directory; what was written there replaces `path` if all goes well."""
    directory, base = os.path.split(path)
    temporary = os.path.join(directory, f".{base[:100]}.{secrets.token_hex(8)}.tmp")
    # Made by us first, so that the file gets the permissions that files get here.
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        mode = os.stat(path).st_mode if os.path.exists(path) else os.fstat(descriptor).st_mode
        os.close(descriptor)
        yield temporary
        os.chmod(temporary, stat.S_IMODE(mode))
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)  # the rename itself must reach the disk, too
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Encoder:
    """Turns a checkpoint into JSON, and collects its arrays under the names that they get in the file."""

    def __init__(self, root: Any) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self._open: list[int] = []  # the containers around the present entry
        # A state_dict is readable for others by its own keys, so nothing else may take them.
        self._reserved = {key for key in root if type(key) is str} if isinstance(root, dict) else set()

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
        if kind in (dict, OrderedDict, list, tuple):
            return self._container(value, where, name)
        hint = "; save its state_dict()" if hasattr(value, "state_dict") else ""
        raise TypeError(
            f"save: {where} is a {kind.__module__}.{kind.__qualname__}, which is not stored{hint} (what is: tensors, "
            "NumPy arrays, numbers, strings, booleans, None, and dicts, OrderedDicts, lists and tuples of them)"
        )

    def _container(self, value: Any, where: str, name: str | None) -> Any:
        if id(value) in self._open:
            raise ValueError(f"save: {where} contains itself")
        if len(self._open) == _DEEPEST:
            raise ValueError(f"save: {where} is nested more than {_DEEPEST} levels deep")
        self._open.append(id(value))
        prefix = "" if name is None else f"{name}."
        if isinstance(value, dict):
            entries = []
            for key, item in value.items():
                if type(key) not in (str, int):
                    raise TypeError(f"save: {where} has the key {key!r}: keys must be strings or integers")
                inner = f"{where}[{key!r}]"
                entries.append([self.encode(key, inner, None), self.encode(item, inner, f"{prefix}{key}")])
            result: Any = {type(value).__name__: entries}
        else:
            items = [self.encode(item, f"{where}[{i}]", f"{prefix}{i}") for i, item in enumerate(value)]
            result = items if isinstance(value, list) else {"tuple": items}
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


# Reading -------------------------------------------------------------------------------------------------------------


def _read(file: io.BufferedIOBase, size: int, name: str) -> tuple[str | None, dict[str, np.ndarray[Any, Any]]]:
    """Return the text of our structure, where there is one, and all arrays by name, in the order of the file."""
    head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    if len(head) < 9 or head[8:] != b"{" or length > min(size - 8, _LONGEST_HEADER):
        raise CheckpointError(_what_is_it(name, head, length, size))
    file.seek(8)
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_without_duplicates)
        metadata = header.pop("__metadata__", {})
        text = metadata.get(_KEY)
        entries = sorted((_Entry(key, entry) for key, entry in header.items()), key=lambda e: (e.begin, e.end))
        expected = 0
        for entry in entries:
            if entry.begin != expected:
                raise ValueError(f"{entry.name!r} starts at byte {entry.begin} of the data instead of {expected}")
            expected = entry.end
        if expected != size - 8 - length:
            raise ValueError(f"the header describes {expected} bytes of data, the file has {size - 8 - length}")
        return text, {entry.name: entry.read(file, 8 + length) for entry in entries}
    except _MALFORMED as error:
        raise _damaged(name, error) from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in the header")
    return found


class _Entry:
    """One tensor of the file as the header describes it, checked in itself."""

    def __init__(self, name: str, entry: dict[str, Any]) -> None:
        self.name = name
        self.code = entry["dtype"]
        self.shape = entry["shape"]
        self.begin, self.end = entry["data_offsets"]
        if self.code not in _NUMPY_TYPES:
            raise ValueError(f"{name!r} has the type {self.code!r}; known are {', '.join(_NUMPY_TYPES)}")
        if any(type(n) is not int or n < 0 for n in (*self.shape, self.begin, self.end)):
            raise ValueError(f"{name!r} has the shape {self.shape} and the offsets {self.begin}, {self.end}")
        nbytes = math.prod(self.shape) * np.dtype(_NUMPY_TYPES[self.code]).itemsize
        if self.end - self.begin != nbytes:
            raise ValueError(f"{name!r} needs {nbytes} bytes, the header gives it {self.end - self.begin}")

    def read(self, file: io.BufferedIOBase, start: int) -> np.ndarray[Any, Any]:
        """Return the array; `start` is where the data begin."""
        file.seek(start + self.begin)
        data = bytearray(self.end - self.begin)
        if file.readinto(data) != len(data):
            raise ValueError(f"it ends in the middle of {self.name!r}")
        array = np.frombuffer(data, _NUMPY_TYPES[self.code]).reshape(self.shape)
        if self.code == "BF16":  # the upper half of a float32
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def _damaged(name: str, error: Exception) -> CheckpointError:
    return CheckpointError(f"load: {name!r} is a damaged or cut-off safetensors file: {error}")


def _what_is_it(name: str, head: bytes, length: int, size: int) -> str:
    """Say what a file that isn't a safetensors file looks like."""
    if size == 0:
        found = "is empty"
    elif head.startswith(b"PK\x03\x04") or (head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5")):
        found = (
            "looks like a pickle/zip file, as torch.save writes it: tinygrad_edu never unpickles, which can run any "
            "code (write the tensors with safetensors.torch.save_file instead)"
        )
    elif head.startswith(b"\x93NUMPY"):
        found = "looks like a NumPy file: use np.load and tg.from_numpy"
    elif head[8:] == b"{" and length <= _LONGEST_HEADER:
        found = f"is cut off: its header alone has {length} bytes, the whole file has {size}"
    else:
        found = f"begins with the bytes {head[:8]!r}"
    return f"load: {name!r} {found}; expected a safetensors file, such as tg.save writes"


class _Decoder:
    """Puts the containers of a checkpoint together again."""

    def __init__(self, arrays: dict[str, np.ndarray[Any, Any]], device: Any) -> None:
        self._arrays = arrays
        self._device = device
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
        return from_numpy(self._array(name)).to(self._device)

    def _array(self, name: str) -> np.ndarray[Any, Any]:
        self._used.add(name)
        return self._arrays[name]

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._value(item) for item in node]
        if not isinstance(node, dict):
            return node
        ((tag, content),) = node.items()
        return self._TAGS[tag](self, content)

    def _pairs(self, content: Any) -> Iterator[tuple[Any, Any]]:
        return ((self._value(key), self._value(item)) for key, item in content)

    _TAGS: dict[str, Callable[[_Decoder, Any], Any]] = {
        "tensor": tensor,
        "array": _array,
        "scalar": lambda self, content: self._array(content)[()],
        "int": lambda self, content: int(content, 16),
        "float": lambda self, content: float(content),
        "tuple": lambda self, content: tuple(self._value(item) for item in content),
        "dict": lambda self, content: dict(self._pairs(content)),
        "OrderedDict": lambda self, content: OrderedDict(self._pairs(content)),
    }
