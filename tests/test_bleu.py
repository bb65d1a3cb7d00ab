"""BLEU against values from the literature, and its properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.text import bleu

WORDS = st.lists(st.sampled_from("abcde"), min_size=4, max_size=9)

# The sentences of Papineni et al.; the values are those that other implementations give for them.
GUIDE = "It is a guide to action which ensures that the military always obeys the commands of the party".split()
GUIDES = [
    "It is a guide to action that ensures that the military will forever heed Party commands".split(),
    "It is the guiding principle which guarantees the military forces always being under the command of the Party".split(),
    "It is the practical guide for the army always to heed the directions of the party".split(),
]
READ = "he read the book because he was interested in world history".split()
READS = ["he was interested in world history because he read the book".split()]


def test_known_values() -> None:
    assert bleu([GUIDE], [GUIDES]) == pytest.approx(0.5045666840058485, abs=1e-12)
    assert bleu([GUIDE, READ], [GUIDES, READS]) == pytest.approx(0.5920778868801042, abs=1e-12)


def test_a_word_counts_as_often_as_a_reference_has_it() -> None:
    candidate = ["the"] * 7
    references = ["the cat is on the mat".split(), "there is a cat on the mat".split()]
    assert bleu([candidate], [references], max_order=1) == pytest.approx(2 / 7)
    assert bleu([candidate], [references]) == 0


def test_what_is_too_short_is_punished_and_the_closest_reference_counts() -> None:
    references = ["a b c d e f".split(), "a b c d".split()]
    assert bleu(["a b c".split()], [references], max_order=2) == pytest.approx(math.exp(1 - 4 / 3))
    assert bleu(["a b c d e f".split()], [references], max_order=2) == 1


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_it_lies_between_0_and_1_and_is_1_for_the_reference_alone(pairs: list[tuple[list[str], list[str]]]) -> None:
    candidates, references = [a for a, _ in pairs], [[b] for _, b in pairs]
    for smooth in (False, True):
        value = bleu(candidates, references, smooth=smooth)
        assert 0 <= value <= 1 and (value < 1 or all(sorted(a) == sorted(b) for a, b in pairs))
        assert bleu(candidates, [[c] for c in candidates], smooth=smooth) == pytest.approx(1)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="got 1 candidates and 0 lists"):
        bleu([["a"]], [])
    with pytest.raises(ValueError, match="candidate 0 has no reference"):
        bleu([["a"]], [[]])
    with pytest.raises(TypeError, match="candidate 0 or a reference of it is a str"):
        bleu([["a"]], [["a"]])
    with pytest.raises(ValueError, match="max_order must be at least 1"):
        bleu([["a"]], [[["a"]]], max_order=0)
