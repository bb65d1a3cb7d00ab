"""Labels of tokens: files in CoNLL's format, the spans that labels mean, and the rules of the BIO scheme."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.text import allowed_bio, broken_bio, read_conll, span_scores, spans

LABELS = ["O", "B-a", "I-a", "B-b", "I-b"]
labelled = st.lists(st.sampled_from(LABELS), max_size=8)


def written(found, length):
    """The labels that mean these spans."""
    labels = ["O"] * length
    for begin, end, kind in found:
        labels[begin:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - begin - 1)
    return labels


@given(labelled)
def test_spans_are_what_labels_mean(labels):
    found = spans(labels)
    right = written(found, len(labels))
    assert spans(right) == found and broken_bio(right) == 0
    assert (right == labels) == (broken_bio(labels) == 0)
    assert sum(end - begin for begin, end, _ in found) == len(labels) - labels.count("O")


@given(labelled)
def test_what_is_allowed_is_what_is_not_broken(labels):
    transitions, start = allowed_bio(LABELS)
    numbers = [LABELS.index(label) for label in labels]
    breaks = sum(not transitions[i, j] for i, j in pairwise(numbers))
    assert broken_bio(labels) == breaks + (not start[numbers[0]] if numbers else 0)


@given(st.lists(st.tuples(labelled, st.randoms()), max_size=4))
def test_scores_count_spans(sentences):
    true = [labels for labels, _ in sentences]
    said = [random.sample(labels, len(labels)) for labels, random in sentences]
    scores = span_scores(said, true)
    pairs = [(set(spans(a)), set(spans(b))) for a, b in zip(said, true, strict=True)]
    hits = sum(len(a & b) for a, b in pairs)
    found, there = (sum(len(pair[i]) for pair in pairs) for i in (0, 1))
    assert scores.precision == (hits / found if found else 1) and scores.recall == (hits / there if there else 1)
    assert span_scores(true, true).f1 == 1
    assert all(0 <= f1 <= 1 for f1 in scores.by_kind.values())


def test_conll_files(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("-DOCSTART- -X- O O\n\n# a comment\nU.N. NNP I-NP I-ORG\nofficial NN I-NP O\n\n\nYes\tUH O O\r\n")
    assert read_conll(path) == [(["U.N.", "official"], ["I-ORG", "O"]), (["Yes"], ["O"])]
    assert read_conll(path, label_column=2)[0] == (["U.N.", "official"], ["I-NP", "I-NP"])
    path.write_text("New York\tB-LOC\n")
    assert read_conll(path, separator="\t") == [(["New York"], ["B-LOC"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"word\n", "line 1 .* no token in column 0 and label in column -1: 'word'"),
        (b"a O\nb\n", "line 2"),
        (b"\n\n", "no sentences"),
        (b"\xff\xfe\n", "not UTF-8"),
    ],
)
def test_files_that_are_no_conll_files_are_refused(content, message, tmp_path):
    path = tmp_path / "a.conll"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_conll(path)
    with pytest.raises(FileNotFoundError):
        read_conll(tmp_path / "none")


def test_scores_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="sentence 0 has 2 labels, 1 were found"):
        span_scores([["O"]], [["O", "O"]])
    with pytest.raises(ValueError, match=r"1 sentences .* labels of 2"):
        span_scores([["O"]], [["O"], ["O"]])
