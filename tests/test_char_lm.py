"""The character-level example: its n-gram baseline, its files, and its behaviour as a command."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPT = EXAMPLES / "char_lm.py"


def load(name: str) -> ModuleType:
    """Import a module of the examples, which are scripts and no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


text_data = load("text_data")
ngram = load("ngram")


# The n-gram model


@st.composite
def texts(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """A training text over an alphabet that it may not use up."""
    vocab_size = draw(st.integers(1, 6))
    codes = draw(st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=60))
    return np.array(codes), vocab_size + draw(st.integers(0, 2))


@given(texts(), st.integers(1, 6), st.data())
def test_probabilities_are_a_distribution_after_any_context(
    text: tuple[np.ndarray, int], max_order: int, data: st.DataObject
) -> None:
    codes, vocab_size = text
    model = ngram.KneserNey(codes, vocab_size, max_order)
    order = data.draw(st.integers(1, model.max_order))
    context = data.draw(st.lists(st.integers(0, vocab_size - 1), max_size=8))
    p = model.probabilities(context, order)
    assert p.shape == (vocab_size,)
    assert (p > 0).all(), "a character without any probability would make the perplexity infinite"
    assert math.isclose(p.sum(), 1.0, rel_tol=1e-12)


@given(texts(), st.integers(1, 5), st.data())
def test_scoring_a_text_agrees_with_the_distributions(
    text: tuple[np.ndarray, int], max_order: int, data: st.DataObject
) -> None:
    codes, vocab_size = text
    model = ngram.KneserNey(codes, vocab_size, max_order)
    other = data.draw(st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=12))
    scores = model.sequence_probabilities(np.array(other))
    for order in range(1, model.max_order + 1):
        expected = [model.probabilities(other[:i], order)[c] for i, c in enumerate(other)]
        np.testing.assert_allclose(scores[order - 1], expected, rtol=1e-12)


def test_bigram_model_agrees_with_the_textbook() -> None:
    # "abcabdab" by hand. The continuation counts of a, b, c, d: after how many different characters, the start of the
    # text being one. The discounts are whatever discounts() says; everything else is Chen and Goodman's equation.
    codes = np.array([0, 1, 2, 0, 1, 3, 0, 1])
    pairs = {(0, 1): 3, (1, 2): 1, (2, 0): 1, (1, 3): 1, (3, 0): 1}
    continuation = np.array([3, 1, 1, 1])
    high = ngram.discounts(np.array(list(pairs.values())))
    low = ngram.discounts(continuation)
    off = low[np.minimum(continuation, 3)]
    unigram = (continuation - off + off.sum() / 4) / continuation.sum()
    after_b = np.array([0.0, 0.0, 1 - high[1], 1 - high[1]])
    expected = (after_b + 2 * high[1] * unigram) / 2
    np.testing.assert_allclose(ngram.KneserNey(codes, 4, 2).probabilities([1]), expected, rtol=1e-12)


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_no_model_compresses_noise(vocab_size: int, seed: int) -> None:
    train, fresh = np.random.default_rng(seed).integers(vocab_size, size=(2, 3000))
    bits = -np.log2(ngram.KneserNey(train, vocab_size, 5).sequence_probabilities(fresh)).mean(axis=1)
    assert bits.min() > math.log2(vocab_size) - 0.02  # the entropy, less what chance may give
    assert bits[0] < math.log2(vocab_size) + 0.02  # a single character's distribution is learned almost exactly


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_longer_contexts_find_structure(seed: int) -> None:
    # Words of a small vocabulary in random order: letters depend on the letters before them.
    rng = np.random.default_rng(seed)
    words = [rng.integers(8, size=5) for _ in range(6)]
    train, fresh = (np.concatenate([words[i] for i in rng.integers(6, size=400)]) for _ in range(2))
    bits = -np.log2(ngram.KneserNey(train, 8, 4).sequence_probabilities(fresh)).mean(axis=1)
    assert bits[3] < 0.5 * bits[0]


