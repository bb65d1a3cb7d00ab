"""Pictures: what they are made of is checked as numbers, and that files are written."""

from __future__ import annotations

import re
import shutil
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn, plots
from tinygrad_edu.plots._layout import lay_out

pytest.importorskip("matplotlib")


@given(st.integers(1, 9), st.sampled_from([1, 3]), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.data())
def test_each_image_lies_in_its_place_of_the_grid(n, c, h, w, padding, data):
    columns = data.draw(st.none() | st.integers(1, n))
    images = np.arange(1.0, n * c * h * w + 1).reshape(n, c, h, w)
    grid = plots.image_grid(images, columns, padding)
    columns = columns or int(np.ceil(np.sqrt(n)))
    for i in range(n):
        top, left = i // columns * (h + padding), i % columns * (w + padding)
        part = grid[top : top + h, left : left + w]
        np.testing.assert_array_equal(part, images[i, 0] if c == 1 else images[i].transpose(1, 2, 0))
    assert grid.shape[:2] == (-(-n // columns) * (h + padding) - padding, min(columns, n) * (w + padding) - padding)


def test_images_are_scaled_together_or_each_alone():
    images = np.array([[[0.0, 1.0]], [[0.0, 4.0]]])
    assert plots.image_grid(images, 1, 0, normalize=True).tolist() == [[0.0, 0.25], [0.0, 1.0]]
    assert plots.image_grid(images, 1, 0, normalize="each").tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert plots.image_grid(np.ones((2, 1, 1)), 1, 0, normalize=True).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("shape", [(3,), (2, 2, 4, 4), (0, 1, 2, 2), (1, 1, 1, 1, 1)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match="image_grid"):
        plots.image_grid(np.zeros(shape))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20))
def test_confusion_matrix_counts_pairs(pairs):
    truth, guess = [a for a, _ in pairs], [b for _, b in pairs]
    made = plots.confusion_matrix(tg.tensor(truth, dtype=tg.int64), np.array(guess, dtype=int), 4)
    assert all(made[a, b] == pairs.count((a, b)) for a in range(4) for b in range(4))


def test_confusion_matrix_refuses_what_is_no_class():
    for truth, guess, classes in (([0], [0, 1], None), ([0.5], [1], None), ([0], [-1], None), ([0], [3], 3)):
        with pytest.raises(ValueError, match="confusion_matrix"):
            plots.confusion_matrix(truth, guess, classes)


def test_history_has_one_panel_a_measure_and_smooths_without_bias():
    axes = plots.plot_history({"train/loss": [4.0, 4.0, 4.0], "test/loss": [1.0, 2.0], "acc": [1.0]}, smooth=0.9)
    assert [ax.get_title() for ax in axes] == ["loss", "acc"]
    raw, smooth = axes[0].lines[:2]
    assert raw.get_ydata().tolist() == [4.0, 4.0, 4.0]
    np.testing.assert_allclose(smooth.get_ydata(), [4.0, 4.0, 4.0])
    assert axes[0].lines[2].get_xdata().tolist() == [1, 2]
    for history, settings in (({}, {}), ({"a": [1.0]}, {"smooth": 1.0}), ({"a": [1.0]}, {"x": {"a": [1, 2]}})):
        with pytest.raises(ValueError, match="plot_history"):
            plots.plot_history(history, **settings)


def test_recorder_sees_what_layers_put_out_and_the_gradients_that_come_back():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = tg.randn(5, 3)
    with plots.LayerRecorder(model) as recorder:
        (model(x) * 3).sum().backward()
    hidden = model[0](x)
    np.testing.assert_array_equal(recorder.activations["0"], hidden.detach().numpy())
    assert list(recorder.activations) == list(recorder.gradients) == ["0", "1", "2"]
    assert (recorder.gradients["2"] == 3).all()
    want = (tg.full((5, 2), 3.0) @ model[2].weight.detach()) * (hidden.detach() > 0)
    np.testing.assert_allclose(recorder.gradients["0"], want.numpy(), rtol=1e-6)
    before = recorder.activations["2"].copy()
    model(x + 1)
    np.testing.assert_array_equal(recorder.activations["2"], before)  # the hooks are gone
    with pytest.raises(ValueError, match=r"no layer 'a'; it has 0, 1, 2"):
        plots.LayerRecorder(model, ["a"])


def test_boundary_is_where_the_model_decides(tmp_path):
    x = np.array([[-1.0, 0.0], [1.0, 0.0]])
    ax = plots.plot_decision_boundary(lambda p: p[:, 0], x, [0, 1], resolution=11)
    shown = ax.images[0].get_array()
    assert (shown[:, :5] == 0).all() and (shown[:, 6:] == 1).all()
    two = plots.plot_decision_boundary(lambda p: tg.stack([-p[:, 0], p[:, 0]], 1), x, [0, 1], resolution=11)
    np.testing.assert_array_equal(two.images[0].get_array(), shown)
    with pytest.raises(ValueError, match="points"):
        plots.plot_decision_boundary(lambda p: p, np.zeros((3, 3)), [0, 0, 0])
    assert plots.save(ax, tmp_path / "a" / "b.png").stat().st_size > 1000


def test_filters_and_feature_maps():
    first = nn.Linear(1, 1)
    first.weight = nn.Parameter(tg.arange(16.0).reshape(2, 2, 2, 2))
    ax = plots.plot_filters(first)
    assert ax.images[0].get_array().shape == (5, 5)  # a row a filter, an image a channel

    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.unit = nn.Identity()

        def forward(self, x):
            return self.unit(x * 2)

    ax = plots.plot_feature_maps(Maps(), "unit", tg.ones(1, 4, 3, 3))
    assert ax.images[0].get_array().shape == (7, 7)
    with pytest.raises(ValueError, match="no image"):
        plots.plot_feature_maps(Maps(), "unit", tg.ones(2))
    with pytest.raises(ValueError, match="plot_filters"):
        plots.plot_filters(tg.ones(2, 2))


def graph():
    w, x = tg.ones(2, 2, requires_grad=True), tg.ones(2, 1, requires_grad=True)
    y = (w @ x).exp()
    return (y * y + y).sum(), {"w<1>": w, "x": x}


def test_dot_has_each_operation_once_and_every_edge():
    result, names = graph()
    text = plots.graph_to_dot(result, names)
    labels = dict(re.findall(r'(n_?\d+) \[label="([^"]*)"', text))
    assert sorted(v.split("\\n")[0] for v in labels.values()) == [
        "add",
        "exp",
        "matmul",
        "mul",
        "result",
        "sum",
        "w<1>",
        "x",
    ]
    edges = {
        (labels[a].split("\\n")[0], labels[b].split("\\n")[0]) for a, b in re.findall(r"(n_?\d+) -> (n_?\d+)", text)
    }
    assert (
        ("exp", "mul") in edges
        and ("exp", "add") in edges
        and ("w<1>", "matmul") in edges
        and ("sum", "result") in edges
    )
    assert text.count("->") == 9  # exp goes into mul twice


def test_files_are_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    result, names = graph()
    root = ET.parse(plots.save_graph(result, tmp_path / "g.svg", names)).getroot()
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "w<1>" in texts and "matmul" in texts and "[2, 2]" in texts
    page = plots.save_graph(result, tmp_path / "sub" / "g.html", names).read_text()
    assert "<svg" in page and "http://www.w3.org/2000/svg" in page and "src=" not in page
    with pytest.raises(RuntimeError, match="Graphviz"):
        plots.save_graph(result, tmp_path / "g.png")
    with pytest.raises(ValueError, match="endings"):
        plots.save_graph(result, tmp_path / "g.jpeg")
    with pytest.raises(ValueError, match="more than 3 nodes"):
        plots.save_graph(result, tmp_path / "g.svg", max_nodes=3)
    with pytest.raises(ValueError, match="no graph"):
        plots.save_graph(result.detach(), tmp_path / "g.svg")


def test_graphviz_is_used_where_it_is(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1], sys.stdin.read()[:7])\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    result, _ = graph()
    assert plots.save_graph(result, tmp_path / "g.png").read_text() == "-Tpng digraph\n"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('bad input')\n")
    with pytest.raises(RuntimeError, match="bad input"):
        plots.save_graph(result, tmp_path / "g.svg")


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=25))
def test_boxes_do_not_overlap_and_arrows_lead_down(pairs):
    edges = [(min(a, b), max(a, b)) for a, b in pairs if a != b]
    sizes = {i: (20.0 + 7 * i, 20.0) for i in range(12)}
    places, width, height = lay_out(sizes, edges)
    for a, b in edges:
        assert places[a].y + places[a].height < places[b].y
    for i, p in places.items():
        assert 0 <= p.x - p.width / 2 and p.x + p.width / 2 <= width and p.y + p.height <= height
        for j, q in places.items():
            assert i == j or p.y != q.y or abs(p.x - q.x) >= (p.width + q.width) / 2


def test_points_have_their_names_and_the_colour_of_their_group():
    points = tg.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    ax = plots.plot_points(points, ["a", "b", "c"], groups=["one", "two", "one"])
    assert {text.get_text(): tuple(text.xy) for text in ax.texts} == {"a": (0, 1), "b": (2, 3), "c": (4, 5)}
    colors = {text.get_text(): text.get_color() for text in ax.texts}
    assert colors["a"] == colors["c"] != colors["b"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]
    assert plots.plot_points(points, ["a", "b", "c"]).get_legend() is None
    for wrong in ((points, ["a"]), (points[:, :1], ["a", "b", "c"])):
        with pytest.raises(ValueError, match="plot_points"):
            plots.plot_points(*wrong)
    with pytest.raises(ValueError, match="3 points, but 1 groups"):
        plots.plot_points(points, ["a", "b", "c"], groups=["one"])
