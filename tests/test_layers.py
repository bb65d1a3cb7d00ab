"""Layers without a state in time: PyTorch's results, derivatives, starting values and texts."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.nn import activation, rectifiers
from tinygrad_edu.sparse import SparseGrad

seeds = st.integers(0, 2**32 - 1)
leading = st.lists(st.integers(0, 3), max_size=3).map(tuple)


def parameters(ours: Any, theirs: Any) -> tuple[list[Any], list[Any]]:
    return list(ours.parameters()), list(theirs.parameters())


# Linear ----------------------------------------------------------------------------------------------------------------


@given(leading, st.integers(1, 4), st.integers(1, 4), st.booleans(), st.sampled_from(["float64", "float32"]), seeds)
def test_linear_is_that_of_pytorch(
    lead: tuple[int, ...], inputs: int, outputs: int, bias: bool, dtype: str, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.Linear(inputs, outputs, bias=bias, dtype=dtype)
    theirs = torch.nn.Linear(inputs, outputs, bias=bias, dtype=getattr(torch, dtype))
    same_state(ours, theirs, seed)
    assert repr(ours) == repr(theirs)
    x = np.random.default_rng(seed).normal(size=(*lead, inputs)).astype(dtype)
    agree(ours, theirs, [x], parameters(ours, theirs), seed=seed, tolerance=1e-9 if dtype == "float64" else 1e-4)


@given(st.lists(st.integers(1, 3), max_size=3).map(tuple), seeds)
def test_functional_linear_takes_a_vector_as_weight(lead: tuple[int, ...], seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(*lead, 3)), rng.normal(size=3)]
    agree(F.linear, torch.nn.functional.linear, arrays, seed=seed)


def test_linear_starts_uniform_within_the_bound_of_pytorch() -> None:
    layer = nn.Linear(400, 300)
    bound = 1 / math.sqrt(400)
    for p in layer.parameters():
        values = p.detach().numpy().astype("float64")
        assert 0.98 * bound < abs(values).max() <= bound
        np.testing.assert_allclose(values.var(), bound**2 / 3, rtol=0.2)
    assert nn.Linear(0, 3)(tg.zeros(2, 0)).tolist() == [[0.0] * 3] * 2


# Embedding -------------------------------------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 5), st.integers(0, 3), st.sampled_from(["int64", "int32"]), seeds)
def test_embedding_is_that_of_pytorch(data: Any, rows: int, size: int, dtype: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    shape = data.draw(leading, label="shape")
    padding = data.draw(st.none() | st.integers(-rows, rows - 1), label="padding_idx")
    ours = nn.Embedding(rows, size, padding_idx=padding, dtype="float64")
    theirs = torch.nn.Embedding(rows, size, padding_idx=padding, dtype=torch.float64)
    assert (repr(ours), ours.padding_idx) == (repr(theirs), theirs.padding_idx)
    if padding is not None:
        assert not ours.weight[padding].detach().numpy().any()
    same_state(ours, theirs, seed)
    index = np.asarray(np.random.default_rng(seed).integers(0, rows, size=shape), dtype)
    agree(ours, theirs, [index], parameters(ours, theirs), seed=seed)
    agree(
        lambda i: F.embedding(i, ours.weight, padding),
        lambda i: torch.nn.functional.embedding(i, theirs.weight, padding),
        [index],
        parameters(ours, theirs),
        seed=seed,
    )


@given(
    st.none() | st.integers(0, 4),
    st.none() | st.floats(0.1, 3),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.booleans(),
    st.lists(st.integers(0, 4), max_size=9),
    seeds,
)
def test_embedding_limits_rows_and_weighs_gradients_as_pytorch_does(
    padding: int | None, limit: float | None, order: float, by_frequency: bool, index: list[int], seed: int
) -> None:
    torch = pytest.importorskip("torch")
    options = {"padding_idx": padding, "max_norm": limit, "norm_type": order, "scale_grad_by_freq": by_frequency}
    ours = nn.Embedding(5, 3, **options, dtype="float64")
    theirs = torch.nn.Embedding(5, 3, **options, dtype=torch.float64)
    assert repr(ours) == repr(theirs)
    same_state(ours, theirs, seed, scale=1.5)
    order = 1 if by_frequency else 2  # PyTorch has no second derivative then
    agree(ours, theirs, [np.array(index, "int64")], parameters(ours, theirs), seed=seed, order=order)
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-12)


def test_sparse_embeddings_say_so() -> None:
    torch = pytest.importorskip("torch")
    for options in ({"sparse": True}, {"padding_idx": -1, "sparse": True}):
        assert repr(nn.Embedding(4, 2, **options)) == repr(torch.nn.Embedding(4, 2, **options))


def test_a_gradient_that_is_not_finite_does_not_reach_the_padding_row() -> None:
    embed = nn.Embedding(3, 1, padding_idx=0)
    embed(tg.tensor([0, 1])).backward(tg.tensor([[math.inf], [2.0]]))
    assert embed.weight.grad.tolist() == [[0.0], [2.0], [0.0]]


def test_the_gradient_of_an_embedding_follows_the_rows_that_were_looked_up() -> None:
    embed = nn.Embedding(1_000_000, 3, padding_idx=1)
    for _ in range(2):  # two look-ups in one graph, two passes into one gradient
        (embed(tg.tensor([[4, 1], [4, 7]])) + embed(tg.tensor([7, 2]))).sum().backward()
    held = embed.weight._grad
    assert type(held) is SparseGrad
    rows, values = held.rows()
    found = {int(r): v.tolist() for r, v in zip(rows, values, strict=True) if v.any()}
    assert found == {4: [4.0] * 3, 7: [2.0 + 4.0] * 3, 2: [4.0] * 3}


def test_embeddings_start_normal_and_can_be_made_from_a_table() -> None:
    values = nn.Embedding(300, 200).weight.detach().numpy().astype("float64")
    assert abs(values.mean()) < 0.03
    np.testing.assert_allclose(values.var(), 1, rtol=0.05)
    table = tg.arange(6.0).reshape(3, 2)
    frozen = nn.Embedding.from_pretrained(table)
    assert frozen(tg.tensor([2])).tolist() == [[4.0, 5.0]] and not frozen.weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


# Dropout ---------------------------------------------------------------------------------------------------------------


@given(st.floats(0, 1), seeds)
def test_dropout_keeps_the_expected_value(p: float, seed: int) -> None:
    tg.manual_seed(seed)
    n = 20_000
    x = tg.full((n,), 3.0, requires_grad=True)
    y = nn.Dropout(p)(x)
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - (1 - p)) <= 6 * math.sqrt(p * (1 - p) / n)
    np.testing.assert_allclose(y.detach().numpy()[kept], 3 / (1 - p) if p < 1 else 0, rtol=1e-5)
    cotangent = tg.randn(n)
    y.backward(cotangent)
    np.testing.assert_allclose(x.grad.numpy(), cotangent.numpy() * (y.detach().numpy() / 3), rtol=1e-5)


def test_dropout_repeats_with_its_seed_and_rests_in_eval_mode() -> None:
    torch = pytest.importorskip("torch")
    layer, x = nn.Dropout(0.4), tg.ones(1000)
    tg.manual_seed(1)
    first = layer(x)
    assert not layer(x).equal(first)
    tg.manual_seed(1)
    assert layer(x).equal(first)
    assert layer.eval()(x).equal(x)
    assert F.dropout(x, 0.4, training=False).equal(x)
    assert repr(nn.Dropout(0.25, inplace=True)) == repr(torch.nn.Dropout(0.25, inplace=True))


def test_dropout_in_place_overwrites_its_input() -> None:
    tg.manual_seed(0)
    x = tg.ones(100)
    y = nn.Dropout(0.5, inplace=True)(x)
    assert x.equal(y) and sorted(set(x.tolist())) == [0.0, 2.0]
    w = tg.ones(100, requires_grad=True)
    h = w * 2
    F.dropout(h, 0.5, inplace=True).sum().backward()
    assert w.grad.tolist() == h.tolist()


def test_dropout_drops_independently_across_calls_and_elements() -> None:
    tg.manual_seed(0)
    masks = np.stack([F.dropout(tg.ones(400), 0.5).numpy() / 2 for _ in range(50)])
    correlations = np.corrcoef(masks)[np.triu_indices(50, 1)]
    assert abs(correlations).max() < 6 / math.sqrt(400)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Dropout1d", (40, 50, 3)),
        ("Dropout1d", (500, 3)),
        ("Dropout2d", (40, 50, 2, 2)),
        ("Dropout2d", (40, 50, 3)),
        ("Dropout3d", (40, 50, 1, 2, 2)),
        ("Dropout3d", (500, 2, 2, 2)),
    ],
)
def test_channels_are_dropped_as_a_whole(name: str, shape: Any) -> None:
    tg.manual_seed(0)
    x = tg.full(shape, 2.0, requires_grad=True)
    y = getattr(nn, name)(0.25)(x)
    lead = 1 if shape[0] == 500 else 2
    rows = y.detach().numpy().reshape(int(np.prod(shape[:lead])), -1)
    assert (rows == rows[:, :1]).all()
    np.testing.assert_allclose(sorted(set(rows[:, 0])), [0, 2 / 0.75], rtol=1e-6)
    assert abs((rows[:, 0] == 0).mean() - 0.25) < 0.06
    y.backward(tg.ones(shape))
    np.testing.assert_allclose(x.grad.numpy() * 2, y.detach().numpy())
    with pytest.raises(ValueError, match=f"{name.lower()}: expected an input"):
        getattr(nn, name)()(tg.zeros(3))


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(name: str) -> None:
    tg.manual_seed(0)
    x = tg.randn(300, 400, dtype=tg.float64).requires_grad_()
    y = getattr(F, name)(x, 0.3, training=True)
    assert abs(float(y.mean())) < 0.01 and abs(float(y.std()) - 1) < 0.01
    (slopes,) = tg.autograd.grad(y.sum(), x)
    scale = 1 / math.sqrt((1.7580993408473766**2 * 0.3 + 1) * 0.7)
    np.testing.assert_allclose(sorted(set(slopes.numpy().ravel())), [0, scale], rtol=1e-12)
    dropped = y.detach().numpy()[slopes.numpy() == 0]
    np.testing.assert_allclose(dropped, -1.7580993408473766 * scale * 0.7, rtol=1e-12)
    assert getattr(F, name)(x, 0.3) is x
    assert not getattr(F, name)(x, 1.0, training=True).detach().numpy().any()


@pytest.mark.parametrize(
    "name", ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]
)
def test_dropouts_print_and_refuse_as_pytorch_does(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert repr(getattr(nn, name)(0.3)) == repr(getattr(torch.nn, name)(0.3))
    x = tg.ones(1, 2, 3) if name == "Dropout1d" else tg.ones(1, 2, 3, 1)
    assert getattr(nn, name)(0.3).eval()(x).equal(x)
    with pytest.raises(ValueError, match=f"{name}: p must be a probability"):
        getattr(nn, name)(1.5)


def test_gumbel_softmax_draws_classes_by_their_probability() -> None:
    tg.manual_seed(0)
    logits = tg.tensor([0.0, 1.0, 2.0], dtype=tg.float64).expand(30_000, 3).clone().requires_grad_()
    hard = F.gumbel_softmax(logits, 0.5, hard=True)
    np.testing.assert_allclose(hard.mean(0).tolist(), tg.softmax(logits[0], 0).tolist(), atol=0.01)
    assert sorted(set(hard.detach().numpy().round(12).ravel())) == [0, 1]
    tg.manual_seed(1)
    soft = F.gumbel_softmax(logits, 2.0, dim=1)
    tg.manual_seed(1)
    straight = F.gumbel_softmax(logits, 2.0, True, dim=1)
    weights = tg.randn(30_000, 3, dtype=tg.float64)
    (one,) = tg.autograd.grad((soft * weights).sum(), logits)
    (two,) = tg.autograd.grad((straight * weights).sum(), logits)
    np.testing.assert_allclose(one.numpy(), two.numpy())
    with pytest.raises(ValueError, match="tau must be positive"):
        F.gumbel_softmax(logits, 0.0)


# Shapes and identity ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), max_size=4).map(tuple), st.data(), seeds)
def test_flatten_is_that_of_pytorch(shape: tuple[int, ...], data: Any, seed: int) -> None:
    torch = pytest.importorskip("torch")
    n = max(len(shape), 1)
    start = data.draw(st.integers(0, n - 1), label="start_dim")
    end = data.draw(st.integers(start, n - 1), label="end_dim") - data.draw(
        st.sampled_from([0, n]), label="from the end"
    )
    ours, theirs = nn.Flatten(start, end), torch.nn.Flatten(start, end)
    assert repr(ours) == repr(theirs)
    agree(ours, theirs, [np.random.default_rng(seed).normal(size=shape)], seed=seed)


def test_unflatten_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 12, 3))
    for dim, sizes in ((1, (3, 4)), (-2, (2, -1, 3)), (0, (1, 2))):
        ours, theirs = nn.Unflatten(dim, sizes), torch.nn.Unflatten(dim, sizes)
        agree(ours, theirs, [x])
        assert repr(ours) == repr(theirs)


def test_identity_passes_anything() -> None:
    torch = pytest.importorskip("torch")
    x = tg.ones(2, requires_grad=True)
    assert nn.Identity(3, keyword=4)(x) is x
    assert repr(nn.Identity(3)) == repr(torch.nn.Identity(3))


# Activations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ReLU", "Tanh", "Sigmoid", "Softmax", "LogSoftmax"])
@given(shape=st.lists(st.integers(0, 4), max_size=3).map(tuple), data=st.data(), seed=seeds)
def test_the_commonest_nonlinearities_at_drawn_shapes(name: str, shape: tuple[int, ...], data: Any, seed: int) -> None:
    """Over a range wide enough for both tails, and at 0."""
    torch = pytest.importorskip("torch")
    args = ()
    if name.endswith("oftmax"):
        n = max(len(shape), 1)
        args = (data.draw(st.integers(-n, n - 1), label="dim"),)
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(ours) == repr(theirs)
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.normal(size=shape) * rng.choice([0.0, 1.0, 30.0], size=shape))
    agree(ours, theirs, [x], seed=seed)
    agree(ours, theirs, [x.astype("float32")], seed=seed, order=1, tolerance=1e-5)
    functional = {"LogSoftmax": "log_softmax"}.get(name, name.lower())
    agree(
        lambda x: getattr(F, functional)(x, *args),
        lambda x: getattr(torch.nn.functional, functional)(x, *args),
        [x],
        seed=seed,
        order=1,
    )


MODULES: list[tuple[str, dict[str, Any]]] = [
    ("ReLU", {}),
    ("ReLU6", {}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.5}),
    ("RReLU", {}),
    ("RReLU", {"lower": 0.2, "upper": 0.4}),
    ("PReLU", {}),
    ("PReLU", {"num_parameters": 4, "init": 0.1}),
    ("Threshold", {"threshold": 0.1, "value": 20.0}),
    ("Hardtanh", {}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 2.0}),
    ("Hardsigmoid", {}),
    ("Hardswish", {}),
    ("Hardshrink", {}),
    ("Hardshrink", {"lambd": 0.2}),
    ("Softshrink", {}),
    ("Softshrink", {"lambd": 0.2}),
    ("Tanh", {}),
    ("Sigmoid", {}),
    ("Softmax", {"dim": 0}),
    ("LogSoftmax", {"dim": -1}),
    ("Softmin", {"dim": 1}),
    ("Softmax2d", {}),
    ("ELU", {}),
    ("ELU", {"alpha": 0.5}),
    ("CELU", {"alpha": 0.5}),
    ("SELU", {}),
    ("SiLU", {}),
    ("Mish", {}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("Softplus", {}),
    ("Softplus", {"beta": 2.0, "threshold": 1.0}),
    ("Softsign", {}),
    ("LogSigmoid", {}),
    ("Tanhshrink", {}),
    ("GLU", {}),
    ("GLU", {"dim": 1}),
]


@pytest.mark.parametrize(("name", "options"), MODULES)
def test_every_nonlinearity_is_that_of_pytorch(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(**options).double().eval(), getattr(torch.nn, name)(**options).double().eval()
    assert repr(ours) == repr(theirs)
    same_state(ours, theirs)
    x = np.random.default_rng(0).normal(size=(3, 4, 2, 2)) * 2
    # Of hardsigmoid PyTorch has no second derivative, and in the first a sixth of single precision.
    how = {"order": 1, "tolerance": 1e-7} if name == "Hardsigmoid" else {}
    agree(ours, theirs, [x], parameters(ours, theirs), **how)
    if "inplace" in inspect.signature(getattr(torch.nn, name)).parameters:
        ours, theirs = getattr(nn, name)(**options, inplace=True), getattr(torch.nn, name)(**options, inplace=True)
        assert repr(ours) == repr(theirs)
        agree(lambda x: ours.eval()(x * 1), lambda x: theirs.eval()(x * 1), [x], **how)
        plain = tg.tensor(x)
        assert ours(plain) is plain


def test_every_nonlinearity_is_tested() -> None:
    assert {name for name, _ in MODULES} == {*activation.__all__, *rectifiers.__all__}


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_converts_first_where_a_type_is_given(name: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.array([[1.0, 2.0], [1000.0, -1000.0]], "float32")
    ours = lambda x: getattr(F, name)(x, 1, dtype=tg.float64)  # noqa: E731
    theirs = lambda x: getattr(torch.nn.functional, name)(x, 1, dtype=torch.float64)  # noqa: E731
    agree(ours, theirs, [x], tolerance=1e-6)
    agree(ours, theirs, [np.array([[1, 2], [3, 4]])])


def test_relu_in_place_overwrites_its_input() -> None:
    torch = pytest.importorskip("torch")
    x = tg.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x and x.tolist() == [0.0, 2.0]
    assert repr(nn.ReLU(inplace=True)) == repr(torch.nn.ReLU(inplace=True))
    w = tg.tensor([-1.0, 2.0], requires_grad=True)
    F.relu(w * 3, inplace=True).sum().backward()
    assert w.grad.tolist() == [0.0, 3.0]


@given(st.sampled_from([2.0, 1.0, 3.0, 0.5, math.inf]), st.integers(-2, 1), seeds)
def test_normalize_is_that_of_pytorch(p: float, dim: int, seed: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(seed).normal(size=(3, 4))
    agree(lambda x: F.normalize(x, p, dim), lambda x: torch.nn.functional.normalize(x, p, dim), [x], seed=seed)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Linear(3, 2)(tg.zeros(4, 5)), ValueError, r"\(4, 5\).*\(2, 3\)"),
        (lambda: nn.Linear(3, 2)(tg.zeros(4, 3, dtype="float64")), TypeError, "float64"),
        (lambda: nn.Embedding(4, 2)(tg.tensor([1, 4])), IndexError, "index 4 is out of range for a table of 4 rows"),
        (lambda: nn.Embedding(4, 2)(tg.tensor([-1])), IndexError, "index -1"),
        (lambda: nn.Embedding(4, 2)(tg.tensor([1.0])), TypeError, "integer"),
        (lambda: nn.Embedding(4, 2, padding_idx=4), ValueError, "padding_idx 4 .* 4 rows"),
        (lambda: nn.Embedding.from_pretrained(tg.zeros(3)), ValueError, r"\(3,\)"),
        (lambda: nn.Dropout(1.5), ValueError, "between 0 and 1, got 1.5"),
        (lambda: F.dropout(tg.ones(2), -0.5), ValueError, "between 0 and 1, got -0.5"),
        (lambda: nn.Softmax(dim=2)(tg.zeros(2, 2)), IndexError, "dim"),
        (lambda: nn.Flatten(2, 1)(tg.zeros(2, 2, 2)), (ValueError, RuntimeError), "flatten"),
        (lambda: nn.Unflatten(1, (2, 3))(tg.zeros(2, 5)), (ValueError, RuntimeError), r"unflatten|do not fit"),
        (lambda: nn.Unflatten(1.0, (2, 3)), TypeError, "dim must be an integer"),
        (lambda: nn.Unflatten(1, (2.0, 3)), TypeError, "must be integers"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
