"""Words by counting: windows, co-occurrence, mutual information, singular values, neighbours; trees and tables of words."""

from __future__ import annotations

import heapq
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.text import (
    AliasTable,
    Huffman,
    SparseMatrix,
    Vocabulary,
    WordVectors,
    bundled_text,
    contexts,
    cooccurrence,
    docstrings,
    help_topics,
    pairs,
    pmi,
    positive_pmi,
    read_text,
    split_sentences,
    subsample,
    truncated_svd,
)

CORPUS = st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1)


def enough(corpus, window):
    return sum(map(len, corpus)) > 2 * window and any(len(sequence) > 1 for sequence in corpus)


def by_hand(corpus, window):
    """Centre, neighbour and distance of each pair, in the order of the text."""
    for sequence in corpus:
        for i, center in enumerate(sequence):
            for j in range(max(0, i - window), min(len(sequence), i + window + 1)):
                if i != j:
                    yield center, sequence[j], abs(i - j)


@given(CORPUS, st.integers(1, 3))
def test_pairs_are_those_within_the_window(corpus, window):
    if not enough(corpus, window):
        with pytest.raises(ValueError, match="contexts: "):
            pairs(corpus, window)
        return
    centers, neighbours = pairs(corpus, window)
    expected = [(center, neighbour) for center, neighbour, _ in by_hand(corpus, window)]
    assert list(zip(centers.tolist(), neighbours.tolist(), strict=True)) == expected
    words, around = contexts(corpus, window, padding=9)
    assert around.shape == (len(words), 2 * window)
    flat = [(word, other) for word, row in zip(words, around.tolist(), strict=True) for other in row if other != 9]
    assert flat == expected


def test_random_windows_weigh_pairs_by_nearness():
    text = np.arange(40_000)
    centers, neighbours = pairs([text], window=4, generator=np.random.default_rng(0))
    share = np.bincount(np.abs(centers - neighbours)) / (2 * text.size)
    assert share == pytest.approx([0, 1, 0.75, 0.5, 0.25], abs=0.01), "distance d needs a window of at least d"


def test_frequent_words_are_left_out_as_often_as_told():
    corpus = [np.repeat([0, 1, 2], [80_000, 19_980, 20])] * 2
    counts = np.bincount(np.concatenate(corpus))
    kept = subsample(corpus, counts, 1e-2, np.random.default_rng(0))
    rest = np.bincount(np.concatenate(kept)) / counts
    f = counts[:2] / counts.sum()
    assert len(kept) == 2
    assert rest[:2] == pytest.approx(np.sqrt(1e-2 / f) + 1e-2 / f, abs=0.01)
    assert rest[2] == 1


@given(CORPUS, st.integers(1, 3), st.sampled_from(["flat", "harmonic"]))
def test_cooccurrence_counts_the_pairs(corpus, window, weighting):
    if not enough(corpus, window):
        return
    expected = np.zeros((5, 5))
    for center, neighbour, distance in by_hand(corpus, window):
        expected[center, neighbour] += 1 if weighting == "flat" else 1 / distance
    counts = cooccurrence(corpus, 5, window, weighting=weighting)
    assert counts.toarray() == pytest.approx(expected)
    assert counts.size == np.count_nonzero(expected)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (300, 200)])