@pytest.mark.parametrize(
    ("codes", "vocab_size", "order", "match"),
    [([], 2, 1, "non-empty"), ([0, 3], 3, 1, "expected 0..2"), ([0, 1], 2, 0, "max_order must be at least 1")],
)
def test_ngram_names_what_is_wrong(codes: list[int], vocab_size: int, order: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ngram.KneserNey(np.array(codes, dtype=np.int64), vocab_size, order)


# The text


@given(st.lists(st.text("ab c\n", max_size=30), min_size=1, max_size=20))
def test_repeats_are_dropped_once_and_for_all(pieces: list[str]) -> None:
    text = "\n\n".join(pieces)
    kept = text_data.drop_repeats(text)
    paragraphs = [" ".join(p.split()) for p in kept.split("\n\n")]
    assert len(set(paragraphs)) == len(paragraphs)
    assert text_data.drop_repeats(kept) == kept
    assert set(kept.split()) == set(text.split())


@given(st.integers(2, 200), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_streams_continue_and_targets_follow(length: int, batch_size: int, seed: int) -> None:
    if length <= batch_size:
        return
    inputs, targets = text_data.streams(np.arange(length), batch_size, np.random.default_rng(seed))
    assert inputs.shape == targets.shape == ((length - 1) // batch_size, batch_size)
    np.testing.assert_array_equal(targets, (inputs + 1) % length)
    np.testing.assert_array_equal(inputs[1:], targets[:-1])
    assert len(np.unique(inputs)) == inputs.size, "no character is read twice in an epoch"


def test_held_out_text_is_not_in_the_training_text(tmp_path: Path) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(2000))  # every character occurs once
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    corpus = text_data.load_corpus(str(tmp_path / "text.txt"))
    assert not set(corpus.train) & set(corpus.held_out.ravel())
    assert corpus.train.size + corpus.held_out.size == len(text)
    assert (np.diff(corpus.held_out, axis=0) == 1).all(), "each column is one contiguous stretch"


# The command


def run(*options: str, out: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Call the example as a user would."""
    command = [sys.executable, str(SCRIPT), "--out", str(out), *options]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """Options of a run that takes a second or two, on a text with structure to learn."""
    rng = np.random.default_rng(7)
    words = ["the", "snake", "ate", "a", "tensor", "and", "grew", "long,", "then", "slept."]
    text = "\n\n".join(f"{i} " + " ".join(rng.choice(words, size=12)) for i in range(120))
    (tmp_path / "tiny.txt").write_text(text, encoding="utf-8")
    sizes = "--hidden 12 --embedding 6 --batch-size 4 --bptt 16 --epochs 2 --ngram-order 3 --sample-length 20"
    return ["--text", "tiny.txt", "--lr", "0.02", *sizes.split()]


def history(out: Path) -> dict[str, list[float]]:
    return json.loads((out / "history.json").read_text())


def assert_one_line(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("char_lm.py: error: "), result.stderr
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_run_lowers_the_loss_and_leaves_its_files(cell: str, tiny: list[str], tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    result = run(*tiny, "--cell", cell, "--layers", "2", out=out, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    losses = history(out)["losses"]
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])
    assert {path.name for path in out.iterdir()} >= {"checkpoint", "history.json", "sample.txt", "loss.png"}
    assert (out / "sample.txt").read_text().startswith("he ")  # there is no "T" in this text
    assert "epoch  2/2" in result.stdout and "Look at:" in result.stdout


def test_a_killed_run_resumes_bit_for_bit(tiny: list[str], tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    options = [*tiny, "--dropout", "0.3", "--checkpoint-every", "7"]
    assert run(*options, out=straight, cwd=tmp_path).returncode == 0

    command = [sys.executable, str(SCRIPT), "--out", str(killed), *options]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=tmp_path, stdout=quiet, stderr=quiet)
    deadline = time.monotonic() + 60
    while not (killed / "checkpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    assert process.wait() != 0, "the run ended before it could be killed"
    assert not (killed / "sample.txt").exists()

    result = run("--resume", "--text", "tiny.txt", "--ngram-order", "3", out=killed, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "going on after step" in result.stdout
    assert history(killed) == history(straight)  # floats, compared exactly

    again = run("--resume", "--text", "tiny.txt", "--ngram-order", "3", out=killed, cwd=tmp_path)
    assert again.returncode == 0, "resuming a finished run has nothing to do, which is no error"
    assert history(killed) == history(straight)


def test_resuming_what_does_not_fit_is_refused(tiny: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_one_line(run("--resume", out=out, cwd=tmp_path), "there is no checkpoint")
    assert run(*tiny, out=out, cwd=tmp_path).returncode == 0
    before = (out / "checkpoint").read_bytes()

    sampled = run("--sample-only", "--prompt", "the ", "--sample-length", "30", out=out, cwd=tmp_path)
    assert sampled.returncode == 0 and "| the " in sampled.stdout, sampled.stderr
    text = (out / "sample.txt").read_text()
    assert len(text) == 34 and text in sampled.stdout.replace("\n  | ", "\n")
    end = text[8:10]  # with the same seed the same text, up to what stops it
    ways = ["--top-k", "99", "--top-p", "0.999999", "--stop", "|", "--stop", end]
    assert (
        run("--sample-only", "--prompt", "the ", *ways, "--sample-length", "30", out=out, cwd=tmp_path).returncode == 0
    )
    assert (out / "sample.txt").read_text() == text[: text.index(end, 4)]

    other = run("--resume", "--text", "tiny.txt", "--hidden", "13", out=out, cwd=tmp_path)
    assert_one_line(other, "--hidden 12", "not --hidden 13")
    (tmp_path / "other.txt").write_text((tmp_path / "tiny.txt").read_text().replace("snake", "whale"))
    assert_one_line(run("--resume", "--text", "other.txt", out=out, cwd=tmp_path), "another text")
    assert (out / "checkpoint").read_bytes() == before

    (out / "checkpoint").write_bytes(b"not a checkpoint")
    assert_one_line(run("--resume", "--text", "tiny.txt", out=out, cwd=tmp_path), "is not a checkpoint")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--text", "missing.txt"], "missing.txt"),
        (["--text", "empty.txt"], "too short"),
        (["--text", "latin1.txt"], "UTF-8"),
        (["--text", "short.txt"], "--batch-size 32"),
        (["--device", "abacus"], "abacus"),
        (["--epochs", "0"], "--epochs"),
        (["--dropout", "1"], "--dropout"),
        (["--lr", "nan"], "--lr"),
        (["--cell", "transformer"], "--cell"),
        (["--top-k", "0"], "--top-k"),
        (["--top-p", "1.5"], "--top-p"),
        (["--stop", ""], "--stop"),
    ],
)
def test_bad_input_gets_one_line(options: list[str], part: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin1.txt").write_bytes("é".encode("latin-1") * 300)
    (tmp_path / "short.txt").write_text(" ".join(map(str, range(100))))
    assert_one_line(run(*options, out=tmp_path / "out", cwd=tmp_path), part)
    assert not (tmp_path / "out").exists()
