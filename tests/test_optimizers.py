"""Optimizers: the same trajectories as PyTorch's, from step to step and through checkpoints."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import backends, nn, optim

STEPS = 20

# Scalars, small arrays, one that goes through BLAS, and one that is cut into pieces.
SHAPES: list[tuple[int, ...]] = [(), (3,), (4, 5), (70, 60), (0, 4), (210, 320)]

rates = st.floats(1e-4, 0.3)
shares = st.floats(0.0, 0.95)


@st.composite
def sgd_settings(draw: Any) -> dict[str, Any]:
    momentum = draw(st.just(0.0) | shares)
    nesterov = draw(st.booleans()) if momentum > 0 else False
    return {
        "lr": draw(rates),
        "momentum": momentum,
        "dampening": 0.0 if nesterov else draw(st.just(0.0) | shares),
        "weight_decay": draw(st.just(0.0) | shares),
        "nesterov": nesterov,
        "maximize": draw(st.booleans()),
    }


@st.composite
def adam_settings(draw: Any) -> dict[str, Any]:
    # β₂ stays away from 0: there a step is divided by the latest gradient alone, which may be almost nothing, and
    # rounding grows without bound from step to step.
    return {
        "lr": draw(rates),
        "betas": (draw(st.floats(0.0, 0.95)), draw(st.floats(0.9, 0.999))),
        "eps": draw(st.sampled_from([1e-8, 1e-6, 1e-2])),
        "weight_decay": draw(st.just(0.0) | shares),
        "amsgrad": draw(st.booleans()),
        "maximize": draw(st.booleans()),
    }


configurations = st.one_of(
    sgd_settings().map(lambda s: ("SGD", s)),
    adam_settings().map(lambda s: ("Adam", s)),
    adam_settings().map(lambda s: ("AdamW", s)),
)
shape_lists = st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3)


def values_of(shapes: list[tuple[int, ...]], seed: int) -> list[Any]:
    """Normal random numbers in each of the shapes."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape)) for shape in shapes]


def parameters(shapes: list[tuple[int, ...]], dtype: str, seed: int) -> tuple[list[Any], list[Any]]:
    """The same parameters for both libraries: PyTorch's, ours."""
    torch = pytest.importorskip("torch")
    values = [v.astype(dtype) for v in values_of(shapes, seed)]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    return theirs, [nn.Parameter(tg.tensor(v)) for v in values]


def give_gradients(theirs: list[Any], ours: list[Any], rng: np.random.Generator) -> None:
    """The same gradients for both, with a parameter left out now and then."""
    torch = pytest.importorskip("torch")
    for t, o in zip(theirs, ours, strict=True):
        g = rng.normal(size=tuple(o.shape)).astype(o.dtype.name)
        absent = rng.random() < 0.1
        t.grad = None if absent else torch.tensor(g)
        o.grad = None if absent else tg.tensor(g)


def assert_same(theirs: list[Any], ours: list[Any], tolerance: float) -> None:
    for t, o in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(o.detach().numpy(), t.detach().numpy(), rtol=tolerance, atol=tolerance)


@given(configurations, shape_lists, st.data(), st.integers(0, 2**32 - 1), st.sampled_from(["float64", "float32"]))
def test_trajectories_are_those_of_pytorch(
    configuration: tuple[str, dict[str, Any]], shapes: list[tuple[int, ...]], data: Any, seed: int, dtype: str
) -> None:
    """With one group of parameters, or two of which the second has other settings."""
    torch = pytest.importorskip("torch")
    name, options = configuration
    theirs, ours = parameters(shapes, dtype, seed)
    other = data.draw(st.none() | (sgd_settings() if name == "SGD" else adam_settings()), label="second group")
    optimizers = []
    for library, values in ((torch.optim, theirs), (optim, ours)):
        groups = [{"params": values[:1]}, {"params": values[1:], **other}] if other and len(values) > 1 else values
        optimizers.append(getattr(library, name)(groups, **options))
    a, b = optimizers
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        give_gradients(theirs, ours, rng)
        a.step()
        b.step()
    assert_same(theirs, ours, 1e-10 if dtype == "float64" else 2e-3)
    for i, state in a.state_dict()["state"].items():
        found = b.state_dict()["state"][i]
        assert sorted(found) == sorted(state)
        for key, value in state.items():
            assert found[key].dtype.name == str(value.dtype).removeprefix("torch.")
            np.testing.assert_allclose(found[key].numpy(), value.numpy(), rtol=1e-3, atol=1e-5)