def test_sparse_matrices_are_matrices(shape):
    rng = np.random.default_rng(0)
    entries = 2 * shape[0] * shape[1] // 3
    rows, columns = rng.integers(0, shape[0], entries), rng.integers(0, shape[1], entries)
    rows[rows == shape[0] // 2] = 0  # an empty row
    values = rng.standard_normal(entries)
    dense = np.zeros(shape)
    np.add.at(dense, (rows, columns), values)
    sparse = SparseMatrix.from_entries(rows, columns, values, shape)
    right, left = rng.standard_normal((shape[1], 4)), rng.standard_normal((shape[0], 4))
    for computed, expected in [
        (sparse.toarray(), dense),
        (sparse.T.toarray(), dense.T),
        (sparse @ right, dense @ right),
        (sparse.T @ left, dense.T @ left),
        (sparse.sum(0), dense.sum(0)),
        (sparse.sum(1), dense.sum(1)),
    ]:
        np.testing.assert_allclose(computed, expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match=r"SparseMatrix @: shapes .* do not fit"):
        sparse @ np.ones((shape[1] + 1, 2))


@pytest.mark.parametrize(("shift", "smoothing"), [(1.0, 1.0), (1.0, 0.75), (5.0, 0.75)])
def test_mutual_information_is_its_formula(shift, smoothing):
    rng = np.random.default_rng(0)
    counts = cooccurrence([rng.integers(0, 30, 200)], 40, 3)  # ten words never occur
    joint = counts.toarray() / counts.values.sum()
    context = joint.sum(0) ** smoothing / (joint.sum(0) ** smoothing).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.log(joint / (joint.sum(1, keepdims=True) * context))
    met = joint > 0
    assert pmi(counts, smoothing=smoothing).toarray()[met] == pytest.approx(expected[met], rel=1e-5)
    positive = positive_pmi(counts, shift=shift, smoothing=smoothing)
    assert positive.toarray() == pytest.approx(
        np.where(met, np.maximum(0, expected - np.log(shift)), 0), rel=1e-5, abs=1e-6
    )
    assert (positive.values > 0).all()


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (12, 12)])
def test_the_largest_singular_values_are_found(shape):
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal(shape) * 0.8 ** np.arange(shape[1])
    u, s, v = truncated_svd(matrix, 10)
    exact_u, exact_s, exact_v = np.linalg.svd(matrix)
    np.testing.assert_allclose(s, exact_s[:10], rtol=1e-6)
    assert np.abs((u * exact_u[:, :10]).sum(0)) == pytest.approx(np.ones(10), abs=1e-5)
    assert np.abs((v * exact_v[:10].T).sum(0)) == pytest.approx(np.ones(10), abs=1e-5)
    np.testing.assert_allclose(u.T @ matrix @ v, np.diag(s), atol=1e-8)
    assert (u[np.abs(u).argmax(0), np.arange(10)] > 0).all()
    rows, columns = np.indices(shape).reshape(2, -1)
    sparse = SparseMatrix.from_entries(rows, columns, matrix.ravel(), shape)
    for computed, expected in zip(truncated_svd(sparse, 10), (u, s, v), strict=True):
        np.testing.assert_allclose(computed, expected, atol=1e-8)
    with pytest.raises(ValueError, match=r"truncated_svd: a matrix of shape .* has no 61 singular values"):
        truncated_svd(matrix, 61)


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1).filter(any))
def test_an_alias_table_holds_exactly_the_distribution(weights):
    table = AliasTable(weights)
    shares = table.threshold.copy()
    np.add.at(shares, table.alias, 1 - table.threshold)
    np.testing.assert_allclose(shares / len(table), np.array(weights) / sum(weights), rtol=1e-9, atol=1e-12)
    assert not np.isin(table.draw(50, np.random.default_rng(0)), np.flatnonzero(np.array(weights) == 0)).any()


def test_draws_follow_the_weights():
    weights = np.array([5.0, 0, 3, 2])
    drawn = AliasTable(weights).draw((1000, 50), np.random.default_rng(0))
    assert drawn.shape == (1000, 50)
    assert np.bincount(drawn.ravel(), minlength=4) / drawn.size == pytest.approx(weights / 10, abs=0.01)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=40))
def test_a_huffman_tree_is_the_shortest_code(counts):
    tree = Huffman(counts)
    codes = [tree.code(word) for word in range(len(counts))]
    assert [len(code) for code in codes] == tree.lengths.tolist()
    assert sum(2.0 ** -len(code) for code in codes) == 1, "every branch ends in a word"
    assert not any(a != b and b.startswith(a) for a in codes for b in codes)
    heap, cost = sorted(counts), 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    assert sum(n * len(code) for n, code in zip(counts, codes, strict=True)) == cost
    node_of = {}  # each walk's beginning leads to one node, and each node has one such beginning
    for word, code in enumerate(codes):
        for depth in range(len(code)):
            assert node_of.setdefault(code[:depth], tree.nodes[word, depth]) == tree.nodes[word, depth]
        assert not tree.turns[word, len(code) :].any()
    assert sorted(node_of.values()) == list(range(len(counts) - 1)) and node_of[""] == len(counts) - 2


