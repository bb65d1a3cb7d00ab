"""load: from our own files, other people's safetensors, sharded checkpoints and PyTorch's files."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from tinygrad_edu._state import default_device
from tinygrad_edu.device import device
from tinygrad_edu.serialization import _objects, _pytorch, _safetensors
from tinygrad_edu.serialization._errors import MALFORMED, CheckpointError
from tinygrad_edu.serialization._structure import Decoder
from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor

_Place = Callable[[np.ndarray[Any, Any], str], Tensor]


def load(f: str | os.PathLike[str] | IO[bytes], map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Load what `save` wrote, another safetensors file or its index of shards, or what ``torch.save`` wrote.

    Nothing in the file is executed. Sizes are checked against the length of the file before memory is allocated.

    Parameters
    ----------
    f : path or binary file
        What to read. A path to ``….index.json``, which lists the shards of a large model, reads all of them.
    map_location : device, dict or callable, optional
        Where to put the tensors; by default the default device. A dict maps names of devices as PyTorch's files have
        them, as in ``{"cuda:0": "cpu"}``; a function gets a tensor in main memory and such a name, and returns a device,
        a tensor on it, or None for the default device. Safetensors files name no devices: there the name is ``"cpu"``.
    weights_only : bool, default True
        With False, a file that `save` made of a whole model is read, too: that runs what the file names, so only where you trust
        it. PyTorch's files are never unpickled: what is refused with True is refused with False.

    Returns
    -------
    object
        The same containers with the same values; tensors need no gradient. Of other people's files a dictionary of
        tensors, of PyTorch's what was saved, where tensors that shared memory still do. bfloat16 tensors, which NumPy
        doesn't have, become float32, which holds their values exactly.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CheckpointError
        If the file is something else, damaged, cut off, or a pickle that asks for more than tensors and plain values.

    Examples
    --------
    >>> import io
    >>> import tinygrad_edu as tg
    >>> file = io.BytesIO()
    >>> tg.save(tg.arange(3), file)
    >>> _ = file.seek(0)
    >>> tg.load(file)
    tensor([0, 1, 2])
    """
    place = _placer(map_location)
    if not isinstance(f, (str, os.PathLike)):
        data, name = f.read(), str(getattr(f, "name", type(f).__name__))
        if not isinstance(data, bytes):
            raise TypeError(f"load: {name} must be opened in binary mode, reading it gave a {type(data).__name__}")
        return _read(io.BytesIO(data), len(data), name, place, weights_only)
    name = os.fspath(f)
    return _read_shards(name, place) if name.endswith(".json") else _read_file(name, place, weights_only)


def _placer(map_location: Any) -> _Place:
    """Return how to make a tensor of an array and the name of the device where it was."""

    def place(array: np.ndarray[Any, Any], location: str) -> Tensor:
        target = map_location
        if isinstance(map_location, dict):
            target = map_location.get(location)
        elif callable(map_location):
            try:
                target = map_location(from_numpy(array), location)
            except Exception as error:
                raise RuntimeError(
                    f"load: map_location failed for a tensor that was on {location!r}: {error}"
                ) from error
        target = target.device if isinstance(target, Tensor) else target
        return from_numpy(array).to(default_device() if target is None else target)

    if callable(map_location):
        return place
    for target in map_location.values() if isinstance(map_location, dict) else [map_location]:
        if not (target is None or isinstance(target, (str, int, device))):
            raise TypeError(
                f"load: map_location takes a device such as 'cpu', a dict or a function, got a {type(target).__name__}"
            )
        if target is not None:
            from_numpy(np.empty(0, np.float32)).to(target)  # a device that isn't there is no fault of the file
    return place


def _read(file: io.BufferedIOBase, size: int, name: str, place: _Place, weights_only: bool = True) -> Any:
    head = file.read(len(_objects.MAGIC))
    file.seek(0)
    if head == _objects.MAGIC:
        return _objects.read(file.read(), name, weights_only)
    if not _safetensors.is_header(head[:9], size):
        if head.startswith((b"PK\3\4", b"PK\5\6")):
            return _pytorch.read_archive(file, size, name, place)
        if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
            return _pytorch.read_stream(file, size, name, place)
    text, arrays = _safetensors.read(file, size, name)
    decoder = Decoder(arrays, place)
    if text is None:
        return {key: decoder.tensor(key) for key in arrays}
    try:
        return decoder.decode(text)
    except MALFORMED as error:
        raise _safetensors.damaged(name, error) from None


def _read_file(name: str, place: _Place, weights_only: bool = True) -> Any:
    with open(name, "rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size, name, place, weights_only)


def _read_shards(name: str, place: _Place) -> dict[str, Any]:
    """Read the files that an index names, which lie beside it, into one dictionary in the order of the index."""
    try:
        with open(name, "rb") as file:
            text = file.read(_safetensors.LONGEST_HEADER + 1)
        if len(text) > _safetensors.LONGEST_HEADER:
            raise ValueError(f"it has more than {_safetensors.LONGEST_HEADER} bytes")
        places = json.loads(text.decode())["weight_map"]
        shards = dict.fromkeys(places.values())
        for shard in shards:
            if type(shard) is not str or os.path.basename(shard) != shard or "\\" in shard or shard in ("", ".", ".."):
                raise ValueError(f"it names the shard {shard!r}, which is no file beside it")
            if shard.endswith(".json"):
                raise ValueError(f"it names another index, {shard!r}")
    except MALFORMED as error:
        raise CheckpointError(f"load: {name!r} is no index of a sharded checkpoint: {error}") from None
    found: dict[str, Any] = {}
    for shard in shards:
        path = os.path.join(os.path.dirname(name), shard)
        if not os.path.exists(path):
            raise FileNotFoundError(f"load: {name!r} names the shard {shard!r}, which isn't there; download it as well")
        content = _read_file(path, place)
        wanted = [key for key, owner in places.items() if owner == shard]
        missing = [key for key in wanted if not isinstance(content, dict) or key not in content]
        if missing:
            raise CheckpointError(f"load: {path!r} lacks {missing[0]!r}, which {name!r} says it has")
        found |= {key: content[key] for key in wanted}
    return {key: found[key] for key in places}
