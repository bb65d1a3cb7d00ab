"""The examples that learn to write words and characters: who wins, what a resumed run is worth, and bad input."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def example(monkeypatch):
    """Import an example by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    before = tg.get_default_device()
    yield importlib.import_module
    tg.set_default_device(before)


@pytest.fixture
def story(tmp_path):
    """A text of sentences from a small grammar, in which no paragraph occurs twice."""
    rng = np.random.default_rng(0)
    things = [f"{first}{last}" for first in ("ba", "ke", "lo", "mi") for last in ("do", "ra", "tu", "vin", "zel")]
    sentences = []
    for i in range(700):
        a, b = rng.choice(things, 2)
        verb = rng.choice(["sees", "finds", "likes"])
        sentences.append(f"The {a} {verb} the {b} and the {b} {verb} the {a}." + ("\n\n" if i % 5 == 4 else " "))
    path = tmp_path / "story.txt"
    path.write_text("".join(sentences), encoding="utf-8")
    return path


def bad(call, capsys):
    """The one line that a call complains with."""
    with pytest.raises(SystemExit) as stop:
        call()
    lines = capsys.readouterr().err.strip().split("\n")
    assert stop.value.code == 2 and len(lines) == 1, lines
    return lines[0]


@pytest.mark.slow
def test_the_better_lstm_beats_the_plain_one_on_the_same_text(example, tmp_path):
    from tinygrad_edu import text

    path = tmp_path / "help.txt"
    path.write_text(text.drop_repeats(text.help_topics())[:120_000], encoding="utf-8")
    options = "--hidden 100 --lr 0.006 --batch-size 10 --bptt 25 --dropout 0.3 --epochs 14 --sample-length 5".split()
    result = example("word_lm").main(["--text", str(path), *options, "--out", str(tmp_path / "out")])
    assert result["better LSTM"] < 0.97 * result["plain LSTM"], result


def test_words_are_learned_and_written(example, story, tmp_path, capsys):
    options = "--hidden 16 --layers 1 --dropout 0.1 --epochs 4 --batch-size 4 --lr 0.02 --min-count 1 --pointer".split()
    result = example("word_lm").main(
        ["--text", str(story), *options, "--prompt", "the", "--out", str(tmp_path / "out")]
    )
    assert result["better LSTM"] < 0.95 * result["plain LSTM"] < 10, result
    assert result["with a pointer"] < 6, result
    printed = capsys.readouterr().out
    assert printed.count("  | the") == 4 and "<unk>" not in printed.split("samples:")[1]
    assert (tmp_path / "out" / "perplexity.png").stat().st_size > 1000


def test_words_are_read_from_a_folder_of_three_files(example, story, tmp_path):
    lines = story.read_text().lower().replace(".", " .").split("\n")
    for name, part in (("train", lines[:200]), ("valid", lines[200:240]), ("test", lines[240:])):
        (tmp_path / f"ptb.{name}.txt").write_text("\n".join(part))
    options = "--hidden 8 --epochs 1 --batch-size 4 --lr 0.02 --orders 2 --cell GRU --prompt the --samples 1".split()
    result = example("word_lm").main(["--ptb", str(tmp_path), *options, "--out", str(tmp_path / "out")])
    assert set(result) == {"n-gram", "plain GRU", "better GRU"} and all(1 < p < 60 for p in result.values())


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--ptb", "nowhere"], "ptb.train.txt"),
        (["--text", "nowhere.txt"], "nowhere.txt"),
        (["--text", "short.txt"], "too few"),
        (["--text", "story.txt", "--batch-size", "9000"], "too short for 9000 streams"),
        (["--text", "story.txt", "--prompt", " "], "--prompt"),
        (["--text", "story.txt", "--ptb", "."], "not allowed with"),
        (["--top-p", "1.5"], "--top-p"),
    ],
)
def test_bad_input_of_the_words_gets_one_line(example, story, tmp_path, monkeypatch, capsys, options, part):
    (tmp_path / "short.txt").write_text("One sentence.")
    monkeypatch.chdir(tmp_path)
    assert part in bad(lambda: example("word_lm").main(options), capsys)


# Characters, by attention

SMALL = "--layers 1 --heads 2 --width 16 --block 12 --batch-size 8 --eval-every 10 --sample-length 10 --lr 0.01".split()