@pytest.fixture
def vectors():
    words = Vocabulary("abcdefgh")
    return WordVectors(words, np.random.default_rng(0).standard_normal((8, 5)))


def cosine(x, y):
    return x @ y / np.linalg.norm(x) / np.linalg.norm(y)


def test_neighbours_are_ranked_by_angle(vectors):
    ranking = vectors.most_similar("c", 7)
    assert [word for word, _ in ranking] == sorted("abdefgh", key=lambda w: -cosine(vectors["c"], vectors[w]))
    for word, score in ranking:
        assert (
            score == pytest.approx(cosine(vectors["c"], vectors[word])) == pytest.approx(vectors.similarity("c", word))
        )
    assert vectors.most_similar("c", 3) == ranking[:3] and len(vectors.most_similar("c", 100)) == 7
    assert vectors.most_similar(3 * vectors["c"], 1)[0] == ("c", pytest.approx(1))


def test_analogies_are_their_formulas(vectors):
    unit = {w: vectors[w] / np.linalg.norm(vectors[w]) for w in "abcdefgh"}
    add = sorted("defgh", key=lambda w: -(unit[w] @ (unit["b"] - unit["a"] + unit["c"])))
    to = {w: {v: (unit[w] @ unit[v] + 1) / 2 for v in "abc"} for w in unit}
    mul = sorted("defgh", key=lambda w: -(to[w]["b"] * to[w]["c"] / (to[w]["a"] + 1e-3)))
    assert [w for w, _ in vectors.analogy("a", "b", "c", 10)] == add
    assert [w for w, _ in vectors.analogy("a", "b", "c", 10, method="mul")] == mul
    with pytest.raises(ValueError, match="method is 'add' or 'mul', got 'sub'"):
        vectors.analogy("a", "b", "c", method="sub")


def test_a_plane_keeps_what_differs_most(vectors):
    flat = WordVectors(vectors.vocabulary, np.eye(8)[:, :5] + np.arange(8)[:, None])
    words = list("abcdef")
    unit = np.stack([flat[w] / np.linalg.norm(flat[w]) for w in words])
    full = flat.principal(words, 5)
    centred = unit - unit.mean(0)
    np.testing.assert_allclose(full @ full.T, centred @ centred.T, atol=1e-12)
    assert (np.diff(full.var(0)) <= 0).all()
    np.testing.assert_array_equal(flat.principal(words), full[:, :2])
    with pytest.raises(ValueError, match="have no 3 principal directions"):
        flat.principal("ab", 3)


