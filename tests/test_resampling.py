"""Layers that pad, resample or rearrange: PyTorch's results, derivatives and texts, and where formulas change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn

PADS = {1: (2, 1), 2: (2, 1, 0, 2), 3: (1, 0, 2, 1, 0, 2)}


def both(name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    return ours, theirs


def numbers(*shape: int, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Constant", "Zero", "Reflection", "Replication", "Circular"])
def test_padding_layers_are_those_of_pytorch(kind: str, dims: int) -> None:
    more = (1.5,) if kind == "Constant" else ()
    for padding in (1, PADS[dims]):
        layers = both(f"{kind}Pad{dims}d", padding, *more)
        for lead in [(2,), (2, 1)]:
            agree(*layers, [numbers(*lead, *[3] * dims)])
    with pytest.raises(ValueError, match=f"{kind}Pad{dims}d: padding must be"):
        getattr(nn, f"{kind}Pad{dims}d")((1, 2, 3), *more)
    if kind not in ("Constant", "Zero"):
        with pytest.raises(ValueError, match=rf"{kind}Pad{dims}d: expected an input of {dims + 1}.*got shape \(4,\)"):
            getattr(nn, f"{kind}Pad{dims}d")(1)(tg.zeros(4))


UPSAMPLINGS: list[tuple[str, dict[str, Any], int]] = [
    ("Upsample", {"scale_factor": 2}, 1),
    ("Upsample", {"scale_factor": (2, 1.5, 1), "mode": "trilinear"}, 3),
    ("Upsample", {"size": (5, 2), "mode": "bilinear", "align_corners": True}, 2),
    ("Upsample", {"size": 7, "mode": "bicubic"}, 2),
    ("Upsample", {"scale_factor": 1.7, "mode": "linear", "recompute_scale_factor": True}, 1),
    ("UpsamplingNearest2d", {"scale_factor": 2}, 2),
    ("UpsamplingBilinear2d", {"size": (3, 7)}, 2),
]


@pytest.mark.parametrize(("name", "options", "dims"), UPSAMPLINGS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_upsampling_layers_are_those_of_pytorch(name: str, options: Any, dims: int, dtype: str) -> None:
    agree(
        *both(name, **options),
        [numbers(2, 2, *[4, 3, 2][:dims], dtype=dtype)],
        tolerance=1e-9 if dtype == "float64" else 1e-4,
    )


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_the_nearest_element_is_that_of_pytorch_at_every_size(mode: str, dims: int) -> None:
    torch = pytest.importorskip("torch")
    for n in range(1, 12):
        x = np.arange(n).reshape(1, 1, *[1] * (dims - 1), n)
        for how in [{"size": k} for k in range(1, 26)] + [{"scale_factor": k / 10} for k in range(10, 30)]:
            found = F.interpolate(tg.tensor(x, dtype=tg.uint8), mode=mode, **how)
            expected = torch.nn.functional.interpolate(torch.tensor(x, dtype=torch.uint8), mode=mode, **how)
            assert found.dtype is tg.uint8 and found.tolist() == expected.tolist(), (n, how)


def test_interpolation_of_half_precision_rounds_once() -> None:
    x = numbers(1, 2, 5, 5).astype("float16")
    found = F.interpolate(tg.tensor(x), 9, mode="bicubic")
    exact = F.interpolate(tg.tensor(x.astype("float64")), 9, mode="bicubic")
    assert found.dtype is tg.float16
    np.testing.assert_allclose(found.numpy(), exact.numpy(), rtol=1e-3, atol=1e-3)


def test_what_is_infinite_stays_among_its_neighbours() -> None:
    x = tg.tensor([[[np.inf, 1.0, 2.0, 3.0]]], requires_grad=True)
    out = F.interpolate(x, 8, mode="linear")
    assert np.isfinite(out.detach().numpy()[..., 3:]).all()
    (slope,) = tg.autograd.grad(out, x, tg.tensor([[[np.inf, *[1.0] * 7]]]))
    assert np.isfinite(slope.numpy()[..., 1:]).all() and np.isinf(slope.numpy()[..., 0])


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [True, False])
def test_places_on_pixels_and_edges_are_sampled_as_in_pytorch(mode: str, padding: str, align: bool) -> None:
    torch = pytest.importorskip("torch")
    line = np.array([-2.5, -1.0, -0.75, -0.25, 0.0, 0.25, 1 / 3, 0.5, 1.0, 1.25, 3.0])
    grid = np.stack(np.meshgrid(line, line), -1)[None]
    agree(
        lambda x, g: F.grid_sample(x, g, mode, padding, align),
        lambda x, g: torch.nn.functional.grid_sample(x, g, mode, padding, align),
        [numbers(1, 2, 4, 3), grid],
        order=1,
    )


def test_turning_a_picture_by_a_quarter_moves_its_pixels() -> None:
    quarter = tg.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]], dtype=tg.float64)
    x = tg.tensor(numbers(1, 2, 5, 5))
    turned = F.grid_sample(x, F.affine_grid(quarter, (1, 2, 5, 5), align_corners=False), align_corners=False)
    np.testing.assert_allclose(turned.numpy(), np.rot90(x.numpy(), -1, (2, 3)), atol=1e-12)


def test_layers_that_rearrange_are_those_of_pytorch() -> None:
    agree(*both("PixelShuffle", 2), [numbers(2, 8, 3, 2)])
    agree(*both("PixelUnshuffle", 2), [numbers(2, 2, 4, 6)])
    agree(*both("ChannelShuffle", 3), [numbers(2, 6, 2, 2)], order=1)
    agree(*both("Unfold", (2, 3), padding=1, stride=2), [numbers(2, 3, 5, 6)])
    agree(*both("Fold", (4, 5), (2, 3), dilation=1, padding=(0, 1)), [numbers(2, 12, 15)])


@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_is_that_of_pytorch(bias: bool) -> None:
    ours, theirs = both("Bilinear", 3, 4, 2, bias=bias, dtype=None)
    assert max(abs(p.detach().numpy()).max() for p in ours.parameters()) <= 1 / np.sqrt(3)
    ours, theirs = ours.double(), theirs.double()
    same_state(ours, theirs)
    agree(ours, theirs, [numbers(2, 5, 3), numbers(2, 5, 4)], (list(ours.parameters()), list(theirs.parameters())))
    with pytest.raises(ValueError, match="in1_features must be positive"):
        nn.Bilinear(0, 4, 2)


def test_distances_between_equal_rows_have_no_slope() -> None:
    x = tg.tensor([[1.0, 2.0], [1.0, 2.0], [4.0, 6.0]], requires_grad=True)
    F.pdist(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[-0.6, -0.8], [-0.6, -0.8], [1.2, 1.6]], rtol=1e-6)
    assert F.pdist(tg.zeros(1, 3)).shape == (0,)
