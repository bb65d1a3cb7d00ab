"""Special functions far from where the battery looks, beside SciPy; and numbers that have no series."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_edu as tg

INF, NAN = float("inf"), float("nan")
scipy_special = pytest.importorskip("scipy.special")


@pytest.mark.parametrize(
    ("name", "dtype"), [("i0e", "float64"), ("i1e", "float64"), ("i0e", "float32"), ("i0", "float64")]
)
def test_bessel_functions_over_the_whole_range(name: str, dtype: str) -> None:
    x = np.concatenate([np.linspace(-60, 60, 2001), [1e-300, 500.0, -700.0]]).astype(dtype)
    found, expected = getattr(tg.special, name)(tg.tensor(x)).numpy(), getattr(scipy_special, name)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-13 if dtype == "float64" else 3e-7)
    assert tg.special.i0e(tg.tensor([INF, NAN])).numpy().tolist()[0] == 0


def test_derivatives_at_zero_of_every_order() -> None:
    x = tg.tensor(0.0, dtype=tg.float64, requires_grad=True)
    y = tg.i0(x)
    for expected in (0.0, 0.5, 0.0, 0.375, 0.0, 0.3125):  # (2k)! / (4ᵏ k!²)
        (y,) = tg.autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_incomplete_gamma_functions_from_small_to_large(scale: float) -> None:
    rng = np.random.default_rng(0)
    a = rng.exponential(scale, 500)
    x = a * rng.uniform(0.2, 2.0, 500)
    for ours, theirs in ((tg.igamma, scipy_special.gammainc), (tg.igammac, scipy_special.gammaincc)):
        np.testing.assert_allclose(ours(tg.tensor(a), tg.tensor(x)).numpy(), theirs(a, x), rtol=1e-11, atol=1e-290)


def test_what_has_no_series() -> None:
    a = tg.tensor([0.0, 0.0, 1.0, 1.0, -1.0, INF, 1.0, INF])
    x = tg.tensor([0.0, 1.0, 0.0, -1.0, 1.0, 1.0, INF, INF])
    np.testing.assert_array_equal(tg.igamma(a, x).numpy(), [NAN, 1, 0, NAN, NAN, 0, 1, NAN])
    np.testing.assert_array_equal(tg.igammac(a, x).numpy(), [NAN, 0, 1, NAN, NAN, 1, 0, NAN])


def test_there_is_no_gradient_by_the_first_argument() -> None:
    a, x = tg.ones(2, requires_grad=True), tg.ones(2)
    with pytest.raises(RuntimeError, match="igamma: there is no derivative by the first argument"):
        tg.igamma(a, x)
    with tg.no_grad():
        assert tg.igamma(a, x).shape == (2,)


def test_parts_of_numbers_at_the_edges() -> None:
    x = [0.0, 1.0, -2.0, 0.9999999999999999, 5e-324, 1e-310, 1.7e308, INF, NAN]
    mantissa, exponent = tg.frexp(tg.tensor(x, dtype=tg.float64))
    expected = np.frexp(x)
    np.testing.assert_array_equal(mantissa.numpy(), expected[0])
    assert exponent.dtype is tg.int32
    np.testing.assert_array_equal(exponent.numpy(), [*expected[1][:-2], 0, 0])
    assert tg.nextafter(tg.tensor(0.0, dtype=tg.float64), tg.tensor(1.0, dtype=tg.float64)).item() == 5e-324
