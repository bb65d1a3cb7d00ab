"""The small examples: what they claim holds as numbers, their pictures are written, and bad input gets one line."""

from __future__ import annotations

import csv
import importlib
import itertools
import random
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SMALL = sorted(path.stem for path in EXAMPLES.glob("*.py") if "args = begin(parser, argv)" in path.read_text())


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


def test_optimizers_race_as_told(run):
    result = run("optimizer_race")
    assert result["SGD"]["crossings"] == 30, "a zigzag at every step"
    assert 2 <= result["Momentum"]["crossings"] <= 8
    assert result["AdaGrad"]["crossings"] == 0 and result["Adam"]["crossings"] <= 4
    for name in ("Momentum", "AdaGrad", "Adam"):
        assert result[name]["walked"] < result["SGD"]["walked"] / 2
    assert all(racer["end"] < 0.2 for racer in result.values())


def test_second_derivatives_save_steps(run):
    steps = run("newton", "--most", "3000")
    assert steps["x^4 - 2x^2, Newton"] < 10 < 100 < steps["x^4 - 2x^2, gradient descent"]
    assert (
        steps["Rosenbrock, Newton"]
        < 10
        < steps["Rosenbrock, L-BFGS"]
        < 60
        < steps["Rosenbrock, gradient descent"]
        == 3000
    )


@pytest.mark.parametrize(("activation", "right"), [("tanh", "Xavier"), ("relu", "He")])
def test_initialisation_decides_whether_values_and_gradients_survive(run, activation, right):
    result = run("initialization", "--activation", activation)

    def change(name, what):
        first, *_, last = result[name][what]
        return last / first

    assert change("std 0.01", "activations") < 1e-3 and change("std 0.01", "gradients") > 1e3
    for what in ("activations", "gradients"):
        assert 0.5 < change(right, what) < 2
        assert all(0.4 < change(f"{name} + batch norm", what) < 2 for name in ("std 1", "std 0.01", "Xavier", "He"))
    if activation == "tanh":
        assert min(result["std 1"]["saturated"]) > 0.5 > max(result[right]["saturated"])
    else:
        assert change("std 1", "activations") > 1e3 > 1 > change("Xavier", "activations") > 0.1


@pytest.mark.slow
def test_noise_is_learned_by_heart_unless_something_prevents_it(run):
    plain, decay, dropout = run("overfitting").values()
    assert plain["train"] > 0.97 and plain["gap"] > 0.15
    assert decay["weights"] < plain["weights"] / 2
    for other in (decay, dropout):
        assert other["test"] > plain["test"] + 0.05 and other["gap"] < plain["gap"] - 0.15


def test_random_search_finds_settings_and_the_test_set_agrees(run):
    result = run("hyperparameters", "--trials", "12", "--epochs", "10")
    assert result["validation"] > 0.85 and result["test"] > 0.85 and result["worst"] < 0.5


def test_an_ensemble_is_better_than_its_members(run):
    result = run("ensemble")
    assert result["together"] > result["mean"] + 0.005 and result["agree"] < 0.97


def test_a_small_network_reads_digits(run):
    result = run("digits_mlp", "--epochs", "20")
    assert result["test"] > 0.95 and result["train"] > 0.98


def test_a_hidden_layer_bends_the_border(run):
    result = run("spiral", "--epochs", "60")
    assert result["spiral, linear"] < 0.7 and result["spiral, hidden layer"] > 0.9
    assert result["moons, linear"] < 0.93 < 0.97 < result["moons, hidden layer"]


def test_lenet_reads_digits(run):
    result = run("lenet", "--epochs", "6", "--no-augmentation")
    assert result["test"] > 0.85


@pytest.mark.slow
def test_lenet_reaches_its_goal(run):
    assert run("lenet")["test"] >= 0.985


def test_small_changes_deceive_a_network_and_noise_does_not(run):
    result = run("adversarial", "--epochs", "8")
    at = result["strength"].index(0.15)
    assert result["adversarial"][0] > 0.93 and result["noise"][at] > 0.85 and result["adversarial"][at] < 0.5


def test_a_variational_autoencoder_fills_the_plane(run):
    result = run("vae", "--epochs", "20")
    assert result["last"] < 0.7 * result["first"] and 1 < result["divergence"] < 6


@pytest.mark.slow
def test_a_generator_learns_from_its_judge(run):
    result = run("dcgan", "--epochs", "10", "--width", "16")
    assert result["after"] < 0.7 * result["before"] and 0.05 < result["made"] < result["real"] < 0.98


