"""Text on its way to integers: what tokenisers cut, vocabularies list, and what bad input is told."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.text import EOS, PAD, UNK, Vocabulary, characters, join_words, sentences, words

PROSE = 'He said (twice): "no, it isn\'t 3.5%". Was it well-known? See <unk> & __init__!'


@given(st.text())
def test_words_lose_nothing_but_white_space(text):
    assert "".join(words(text, lower=False)) == "".join(text.split())
    assert "".join(characters(text)) == text


@given(st.text(alphabet="aB1 .,'-_\n"))
def test_options_of_words(text):
    assert words(text) == [word.lower() for word in words(text, lower=False)]
    kept = words(text, punctuation=False)
    assert kept == [word for word in words(text) if any(c.isalnum() or c == "_" for c in word)]


def test_words_are_cut_where_a_reader_would():
    expected = 'he said ( twice ) : " no , it isn\'t 3.5 % " . was it well-known ? see <unk> & __init__ !'.split()
    assert words(PROSE) == expected
    assert words("He's 'quoted' -- a-b; 1,000 at 12:30.") == "he's ' quoted ' - - a-b ; 1,000 at 12:30 .".split()


def test_joined_words_read_well_and_are_cut_the_same():
    assert join_words(words(PROSE)) == PROSE.lower()
    assert join_words([]) == ""


@given(st.lists(st.sampled_from(["a", "word", ",", ".", "(", ")", '"', "'", "3.5", "don't"])))
def test_joining_keeps_the_tokens_that_words_cut(tokens):
    joined = join_words(tokens)
    assert joined.replace(" ", "") == "".join(tokens)


def test_sentences_end_where_a_reader_would():
    text = 'It works, e.g. here. "Really?" he asked. J. S. Bach did... not mind! And 3.5 is\na number.\n\nA title\n\nEnd (of it).'
    assert sentences(text) == [
        "It works, e.g. here.",
        '"Really?" he asked.',
        "J. S. Bach did... not mind!",
        "And 3.5 is a number.",
        "A title",
        "End (of it).",
    ]
    assert sentences(" \n\n ") == []


@given(st.text())
def test_sentences_lose_nothing_but_white_space(text):
    assert " ".join(sentences(text)).split() == text.split()


@pytest.mark.parametrize("function", [words, sentences, characters])
def test_text_is_a_str(function):
    with pytest.raises(TypeError, match=f"{function.__name__}: expected a str, got bytes"):
        function(b"bytes")


TOKENS = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1)


@given(TOKENS)
def test_a_vocabulary_takes_tokens_to_integers_and_back(tokens):
    vocabulary = Vocabulary.build(tokens)
    indices = vocabulary.encode(tokens)
    assert indices.dtype == np.int64 and indices.shape == (len(tokens),)
    assert vocabulary.decode(indices) == vocabulary.decode(tg.from_numpy(indices)) == tokens
    assert sorted(vocabulary) == sorted(set(tokens)) and len(vocabulary) == len(set(tokens))
    assert np.array_equal(vocabulary.counts, np.bincount(indices))
    assert (np.diff(vocabulary.counts) <= 0).all()
    assert vocabulary == Vocabulary.build(Counter(reversed(tokens)))


@given(TOKENS, st.integers(1, 3), st.integers(2, 5))
def test_what_is_cut_becomes_unknown(tokens, min_count, max_size):
    vocabulary = Vocabulary.build(tokens, min_count=min_count, max_size=max_size, specials=(PAD, UNK))
    assert vocabulary.tokens[:2] == (PAD, UNK) and len(vocabulary) <= max_size
    assert vocabulary.counts.sum() == len(tokens)
    counts = Counter(tokens)
    listed = set(vocabulary) - {PAD, UNK}
    assert all(counts[token] >= min_count for token in listed)
    room = len(vocabulary) < max_size
    rarest = min((counts[token] for token in listed), default=len(tokens))
    assert all(counts[t] < min_count or (not room and counts[t] <= rarest) for t in counts if t not in listed)
    indices = vocabulary.encode(tokens)
    assert np.array_equal(np.bincount(indices, minlength=len(vocabulary)), vocabulary.counts)
    assert vocabulary.decode(vocabulary.encode(tokens, skip_unknown=True)) == [t for t in tokens if t in listed]


def test_characters_are_listed_by_code_point():
    vocabulary = Vocabulary.of_characters("hello", specials=(PAD, EOS))
    assert vocabulary.tokens == (PAD, EOS, "e", "h", "l", "o")
    assert vocabulary.counts.tolist() == [0, 0, 1, 1, 2, 1]
    assert vocabulary.decode(vocabulary.encode("hole")) == list("hole")


def test_an_unknown_word_is_named_with_words_like_it():
    vocabulary = Vocabulary.build("python is a programming language".split())
    with pytest.raises(
        KeyError, match=r"'pyhton' is not among the 5 tokens of the vocabulary; did you mean 'python'\?"
    ):
        vocabulary["pyhton"]
    with pytest.raises(KeyError, match="'zzz' is not among the 5 tokens of the vocabulary"):
        vocabulary.encode(["python", "zzz"])
    assert "zzz" not in vocabulary
    with_unknown = Vocabulary([*vocabulary, UNK])
    assert with_unknown["zzz"] == 5 and with_unknown.encode(["is", "zzz"]).tolist() == [with_unknown["is"], 5]
    with pytest.raises(KeyError, match="did you mean 'language'"):
        with_unknown.index("langauge")


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_beyond_the_vocabulary_is_refused(index):
    with pytest.raises(IndexError, match=rf"index {index} is not in 0\.\.1"):
        Vocabulary("ab").decode([0, index])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Vocabulary("aba"), ValueError, r"\['a'\] occur more than once"),
        (lambda: Vocabulary([1]), TypeError, "tokens are str, got 1 of type int"),
        (lambda: Vocabulary("ab", [1]), ValueError, r"2 tokens, but counts of shape \[1\]"),
        (lambda: Vocabulary.build("a text"), TypeError, "cut it with words"),
        (lambda: Vocabulary.build([]), ValueError, "the text has no tokens"),
        (lambda: Vocabulary.build(["a"], min_count=2), ValueError, "none of 1 tokens occurs 2 times"),
        (lambda: Vocabulary.build(["a"], min_count=0), ValueError, "min_count must be at least 1, got 0"),
        (lambda: Vocabulary.build(["a"], max_size=1, specials=(PAD, UNK)), ValueError, "max_size=1 has no room for 2"),
        (lambda: Vocabulary.of_characters(""), ValueError, "no characters"),
    ],
)
def test_bad_vocabularies_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_vocabulary_is_saved_and_loaded(tmp_path):
    vocabulary = Vocabulary.build(words("Grüße, 世界! " * 2 + "hello"), specials=(UNK,))
    path = tmp_path / "words.json"
    vocabulary.save(path)
    again = Vocabulary.load(path)
    assert again == vocabulary and np.array_equal(again.counts, vocabulary.counts)
    assert hash(again) == hash(vocabulary)
    for content in ("", "[]", '{"tokens": ["a"]}', '{"tokens": ["a"], "counts": [1, 2]}'):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"words.json' holds no vocabulary"):
            Vocabulary.load(path)
    with pytest.raises(FileNotFoundError):
        Vocabulary.load(tmp_path / "none.json")
