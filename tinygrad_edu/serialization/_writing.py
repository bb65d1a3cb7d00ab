"""save: a checkpoint in one safetensors file, written whole or not at all."""

from __future__ import annotations

import os
import pickle
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from safetensors import SafetensorError
from safetensors.numpy import save as to_bytes
from safetensors.numpy import save_file

from tinygrad_edu.serialization import _objects
from tinygrad_edu.serialization._safetensors import METADATA_KEY
from tinygrad_edu.serialization._structure import Encoder, WholeObject

Path = str | os.PathLike[str]


def save(obj: Any, f: Path | IO[bytes]) -> None:
    """Save tensors, alone or in nested containers, to one safetensors file; a model as a whole is pickled.

    A file is written under a temporary name, flushed to the disk and then renamed, so that `f` holds the old content or
    the new one, whatever happens. A state_dict is stored under its own keys, for any program that reads safetensors.

    Parameters
    ----------
    obj : object
        Dictionaries, OrderedDicts, lists, tuples and sets of tensors, generators, NumPy arrays, numbers, strings, bytes,
        booleans, None, dtypes, devices and sizes; of models, optimizers and schedulers their ``state_dict()``. Tensors
        that share memory are written out each on its own, and come back separate. Where one of those stands in `obj` as a
        whole, the file is a pickle of `obj`, which ``load(..., weights_only=False)`` reads.
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
    encoder = Encoder(obj)
    pickled = None
    try:
        metadata = {METADATA_KEY: encoder.text(obj)}
    except WholeObject as refusal:
        try:
            pickled = _objects.to_bytes(obj)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(f"{refusal}; and it can't be pickled as a whole: {error}") from None
    if not isinstance(f, (str, os.PathLike)):
        f.write(to_bytes(encoder.arrays, metadata) if pickled is None else pickled)
        return
    path = os.path.realpath(f)  # a link stays a link, its target is replaced
    if os.path.isdir(path):
        raise IsADirectoryError(f"save: {os.fspath(f)!r} is a directory; give the name of a file in it")
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"save: there is no directory {os.path.dirname(path)!r} to write into")
    with replacing(path) as temporary:
        if pickled is not None:
            with open(temporary, "wb") as file:
                file.write(pickled)
            return
        try:
            save_file(encoder.arrays, temporary, metadata)
        except SafetensorError as error:
            raise OSError(f"save: could not write {os.fspath(f)!r}: {error}") from error


_TOKEN = 8  # random bytes in a temporary name
_STALE = 3600.0  # seconds without a write after which a temporary file is nobody's


def _clear(directory: str, prefix: str) -> None:
    """Remove what writers that were killed have left of the same file, long enough ago that no one is still writing."""
    length = len(prefix) + 2 * _TOKEN + len(".tmp")
    for entry in os.scandir(directory):
        if entry.name.startswith(prefix) and entry.name.endswith(".tmp") and len(entry.name) == length:
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime > _STALE:
                    os.unlink(entry.path)


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Yield a temporary name in the same directory; what was written there replaces `path` if all goes well."""
    directory, base = os.path.split(path)
    prefix = f".{base[:100]}."
    _clear(directory, prefix)
    temporary = os.path.join(directory, f"{prefix}{secrets.token_hex(_TOKEN)}.tmp")
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
