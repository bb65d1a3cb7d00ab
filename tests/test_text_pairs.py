"""Pairs of texts: files, padding, batches; and those that are made up."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import datasets
from tinygrad_edu.datasets import english_number, german_number
from tinygrad_edu.text import BOS, EOS, PAD, UNK, EncodedPairs, Vocabulary, pad_tokens, read_pairs
from tinygrad_edu.utils.data import BucketBatchSampler, DataLoader

SOURCE = Vocabulary.of_characters("abcde", specials=(PAD, UNK))
TARGET = Vocabulary.of_characters("xyz", specials=(PAD, BOS, EOS))


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_file_is_read_whatever_its_line_ends_and_mark(tmp_path: Path, ends: str) -> None:
    path = tmp_path / "pairs.tsv"
    lines = ["Good day.\tGuten Tag.\tCC", "", " Where?\tWo? ", "a\u2028b\tc"]
    path.write_bytes("\ufeff".encode() + ends.join(lines).encode())
    assert read_pairs(path) == [("Good day.", "Guten Tag."), ("Where?", "Wo?"), ("a\u2028b", "c")]
    path.write_text("1\teins\tone\n", encoding="utf-8")
    assert read_pairs(path, columns=(2, 0)) == [("one", "1")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"a\tb\n\nno tab here\n",
            r"line 3 of '.*bad.tsv' has 1 fields between tabs, expected 2 at least: 'no tab here'",
        ),
        (b"a\tb\nc\t \n", r"line 2 of .* has an empty field: 'c'"),
        (b"a\tb\nc\xff\td\n", r"line 2 of .* is not UTF-8"),
        (b"\n \n", r"has no pairs"),
    ],
)
def test_a_bad_file_is_refused_by_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_pairs(path)
    with pytest.raises(FileNotFoundError, match=r"read_pairs: there is no file '.*none'"):
        read_pairs(tmp_path / "none")


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=5))
def test_padding_stands_behind_and_nowhere_else(sequences: list[list[int]]) -> None:
    tokens, lengths = pad_tokens(sequences)
    assert tokens.shape == (len(sequences), max(map(len, sequences)))
    for row, n, sequence in zip(tokens.tolist(), lengths.tolist(), sequences, strict=True):
        assert row == sequence + [0] * (len(row) - n)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pad_tokens([]), ValueError, "there are no sequences"),
        (lambda: pad_tokens([[1], []]), ValueError, "sequence 1 is empty"),
        (lambda: EncodedPairs([("a", "")], SOURCE, TARGET), ValueError, r"pair 0 has an empty text: \('a', ''\)"),
        (lambda: EncodedPairs([("a", "q")], SOURCE, TARGET), KeyError, "'q' is not among the 6 tokens"),
        (lambda: EncodedPairs([], TARGET, SOURCE), ValueError, "the target vocabulary lacks <bos>, <eos>"),
        (
            lambda: EncodedPairs([], Vocabulary(["a", PAD]), TARGET),
            ValueError,
            "<pad> is 1 in the source and 0 in the target",
        ),
        (lambda: datasets.additions(51, digits=1), ValueError, "n_samples must be an integer from 1 to 50, got 51"),
        (lambda: datasets.additions(5, digits=0), ValueError, "digits must be a positive integer"),
        (lambda: datasets.dates(0), ValueError, "dates: n_samples must be an integer from 1 to 100000, got 0"),
        (lambda: datasets.number_words(5, limit=1), ValueError, "limit must be an integer from 2 to 1000000"),
        (lambda: english_number(10**6), ValueError, "from 0 to 999999, got 1000000"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_batches_of_a_loader_hold_every_pair_once_and_say_how_long_it_is() -> None:
    rng = np.random.default_rng(0)
    pairs = [("".join(rng.choice(list("abcde"), n)), "".join(rng.choice(list("xyz"), 8 - n))) for n in range(1, 8)] * 3
    for reverse in (False, True):
        data = EncodedPairs(pairs, SOURCE, TARGET, reverse=reverse)
        sampler = BucketBatchSampler(data.lengths, 4)
        found = []
        for source, lengths, target in DataLoader(data, batch_sampler=sampler, collate_fn=data.collate):
            assert (source != 0).sum(1).tolist() == lengths.tolist()
            assert bool((target[:, 0] == TARGET[BOS]).all())
            for row, n, written in zip(source.tolist(), lengths.tolist(), target.tolist(), strict=True):
                end = written.index(TARGET[EOS])
                assert not any(written[end + 1 :])
                text = "".join(SOURCE.decode(row[:n]))
                found.append((text[::-1] if reverse else text, data.decode(written[1:end])))
        assert sorted(found) == sorted(pairs)


def test_words_and_unknown_ones() -> None:
    source = Vocabulary.build(["go", "on"], specials=(PAD, UNK))
    target = Vocabulary.build(["weiter"], specials=(PAD, BOS, EOS, UNK))
    data = EncodedPairs([("go away", "geh weiter")], source, target, str.split)
    read, written = data[0]
    assert source.decode(read) == ["go", UNK] and data.decode(written[1:-1]) == f"{UNK} weiter"


@given(st.integers(0, 2**40))
def test_sums_are_right_distinct_and_of_all_sizes(seed: int) -> None:
    pairs = datasets.additions(300, generator=tg.Generator().manual_seed(seed))
    for source, target in pairs:
        a, b = source.split("+")
        assert int(a) + int(b) == int(target) and str(int(a)) == a and str(int(b)) == b and max(len(a), len(b)) <= 3
    assert len({source for source, _ in pairs}) == 300
    assert {len(source) for source, _ in pairs} == {3, 4, 5, 6, 7}
    assert pairs == datasets.additions(300, generator=tg.Generator().manual_seed(seed))


def test_dates_mean_what_is_written() -> None:
    pairs = datasets.dates(3000, generator=tg.Generator().manual_seed(0))
    months = "jan feb mar apr may jun jul aug sep oct nov dec".split()
    forms = set()
    for source, target in pairs:
        day = date.fromisoformat(target)
        words = re.findall(r"[a-z]+|\d+", source.lower())
        numbers = [int(w) for w in words if w.isdigit()]
        named = [months.index(w[:3]) + 1 for w in words if w[:3] in months]
        short = [n for n in numbers if n < 100]
        year = max(numbers) if max(numbers) >= 1970 else short.pop()
        assert year in (day.year, day.year % 100)
        if named:
            assert (named, short) == ([day.month], [day.day])
        else:
            assert short == ([day.day, day.month] if "." in source else [day.month, day.day])
        weekday = "mon tue wed thu fri sat sun".split()[day.weekday()]
        assert source.lower()[:3] == weekday or not source.lower().split(",")[0].endswith("day")
        forms.add(re.sub(r"\d+", "1", re.sub(r"[a-z]+", "a", source.lower())))
    assert len(forms) == 8 and len({source for source, _ in pairs}) == 3000


def test_numbers_have_the_names_that_they_have() -> None:
    known = {
        0: ("zero", "null"),
        1: ("one", "eins"),
        17: ("seventeen", "siebzehn"),
        30: ("thirty", "dreißig"),
        100: ("one hundred", "ein hundert"),
        101: ("one hundred and one", "ein hundert eins"),
        1_001: ("one thousand and one", "ein tausend eins"),
        21_000: ("twenty one thousand", "ein und zwanzig tausend"),
        101_000: ("one hundred and one thousand", "ein hundert ein tausend"),
        999_999: (
            "nine hundred and ninety nine thousand nine hundred and ninety nine",
            "neun hundert neun und neunzig tausend neun hundert neun und neunzig",
        ),
    }
    assert {n: (english_number(n), german_number(n)) for n in known} == known
    pairs = datasets.number_words(400, limit=1000)
    names = {english_number(n): german_number(n) for n in range(1000)}
    assert len(names) == len(set(names.values())) == 1000
    assert all(names[source] == target for source, target in pairs)
