"""Long texts as windows of one length, for language models: from a file, without holding it in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.random import randint, randperm
from tinygrad_edu.serialization._writing import Path, replacing
from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.utils.data.dataset import Dataset, IterableDataset
from tinygrad_edu.utils.data.worker import get_worker_info

__all__ = ["TextStream", "TokenWindows", "read_pieces", "write_tokens"]

Encode = Callable[[str], Iterable[int]]


def read_pieces(path: Path, size: int = 1 << 20) -> Iterator[str]:
    """A UTF-8 text in pieces of about `size` characters, cut behind ends of lines, or before spaces where there are none.

    So nobody who cuts words into pieces sees a word that is cut already. Joined, the pieces are the text.

    Raises
    ------
    OSError
        If the file can't be read.
    ValueError
        If it is not UTF-8, or `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"read_pieces: size must be at least 1, got {size}")
    rest = ""
    with open(path, encoding="utf-8", newline="") as file:
        try:
            while block := file.read(size):
                rest += block
                end = rest.rfind("\n") + 1 or max(rest.rfind(" "), 0) or len(rest)
                yield rest[:end]
                rest = rest[end:]
        except UnicodeDecodeError as error:
            raise ValueError(f"read_pieces: {os.fspath(path)!r} is not UTF-8 text: {error}") from None
    if rest:
        yield rest


def write_tokens(path: Path, texts: Iterable[str], encode: Encode) -> int:
    """Encode texts one by one into a file of numbers that :class:`TokenWindows` reads; return how many there are.

    The file holds nothing but the numbers, four bytes each, the least first, and is written whole or not at all.

    Parameters
    ----------
    path : path
    texts : iterable of str
        Such as `read_pieces` of a long text.
    encode : callable
        From a text to integers: the ``encode`` of a vocabulary or of a tokenizer.

    Raises
    ------
    ValueError
        For numbers that do not fit into four bytes.
    """
    count = 0
    with replacing(os.path.realpath(path)) as temporary, open(temporary, "wb") as file:
        for text in texts:
            row = np.asarray(encode(text))
            if row.size and not 0 <= row.min() <= row.max() < 1 << 32:
                raise ValueError(f"write_tokens: tokens must be from 0 to 2³² - 1, got {row.min()} to {row.max()}")
            file.write(row.astype("<u4").tobytes())
            count += row.size
    return count


class TokenWindows(Dataset[tuple[Tensor, Tensor]]):
    """Windows of a long row of tokens: sample i is ``tokens[a : a + length]`` with a = i · stride, and the same one later.

    Parameters
    ----------
    tokens : array of integers (L,), Tensor, or path
        A path names a file of `write_tokens`, which is not read but looked into.
    length : int
        T, how long each window is.
    stride : int, optional
        How far the next window begins behind the one before; by default `length`, and less where windows overlap.

    Raises
    ------
    ValueError
        For sizes below 1, and for tokens that do not fill one window.

    Examples
    --------
    >>> from tinygrad_edu.text import TokenWindows
    >>> windows = TokenWindows(range(10), 4, stride=2)
    >>> len(windows), windows[1]
    (3, (tensor([2, 3, 4, 5]), tensor([3, 4, 5, 6])))
    """

    def __init__(self, tokens: Any, length: int, stride: int | None = None) -> None:
        stride = length if stride is None else stride
        _check_window("TokenWindows", length, stride)
        if isinstance(tokens, (str, os.PathLike)):
            size = os.path.getsize(tokens)
            if size % 4:
                raise ValueError(
                    f"TokenWindows: {os.fspath(tokens)!r} has {size} bytes, which are no numbers of four bytes"
                )
            self.tokens: NDArray[Any] = np.memmap(tokens, "<u4", "r") if size else np.empty(0, np.uint32)
        else:
            self.tokens = np.asarray(tokens.numpy() if isinstance(tokens, Tensor) else tokens)
        if self.tokens.ndim != 1 or self.tokens.dtype.kind not in "iu":
            raise ValueError(
                f"TokenWindows: tokens must be one row of integers, got {self.tokens.dtype} of shape {self.tokens.shape}"
            )
        if len(self.tokens) < length + 1:
            raise ValueError(
                f"TokenWindows: a window of {length} and its targets need {length + 1} tokens, there are {len(self.tokens)}"
            )
        self.length, self.stride = length, stride

    def __len__(self) -> int:
        return (len(self.tokens) - 1 - self.length) // self.stride + 1

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        (inputs, targets) = self.rows([index])
        return inputs[0], targets[0]

    def rows(self, indices: Sequence[int]) -> list[Tensor]:
        """Many samples as one batch, (N, T) twice."""
        count = len(self)
        for i in indices:
            if not -count <= i < count:
                raise IndexError(f"TokenWindows: index {i} is out of range for {count} windows")
        begins = np.array([int(i) % count for i in indices], np.int64) * self.stride
        found = self.tokens[begins[:, None] + np.arange(self.length + 1)].astype(np.int64)
        return [from_numpy(found[:, :-1].copy()), from_numpy(found[:, 1:].copy())]


class TextStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Windows of a text that is read, and encoded, while it is trained on: memory does not depend on its length.

    Each pass goes through the file from the beginning. With `shuffle` a window waits among so many others, and one of
    them, drawn at random, comes out when it comes in. Of several workers of a loader each takes its share of the windows.

    Parameters
    ----------
    path : path
        A UTF-8 text.
    encode : callable
        From a text to integers.
    length, stride : int
        As in :class:`TokenWindows`.
    shuffle : int, default 0
        How many windows wait; 0 leaves them in order.
    piece : int
        How many characters are read at once.

    Examples
    --------
    >>> import os, tempfile
    >>> from tinygrad_edu.text import TextStream
    >>> path = os.path.join(tempfile.mkdtemp(), "text.txt")
    >>> _ = open(path, "w").write("abcdefg")
    >>> for inputs, targets in TextStream(path, lambda text: [ord(c) - 97 for c in text], 3):
    ...     print(inputs.tolist(), targets.tolist())
    [0, 1, 2] [1, 2, 3]
    [3, 4, 5] [4, 5, 6]
    """

    def __init__(
        self,
        path: Path,
        encode: Encode,
        length: int,
        stride: int | None = None,
        *,
        shuffle: int = 0,
        piece: int = 1 << 20,
    ) -> None:
        stride = length if stride is None else stride
        _check_window("TextStream", length, stride)
        if shuffle < 0:
            raise ValueError(f"TextStream: shuffle must be at least 0, got {shuffle}")
        if not os.path.isfile(path):
            raise FileNotFoundError(f"TextStream: there is no file {os.fspath(path)!r}")
        self.path, self.encode, self.length, self.stride = path, encode, length, stride
        self.shuffle, self.piece = shuffle, piece

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        windows = self._windows()
        if worker is not None:
            windows = islice(windows, worker.id, None, worker.num_workers)
        for window in _mixed(windows, self.shuffle):
            yield from_numpy(window[:-1].copy()), from_numpy(window[1:].copy())

    def _windows(self) -> Iterator[NDArray[np.int64]]:
        """All windows in order, with one token more for the targets."""
        waiting = np.empty(0, np.int64)
        skip = 0  # tokens to leave out before the next window, where strides are longer than windows
        for text in read_pieces(self.path, self.piece):
            waiting = np.concatenate([waiting, np.asarray(self.encode(text), np.int64)])
            at = min(skip, len(waiting))
            skip -= at
            while not skip and at + self.length < len(waiting):
                yield waiting[at : at + self.length + 1]
                step = min(self.stride, len(waiting) - at)
                skip = self.stride - step
                at += step
            waiting = waiting[at:]


def _mixed(windows: Iterator[NDArray[np.int64]], wait: int) -> Iterator[NDArray[np.int64]]:
    """Hand out windows in another order: each waits among others until chance calls it."""
    waiting: list[NDArray[np.int64]] = []
    for window in windows:
        if len(waiting) < wait:
            waiting.append(window.copy())
            continue
        if wait:
            i = int(randint(0, wait, (1,), device="cpu").item())
            waiting[i], window = window.copy(), waiting[i]
        yield window
    order = randperm(len(waiting), device="cpu").tolist() if waiting else []
    yield from (waiting[i] for i in order)


def _check_window(name: str, length: int, stride: int) -> None:
    """Raise for sizes below 1."""
    if length < 1 or stride < 1:
        raise ValueError(f"{name}: length and stride must be at least 1, got {length} and {stride}")
