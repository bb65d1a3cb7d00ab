"""PyTorch's own files: a zip archive, or in older files one stream, of a pickle and the bytes of its tensors."""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from tinygrad_edu.device import device
from tinygrad_edu.dtypes import DType, to_dtype
from tinygrad_edu.serialization._errors import MALFORMED, CheckpointError
from tinygrad_edu.serialization._pickle import Forbidden, Global, Machine, describe
from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.values import Size

_MAGIC = 0x1950A86A20F9469CFC6C  # the first number in a file of the older form
_PROTOCOL = 1001
_MOST_DIMS = 64  # of a NumPy array

Array = np.ndarray[Any, Any]
Place = Callable[[Array, str], Tensor]  # makes a tensor of an array and the name of the device where it was


class _Type(NamedTuple):
    """The type of a storage: NumPy's code, and whether its 16 bits are the upper half of a float32."""

    code: str
    brain: bool = False


_STORAGES = {
    "DoubleStorage": _Type("f8"),
    "FloatStorage": _Type("f4"),
    "HalfStorage": _Type("f2"),
    "BFloat16Storage": _Type("u2", True),
    "LongStorage": _Type("i8"),
    "IntStorage": _Type("i4"),
    "ShortStorage": _Type("i2"),
    "CharStorage": _Type("i1"),
    "ByteStorage": _Type("u1"),
    "BoolStorage": _Type("?"),
}
_BYTES = _Type("u1")
_DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bfloat16".split()
_CONSTANTS: dict[Global, Any] = {
    **{Global("torch", name): kind for name, kind in _STORAGES.items()},
    **{Global("torch.storage", name): _BYTES for name in ("UntypedStorage", "_UntypedStorage")},
    Global("torch", "UntypedStorage"): _BYTES,
    **{Global("torch", name): to_dtype(name) for name in _DTYPES},
}


class _Storage(NamedTuple):
    """One piece of memory in a file, and the device on which it was."""

    values: Array
    location: str


_Fetch = Callable[[str, int], bytearray]  # the bytes of a storage by its key, and how many there should be


class _Rebuild:
    """Makes the tensors of one file; those that stand on one storage share their memory."""

    def __init__(self, fetch: _Fetch, place: Place, order: Literal["<", ">"]) -> None:
        self._fetch = fetch
        self._place = place
        self._order = order
        self._storages: dict[str, tuple[_Type, _Storage]] = {}
        self._typed: dict[tuple[int, str], Array] = {}

    def machine(self, stream: io.BufferedIOBase, size: int) -> Machine:
        """A reader of the pickle in `stream`."""
        constructors: dict[Global, Callable[..., Any]] = {
            Global("torch._utils", "_rebuild_tensor"): self._tensor,
            Global("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            Global("torch._utils", "_rebuild_tensor_v3"): self._typed_tensor,
            Global("torch._utils", "_rebuild_parameter"): lambda data, *rest: _expect(data, Tensor),
            Global("torch", "Size"): lambda sizes: Size(_sizes(sizes)),
            Global("torch", "device"): lambda *name: device(*name),
        }
        return Machine(stream, size, _CONSTANTS, constructors, self._find)

    def _find(self, identifier: Any) -> _Storage:
        """Return the storage that an identifier in the pickle means."""
        tag, kind, key, location, count, *view = _expect(identifier, tuple)
        if tag != "storage" or type(kind) is not _Type or view not in ([], [None]):
            raise ValueError("a storage is described in an unknown way")
        if type(key) is not str or type(location) is not str or type(count) is not int or count < 0:
            raise ValueError(f"a storage has the key {key!r} and {count!r} elements")
        if key not in self._storages:
            data = self._fetch(key, count * np.dtype(kind.code).itemsize)
            self._storages[key] = kind, _Storage(self._view(data, kind), location)
        known, storage = self._storages[key]
        if known != kind or len(storage.values) != count:
            raise ValueError(f"storage {key!r} is described in two ways")
        return storage

    def _view(self, data: bytearray | Array, kind: _Type) -> Array:
        values: Array = np.frombuffer(data, np.dtype(kind.code).newbyteorder(self._order))
        if kind.brain:  # NumPy has no such type
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor:
        """A view of a storage; whether it needs a gradient, and its hooks, stay behind."""
        _expect(storage, _Storage)
        offset, *_ = _sizes((offset,))
        shape, strides = _sizes(size), _sizes(stride)
        if len(shape) != len(strides) or len(shape) > _MOST_DIMS:
            raise ValueError(f"a tensor has {len(shape)} sizes and {len(strides)} strides")
        elements = math.prod(shape)
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if elements > len(storage.values) or (elements and last >= len(storage.values)):
            raise ValueError(
                f"a tensor of shape {shape} with strides {strides} from element {offset} on doesn't fit into its "
                f"storage of {len(storage.values)} elements"
            )
        if not elements:
            return self._place(np.empty(shape, storage.values.dtype), storage.location)
        width = storage.values.itemsize
        view = np.lib.stride_tricks.as_strided(storage.values[offset:], shape, [step * width for step in strides])
        return self._place(view, storage.location)

    def _typed_tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *rest: Any
    ) -> Tensor:
        """A view of a storage of bytes."""
        values = _expect(storage, _Storage).values
        name = _expect(dtype, DType).name
        if (id(values), name) not in self._typed:
            kind = _Type("u2", True) if name == "bfloat16" else _Type(np.dtype(name).str[1:])
            self._typed[id(values), name] = self._view(values, kind)
        return self._tensor(_Storage(self._typed[id(values), name], storage.location), offset, size, stride)


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{describe(value)} stands where a {kind.__name__.strip('_').lower()} belongs")
    return value


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple) or any(type(n) is not int or n < 0 for n in value):
        raise ValueError(f"sizes, strides and offsets are whole numbers from 0 on, not {value!r:.60}")
    return value