@pytest.mark.parametrize(("model", "lr"), [("alexnet", "0.005"), ("resnet", "0.01")])
def test_small_networks_learn_pictures(run, model, lr):
    options = ["--images", "200", "--epochs", "6", "--width", "8", "--batch", "32", "--no-augmentation", "--lr", lr]
    result = run("cifar", "--model", model, *options)
    assert result["last"] < result["first"] - 0.1


def test_gradients_through_time_vanish_or_explode_by_the_spectral_radius(run):
    result = run("gradient_flow", "--steps", "40", "--size", "32")
    at_one = {name: np.interp(1, result["radii"], values) for name, values in result["factors"].items()}
    assert 0.9 < at_one["linear"] < 1.1
    assert at_one["tanh, inputs 1"] < at_one["tanh, inputs 0.1"] < 1
    for radius, factor in zip(result["radii"], result["factors"]["linear"], strict=True):
        assert 0.85 * radius < factor < 1.15 * radius
    left = result["left"]
    assert left["RNN"] < 1e-3 and left["GRU"] < 1e-2 and left["LSTM"] < 1e-2 and left["LSTM, forget bias 3"] > 0.05


def test_clipping_keeps_a_network_at_the_foot_of_the_cliff(run):
    result = run("clipping_cliff")
    free, clipped = result["not clipped"], result["clipped"]
    assert free["longest"] > 1 and free["steepest"] > 1000 and free["end"] == 16
    assert clipped["longest"] < 0.02 and clipped["end"] < 0.2


def test_gates_of_an_lstm_watch_the_text(run):
    result = run("lstm_gates", "--steps", "100", "--size", "32", "--read", "A line,\nand another (one).")
    assert result["bits"] < 4.2
    assert max(abs(value) for value in result["correlation"].values()) > 0.5
    low, high = result["forget"]
    assert low < 0.5 < 0.75 < high


def test_an_untrained_network_with_a_fitted_readout_continues_a_series(run):
    errors = run("echo_state", "--steps", "700", "--size", "100", "--epochs", "5")["errors"]
    assert errors["ridge, radius 0.9"] < 0.1
    assert errors["ridge, radius 0.1"] > 2 * errors["ridge, radius 0.9"]
    assert errors["Adam, radius 0.9"] > 5 * errors["ridge, radius 0.9"]


@pytest.mark.slow
def test_a_tree_works_out_larger_expressions_than_a_chain(run):
    result = run("tree_expressions")
    tree, chain = result["shares"].values()
    assert min(tree) > 0.97 and result["parts"] > 0.97
    assert chain[0] > 0.9 and chain[-1] < 0.75


def test_a_tree_learns_what_words_between_two_values_do(run):
    result = run("tree_expressions", "--steps", "60", "--most", "2", "--size", "16")
    shares = dict(zip(result["sizes"], result["shares"]["Tree-LSTM"], strict=True))
    assert shares[1] > 0.9 and shares[2] > 0.75


