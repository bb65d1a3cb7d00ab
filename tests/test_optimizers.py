"""Optimizers: the same trajectories as PyTorch's, from step to step and through checkpoints."""

from __future__ import annotations

import copy
import importlib.util
import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_settings import (
    ELEMENTWISE,
    SETTINGS,
    SHARED,
    assert_same,
    both,
    give_gradients,
    parameters,
    shapes_of,
    to_ours,
    to_theirs,
    values_of,
)

import tinygrad_edu as tg
from tinygrad_edu import backends, nn, optim
from tinygrad_edu.backends import Backend

STEPS = 20
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=settings().max_examples // 4)


@pytest.fixture(autouse=True)
def muon_without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's Muon rounds to eight bits on the way, which NumPy has no type for: let it keep the parameter's type."""
    if importlib.util.find_spec("torch") is not None:
        torch = importlib.import_module("torch")
        monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)


@pytest.mark.parametrize("name", SHARED)
@few
@given(st.data(), seeds, st.sampled_from(["float64", "float64", "float32"]))
def test_trajectories_are_those_of_pytorch(name: str, data: Any, seed: int, dtype: str) -> None:
    """With one group of parameters, or two of which the second has other settings."""
    options = data.draw(SETTINGS[name], label="settings")
    shapes = data.draw(st.lists(st.sampled_from(shapes_of(name)), min_size=1, max_size=3), label="shapes")
    other = data.draw(st.none() | SETTINGS[name], label="second group")
    theirs, ours = parameters(shapes, dtype, seed)
    groups: list[list[Any]] = [theirs, ours]
    if other and len(shapes) > 1:
        groups = [[{"params": ps[:1]}, {"params": ps[1:], **other}] for ps in (theirs, ours)]
    a, b = both(name, *groups, options)
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        give_gradients(theirs, ours, rng)
        a.step()
        b.step()
    assert_same(theirs, ours, 1e-9 if dtype == "float64" else 2e-3)
    wanted, found = a.state_dict(), b.state_dict()
    assert [list(group) for group in found["param_groups"]] == [list(group) for group in wanted["param_groups"]]
    assert list(found["state"]) == list(wanted["state"])
    for i, state in wanted["state"].items():
        assert list(found["state"][i]) == list(state)
        for key, value in state.items():
            mine = found["state"][i][key]
            assert mine.dtype.name == str(value.dtype).removeprefix("torch.")
            assert tuple(mine.shape) == tuple(value.shape)
            np.testing.assert_allclose(mine.numpy(), value.numpy(), rtol=1e-3, atol=1e-5)


@few
@given(SETTINGS["Lion"], seeds)
def test_lion_takes_signs_of_a_mean(options: dict[str, Any], seed: int) -> None:
    p = nn.Parameter(tg.tensor(values_of([(4, 5)], seed)[0]))
    optimizer = optim.Lion([p], **options)
    w, m = p.detach().numpy().copy(), np.zeros((4, 5))
    beta1, beta2 = options["betas"]
    for g in values_of([(4, 5)] * STEPS, seed + 1):
        p.grad = tg.tensor(g)
        optimizer.step()
        g = -g if options["maximize"] else g
        w = w - options["lr"] * (np.sign(beta1 * m + (1 - beta1) * g) + options["weight_decay"] * w)
        m = beta2 * m + (1 - beta2) * g
    np.testing.assert_allclose(p.detach().numpy(), w, rtol=1e-12, atol=1e-12)


def test_muon_is_near_pytorch_in_its_own_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    theirs, ours = parameters([(6, 4), (3, 5)], "float32", 0)
    start = [p.detach().numpy().copy() for p in ours]
    a, b = both("Muon", theirs, ours, {"lr": 0.1})
    rng = np.random.default_rng(0)
    for _ in range(5):
        give_gradients(theirs, ours, rng)
        a.step()
        b.step()
    for t, o, before in zip(theirs, ours, start, strict=True):
        moved = np.abs(o.detach().numpy() - before).max()
        assert np.abs(o.detach().numpy() - t.detach().numpy()).max() < 0.05 * moved


# How it is computed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=2)
@given(st.data(), seeds)
def test_pieces_and_bundles_do_what_the_rule_does(name: str, data: Any, seed: int) -> None:
    """Small parameters are joined and a large one is cut into pieces: the same numbers as parameter by parameter."""
    options = data.draw(SETTINGS[name])
    shapes: list[tuple[int, ...]] = [(), (3,), (4, 5), (70, 60), (0, 4), (40, 30)] * 3 + [(210, 320)]
    ours, twins = ([nn.Parameter(tg.tensor(v)) for v in values_of(shapes, seed)] for _ in range(2))
    a, b = (getattr(optim, name)(ps, **options) for ps in (ours, twins))
    cpu: Any = backends.get("cpu")
    for gradients in (values_of(shapes, seed + i) for i in range(3)):
        for p, q, g in zip(ours, twins, gradients, strict=True):
            p.grad, q.grad = tg.tensor(g), tg.tensor(g)
        a.step()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                cpu, "apply_rule", lambda rule, held, _: Backend.apply_rule(cpu, rule, held, False), raising=False
            )
            b.step()
    for p, q in zip(ours, twins, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adafactor"])
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


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
@pytest.mark.parametrize("shape", [(3, 2), (400, 400)])
def test_parameters_that_share_memory_are_both_counted(name: str, shape: tuple[int, ...]) -> None:
    """Weights tied by their data: one update comes after the other, as in PyTorch."""
    torch = pytest.importorskip("torch")
    results = []
    for library in (torch, tg):
        a, b = (library.ones(*shape, dtype=library.float64, requires_grad=True) for _ in range(2))
        b.data = a.data
        optimizer = getattr(library.optim, name)([a, b], lr=0.1)
        for i in range(3):
            for p, g in zip((a, b), values_of([shape] * 2, i), strict=True):
                p.grad = library.tensor(g)
            optimizer.step()
        results.append(a.detach().numpy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("device", ["strict", "torch", "jax"])
@pytest.mark.parametrize("name", SETTINGS)
def test_other_backends_take_the_same_steps(name: str, device: str) -> None:
    """Those whose arrays cannot be written, too."""
    pytest.importorskip({"strict": "array_api_strict"}.get(device, device))
    results = []
    for where in ("cpu", device):
        values = values_of([(4, 5), (3, 3)], 0)
        ps = [nn.Parameter(tg.tensor(v, device=where)) for v in values]
        optimizer = getattr(optim, name)(ps, lr=0.1)
        for i in range(3):
            for p, g in zip(ps, values_of([(4, 5), (3, 3)], i + 1), strict=True):
                p.grad = tg.tensor(g, device=where)
            optimizer.step()
        results.append([*ps, *(t for state in optimizer.state.values() for t in state.values())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b.detach().cpu().numpy(), a.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SETTINGS)
def test_shapes_that_do_not_fit_are_refused(name: str) -> None:
    """Side by side, two parameters could take each other's numbers. Nothing has changed then, no counter either."""
    sizes = [(2, 1), (3, 1)]
    ps = [nn.Parameter(tg.ones(*size)) for size in sizes]
    optimizer = getattr(optim, name)(ps, lr=0.1)
    for p in ps:
        p.grad = tg.ones_like(p)
    optimizer.step()
    saved = copy.deepcopy(optimizer.state_dict())
    ps[0].data, ps[1].data = tg.ones(3, 1), tg.ones(2, 1)
    with pytest.raises(RuntimeError, match=rf"{name}.step: .* shape \(3, 1\) has a gradient of shape \(2, 1\)"):
        optimizer.step()
    arrays = [k for k, t in saved["state"].get(0, {}).items() if t.ndim]
    if name != "Adafactor" and arrays:
        for p in ps:
            p.grad = tg.ones_like(p)
        with pytest.raises(RuntimeError, match=r"shape \(3, 1\) has a state '.*' of shape \(2, 1\)"):
            optimizer.step()
        with pytest.raises(ValueError, match=r"of parameter 0 has the shape \(2, 1\), the parameter \(3, 1\)"):
            optimizer.load_state_dict(saved)
    assert [p.tolist() for p in ps] == [[[1.0]] * 3, [[1.0]] * 2]
    assert all(state["step"].item() == 1 for state in optimizer.state.values() if "step" in state)


