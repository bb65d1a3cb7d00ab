"""GradScaler beside PyTorch's, with clipping; DataParallel with one device."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn


@pytest.mark.parametrize(
    "settings", [{}, {"growth_interval": 2}, {"init_scale": 4.0, "backoff_factor": 0.25}, {"enabled": False}]
)
def test_scaling_like_pytorch(settings: dict[str, float]) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for t in (tg, torch):
        w = t.nn.Parameter(t.tensor([1.0, -2.0]))
        optimizer, scaler = t.optim.SGD([w], lr=0.1), t.amp.GradScaler("cpu", **settings)
        steps = []
        for factor in (1.0, 2.0, float("inf"), 1.0, float("nan"), 3.0, 1.0):
            optimizer.zero_grad()
            scaler.scale((w * w * factor).sum()).backward()
            if factor == 2.0:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_([w], 1.0) if t is tg else torch.nn.utils.clip_grad_norm_([w], 1.0)
            if np.isfinite(factor) or scaler.is_enabled():
                scaler.step(optimizer)
            scaler.update()
            steps.append((w.detach().tolist(), scaler.get_scale()))
        found.append((steps, scaler.state_dict(), scaler.scale([t.ones(1), t.ones(1)])[1].item()))
    for ours, theirs in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
        assert ours[1] == theirs[1]
    assert found[0][1:] == found[1][1:]


def test_the_older_forms_for_cards_are_the_same() -> None:
    assert tg.cuda.amp.GradScaler is tg.amp.GradScaler
    with tg.cuda.amp.autocast(enabled=False):
        assert (tg.ones(2, 2) @ tg.ones(2, 2)).dtype is tg.float32


def test_data_parallel_is_the_module_with_longer_names() -> None:
    torch = pytest.importorskip("torch")
    model, theirs = (
        nn.DataParallel(nn.Linear(2, 3), device_ids=[0, 1][:1]),
        torch.nn.DataParallel(torch.nn.Linear(2, 3)),
    )
    assert list(model.state_dict()) == list(theirs.state_dict()) and repr(model) == repr(theirs)
    x = tg.ones(4, 2)
    assert model(x).tolist() == model.module(x).tolist()
