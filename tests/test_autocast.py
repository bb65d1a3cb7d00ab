"""autocast: which type comes out of what, gradients in the type of the parameters, and where it ends."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.utils.checkpoint import checkpoint

pytestmark = pytest.mark.cpu  # the type of device is named throughout


def half():
    return tg.autocast("cpu", dtype=tg.float16)


X = 0.9 * tg.rand(2, 3, 4) - 0.45
HALVES = (tg.float16, tg.float32)
LOWER = {
    "linear": lambda lib, x: lib.nn.functional.linear(x, lib.ones(5, 4), lib.ones(5)),
    "matmul": lambda lib, x: lib.matmul(x, lib.ones(4, 2)),
    "operator": lambda lib, x: x @ lib.ones(4, 2),
    "bmm": lambda lib, x: lib.bmm(x, lib.ones(2, 4, 2)),
    "mm": lambda lib, x: lib.mm(x[0], lib.ones(4, 2)),
    "conv1d": lambda lib, x: lib.nn.functional.conv1d(x, lib.ones(2, 3, 2), lib.ones(2)),
    "conv_transpose1d": lambda lib, x: lib.nn.functional.conv_transpose1d(x, lib.ones(3, 2, 2)),
    "attention": lambda lib, x: lib.nn.functional.scaled_dot_product_attention(x, x, x),
    "einsum": lambda lib, x: lib.einsum("nij,jk->nik", x, lib.ones(4, 2)),
    "addmm": lambda lib, x: lib.addmm(lib.ones(2), x[0], lib.ones(4, 2)),
    "addbmm": lambda lib, x: lib.addbmm(lib.ones(2), x, lib.ones(2, 4, 2)),
    "baddbmm": lambda lib, x: lib.baddbmm(lib.ones(2), x, lib.ones(2, 4, 2)),
    "vecdot": lambda lib, x: lib.linalg.vecdot(x, lib.ones(2, 3, 4)),
    "prelu": lambda lib, x: lib.nn.functional.prelu(x, lib.ones(1)),
}
LOWER_ON_GPU = {
    "mv": lambda lib, x: lib.mv(x[0], lib.ones(4)),
    "addmv": lambda lib, x: lib.addmv(lib.ones(3), x[0], lib.ones(4)),
    "addr": lambda lib, x: lib.addr(lib.ones(3, 4), x[0, :, 0], lib.ones(4)),
}
SINGLE = {
    "cross_entropy": lambda lib, x: lib.nn.functional.cross_entropy(x[0], lib.tensor([0, 1, 2])),
    "nll_loss": lambda lib, x: lib.nn.functional.nll_loss(x[0], lib.tensor([0, 1, 2])),
    "mse_loss": lambda lib, x: lib.nn.functional.mse_loss(x, lib.zeros(2, 3, 4)),
    "smooth_l1_loss": lambda lib, x: lib.nn.functional.smooth_l1_loss(x, lib.zeros(2, 3, 4)),
    "kl_div": lambda lib, x: lib.nn.functional.kl_div(x, lib.ones(2, 3, 4), reduction="sum"),
    "l1_loss": lambda lib, x: lib.nn.functional.l1_loss(x, lib.zeros(2, 3, 4)),
    "prod": lambda lib, x: x.prod(),
    "cdist": lambda lib, x: lib.cdist(x, x),
    "grid_sample": lambda lib, x: lib.nn.functional.grid_sample(x[None], lib.zeros(1, 2, 2, 2), align_corners=False),
}
FUNCTIONS = "cosh erfinv exp expm1 log log10 log1p log2 reciprocal rsqrt sinh sum tan acos asin norm".split()
OURS = {name: lambda lib, x, name=name: getattr(x.abs(), name)() for name in FUNCTIONS} | {  # in PyTorch on CUDA alone
    "pow": lambda lib, x: x**2,
    "rpow": lambda lib, x: 2**x,
    "rtruediv": lambda lib, x: 1 / x,
    "cumsum": lambda lib, x: x.cumsum(0),
    "cumprod": lambda lib, x: x.cumprod(0),
    "dist": lambda lib, x: lib.dist(x, x + 1),
    "pdist": lambda lib, x: lib.nn.functional.pdist(x[0]),
    "renorm": lambda lib, x: lib.renorm(x, 2, 0, 1.0),
    "normalize": lambda lib, x: lib.nn.functional.normalize(x),
    "cosine_similarity": lambda lib, x: lib.nn.functional.cosine_similarity(x, x),
    "softmin": lambda lib, x: lib.nn.functional.softmin(x, dim=-1),
    "softplus": lambda lib, x: lib.nn.functional.softplus(x),
    "softmax": lambda lib, x: lib.nn.functional.softmax(x, dim=-1),
    "log_softmax": lambda lib, x: lib.nn.functional.log_softmax(x, dim=-1),
    "layer_norm": lambda lib, x: lib.nn.functional.layer_norm(x, (4,), lib.ones(4), lib.ones(4)),
    "rms_norm": lambda lib, x: lib.nn.functional.rms_norm(x, (4,), lib.ones(4)),
    "group_norm": lambda lib, x: lib.nn.functional.group_norm(x, 3, lib.ones(3), lib.ones(3)),
    "batch_norm": lambda lib, x: lib.nn.functional.batch_norm(x, None, None, lib.ones(3), lib.ones(3), True),
    "lstm": lambda lib, x: lib.nn.LSTM(4, 5)(x)[0],
    "gru": lambda lib, x: lib.nn.GRU(4, 5)(x)[0],
}
WIDER = {
    "bilinear": lambda x, y: F.bilinear(x, y, y.new_ones(2, 4, 4)),
    "dot": lambda x, y: tg.dot(x[0, 0], y[0, 0]),
    "tensordot": lambda x, y: tg.tensordot(x, y, ([0, 1, 2], [0, 1, 2])),
    "addcmul": lambda x, y: tg.addcmul(y, x, y),
    "atan2": tg.atan2,
    "cross": lambda x, y: tg.cross(x, y, 1),
    "stack": lambda x, y: tg.stack((x, y)),
}


@pytest.mark.parametrize("name", LOWER | LOWER_ON_GPU)
def test_products_are_lowered(name):
    call = (LOWER | LOWER_ON_GPU)[name]
    for x in (X, X.half()):
        with half():
            found = call(tg, x)
        assert found.dtype == tg.float16
        np.testing.assert_allclose(found.float().numpy(), call(tg, X).numpy(), rtol=0.02, atol=0.02)
    with half():
        assert call(_double(), X.double()).dtype == tg.float64, "float64 is left alone"


class _double:
    """The library with ones in float64."""

    def __getattr__(self, name):
        return getattr(tg, name)

    def ones(self, *shape):
        return tg.ones(*shape, dtype=tg.float64)


@pytest.mark.parametrize("name", [*SINGLE, *OURS])
def test_what_needs_it_is_computed_in_single_precision(name):
    call = (SINGLE | OURS)[name]
    for x in (X, X.half()):
        with half():
            assert call(tg, x).dtype == tg.float32


@pytest.mark.parametrize("name", [*LOWER, *SINGLE])
def test_types_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    call = (LOWER | SINGLE)[name]
    for kind in ("float32", "float16"):
        with half(), torch.autocast("cpu", dtype=torch.float16):
            ours = call(tg, X.to(getattr(tg, kind)))
            theirs = call(torch, torch.tensor(X.numpy()).to(getattr(torch, kind)))
        assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]


@pytest.mark.parametrize("name", WIDER)
def test_of_two_types_the_wider_one(name):
    with half():
        found = {(x, y): WIDER[name](X.to(x), X.to(y)).dtype for x in HALVES for y in HALVES}
    assert found == {pair: tg.float32 if tg.float32 in pair else tg.float16 for pair in found}


def test_a_composition_converts_once():
    """A sum of halves is single, but not within a product that is lowered; and the region goes on after it, also after errors."""
    with half():
        with pytest.raises(ValueError, match="broadcast"):
            tg.addmm(tg.ones(7), X[0], tg.ones(4, 2))
        assert tg.addbmm(tg.zeros(2), X, tg.ones(2, 4, 2)).dtype == tg.float16
        assert X.half().sum().dtype == tg.float32 and (X @ tg.ones(4, 2)).dtype == tg.float16


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.LayerNormLSTMCell])
def test_cells_read_what_linear_layers_give(cell):
    tg.manual_seed(0)
    layer, cell = nn.Linear(4, 3), cell(3, 5)
    expected = cell(layer(X[0]))
    with half():
        found = cell(layer(X[0]))
        state = found if isinstance(found, tuple) else (found,)
        again = cell(layer(X[0]), found)
    assert all(s.shape == (3, 5) for s in (again if isinstance(again, tuple) else (again,)))
    np.testing.assert_allclose(
        state[0].float().detach(), (expected[0] if isinstance(expected, tuple) else expected).detach(), atol=3e-3
    )


def test_a_network_trains_with_a_scaler():
    """Parameters and gradients stay in float32; the losses are those of single precision but for rounding."""
    tg.manual_seed(0)
    x, y = tg.randn(32, 4), tg.randint(0, 3, (32,))
    losses = []
    for lower in (False, True):
        tg.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 3))
        optimizer, scaler = tg.optim.Adam(model.parameters(), lr=0.02), tg.amp.GradScaler(enabled=lower)
        for _ in range(20):
            optimizer.zero_grad()
            with tg.autocast("cpu", enabled=lower):
                loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        assert {p.grad.dtype for p in model.parameters()} == {tg.float32}
        losses.append(loss.item())
    assert losses[0] < 0.9 and losses[1] == pytest.approx(losses[0], rel=0.02)


def test_a_region_ends_and_has_exceptions():
    layer, x = nn.Linear(3, 3), tg.ones(1, 3)
    with half():
        with tg.autocast("cpu", enabled=False):
            assert layer(x).dtype == tg.float32
        with tg.autocast("cuda"):
            assert layer(x).dtype == tg.float16
        seen = []
        other = threading.Thread(target=lambda: seen.append(layer(x).dtype))
        other.start()
        other.join()
        assert seen == [tg.float32], "each thread has its own"
        assert layer(x).dtype == tg.float16
        with pytest.raises(ZeroDivisionError), tg.autocast("cpu", enabled=False):
            raise ZeroDivisionError
        assert layer(x).dtype == tg.float16
    assert layer(x).dtype == tg.float32

    @half()
    def inside(x):
        return layer(x).dtype

    assert (inside(x), layer(x).dtype, inside(x)) == (tg.float16, tg.float32, tg.float16)
    with tg.autocast("cuda"):
        assert layer(x).dtype == tg.float32, "of another kind of device"


def test_a_checkpoint_computes_again_as_it_did():
    layer, x = nn.Linear(3, 3), tg.randn(2, 3, requires_grad=True)
    grads = []
    for call in (lambda f, x: f(x), checkpoint):
        x.grad = None
        with half():
            loss = call(lambda x: layer(x).exp(), x).float().sum()
        loss.backward()
        grads.append(x.grad.numpy().copy())
    np.testing.assert_array_equal(grads[0], grads[1])


def test_other_types_are_refused():
    with pytest.raises(ValueError, match=r"not to tg\.bfloat16, which NumPy and CuPy do not have"):
        tg.autocast("cpu", dtype="bfloat16")
    with pytest.raises(ValueError, match=r"not to tg\.float64, which is not lower"):
        tg.autocast("cpu", dtype=tg.float64)
    with pytest.raises(ValueError, match=r"device_type must be a str"):
        tg.autocast(tg.float16)
