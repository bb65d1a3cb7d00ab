"""Finding and opening the files of data sets, with errors that say which file, what was expected and where to get it."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterable

Path = str | os.PathLike[str]


def find(name: str, root: Path, folders: Iterable[str], files: Iterable[str], source: str) -> str:
    """Return the first of the files that is there, in one of the folders under `root`.

    Raises
    ------
    FileNotFoundError
        Naming all places and where to get the file.
    """
    files = list(files)
    places = [os.path.normpath(os.path.join(root, folder)) for folder in folders]
    for place in places:
        for file in files:
            path = os.path.join(place, file)
            if os.path.isfile(path):
                return path
    wanted = " or ".join(map(repr, files[:2]))  # the usual names; others are rarer spellings
    raise FileNotFoundError(
        f"{name}: there is no file {wanted} in {', '.join(map(repr, places))}. Nothing is downloaded here: {source}"
    )


def open_plain_or_gz(path: str) -> io.BufferedIOBase:
    """Open a file for reading, through gzip where its first bytes say so, whatever its name."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else open(path, "rb")


def read_exactly(file: io.BufferedIOBase, count: int, path: str, what: str) -> bytes:
    """Read `count` bytes; raise ``ValueError`` where the file ends before, or is no whole gzip file.

    What a file claims is believed only as far as it has bytes: memory is allocated piece by piece.
    """
    parts, left = [], count
    try:
        while left and (part := file.read(min(left, 1 << 24))):
            parts.append(part)
            left -= len(part)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path!r} is a damaged or cut-off gzip file ({error}); get it again") from None
    if left:
        raise ValueError(
            f"{path!r} is cut off: {what} need {count} bytes, it has {count - left}; get it again, the download may have stopped"
        )
    return b"".join(parts)


def expect_end(file: io.BufferedIOBase, path: str, what: str) -> None:
    """Raise ``ValueError`` where the file goes on after what it should hold."""
    try:
        more = file.read(1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path!r} is a damaged or cut-off gzip file ({error}); get it again") from None
    if more:
        raise ValueError(f"{path!r} goes on after {what}: it is not the file that was expected")