# Sparse gradients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad", "RMSprop"])
@few
@given(st.data(), seeds)
def test_row_sparse_gradients_give_what_dense_ones_give(name: str, data: Any, seed: int) -> None:
    """Here and in PyTorch, whose embedding has a dense gradient."""
    torch = pytest.importorskip("torch")
    options = data.draw(SETTINGS[name])
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
    assert_same(theirs * 2, ours, 1e-9)


@few
@given(
    st.fixed_dictionaries(
        {"lr": st.floats(1e-3, 0.3), "eps": st.sampled_from([1e-8, 1e-2]), "maximize": st.booleans()}
    ),
    st.tuples(st.floats(0.0, 0.95), st.floats(0.9, 0.999)),
    seeds,
)
def test_sparse_adam_moves_the_rows_that_pytorch_moves(options: dict[str, Any], betas: Any, seed: int) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = parameters([(11, 3)], "float64", seed)
    a, b = both("SparseAdam", theirs, ours, {**options, "betas": betas})
    rng = np.random.default_rng(seed)
    for i in range(6):  # PyTorch's sums of sparse tensors are slow
        a.zero_grad()
        b.zero_grad()
        for _ in range(rng.integers(1, 3)):
            rows = rng.integers(0, 6, size=(rng.integers(0, 4), 2))
            factor = rng.normal(size=(*rows.shape, 3))
            embedded = torch.nn.functional.embedding(torch.tensor(rows), theirs[0], sparse=True)
            (embedded * torch.tensor(factor)).sum().backward()
            (nn.functional.embedding(tg.tensor(rows), ours[0]) * tg.tensor(factor)).sum().backward()
        a.step()
        b.step()
        if i == 3:
            state = to_ours(a.state_dict())
            a.load_state_dict(to_theirs(b.state_dict()))
            b.load_state_dict(state)
    assert_same(theirs, ours, 1e-9)
    state = b.state_dict()["state"][0]
    assert list(state) == list(a.state_dict()["state"][0]) and state["step"] == 6


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "SparseAdam"])
def test_other_rows_of_a_table_are_left_alone(name: str) -> None:
    embed = nn.Embedding(1_000_000, 2)
    start = embed.weight.detach()[:8].clone()
    before = embed.weight._data
    optimizer = getattr(optim, name)(embed.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        embed(tg.tensor([5, 7, 5])).sum().backward()
        optimizer.step()
        assert type(embed.weight._grad).__name__ == "SparseGrad"  # nothing the size of the table was made
    assert embed.weight._data is before
    moved = (embed.weight.detach()[:8] != start).any(dim=1)
    assert moved.nonzero().flatten().tolist() == [5, 7]


def test_sparse_adam_refuses_a_dense_gradient_and_changes_nothing() -> None:
    embed, dense = nn.Embedding(4, 2), nn.Parameter(tg.ones(2))
    before = embed.weight.tolist()
    optimizer = optim.SparseAdam([embed.weight, dense])
    (embed(tg.tensor([1])).sum() + dense.sum()).backward()
    with pytest.raises(RuntimeError, match=r"shape \(2,\) is dense"):
        optimizer.step()
    assert embed.weight.tolist() == before


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


@pytest.mark.parametrize("name", SHARED)
@settings(max_examples=4)
@given(st.data(), seeds, st.booleans())
def test_training_goes_on_from_a_checkpoint(name: str, data: Any, seed: int, foreign: bool) -> None:
    """From a file of ours or of PyTorch's, written at the same point; and PyTorch goes on from ours."""
    torch = pytest.importorskip("torch")
    options = data.draw(SETTINGS[name])
    theirs, ours = parameters(shapes_of(name)[:3], "float64", seed)
    a, b = both(name, theirs, ours, options)
    rng = np.random.default_rng(seed)

    def train(first: Any, second: Any) -> None:
        for _ in range(3):
            give_gradients(theirs, ours, rng)
            first.step()
            second.step()
        # PyTorch makes numbers of single precision that it loads those of the parameter's type.
        assert_same(theirs, ours, 1e-6 if name in ("NAdam", "ASGD") else 1e-9)

    train(a, b)
    file = io.BytesIO()
    if foreign:
        torch.save(a.state_dict(), file)
    else:
        tg.save(b.state_dict(), file)
    file.seek(0)
    state = tg.load(file)
    c, d = both(name, theirs, ours, {"lr": 1.0})
    d.load_state_dict(state)
    train(a, d)
    c.load_state_dict(to_theirs(d.state_dict()))
    train(c, d)


@pytest.mark.parametrize("name", SETTINGS)
@settings(max_examples=2)
@given(st.data(), seeds)
def test_resumed_and_uninterrupted_training_agree_bit_for_bit(name: str, data: Any, seed: int) -> None:
    options = data.draw(SETTINGS[name])
    steps = [values_of(shapes_of(name), seed + i) for i in range(7)]

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


def test_optimizer_scheduler_and_generator_resume_from_one_file() -> None:
    """Training that draws random numbers, killed in the middle, ends with the same bits."""

    def start(seed: int) -> tuple[Any, Any, Any, Any]:
        tg.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = optim.NAdam(model.parameters(), lr=0.1)
        return (
            model,
            optimizer,
            optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=12),
            tg.Generator(tg.get_default_device()).manual_seed(3),
        )

    def train(parts: Any, steps: int) -> None:
        model, optimizer, scheduler, generator = parts
        for _ in range(steps):
            optimizer.zero_grad()
            model(tg.randn(4, 3, generator=generator)).square().mean().backward()
            optimizer.step()
            scheduler.step()

    whole = start(0)
    train(whole, 5)
    file = io.BytesIO()
    saved = {
        "parts": [part.state_dict() for part in whole[:3]],
        "generator": whole[3].get_state(),
        "rng": tg.get_rng_state(),
    }
    tg.save(saved, file)
    train(whole, 6)
    file.seek(0)
    loaded, resumed = tg.load(file), start(1)
    for part, state in zip(resumed[:3], loaded["parts"], strict=True):
        part.load_state_dict(state)
    resumed[3].set_state(loaded["generator"])
    tg.set_rng_state(loaded["rng"])
    train(resumed, 6)
    for p, q in zip(whole[0].parameters(), resumed[0].parameters(), strict=True):
        assert p.tolist() == q.tolist()
    assert whole[1].param_groups[0]["betas"] == resumed[1].param_groups[0]["betas"]


