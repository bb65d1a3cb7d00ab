"""Pieces of words: every text comes back, what is frequent becomes one piece, and files of published models are read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.text import SubwordTokenizer, help_topics

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def trained():
    return SubwordTokenizer.train(help_topics()[:60_000].splitlines(keepends=True), 600, specials=("<pad>", "<eos>"))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(trained, text):
    indices = trained.encode(text)
    assert trained.decode(indices) == text and indices.dtype == np.int64
    assert len(indices) <= len(text.encode())
    assert not len(indices) or 2 <= indices.min() <= indices.max() < len(trained) == 600


def test_what_is_frequent_becomes_one_piece(trained):
    assert trained.pieces(" the") == [" the"] and 1 < len(trained.pieces(" statement")) <= 3
    learned = SubwordTokenizer.train(["newest newest newest low"], 262)
    assert learned.pieces(" newest low") == [" newest", " ", "l", "o", "w"]
    assert learned.pieces("ü")[0] == "\N{REPLACEMENT CHARACTER}", "a byte alone"
    text = help_topics()[60_000:80_000]
    assert len(trained.encode(text)) < len(text) / 2, "also of a text that it was not trained on"


def test_specials_have_the_first_numbers_and_are_never_cut(trained):
    assert (trained["<pad>"], trained["<eos>"]) == (0, 1) and "<eos>" in trained and "<bos>" not in trained
    assert trained.encode("a<eos>")[-1] == 1 and trained.decode([1]) == "<eos>"


def test_a_batch_is_filled_up_and_cut(trained):
    texts = ["the statement is executed", "if"]
    tokens, there = trained.encode_batch(texts, pad="<eos>", max_length=3)
    assert tokens.shape == there.shape == (2, 3)
    for row, mask, text in zip(tokens, there, texts, strict=True):
        assert row[mask].tolist() == trained.encode(text)[:3].tolist() and set(row[~mask]) <= {1}
    assert len(trained.encode(texts[0])) > 3, "a batch leaves no limit behind"


def test_saved_and_loaded(trained, tmp_path):
    trained.save(tmp_path / "tokenizer.json")
    again = SubwordTokenizer.load(tmp_path / "tokenizer.json")
    assert again.encode("while True:").tolist() == trained.encode("while True:").tolist()
    for content in ("{", json.dumps({"version": "1.0"})):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(ValueError, match="holds no tokenizer"):
            SubwordTokenizer.load(tmp_path / "other.json")


def test_bad_input_is_refused(trained):
    with pytest.raises(ValueError, match="vocab_size=257 has no room for 256 bytes and 2 specials"):
        SubwordTokenizer.train(["text"], 257, specials=("<pad>", "<eos>"))
    with pytest.raises(KeyError, match="<bos>"):
        trained["<bos>"]
    with pytest.raises(IndexError, match=r"600 is not in 0\.\.599"):
        trained.decode([5, 600])
    with pytest.raises(TypeError, match="expected a str, got list"):
        trained.encode(["a", "b"])