def test_vectors_are_written_and_read(vectors, tmp_path):
    path = tmp_path / "vectors.txt"
    vectors.save(path)
    again = WordVectors.load(path)
    assert again.vocabulary == vectors.vocabulary
    np.testing.assert_allclose(again.vectors, vectors.vectors, rtol=1e-6)
    path.write_text("the 1 2\nof 3 4\n")  # GloVe's form
    assert WordVectors.load(path)["of"].tolist() == [3, 4]
    for content, message in [
        ("the 1 2\nof 3\n", "line 2 of .* it has 1 numbers, the first word has 2"),
        ("the 1 x\n", "line 1 of .* could not convert"),
        ("", "has no vectors"),
    ]:
        path.write_text(content)
        with pytest.raises(ValueError, match=f"WordVectors.load: .*{message}"):
            WordVectors.load(path)
    with pytest.raises(ValueError, match="no place for 'a b'"):
        WordVectors(Vocabulary(["a b"]), np.ones((1, 2))).save(path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pairs([[1, 2, 3, 4]], 2), "contexts: the corpus has 4 words, a window of 2 on both sides spans 5"),
        (lambda: pairs([], 2), "the corpus has 0 words"),
        (lambda: pairs([[1], [2], [3]], 1), "none of the 3 sequences has two words"),
        (lambda: pairs([1, 2, 3], 1), r"expected sequences of integers, got one of shape \[\]"),
        (lambda: pairs([[1, 2, -3]], 1), "indices of words are not negative, got -3"),
        (lambda: contexts([[1, 2, 3]], 0), "the window must be at least 1, got 0"),
        (lambda: cooccurrence([[0, 1, 5]], 5, 1), "cooccurrence: word 5 is not in a vocabulary of 5"),
        (lambda: cooccurrence([[0]], 5, 1), "cooccurrence: the corpus has 1 words"),
        (lambda: cooccurrence([[0, 1, 2]], 5, 1, weighting="x"), "weighting is 'flat' or 'harmonic'"),
        (lambda: subsample([[1]], [1], 0.0, np.random.default_rng()), "threshold must be positive, got 0.0"),
        (lambda: positive_pmi(cooccurrence([[0, 1, 2]], 3, 1), shift=0), "shift must be positive, got 0"),
        (lambda: AliasTable([]), r"expected a list of weights, got shape \[0\]"),
        (lambda: AliasTable([1, -1]), "not negative"),
        (lambda: AliasTable([0.0]), "not all 0"),
        (lambda: AliasTable([np.inf]), "finite"),
        (lambda: Huffman([1]), "at least two words"),
        (lambda: Huffman([1, -1]), "counts are not negative, got -1"),
        (
            lambda: WordVectors(Vocabulary("ab"), np.ones((3, 2))),
            r"2 words need vectors of shape \[2, D\], got \[3, 2\]",
        ),
        (lambda: WordVectors(Vocabulary("ab"), np.full((2, 2), np.nan)), "some numbers are not finite"),
        (lambda: WordVectors(Vocabulary("ab"), np.ones((2, 2))).most_similar("a", 0), "at least 1, got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_words_are_named_with_words_like_them(vectors):
    known = WordVectors(Vocabulary(["python", "snake", "<unk>"]), np.eye(3))
    for ask in (
        lambda: known["pythn"],
        lambda: known.most_similar("pythn"),
        lambda: known.analogy("snake", "pythn", "snake"),
        lambda: known.similarity("pythn", "snake"),
        lambda: known.principal(["snake", "pythn"]),
    ):
        with pytest.raises(
            KeyError, match="'pythn' is not among the 3 tokens of the vocabulary; did you mean 'python'"
        ):
            ask()


def test_the_bundled_text_is_prose_without_repeats():
    text = bundled_text()
    assert text.startswith(help_topics()[:50]) and ">>>" not in text
    counts = Counter(" ".join(part.split()) for part in text.split("\n\n"))
    assert max(counts.values()) == 1
    common = {"the", "a", "to", "of", "is", "and", "in"}
    assert common <= {word for word, _ in Counter(text.lower().split()).most_common(12)}
    if docstrings():  # some systems carry Python without its sources
        assert len(text.split()) > 200_000
    sentence, *_ = split_sentences("One, two.\n\n--\n\nThree", punctuation=True)
    assert sentence == ["one", ",", "two", "."]
    assert split_sentences("One, two.\n\n--\n\nThree") == [["one", "two"], ["three"]]


def test_files_are_read_as_text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffGrüße\r\nWelt\r".encode())
    assert read_text(path) == "Grüße\nWelt\n"
    for content, message in [(b"one\ntwo \xff", r"byte 0xff in line 2"), (b" \n", "has no text")]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"read_text: .*text.txt' .*{message}"):
            read_text(path)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "none")


# A word, and words that a reader would expect among its nearest neighbours: at least one of them must be there.
QUESTIONS = {
    "first": "second last next third",
    "left": "right",
    "read": "write",
    "client": "server connection",
    "year": "month day week",
    "width": "height",
    "true": "false none",
    "file": "files filename directory",
    "valueerror": "typeerror keyerror oserror attributeerror importerror",
    "thread": "threads process lock",
}


def test_ten_questions_to_counted_words():
    text = split_sentences(bundled_text())
    vocabulary = Vocabulary.build((word for sentence in text for word in sentence), min_count=10)
    counts = cooccurrence(
        [vocabulary.encode(s, skip_unknown=True) for s in text], len(vocabulary), window=5, weighting="harmonic"
    )
    u, s, _ = truncated_svd(positive_pmi(counts), 100)
    vectors = WordVectors(vocabulary, u * np.sqrt(s))
    for word, expected in QUESTIONS.items():
        nearest = [other for other, _ in vectors.most_similar(word, 5)]
        assert set(nearest) & set(expected.split()), f"{word}: {nearest}"
