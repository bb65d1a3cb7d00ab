"""What all optimizers share: groups, hooks, checkpoints that must fit, and optimizers that users write."""

from __future__ import annotations

import copy
import importlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    required,
)


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
        (lambda w: optim.SGD(5), TypeError, "got int"),
        (lambda w: optim.SGD([1.0]), TypeError, "must be tensors"),
        (lambda w: optim.SGD([w * 2]), ValueError, "only leaves"),
        (lambda w: optim.SGD([w, w]), ValueError, "twice"),
        (lambda w: optim.SGD([{"params": [w]}, {"params": [w]}]), ValueError, "twice"),
        (lambda w: optim.SGD([{"params": {w}}]), TypeError, "no order"),
        (lambda w: optim.SGD([{"lr": 1.0}]), TypeError, "with the key 'params'"),
        (lambda w: optim.SGD([("w", w), tg.ones(1)]), ValueError, "1 of 2 parameters have names"),
        (lambda w: optim.SGD([{"params": [("w", w)]}, {"params": tg.ones(1)}]), ValueError, "all groups have names"),
        (lambda w: optim.Optimizer([w], {"lr": required}), ValueError, "'lr', which has no default"),
        (lambda w: optim.Optimizer([w], {}).step(), NotImplementedError, "step"),
        (lambda w: optim.LBFGS([{"params": [w]}, {"params": [tg.ones(1)]}]), ValueError, "only one group"),
        (lambda w: optim.LBFGS([w]).step(), TypeError, "closure"),
    ],
)
def test_bad_arguments_are_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(tg.ones(1, requires_grad=True))


def test_names_of_parameters_are_kept_and_saved() -> None:
    torch = pytest.importorskip("torch")
    for library in (torch, tg):
        model = library.nn.Linear(2, 1)
        optimizer = library.optim.SGD(model.named_parameters(), lr=0.1)
        (group,) = optimizer.state_dict()["param_groups"]
        assert group["param_names"] == ["weight", "bias"] and group["params"] == [0, 1]
        nameless = library.optim.SGD(model.parameters(), lr=0.1).state_dict()
        optimizer.load_state_dict(nameless)
        assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


# Hooks -----------------------------------------------------------------------------------------------------------------