# The zip archive -----------------------------------------------------------------------------------------------------

_BROKEN = (*MALFORMED, zipfile.BadZipFile, NotImplementedError, struct.error, zlib.error, OSError)


def read_archive(file: io.BufferedIOBase, size: int, name: str, place: Place) -> Any:
    """Read what `torch.save` wrote into a zip archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _entries(archive, size)
            folder = _folder(entries, name)
            order = _content(archive, entries[f"{folder}/byteorder"]) if f"{folder}/byteorder" in entries else b"little"
            if order not in (b"little", b"big"):
                raise ValueError(f"its byte order is {bytes(order)!r}")

            def fetch(key: str, expected: int) -> bytearray:
                entry = entries.get(f"{folder}/data/{key}")
                if entry is None or entry.file_size != expected:
                    has = "isn't there" if entry is None else f"has {entry.file_size} bytes"
                    raise ValueError(f"storage {key!r} should have {expected} bytes and {has}")
                return _content(archive, entry)

            pickled = _content(archive, entries[f"{folder}/data.pkl"])
            rebuild = _Rebuild(fetch, place, "<" if order == b"little" else ">")
            return rebuild.machine(io.BytesIO(pickled), len(pickled)).load()
    except CheckpointError:
        raise
    except Forbidden as error:
        raise refused(name, error) from None
    except _BROKEN as error:
        raise CheckpointError(f"load: {name!r} is a damaged PyTorch file: {error}") from None


def _entries(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name, after checks that none holds more than its own bytes of the file.

    PyTorch stores its entries as they are. Where nothing is compressed and nothing overlaps, an archive can't be larger
    than its file.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        parts = entry.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] in ("", "~") or ":" in parts[0]:
            raise ValueError(f"an entry has the name {entry.filename!r}, which leads out of the archive")
        if entry.filename in entries:
            raise ValueError(f"the entry {entry.filename!r} occurs twice")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"the entry {entry.filename!r} is compressed, which PyTorch's files never are")
        if entry.flag_bits & 1:
            raise ValueError(f"the entry {entry.filename!r} is encrypted")
        entries[entry.filename] = entry
    end = size
    for entry in sorted(entries.values(), key=lambda e: e.header_offset, reverse=True):
        if entry.header_offset < 0 or entry.header_offset + 30 + entry.file_size > end:
            raise ValueError(f"the entry {entry.filename!r} overlaps with what follows it")
        end = entry.header_offset
    return entries


def _folder(entries: dict[str, zipfile.ZipInfo], name: str) -> str:
    found = [
        entry.removesuffix("/data.pkl") for entry in entries if entry.count("/") == 1 and entry.endswith("/data.pkl")
    ]
    if any(entry.endswith("/constants.pkl") for entry in entries):
        raise CheckpointError(
            f"load: {name!r} is a TorchScript program, not a state_dict; save model.state_dict() with torch.save"
        )
    if any(entry.endswith(".npy") for entry in entries):
        raise CheckpointError(f"load: {name!r} looks like a NumPy archive: use np.load and tg.from_numpy")
    if len(found) != 1:
        raise CheckpointError(f"load: {name!r} is a zip archive without the data.pkl of a PyTorch file")
    return found[0]


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytearray:
    """Read an entry; zipfile compares its checksum."""
    data = bytearray(entry.file_size)
    with archive.open(entry) as opened:
        file = io.BufferedReader(opened)  # type: ignore[type-var]  # it has what is needed of a raw stream
        if file.readinto(data) != len(data) or file.read(1):
            raise ValueError(f"the entry {entry.filename!r} is cut off")
    return data


# The older form ------------------------------------------------------------------------------------------------------


def read_stream(file: io.BufferedIOBase, size: int, name: str, place: Place) -> Any:
    """Read what `torch.save` wrote before PyTorch 1.6: five pickles, and then the bytes of the storages.

    The tensors are described before their bytes come. So the description is run twice: once to find out where it ends
    and what there is, and again when the bytes are known.
    """
    try:
        return _Stream(file, size, name, place).read()
    except CheckpointError:
        raise
    except Forbidden as error:
        raise refused(name, error) from None
    except _BROKEN as error:
        raise CheckpointError(f"load: {name!r} is a damaged PyTorch file: {error}") from None


class _Stream:
    """One file of the older form."""

    def __init__(self, file: io.BufferedIOBase, size: int, name: str, place: Place) -> None:
        self._file = file
        self._size = size
        self._name = name
        self._place = place
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._data: dict[str, bytearray] = {}

    def read(self) -> Any:
        if self._plain() != _MAGIC:
            raise CheckpointError(
                f"load: {self._name!r} is a pickle, but not one of torch.save; what other programs pickle is not read"
            )
        version, system = self._plain(), self._plain()
        if version != _PROTOCOL or system.get("little_endian") is not True:
            raise ValueError(f"it has the version {version!r} and the system {system!r:.80}")
        start = self._file.tell()
        _Rebuild(self._measure, _nowhere, "<").machine(self._file, self._size).load()
        self._read_storages(self._plain())
        self._file.seek(start)
        return _Rebuild(self._fetch, self._place, "<").machine(self._file, self._size).load()

    def _plain(self) -> Any:
        """The next pickle, which has no tensors."""
        return Machine(self._file, self._size, {}, {}).load()

    def _measure(self, key: str, count: int) -> bytearray:
        """Note how many bytes a storage has, and stand in for it."""
        self._total += count
        if self._total > self._size:
            raise ValueError(f"storage {key!r} should have {count} bytes, more than the file has left")
        self._sizes[key] = count
        return bytearray(count)

    def _fetch(self, key: str, count: int) -> bytearray:
        return self._data[key]

    def _read_storages(self, keys: Any) -> None:
        if type(keys) is not list or sorted(keys) != sorted(self._sizes):
            raise ValueError("its storages are not those that its tensors stand on")
        for key in keys:
            self._file.read(8)  # the number of elements once more
            data = bytearray(self._sizes[key])
            if self._file.readinto(data) != len(data):
                raise ValueError(f"it ends in the middle of storage {key!r}")
            self._data[key] = data
        if self._file.read(1):
            raise ValueError("it goes on after its last storage")


def _nowhere(array: Array, location: str) -> Tensor:
    """Stand in for a tensor whose bytes are still to come."""
    return from_numpy(np.empty(0, np.float32))


def refused(name: str, error: Forbidden) -> CheckpointError:
    """What to say of a pickle that asks for more than data."""
    return CheckpointError(
        f"load: {name!r} is refused: {error}. Only tensors, plain containers, numbers and strings are read from "
        "PyTorch's files, and nothing in them is run, with weights_only=False either; save a state_dict() with torch.save"
    )
