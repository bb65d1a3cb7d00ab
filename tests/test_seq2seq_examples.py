"""The examples of sequence to sequence: shortened, they learn what they claim; the whole claims are slow tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
Run = Callable[..., dict[str, float]]


@pytest.mark.slow
def test_a_network_learns_to_add(run: Run) -> None:
    options = ["--digits", "2", "--train", "4500", "--test", "300", "--batch", "32", "--epochs", "6", "--hidden", "48"]
    assert run("addition", *options, "--lr", "0.01", "--variant", "reversed, peeky")["reversed, peeky"] > 0.15


@pytest.mark.slow
def test_attention_reads_dates_and_looks_at_the_year(run: Run) -> None:
    result = run("dates", "--train", "5000", "--test", "200", "--epochs", "4", "--hidden", "32", "--lr", "0.01")
    assert result["right"] > 0.8 and result["inside"] > 0.7 and result["same"] > 0.9


@pytest.mark.parametrize("attention", ["none", "dot", "additive"])
def test_numbers_are_translated(run: Run, attention: str) -> None:
    options = ["--pairs", "1200", "--epochs", "4", "--lr", "0.01", "--beam", "2", "--attention", attention]
    result = run("translate", *options, *(["--input-feeding"] if attention == "additive" else []))
    assert result["beam"] > 0.3 and result["greedy"] > 0.3


def test_a_file_of_pairs_is_translated_or_refused_by_its_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.tsv"
    rows = [(f"{a} {b} .", f"{b.upper()} {a.upper()} !") for a in "abcdefgh" for b in "abcdefgh"]
    path.write_text("".join(f"{a}\t{b}\tCC\n" for a, b in rows), encoding="utf-8")
    options = ["--file", str(path), "--swap", "--epochs", "30", "--hidden", "16", "--batch", "8", "--lr", "0.02"]
    assert run("translate", *options, "--teacher-forcing", "0.5")["right"] > 0.5
    for content, message in (("a\tb\nalone\n", "line 2"), ("a\tb\n", "only 1 pairs")):
        path.write_text(content)
        with pytest.raises(SystemExit):
            run("translate", "--file", str(path))
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_attention_reads_all_dates(run: Run) -> None:
    result = run("dates")
    assert result["right"] >= 0.995 and result["inside"] > 0.8 and result["same"] > 0.95


@pytest.mark.slow
def test_reversed_and_peeky_reaches_its_goal(run: Run) -> None:
    options = ["--variant", "reversed, peeky", "--epochs", "8", "--lr", "0.005"]
    assert run("addition", *options)["reversed, peeky"] >= 0.95