# Bad settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *[(name, {"lr": -1.0}) for name in [*SETTINGS, "LBFGS", "SparseAdam"]],
        *[(name, {"lr": math.nan}) for name in ["Adam", "Adagrad"]],
        *[(name, {"weight_decay": -1.0}) for name in SETTINGS if name not in ("Rprop",)],
        *[(name, {"eps": -1.0}) for name in ("Adam", "Adagrad", "Adadelta", "RMSprop", "Adamax", "NAdam", "RAdam")],
        *[(name, {"betas": (1.0, 0.9)}) for name in ("Adam", "Adamax", "NAdam", "RAdam", "SparseAdam", "Lion")],
        *[(name, {"betas": (0.5, -0.1)}) for name in ("AdamW", "Adamax", "NAdam", "RAdam", "SparseAdam", "Lion")],
        *[(name, {"lr": [0.1, 0.2]}) for name in ("SGD", "Adam", "LBFGS", "Muon", "Rprop")],
        ("SGD", {"momentum": -1.0}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
        ("Adagrad", {"lr_decay": -1.0}),
        ("Adagrad", {"initial_accumulator_value": -1.0}),
        ("Adadelta", {"rho": 1.5}),
        ("RMSprop", {"alpha": -0.1}),
        ("RMSprop", {"momentum": -0.1}),
        ("NAdam", {"momentum_decay": -0.1}),
        ("Rprop", {"etas": (1.1, 1.2)}),
        ("SparseAdam", {"lr": 0.0}),
        ("SparseAdam", {"eps": 0.0}),
        ("Adafactor", {"beta2_decay": 0.5}),
        ("Adafactor", {"eps": (-1.0, 1e-3)}),
        ("Adafactor", {"eps": (None, -1.0)}),
        ("Adafactor", {"d": 0.5}),
        ("Muon", {"momentum": -0.1}),
        ("Muon", {"adjust_lr_fn": "none"}),
        ("Muon", {"ns_steps": 100}),
        ("LBFGS", {"line_search_fn": "armijo"}),
        ("SGD", {"fused": True, "foreach": True}),
        ("Adam", {"fused": True, "foreach": True}),
    ],
)
def test_bad_settings_are_named_and_refused_as_by_pytorch(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")

    def make(library: Any) -> None:
        p = library.ones(2, 2, requires_grad=True)
        given = {key: library.tensor(v) if isinstance(v, list) else v for key, v in settings.items()}
        optimizer = getattr(library.optim, name)([p], **given)
        p.grad = library.ones(2, 2)
        optimizer.step(lambda: p.sum())  # some are noticed at the first step

    if name != "Lion":
        with pytest.raises((ValueError, RuntimeError)):
            make(torch)
    setting = next(iter(settings))
    with pytest.raises((ValueError, RuntimeError), match=f"{name}: .*{setting}"):
        getattr(optim, name)(
            [tg.ones(2, 2, requires_grad=True)],
            **{k: tg.tensor(v) if isinstance(v, list) else v for k, v in settings.items()},
        )


@pytest.mark.parametrize("name", [*SHARED, "LBFGS", "SparseAdam"])
def test_repr_is_that_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert repr(getattr(optim, name)([tg.zeros(1, 1)], lr=0.5)) == repr(
        getattr(torch.optim, name)([torch.zeros(1, 1)], lr=0.5)
    )


def test_a_differentiable_step_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="differentiable=True is not supported"):
        optim.SGD([tg.ones(1, requires_grad=True)], differentiable=True)


def test_muon_takes_matrices_alone() -> None:
    with pytest.raises(ValueError, match=r"must be matrices, got one of shape \(3,\)"):
        optim.Muon([tg.ones(3, requires_grad=True)])


def test_a_rate_may_be_a_tensor() -> None:
    """It is read at each step, and a scheduler writes into it."""
    w, rate = nn.Parameter(tg.ones(1)), tg.tensor(0.5)
    optimizer = optim.SGD([w], lr=rate)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    for _ in range(2):
        w.grad = tg.ones(1)
        optimizer.step()
        scheduler.step()
    assert w.item() == 1 - 0.5 - 0.25 and rate.item() == 0.125 and optimizer.param_groups[0]["lr"] is rate