def trace_hooks(library: Any, module: Any) -> list[Any]:
    """What hooks of every kind see, in their order."""
    log: list[Any] = []
    w = library.ones(1, requires_grad=True)
    optimizer = library.optim.SGD([w], lr=1.0)
    everywhere = [
        module.register_optimizer_step_pre_hook(lambda o, args, kwargs: log.append("global pre")),
        module.register_optimizer_step_post_hook(lambda o, args, kwargs: log.append("global post")),
    ]

    def pre(o: Any, args: Any, kwargs: Any) -> Any:
        log.append(("pre", args[0] is o, len(args), sorted(kwargs)))
        return (o, lambda: 5.0), {}

    handle = optimizer.register_step_pre_hook(pre)
    optimizer.register_step_post_hook(lambda o, args, kwargs: log.append(("post", len(args), o.param_groups[0]["lr"])))
    w.grad = library.ones(1)
    log.append(optimizer.step())
    handle.remove()
    for h in everywhere:
        h.remove()
    log.append(optimizer.step())
    log.append(w.item())
    optimizer.register_state_dict_pre_hook(lambda o: log.append("before saving"))
    optimizer.register_state_dict_pre_hook(lambda o: log.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    state = optimizer.state_dict()
    log.append(sorted(state))

    def change(o: Any, state: Any) -> Any:
        log.append("more" in state)
        groups = [{**group, "lr": 7.0} for group in state["param_groups"]]
        return {**state, "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(change)
    optimizer.register_load_state_dict_post_hook(lambda o: log.append(o.param_groups[0]["lr"]))
    optimizer.load_state_dict(state)
    log.append(state["param_groups"][0]["lr"])
    return log


def test_hooks_are_called_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    theirs = importlib.import_module("torch.optim.optimizer")
    assert trace_hooks(tg, optim.optimizer) == trace_hooks(torch, theirs)


def test_a_hook_before_the_step_must_return_a_pair() -> None:
    optimizer = optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 1)
    with pytest.raises(RuntimeError, match=r"SGD: .*\(args, kwargs\), got 1"):
        optimizer.step()


def test_hooks_run_once_where_a_subclass_calls_its_base() -> None:
    class Counting(optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    log: list[str] = []
    with (
        register_optimizer_step_pre_hook(lambda o, args, kwargs: log.append("pre")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: log.append("post")),
    ):
        Counting([tg.ones(1, requires_grad=True)]).step()
    assert log == ["pre", "post"]


def test_a_copy_goes_its_own_way() -> None:
    """With its model; hooks stay with the original."""
    model = nn.Linear(2, 1)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(
        lambda o, args, kwargs: pytest.fail("a hook of the original") if o is not optimizer else None
    )

    def train(model: Any, optimizer: Any) -> None:
        optimizer.zero_grad()
        model(tg.ones(1, 2)).sum().backward()
        optimizer.step()

    train(model, optimizer)
    other, twin = copy.deepcopy((model, optimizer))
    before = model.weight.tolist()
    train(other, twin)
    assert model.weight.tolist() == before
    train(model, optimizer)
    assert other.weight.tolist() == model.weight.tolist()


# Optimizers that users write -----------------------------------------------------------------------------------------------


def users_adam(library: Any) -> Any:
    """An optimizer in the style of many repositories, for either library."""

    class UsersAdam(library.optim.Optimizer):
        def __init__(
            self, params: Any, lr: float = 0.01, betas: Any = (0.9, 0.999), eps: float = 1e-8, decay: float = 0.1
        ) -> None:
            super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "decay": decay})

        def __setstate__(self, state: Any) -> None:
            super().__setstate__(state)
            for group in self.param_groups:
                group.setdefault("decay", 0.1)

        @library.no_grad()
        def step(self, closure: Any = None) -> Any:
            loss = None
            if closure is not None:
                with library.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                beta1, beta2 = group["betas"]
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    grad = p.grad.data
                    if grad.is_sparse:
                        raise RuntimeError("no sparse gradients, please")
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                        state["exp_avg"] = library.zeros_like(p.data)
                        state["exp_avg_sq"] = library.zeros_like(p.data, memory_format=library.preserve_format)
                    exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
                    state["step"] += 1
                    exp_avg.mul_(beta1).add_(grad, alpha=1 - beta1)
                    exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                    denom = exp_avg_sq.sqrt().add_(group["eps"])
                    size = group["lr"] * (1 - beta2 ** state["step"]) ** 0.5 / (1 - beta1 ** state["step"])
                    p.data.mul_(1 - group["lr"] * group["decay"])
                    p.data.addcdiv_(exp_avg, denom, value=-size)
                    p.data.add_(p.data.sign(), alpha=-1e-4)
            return loss

    return UsersAdam