def test_pictures_that_are_not_there_are_asked_for_by_name(capsys, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with pytest.raises(SystemExit):
        importlib.import_module("cifar").main(["--data", str(tmp_path)])
    text = capsys.readouterr().err.strip()
    assert "data_batch_1.bin" in text and len(text.split("\n")) == 1


def test_a_crf_breaks_fewer_rules_than_a_softmax(run):
    result = run("tagging", "--lines", "150", "--judges", "150", "--epochs", "8")
    assert result["CRF"]["broken"] < 0.7 * result["softmax"]["broken"] and result["CRF"]["f1"] > result["softmax"]["f1"]
    for name in ("softmax", "CRF"):
        assert result[f"{name} with rules"]["broken"] == 0
        assert result[f"{name} with rules"]["f1"] > result[name]["f1"] > 0.6


def test_a_tagger_reads_ones_own_sentences(run, tmp_path):
    sentences = ["the DT O\ncat NN B-X\nsat VB O\n", "a DT O\nbig JJ B-X\ndog NN I-X\nran VB O\n"]
    (tmp_path / "train.conll").write_text("\n".join(sentences * 30))
    result = run("tagging", "--conll", str(tmp_path / "train.conll"), "--epochs", "8", "--hidden", "8", "--batch", "4")
    assert result["CRF"]["f1"] == 1


def test_a_convolution_sees_order_and_a_bag_of_words_does_not(run, tmp_path):
    draw = random.Random(0)
    rows = []
    for i in range(500):  # both classes have the same words, one of them "not good" and the other one "good ... not"
        words = draw.choices(["film", "it", "was", "the", "plot"], k=6)
        pair = [["not", "good"], ["good", "is", "not"]][i % 2]
        words[(at := draw.randrange(6)) : at] = pair
        rows.append((" ".join(words + ([] if i % 2 else ["is"])), ["bad", "fine"][i % 2]))
    path = tmp_path / "sentences.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    result = run("text_cnn", "--csv", str(path), "--epochs", "6", "--filters", "8", "--lr", "0.01")
    assert result["label, CNN"] > 0.9 and result["label, bag of words"] < 0.75


def test_a_csv_file_that_is_none_is_refused(capsys, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    path = tmp_path / "a.csv"
    for content, message in (("a,b\nalone\n", "row 2 has no second column"), ("a,b\nc,d\n", "ten rows")):
        path.write_text(content)
        with pytest.raises(SystemExit):
            importlib.import_module("text_cnn").main(["--csv", str(path)])
        assert message in capsys.readouterr().err


def test_names_are_recognised_and_written(run, tmp_path):
    result = run("names", "--each", "60", "--epochs", "6", "--hidden", "32", "--lr", "0.01")
    assert result["right"] > 0.5 > 2 * result["largest kind"]
    assert result["as meant"] > 0.4 and result["new"] > 0.1
    for kind, letters in (("Ab", "abc"), ("Xy", "xyz")):
        names = ["".join(p) for p in itertools.product(letters, repeat=3)]
        (tmp_path / f"{kind}.txt").write_text("\n".join(names))
    result = run("names", "--names", str(tmp_path), "--epochs", "4", "--hidden", "8", "--lr", "0.02", "--cell", "lstm")
    assert result["right"] == 1


def test_lists_of_names_that_are_none_are_refused(capsys, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    main = importlib.import_module("names").main
    for files, message in (({}, "a file KIND.txt for each"), ({"A": "one\ntwo", "B": "three"}, "ten names at least")):
        for kind, content in files.items():
            (tmp_path / f"{kind}.txt").write_text(content)
        with pytest.raises(SystemExit):
            main(["--names", str(tmp_path)])
        assert message in capsys.readouterr().err


def test_a_series_is_continued(run):
    result = run("time_series", "--cell", "gru", "--hidden", "16", "--epochs", "15", "--free", "40", "--lr", "0.01")
    assert result["gru"]["ahead"] < 0.7 * result["last value"]["ahead"]
    assert result["gru"]["free"] < 0.5 * result["last value"]["free"]
    assert result["autoregression"]["ahead"] < 0.013 and result["autoregression"]["free"] < 0.005


TOY = " ".join(
    f"{a} {verb} {b}."
    for _ in range(12)
    for a, b in (("cats", "mice"), ("dogs", "cats"))
    for verb in ("chase", "see", "smell")
)


def test_words_find_their_neighbours_by_counting(run, tmp_path):
    (tmp_path / "toy.txt").write_text(TOY)
    result = run(
        "word_counts", "--text", str(tmp_path / "toy.txt"), "--dim", "3", "--window", "2", "--ask", "chase", "zebra"
    )
    assert set(result["nearest"]["chase"][:2]) == {"see", "smell"} and "zebra" not in result["nearest"]
    assert (np.diff(result["singular values"]) <= 0).all()


@pytest.mark.parametrize(
    "choice",
    ["skip-gram negative", "cbow hierarchical", "skip-gram adaptive", "cbow full"],
    ids=lambda c: c.replace(" ", "-"),
)
def test_word_vectors_learn_to_predict(run, tmp_path, choice):
    text, saved = tmp_path / "toy.txt", tmp_path / "vectors.txt"
    text.write_text(TOY)
    (model, loss), small = choice.split(), ("--dim", "8", "--epochs", "5", "--batch-size", "16", "--lr", "0.1")
    result = run("word2vec", "--text", str(text), "--window", "2", "--model", model, "--loss", loss, "--subsample", "1",
                 *small, "--ask", "chase", "zebra", "--save", str(saved))  # fmt: skip
    assert result["losses"][-1] < result["losses"][0] and result["words a second"] > 0
    assert (
        set(result["nearest"]["chase"]) == {"see", "smell", "cats", "dogs", "mice"} and "zebra" not in result["nearest"]
    )
    assert saved.read_text().startswith("6 8\n")


@pytest.mark.parametrize("name", ["word_counts", "word2vec"])
def test_a_text_without_enough_words_is_named(name, monkeypatch, capsys, tmp_path):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    main = importlib.import_module(name).main
    path = tmp_path / "text.txt"
    for content, complaint in (
        ("", "has no text"),
        ("a b c", "none of 3 tokens occurs"),
        ("a a a. " * 3, "the corpus has "),
    ):
        path.write_text(content)
        with pytest.raises(SystemExit):
            main(["--text", str(path), "--min-count", "2", "--dim", "1"])
        assert complaint in capsys.readouterr().err