def test_a_gpt_learns_to_write_and_a_resumed_run_is_the_same(example, story, tmp_path, capsys):
    gpt = example("char_gpt")
    options = ["--text", str(story), *SMALL, "--steps", "60", "--dropout", "0.2"]
    whole = gpt.main([*options, "--out", str(tmp_path / "whole")])
    assert whole["bits"] < 0.85 * whole["measured"][0][1] and [step for step, _ in whole["measured"]][-1] == 60
    assert capsys.readouterr().out.count("  | The ") == 1

    common = example("common")
    common.SAVE_EVERY, before = 0.0, common.SAVE_EVERY
    step = gpt.train_step

    def interrupted(run, number):
        if number == 34:
            raise KeyboardInterrupt
        return step(run, number)

    gpt.train_step = interrupted
    with pytest.raises(KeyboardInterrupt):
        gpt.main([*options, "--out", str(tmp_path / "cut")])
    gpt.train_step, common.SAVE_EVERY = step, before
    resumed = gpt.main([*options, "--resume", "--out", str(tmp_path / "cut")])
    assert resumed["losses"] == whole["losses"] and resumed["measured"] == whole["measured"]

    for change, part in (
        (["--width", "32"], "--width 16"),
        (["--text", str(EXAMPLES / "char_gpt.py")], "another text"),
        (["--out", str(tmp_path / "nothing")], "there is no checkpoint"),
    ):
        call = [*options, "--resume", "--out", str(tmp_path / "cut"), *change]
        assert part in bad(lambda call=call: gpt.main(call), capsys)


def test_accumulated_batches_are_one_large_batch(example, story, monkeypatch):
    gpt, common = example("char_gpt"), example("common")
    together = [tg.randint(0, 20, (12, 12)), tg.randint(0, 20, (12, 12))]
    found = []
    for size, count in ((12, 1), (4, 3)):
        parser = common.build_parser(gpt.__doc__, "char_gpt")
        gpt.options(parser)
        options = [*SMALL, "--dropout", "0", "--batch-size", str(size), "--accumulate", str(count)]
        args = common.begin(parser, ["--text", str(story), *options])
        run = gpt.Run.new(args, gpt.load_corpus(args.text))
        pieces = [[t[size * part : size * (part + 1)] for t in together] for part in range(count)]
        monkeypatch.setattr(gpt, "windows", lambda codes, args, step, part, pieces=pieces: pieces[part])
        loss = gpt.train_step(run, 0)
        found.append((loss, [p.grad.numpy() for p in run.model.parameters()]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for whole, parts in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_every_held_out_character_is_scored_once_with_what_was_before_it(example):
    gpt = example("char_gpt")
    seen = []

    class Watching:
        """Predicts the character that it read last; wrong where that is not right."""

        def __call__(self, tokens):
            seen.append(tokens.shape)
            return 20.0 * tg.nn.functional.one_hot(tokens, 5)

        def eval(self):
            return self

        def train(self):
            return self

    for length in (2, 3, 7, 8, 9, 30):
        text = np.random.default_rng(length).integers(5, size=(length, 3))
        expected = np.where(text[1:] == text[:-1], 0.0, 20.0 / np.log(2)).mean()
        assert gpt.held_out_bits(Watching(), text, 8) == pytest.approx(expected, abs=1e-6)
        assert all(shape[1] <= 8 for shape in seen)


def test_beside_an_lstm(example, story, tmp_path, capsys):
    result = example("char_gpt").main(
        ["--text", str(story), *SMALL, "--steps", "10", "--versus-lstm", "--out", str(tmp_path / "out")]
    )
    assert result["lstm"] > 0 and "the GPT needs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--text", "nowhere.txt"], "nowhere.txt"),
        (["--heads", "5"], "5 heads do not divide"),
        (["--text", "story.txt", "--block", "100000"], "too few for --block 100000"),
        (["--block", "1"], "--block"),
    ],
)
def test_bad_input_of_the_characters_gets_one_line(example, story, tmp_path, monkeypatch, capsys, options, part):
    monkeypatch.chdir(tmp_path)
    assert part in bad(lambda: example("char_gpt").main(options), capsys)