def test_an_optimizer_in_pytorchs_style_runs() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    values = [np.asarray(rng.normal(size=shape)) for shape in [(3, 4), (4,), ()]]
    results = []
    for library in (torch, tg):
        ps = [library.tensor(v, requires_grad=True) for v in values]
        optimizer = users_adam(library)(ps, lr=0.05)
        scheduler = library.optim.lr_scheduler.StepLR(optimizer, 3)

        def closure(ps: Any = ps, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = sum((p * p * p).sum() for p in ps)
            loss.backward()
            return loss

        losses = []
        for i in range(6):
            losses.append(optimizer.step(closure).item())
            scheduler.step()
            if i == 3:
                state = copy.deepcopy(optimizer.state_dict())
                optimizer = users_adam(library)(ps)
                optimizer.load_state_dict(state)
                scheduler.optimizer = optimizer
                closure.__defaults__ = (ps, optimizer)
        results.append((losses, [p.tolist() for p in ps], repr(optimizer)))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-12)
    for a, b in zip(results[1][1], results[0][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert results[1][2] == results[0][2]


def lookahead(library: Any) -> Any:
    """A wrapper around another optimizer that is one itself by name alone."""

    class Lookahead(library.optim.Optimizer):
        def __init__(self, inner: Any, every: int, share: float) -> None:
            self.inner, self.every, self.share = inner, every, share
            self.param_groups, self.state, self.defaults = inner.param_groups, inner.state, inner.defaults
            self.slow = [[p.detach().clone() for p in group["params"]] for group in self.param_groups]
            self.count = 0

        def step(self, closure: Any = None) -> Any:
            loss = self.inner.step(closure)
            self.count += 1
            if self.count % self.every == 0:
                with library.no_grad():
                    for group, slow in zip(self.param_groups, self.slow, strict=True):
                        for p, q in zip(group["params"], slow, strict=True):
                            q.add_(p.data - q, alpha=self.share)
                            p.data.copy_(q)
            return loss

    return Lookahead


def test_a_wrapper_around_an_optimizer_runs() -> None:
    torch = pytest.importorskip("torch")
    results = []
    for library in (torch, tg):
        w = library.tensor([3.0, -2.0], dtype=library.float64, requires_grad=True)
        optimizer = lookahead(library)(library.optim.Adam([w], lr=0.3), 2, 0.5)
        scheduler = library.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
        for _ in range(6):
            optimizer.zero_grad()
            (w**2).sum().backward()
            optimizer.step()
            scheduler.step()
        results.append(w.tolist())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12)


# L-BFGS ----------------------------------------------------------------------------------------------------------------


def valley(x: Any) -> Any:
    """Curved and badly scaled, with its lowest point at one."""
    return ((x[1:] - x[:-1] ** 2) ** 2).sum() * 3 + ((1 - x) ** 2 * 0.5).sum() + ((x - 1) ** 4).sum() * 0.1


@settings(max_examples=settings().max_examples // 2)
@given(
    st.fixed_dictionaries(
        {
            "line_search_fn": st.sampled_from([None, "strong_wolfe"]),
            "lr": st.floats(1e-3, 1.0),
            "max_iter": st.integers(1, 12),
            "max_eval": st.none() | st.integers(1, 15),
            "tolerance_grad": st.sampled_from([1e-7, 1e-2]),
            "tolerance_change": st.sampled_from([1e-9, 1e-3]),
            "history_size": st.integers(1, 5) | st.just(100),
        }
    ),
    st.integers(0, 2**32 - 1),
)
def test_lbfgs_takes_pytorchs_steps(options: dict[str, Any], seed: int) -> None:
    torch = pytest.importorskip("torch")
    start = np.random.default_rng(seed).normal(size=6) * 0.5
    runs = []
    for library in (torch, tg):
        a = library.tensor(start[:4].reshape(2, 2).copy(), requires_grad=True)
        b = library.tensor(start[4:].copy(), requires_grad=True)
        idle = library.tensor(start[:2].copy(), requires_grad=True)
        optimizer = library.optim.LBFGS([a, idle, b], **options)
        calls = [0]

        def closure(
            a: Any = a, b: Any = b, optimizer: Any = optimizer, library: Any = library, calls: Any = calls
        ) -> Any:
            calls[0] += 1
            optimizer.zero_grad()
            loss = valley(library.cat([a.reshape(-1), b]))
            loss.backward()
            return loss

        losses, points = [], []
        for _ in range(5):
            losses.append(optimizer.step(closure).item())
            points.append(np.concatenate([a.detach().numpy().ravel(), b.detach().numpy()]))
        runs.append((losses, points, calls[0], optimizer))
    assume(
        max(runs[0][0]) < 100
    )  # a step of fixed size may lose the valley; from there on rounding grows without bound
    np.testing.assert_allclose(runs[1][0], runs[0][0], rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(runs[1][1], runs[0][1], rtol=1e-7, atol=1e-7)
    assert runs[1][2] == runs[0][2]
    theirs, ours = (next(iter(run[3].state_dict()["state"].values())) for run in runs)
    assert {name for name in theirs if name != "al"} == set(ours)
    assert (ours["n_iter"], ours["func_evals"]) == (theirs["n_iter"], theirs["func_evals"])


def test_lbfgs_resumes_bit_for_bit() -> None:
    def run(interrupted_at: int) -> list[float]:
        w = tg.tensor(np.linspace(-1, 1, 5), requires_grad=True)
        optimizer = optim.LBFGS([w], lr=0.5, max_iter=3, line_search_fn="strong_wolfe")

        def closure() -> tg.Tensor:
            optimizer.zero_grad()
            loss = valley(w)
            loss.backward()
            return loss

        for i in range(4):
            if i == interrupted_at:
                file = io.BytesIO()
                tg.save({"w": w.detach(), "o": optimizer.state_dict()}, file)
                file.seek(0)
                saved = tg.load(file)
                w = saved["w"].requires_grad_()
                optimizer = optim.LBFGS([w])
                optimizer.load_state_dict(saved["o"])
            optimizer.step(closure)
        return w.tolist()

    assert run(interrupted_at=2) == run(interrupted_at=-1)


def test_a_line_search_turns_back_where_the_loss_is_no_number() -> None:
    """Beyond the end of a logarithm's domain."""
    w = tg.tensor([0.5], requires_grad=True)
    optimizer = optim.LBFGS([w], lr=10.0, line_search_fn="strong_wolfe")

    def closure() -> tg.Tensor:
        optimizer.zero_grad()
        loss = (w - w.log() * 2).sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    assert w.item() == pytest.approx(2.0, abs=1e-5)
