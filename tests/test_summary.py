"""The table of a model's layers, and the counting of multiply-adds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn

sizes = st.integers(1, 4)


def counted(f, *args):
    with tg.count_multiply_adds() as count:
        f(*args)
    return count.total


@given(sizes, sizes, sizes, sizes)
def test_products_take_one_multiply_add_for_each_triple(b, n, k, m):
    x, y = tg.ones(b, n, k), tg.ones(k, m)
    assert counted(tg.matmul, x, y) == b * n * k * m
    assert counted(tg.mv, tg.ones(n, k), tg.ones(k)) == n * k
    assert counted(F.linear, x, tg.ones(m, k), tg.ones(m)) == b * n * k * m
    assert counted(tg.einsum, "bnk,km->bnm", x, y) == b * n * k * m
    assert counted(tg.einsum, "bnk,bkm->bm", x, tg.ones(b, k, m)) in (b * n * k * m, b * k * m)  # n may be summed first


@given(sizes, sizes, sizes, sizes)
def test_recurrent_layers_apply_both_weights_at_each_step(t, n, i, h):
    x = tg.ones(t, n, i)
    for kind, gates in ((nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)):
        assert counted(kind(i, h), x) == t * n * gates * h * (i + h)
    fused = counted(nn.LSTM(i, h), x)
    cell, state = nn.LSTMCell(i, h), (tg.zeros(n, h), tg.zeros(n, h))
    assert fused == t * counted(cell, x[0], state)  # the cell is written in plain products


@given(sizes, sizes, sizes, st.sampled_from([1, 2]))
def test_convolutions_take_a_window_for_each_number(n, c, o, groups):
    x = tg.ones(n, c * groups, 5, 6)
    layer = nn.Conv2d(c * groups, o * groups, (3, 2), groups=groups)
    assert counted(layer, x) == n * (o * groups) * 3 * 5 * (c * 3 * 2)
    turned = nn.ConvTranspose2d(c * groups, o * groups, (3, 2), groups=groups)
    assert counted(turned, x) == n * (c * groups) * 5 * 6 * (o * 3 * 2)


def test_blocks_nest_and_elementwise_work_is_free():
    with tg.count_multiply_adds() as outer:
        tg.ones(2, 3) @ tg.ones(3, 4)
        with tg.count_multiply_adds() as inner:
            (tg.ones(2, 2) @ tg.ones(2, 2)).exp().sum()
        tg.ones(1, 5) @ tg.ones(5, 1)
    assert (inner.total, outer.total) == (8, 24 + 8 + 5)
    tg.ones(9, 9) @ tg.ones(9, 9)
    assert outer.total == 37
    assert dict(inner.by_operation) == {"matmul": 8}


def test_counting_does_not_disturb_anomaly_mode():
    x = tg.tensor([-1.0], requires_grad=True)
    with tg.autograd.detect_anomaly(), tg.count_multiply_adds() as count:
        tg.ones(2, 2) @ tg.ones(2, 2)
        with pytest.raises(RuntimeError, match="first NaN"):
            x.sqrt()
    assert count.total == 8


class Twice(nn.Module):
    """One layer that is called twice, one that shares its weight, and one that is never called."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.layer.weight
        self.unused = nn.Linear(2, 2)

    def forward(self, x, scale=1.0):
        return self.tied(self.layer(self.layer(x))) * scale, {"x": x}


def test_summary_tells_calls_shares_and_shapes():
    model = Twice()
    model.unused.weight.requires_grad_(False)
    model.tied.eval()
    table = tg.summary(model, (tg.ones(3, 4), 2.0))
    whole, layer, tied, unused = table.layers
    assert (layer.calls, tied.calls, unused.calls) == (2, 1, 0)
    assert (layer.parameters, tied.parameters, unused.parameters) == (20, 0, 6)
    assert (table.parameters, table.trainable) == (26, 22)
    assert whole.input_shapes == [(3, 4)] and whole.output_shapes == [(3, 4), (3, 4)]
    assert layer.multiply_adds == 2 * 48 and table.multiply_adds == 3 * 48
    assert "not called" in str(table) and "4 of them fixed" in str(table)
    assert model.training and model.layer.training and not model.tied.training
    assert not any(module._hooks for _, module in model.named_modules())
    assert [layer.name for layer in tg.summary(model, (3, 4), depth=0).layers] == [""]


def test_a_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    before = tg.get_rng_state()
    tg.summary(model, (5, 3))
    assert tg.equal(before, tg.get_rng_state())
    with pytest.raises(ValueError):
        tg.summary(model, (5, 4))
    assert model.training and not any(module._hooks for _, module in model.named_modules())


@pytest.mark.parametrize(("model", "input"), [(nn.Linear(1, 1), "x"), (nn.Linear(1, 1), None), (len, (1,))])
def test_bad_input(model, input):
    with pytest.raises(TypeError, match="summary"):
        tg.summary(model, input)
