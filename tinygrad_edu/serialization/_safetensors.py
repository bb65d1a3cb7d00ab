"""The safetensors format: a header in JSON, which is checked against the length of the file, and the bytes of the tensors."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np

from tinygrad_edu.serialization._errors import MALFORMED, CheckpointError

METADATA_KEY = "tinygrad_edu"  # under which our own structure stands
LONGEST_HEADER = 100_000_000  # bytes, a limit of the format
_MOST_DIMS = 64  # of a NumPy array

NUMPY_TYPES = {
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


def is_header(head: bytes, size: int) -> bool:
    """Whether the first 9 bytes of a file of `size` bytes are those of a safetensors file."""
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= min(size - 8, LONGEST_HEADER)


def read(file: io.BufferedIOBase, size: int, name: str) -> tuple[str | None, dict[str, np.ndarray[Any, Any]]]:
    """Return the text of our structure, where there is one, and all arrays by name, in the order of the file."""
    head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    if not is_header(head, size):
        raise CheckpointError(_what_is_it(name, head, length, size))
    file.seek(8)
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_without_duplicates)
        metadata = header.pop("__metadata__", {})
        text = metadata.get(METADATA_KEY)
        entries = sorted((_Entry(key, entry) for key, entry in header.items()), key=lambda e: (e.begin, e.end))
        expected = 0
        for entry in entries:
            if entry.begin != expected:
                raise ValueError(f"{entry.name!r} starts at byte {entry.begin} of the data instead of {expected}")
            expected = entry.end
        if expected != size - 8 - length:
            raise ValueError(f"the header describes {expected} bytes of data, the file has {size - 8 - length}")
        return text, {entry.name: entry.read(file, 8 + length) for entry in entries}
    except MALFORMED as error:
        raise damaged(name, error) from None


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
        if self.code not in NUMPY_TYPES:
            raise ValueError(f"{name!r} has the type {self.code!r}; known are {', '.join(NUMPY_TYPES)}")
        if len(self.shape) > _MOST_DIMS:
            raise ValueError(f"{name!r} has {len(self.shape)} dimensions, at most {_MOST_DIMS} are possible")
        if any(type(n) is not int or n < 0 for n in (*self.shape, self.begin, self.end)):
            raise ValueError(f"{name!r} has the shape {self.shape} and the offsets {self.begin}, {self.end}")
        nbytes = math.prod(self.shape) * np.dtype(NUMPY_TYPES[self.code]).itemsize
        if self.end - self.begin != nbytes:
            raise ValueError(f"{name!r} needs {nbytes} bytes, the header gives it {self.end - self.begin}")

    def read(self, file: io.BufferedIOBase, start: int) -> np.ndarray[Any, Any]:
        """Return the array; `start` is where the data begin."""
        file.seek(start + self.begin)
        data = bytearray(self.end - self.begin)
        if file.readinto(data) != len(data):
            raise ValueError(f"it ends in the middle of {self.name!r}")
        array = np.frombuffer(data, NUMPY_TYPES[self.code]).reshape(self.shape)
        if self.code == "BF16":  # the upper half of a float32
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def damaged(name: str, error: Exception) -> CheckpointError:
    return CheckpointError(f"load: {name!r} is a damaged or cut-off safetensors file: {error}")


def _what_is_it(name: str, head: bytes, length: int, size: int) -> str:
    """Say what a file that isn't a safetensors file looks like."""
    if size == 0:
        found = "is empty"
    elif head.startswith(b"\x93NUMPY"):
        found = "looks like a NumPy file: use np.load and tg.from_numpy"
    elif head[8:] == b"{" and length <= LONGEST_HEADER:
        found = f"is cut off: its header alone has {length} bytes, the whole file has {size}"
    else:
        found = f"begins with the bytes {head[:8]!r}"
    return f"load: {name!r} {found}; expected a safetensors file, such as tg.save writes, or one of torch.save"