@given(configurations, st.integers(0, 2**32 - 1))
def test_fast_kernels_do_what_the_plain_formulas_do(configuration: tuple[str, dict[str, Any]], seed: int) -> None:
    name, options = configuration
    ours, twins = ([nn.Parameter(tg.tensor(v)) for v in values_of(SHAPES, seed)] for _ in range(2))
    a, b = getattr(optim, name)(ours, **options), getattr(optim, name)(twins, **options)
    kernels = backends.get("cpu").kernels
    fast = dict(kernels)
    rng = np.random.default_rng(seed)
    try:
        for _ in range(5):
            for p, q in zip(ours, twins, strict=True):
                p.grad = tg.tensor(rng.normal(size=tuple(p.shape)))
                q.grad = p.grad.clone()
            kernels.update(fast)
            a.step()
            kernels.update(adam=plain_adam, sgd=plain_sgd)
            b.step()
    finally:
        kernels.update(fast)
    for p, q in zip(ours, twins, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("layout", ["transposed parameter", "transposed gradient", "expanded gradient"])
def test_layout_in_memory_makes_no_difference(name: str, layout: str) -> None:
    rng = np.random.default_rng(0)
    value, g = rng.normal(size=(80, 90)), rng.normal(size=(80, 90))
    if layout == "expanded gradient":
        g = np.broadcast_to(g[:1], g.shape)
    results = []
    for odd in (False, True):
        p = nn.Parameter(tg.from_numpy(value.T.copy().T if odd and "parameter" in layout else value.copy()))
        p.grad = tg.from_numpy(
            {"transposed gradient": g.T.copy().T, "expanded gradient": g}.get(layout, g) if odd else g.copy()
        )
        optimizer = getattr(optim, name)([p], lr=0.1, weight_decay=0.1)
        optimizer.step()
        optimizer.step()
        results.append(p.detach().numpy().copy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-13)


def test_the_number_of_threads_makes_no_difference() -> None:
    cpu: Any = backends.get("cpu")
    before = cpu.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            cpu.set_num_threads(threads)
            rng = np.random.default_rng(0)
            p = nn.Parameter(tg.tensor(rng.normal(size=(700, 700))))
            optimizer = optim.Adam([p])
            for _ in range(3):
                p.grad = tg.tensor(rng.normal(size=(700, 700)))
                optimizer.step()
            results.append(p.detach().numpy().copy())
    finally:
        cpu.set_num_threads(before)
    np.testing.assert_array_equal(results[0], results[1])


# Sparse gradients -----------------------------------------------------------------------------------------------------


@given(configurations, st.integers(0, 2**32 - 1))
def test_row_sparse_gradients_give_what_dense_ones_give(configuration: tuple[str, dict[str, Any]], seed: int) -> None:
    """Here and in PyTorch, whose embedding has a dense gradient."""
    torch = pytest.importorskip("torch")
    name, options = configuration
    rng = np.random.default_rng(seed)
    theirs, ours = parameters([(11, 3)], "float64", seed)
    ours += parameters([(11, 3)], "float64", seed)[1]
    optimizers = [
        getattr(library, name)([t], **options)
        for library, t in zip((torch.optim, optim, optim), theirs + ours, strict=True)
    ]
    for _ in range(STEPS):
        for optimizer in optimizers:
            optimizer.zero_grad()
        rows = rng.integers(0, 11, size=(rng.integers(1, 4), 2))
        factor = rng.normal(size=(*rows.shape, 3))
        (torch.nn.functional.embedding(torch.tensor(rows), theirs[0]) * torch.tensor(factor)).sum().backward()
        for table in ours:
            (nn.functional.embedding(tg.tensor(rows), table) * tg.tensor(factor)).sum().backward()
        assert ours[1].grad is not None  # reading it makes it dense
        for optimizer in optimizers:
            optimizer.step()
    assert_same(theirs * 2, ours, 1e-10)


def test_plain_descent_leaves_other_rows_of_a_table_alone() -> None:
    embed = nn.Embedding(1_000_000, 2)
    before = embed.weight._data
    optimizer = optim.SGD(embed.parameters(), lr=1.0)
    embed(tg.tensor([5, 7, 5])).sum().backward()
    optimizer.step()
    assert type(embed.weight._grad).__name__ == "SparseGrad"  # nothing the size of the table was made
    assert embed.weight._data is before


# Writing in place ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_a_graph_older_than_the_step_is_refused(name: str) -> None:
    w = nn.Parameter(tg.ones(3))
    x = tg.ones(3, requires_grad=True)
    loss = (w * x).sum()
    w.grad = tg.ones(3)
    getattr(optim, name)([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="overwritten"):
        loss.backward()


def test_parameters_keep_their_memory() -> None:
    w = nn.Parameter(tg.ones(3))
    view = w.detach()
    w.grad = tg.ones(3)
    optim.SGD([w], lr=0.5).step()
    assert view.tolist() == [0.5, 0.5, 0.5]
    assert w.is_leaf and w.requires_grad


def test_zero_grad_forgets_or_fills_with_zeros() -> None:
    embed = nn.Embedding(4, 2)
    optimizer = optim.SGD(embed.parameters())
    embed(tg.tensor([1])).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert embed.weight.grad is not None and embed.weight.grad.tolist() == [[0.0, 0.0]] * 4
    held = embed.weight.grad
    embed(tg.tensor([1])).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert embed.weight.grad is held and held.tolist() == [[0.0, 0.0]] * 4
    optimizer.zero_grad()
    assert embed.weight.grad is None


def test_a_closure_runs_with_grad_mode_on_and_its_loss_is_returned() -> None:
    w = tg.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.25)

    def closure() -> tg.Tensor:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        assert optimizer.step(closure).item() == 4.0
    assert w.tolist() == [1.0]


# Checkpoints -----------------------------------------------------------------------------------------------------------


def to_ours(value: Any) -> Any:
    """A PyTorch state with its tensors converted."""
    if hasattr(value, "numpy"):
        return tg.tensor(value.numpy())
    if isinstance(value, dict):
        return {key: to_ours(v) for key, v in value.items()}
    return value


@given(configurations, st.integers(0, 2**32 - 1), st.booleans())
def test_training_goes_on_from_a_checkpoint(
    configuration: tuple[str, dict[str, Any]], seed: int, foreign: bool
) -> None:
    """From a file of ours, and from the state_dict that PyTorch's optimizer has at the same point."""
    torch = pytest.importorskip("torch")
    name, options = configuration
    theirs, ours = parameters([(3,), (4, 5)], "float64", seed)
    a, b = getattr(torch.optim, name)(theirs, **options), getattr(optim, name)(ours, **options)
    rng = np.random.default_rng(seed)
    for _ in range(3):
        give_gradients(theirs, ours, rng)
        a.step()
        b.step()
    if foreign:
        state = to_ours(a.state_dict())
    else:
        file = io.BytesIO()
        tg.save(b.state_dict(), file)
        file.seek(0)
        state = tg.load(file)
    c = getattr(optim, name)(ours, lr=1.0)
    c.load_state_dict(state)
    for _ in range(3):
        give_gradients(theirs, ours, rng)
        a.step()
        c.step()
    assert_same(theirs, ours, 1e-10)
    loaded = torch.optim.SGD(theirs, lr=0.1) if name == "SGD" else getattr(torch.optim, name)(theirs)
    groups = [{**group, "params": list(group["params"])} for group in c.state_dict()["param_groups"]]
    loaded.load_state_dict({"state": {}, "param_groups": groups})  # and back: PyTorch accepts our groups


@given(configurations, st.integers(0, 2**32 - 1))
def test_resumed_and_uninterrupted_training_agree_bit_for_bit(
    configuration: tuple[str, dict[str, Any]], seed: int
) -> None:
    name, options = configuration
    steps = [values_of([(3,), (4, 5), (70, 60)], seed + i) for i in range(7)]

    def run(interrupted_at: int) -> list[Any]:
        ps = [nn.Parameter(tg.tensor(v)) for v in steps[0]]
        optimizer = getattr(optim, name)(ps, **options)
        for i, gradients in enumerate(steps[1:]):
            if i == interrupted_at:
                state = copy.deepcopy({"p": [p.detach() for p in ps], "o": optimizer.state_dict()})
                ps = [nn.Parameter(value) for value in state["p"]]
                optimizer = getattr(optim, name)(ps, lr=0.77)
                optimizer.load_state_dict(state["o"])
            for p, g in zip(ps, gradients, strict=True):
                p.grad = tg.tensor(g)
            optimizer.step()
        return [p.tolist() for p in ps]

    assert run(interrupted_at=3) == run(interrupted_at=-1)


def test_groups_have_settings_of_their_own() -> None:
    a, b = nn.Parameter(tg.zeros(1)), nn.Parameter(tg.zeros(1))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 2.0}], lr=1.0)
    a.grad, b.grad = tg.ones(1), tg.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == (-1.0, -2.0)
    assert [group["params"] for group in optimizer.state_dict()["param_groups"]] == [[0], [1]]
    c = nn.Parameter(tg.zeros(1))
    optimizer.add_param_group({"params": c, "lr": 3.0})
    assert optimizer.state_dict()["param_groups"][2]["params"] == [2]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_repr_shows_the_settings_that_pytorch_shows(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = repr(getattr(torch.optim, name)([torch.zeros(1)], lr=0.5)).splitlines()
    ours = repr(getattr(optim, name)([tg.zeros(1)], lr=0.5)).splitlines()
    only_theirs = ("foreach", "fused", "capturable", "differentiable")
    assert ours == [line for line in theirs if not line.strip().startswith(only_theirs)]


def test_a_loaded_state_must_fit_and_changes_nothing_when_it_does_not() -> None:
    w = nn.Parameter(tg.zeros(2))
    optimizer = optim.Adam([w], lr=0.5)
    other = optim.Adam([nn.Parameter(tg.zeros(2)), nn.Parameter(tg.zeros(2))])
    with pytest.raises(ValueError, match=r"group 0 has 2 parameters .* 1 "):
        optimizer.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match="1 parameter groups, the optimizer 2"):
        optim.Adam([{"params": [w]}, {"params": [nn.Parameter(tg.zeros(1))]}]).load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.5 and optimizer.param_groups[0]["params"][0] is w


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda w: optim.SGD([]), ValueError, "no parameters"),
        (lambda w: optim.SGD(w), TypeError, "not one tensor"),
        (lambda w: optim.SGD([1.0]), TypeError, "must be tensors"),
        (lambda w: optim.SGD([w * 2]), ValueError, "only leaves"),
        (lambda w: optim.SGD([w, w]), ValueError, "twice"),
        (lambda w: optim.SGD([{"params": [w]}, {"params": [w]}]), ValueError, "twice"),
        (lambda w: optim.SGD([{"params": {w}}]), TypeError, "no order"),
        (lambda w: optim.SGD([w], lr=-1.0), ValueError, "lr must be at least 0"),
        (lambda w: optim.SGD([w], momentum=-1.0), ValueError, "momentum"),
        (lambda w: optim.SGD([w], nesterov=True), ValueError, "nesterov"),
        (lambda w: optim.Adam([w], betas=(1.0, 0.9)), ValueError, "betas"),
        (lambda w: optim.Adam([w], eps=-1.0), ValueError, "eps"),
        (lambda w: optim.AdamW([w], lr=math.nan), ValueError, "lr"),
        (lambda w: optim.Optimizer([w], {}).step(), NotImplementedError, "step"),
    ],
)
def test_bad_arguments_are_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(tg.ones(1, requires_grad=True))
