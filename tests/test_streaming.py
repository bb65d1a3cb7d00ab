"""Windows of long texts: all of them, once, in any order, whatever the pieces in which the file is read."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.text import TextStream, TokenWindows, Vocabulary, read_pieces, write_tokens
from tinygrad_edu.utils.data import DataLoader


def expected(tokens, length, stride):
    starts = range(0, len(tokens) - length, stride)
    return [(tokens[a : a + length], tokens[a + 1 : a + length + 1]) for a in starts]


def listed(samples):
    return [(x.tolist(), y.tolist()) for x, y in samples]


def codes(text):
    return [ord(c) for c in text]


@given(st.text("ab \n\r", max_size=40), st.integers(1, 6), st.integers(1, 9), st.integers(1, 12))
def test_all_windows_come_whatever_is_read_at_once(tmp_path_factory, text, length, stride, piece):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_bytes(text.encode())
    assert "".join(read_pieces(path, piece)) == text
    stream = TextStream(path, codes, length, stride, piece=piece)
    wanted = expected(codes(text), length, stride)
    assert listed(stream) == listed(stream) == wanted
    if wanted:
        write_tokens(path.with_suffix(".bin"), read_pieces(path, piece), codes)
        for source in (path.with_suffix(".bin"), codes(text), tg.tensor(codes(text))):
            windows = TokenWindows(source, length, stride)
            assert listed(windows[i] for i in range(len(windows))) == wanted


def test_words_are_not_cut(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("some words in one line without an end " * 20)
    pieces = list(read_pieces(path, 16))
    assert len(pieces) > 40 and all(piece.startswith(" ") for piece in pieces[1:])


@given(st.integers(1, 50), st.integers(0, 100))
def test_shuffled_windows_are_the_same_ones(tmp_path_factory, wait, seed):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(map(chr, range(40, 120))))
    stream = TextStream(path, codes, 3, 2, shuffle=wait)
    tg.manual_seed(seed)
    first, second = listed(stream), listed(stream)
    tg.manual_seed(seed)
    assert listed(stream) == first, "one seed, one order"
    assert sorted(first) == sorted(second) == expected(codes(path.read_text()), 3, 2)
    assert wait < 10 or first != second


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gets_each_window_once(tmp_path, workers):
    path = tmp_path / "text.txt"
    path.write_text("".join(map(chr, range(40, 120))))
    loader = DataLoader(TextStream(path, codes, 4), batch_size=3, num_workers=workers)
    rows = [row for x, _ in loader for row in x.tolist()]
    assert sorted(rows) == [x for x, _ in expected(codes(path.read_text()), 4, 4)]
    windows = DataLoader(TokenWindows(codes(path.read_text()), 4), batch_size=3, shuffle=True, num_workers=workers)
    assert sorted(row for x, _ in windows for row in x.tolist()) == sorted(rows)


def test_memory_does_not_grow_with_the_text(tmp_path):
    path = tmp_path / "text.txt"
    peaks = []
    for lines in (2_000, 20_000):
        path.write_text("a line of the text that is long\n" * lines)
        encode = Vocabulary.of_characters("a line of the text that is long\n").encode
        write_tokens(tmp_path / "tokens.bin", read_pieces(path, 4096), encode)
        tracemalloc.start()
        count = sum(1 for _ in TextStream(path, encode, 32, 512, piece=4096, shuffle=5))
        windows = TokenWindows(tmp_path / "tokens.bin", 32)
        for i in range(0, len(windows), 100):
            windows[i]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == len(expected(range(32 * lines), 32, 512))
    assert peaks[1] < 1.5 * peaks[0] < 1e6


def test_bad_input_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"text \xff\xfe")
    with pytest.raises(ValueError, match="is not UTF-8"):
        list(read_pieces(path))
    with pytest.raises(ValueError, match="10 and its targets need 11 tokens, there are 9"):
        TokenWindows(range(9), 10)
    with pytest.raises(ValueError, match=r"one row of integers, got float64 of shape \(2, 2\)"):
        TokenWindows(np.zeros((2, 2)), 1)
    with pytest.raises(ValueError, match="length and stride must be at least 1, got 3 and 0"):
        TextStream(path, codes, 3, 0)
    with pytest.raises(ValueError, match="tokens must be from 0 to 2³² - 1, got -1 to 2"):
        write_tokens(tmp_path / "tokens.bin", ["x"], lambda text: [-1, 2])
    assert not (tmp_path / "tokens.bin").exists()
    (tmp_path / "odd.bin").write_bytes(b"12345")
    with pytest.raises(ValueError, match="5 bytes, which are no numbers of four bytes"):
        TokenWindows(tmp_path / "odd.bin", 1)
    with pytest.raises(FileNotFoundError):
        TextStream(tmp_path / "none.txt", codes, 3)
    with pytest.raises(IndexError, match="index 2 is out of range for 2 windows"):
        TokenWindows(range(9), 4)[2]
