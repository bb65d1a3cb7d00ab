"""The small examples: what they claim holds as numbers, their pictures are written, and bad input gets one line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SMALL = sorted(path.stem for path in EXAMPLES.glob("*.py") if "from common import begin" in path.read_text())


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run an example with options in a folder of its own; return what its main returns."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    before = tg.get_default_device()

    def call(name, *options):
        out = tmp_path / name
        result = importlib.import_module(name).main([*options, "--out", str(out)])
        assert any(path.stat().st_size > 1000 for path in out.iterdir()), "no picture"
        return result

    yield call
    tg.set_default_device(before)


@pytest.mark.parametrize("name", SMALL)
def test_bad_input_gets_one_line(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    main = importlib.import_module(name).main
    for options in (["--device", "cudo"], ["--seed", "-1"], ["--sed", "1"]):
        with pytest.raises(SystemExit) as stop:
            main(options)
        lines = capsys.readouterr().err.strip().split("\n")
        assert stop.value.code == 2 and len(lines) == 1, lines
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0 and (sys.modules[name].__doc__ or "").split("\n")[0] in text


def test_a_perceptron_learns_the_gates_but_xor(run):
    right = run("perceptron")
    assert right["AND"] == right["NAND"] == right["OR"] == right["XOR, two layers"] == 1
    assert right["XOR"] <= 0.75


def test_derivatives_of_tanh_are_those_of_calculus(run):
    result = run("tanh_derivatives", "--order", "7")
    assert max(result["errors"]) < 1e-12
    assert (np.diff(result["operations"]) > 0).all(), "each graph is larger than the one before"


def test_numerical_gradients_have_a_best_step(run):
    result = run("gradient_check")
    for name, best in (("float32", 1e-2), ("float64", 1e-7)):
        errors = np.array(result["errors"][name])
        i = int(errors.argmin())
        assert errors[i] < best
        assert errors[0] > 20 * errors[i] and errors[-1] > 20 * errors[i], "the curve is a V"
    assert min(result["errors"]["float32"]) > 1000 * min(result["errors"]["float64"])
    assert "WrongTanh.backward" in result["report"]
