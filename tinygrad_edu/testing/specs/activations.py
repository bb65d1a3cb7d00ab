"""Activations: rectifiers and smooth ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._elementwise import REAL, at, away, filled, slopes, spec, unary

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805
_FLOATS = "float64 float32"
_AWAY, _AT = away(0.0), at(0.0)
_ZERO = "the derivative at 0 is 0"
_BOOLEAN = (Bad(lambda: (tg.tensor([True]),), TypeError, "booleans"),)
_INTEGER = (Bad(lambda: (tg.tensor([1]),), TypeError, "floating-point"),)
_cdf = np.vectorize(lambda x: math.erfc(-x / math.sqrt(2)) / 2, otypes=[float])


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _elu(x: Any, alpha: float = 1.0, rate: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * (np.exp(rate * np.minimum(x, 0)) - 1))


def _selu(x: Any) -> Any:
    return _SCALE * _elu(x, _ALPHA)


def _leaky(x: Any, slope: float = 0.01) -> Any:
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def _softshrink(x: Any, limit: float = 0.5) -> Any:
    return np.sign(x) * np.maximum(np.abs(x) - limit, 0)


def _gelu_tanh(x: Any) -> Any:
    return x * (0.5 + 0.5 * np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _rectifier(name: str, reference: Any, *kinks: float, room: Any = F, **more: Any) -> OpSpec:
    points = kinks or (0.0,)
    return unary(name, reference, away(*points, high=7.0), room=room, kinks=at(*points), order=2, **more)


def _smooth(name: str, reference: Any, inputs: Any = REAL, **more: Any) -> OpSpec:
    return unary(name, reference, inputs, room=more.pop("room", F), errors=more.pop("errors", _INTEGER), **more)


@st.composite
def _prelu(draw: Any, elements: Any) -> tuple[Any, Any]:
    channels = draw(st.integers(1, 2))
    shape = draw(st.sampled_from([(2, channels), (1, channels, 2)]))
    count = draw(st.sampled_from([1, channels]))
    return draw(filled(elements, shape)), draw(filled(some.numbers(-1, 1), (count,)))


def _per_channel(x: Any, w: Any) -> Any:
    return w.reshape((-1,) + (1,) * (x.ndim - 2))


def _prelu_reference(x: Any, w: Any) -> Any:
    return np.where(x > 0, x, x * _per_channel(x, w))


def _weight_gradient(g: Any, w: Any) -> Any:
    return np.array([g.sum()]) if w.size == 1 else g.sum(tuple(i for i in range(g.ndim) if i != 1))


def _inplace(name: str, *settings: float) -> OpSpec:
    """An activation that is written into its input: here a copy, as a leaf must not be overwritten."""
    written, plain = getattr(F, f"{name}_"), getattr(F, name)
    return OpSpec(
        f"F.{name}_",
        lambda x: written(x.clone(), *settings),
        away(-1.0, 0.0, 1.0),
        reference=lambda x: plain(tg.tensor(x), *settings).numpy(),
        torch=lambda torch, x: getattr(torch.nn.functional, f"{name}_")(x.clone(), *settings),
        errors=(Bad(lambda: (tg.tensor([True]),), TypeError, name),),
        dtypes=_FLOATS,
    )


_INPLACE = {
    "relu": (),
    "celu": (0.5,),
    "elu": (0.5,),
    "hardtanh": (-1.0, 1.0),
    "leaky_relu": (0.25,),
    "rrelu": (0.25, 0.75),
    "selu": (),
    "threshold": (0.0, 0.5),
}

SPECS = [
    *(_inplace(name, *settings) for name, settings in _INPLACE.items()),
    _rectifier(
        "relu",
        lambda x: np.maximum(x, 0),
        room=tg,
        convention=slopes(lambda x: x > 0),
        notes=_ZERO,
        errors=(Bad(lambda: (tg.tensor([True]),), TypeError, "relu"),),
    ),
    _rectifier(
        "relu6",
        lambda x: np.clip(x, 0, 6),
        0.0,
        6.0,
        convention=slopes(lambda x: (x > 0) & (x < 6)),
        notes="the derivative at 0 and 6 is 0",
        errors=_BOOLEAN,
    ),
    _rectifier(
        "leaky_relu",
        _leaky,
        convention=slopes(lambda x: np.where(x > 0, 1, 0.01)),
        notes="the derivative at 0 is the negative slope",
        errors=_INTEGER,
    ),
    spec("leaky_relu (slope)", _leaky, st.tuples(_AWAY, st.sampled_from([0.5, -0.5, 2.0])), room=F),
    _rectifier(
        "rrelu",
        lambda x: _leaky(x, 11 / 48),
        convention=slopes(lambda x: np.where(x > 0, 1, 11 / 48)),
        room=tg,
        errors=(*_INTEGER, Bad(lambda: (tg.ones(1), 1, 0), ValueError, "lower")),
    ),
    spec(
        "prelu",
        _prelu_reference,
        _prelu(some.away_from([0.0])),
        kinks=_prelu(st.sampled_from([0.0, 1.0, -1.0])),
        convention=lambda g, x, w: (
            g * np.where(x > 0, 1, _per_channel(x, w)),
            _weight_gradient(g * np.where(x > 0, 0, x), w),
        ),
        dtypes=_FLOATS,
        errors=(
            Bad(lambda: (tg.ones(2, 3), tg.ones(2)), ValueError, "channels"),
            Bad(lambda: (tg.ones(2), tg.ones(1, 1)), ValueError, "one dimension"),
        ),
    ),
    spec(
        "threshold",
        lambda x, t, v: np.where(x > t, x, v),
        st.tuples(away(0.5), st.just(0.5), st.just(-2.0)),
        dtypes=_FLOATS,
        notes="the derivative at the threshold is 0",
    ),
    _rectifier(
        "hardtanh",
        lambda x: np.clip(x, -1, 1),
        -1.0,
        1.0,
        convention=slopes(lambda x: np.abs(x) < 1),
        notes="the derivative at the limits is 0",
        errors=(*_BOOLEAN, Bad(lambda: (tg.ones(1), 1.0, -1.0), ValueError, "min_val")),
    ),
    spec("hardtanh (limits)", np.clip, st.tuples(away(-2.0, 0.5), st.just(-2.0), st.just(0.5)), room=F),
    _rectifier(
        "hardsigmoid",
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        -3.0,
        3.0,
        convention=slopes(lambda x: (np.abs(x) < 3) / 6),
        notes="the derivative at -3 and 3 is 0",
        errors=_INTEGER,
        torch="",
    ),
    _rectifier(
        "hardswish",
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        -3.0,
        3.0,
        convention=slopes(lambda x: np.where(np.abs(x) < 3, x / 3 + 0.5, x >= 3)),
        notes="the derivative is 0 at -3 and 1 at 3",
        errors=_INTEGER,
    ),
    unary(
        "hardshrink",
        lambda x: np.where(np.abs(x) > 0.5, x, 0),
        away(-0.5, 0.5),
        room=tg,
        order=2,
        errors=_INTEGER,
        notes="the derivative at the limits is 0",
    ),
    _rectifier(
        "softshrink",
        _softshrink,
        -0.5,
        0.5,
        convention=slopes(lambda x: np.abs(x) > 0.5),
        notes="the derivative at the limits is 0",
        errors=(*_INTEGER, Bad(lambda: (tg.ones(1), -1.0), ValueError, "negative")),
    ),
    _smooth("elu", _elu, _AWAY),
    spec(
        "elu (alpha)",
        _elu,
        st.tuples(_AWAY, st.sampled_from([0.5, 2.0])),
        kinks=st.tuples(_AT, st.just(0.5)),
        room=F,
        convention=slopes(lambda x, alpha: np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))),
        notes="the derivative at 0 is alpha",
    ),
    _smooth(
        "selu",
        _selu,
        _AWAY,
        room=tg,
        kinks=_AT,
        convention=slopes(lambda x: np.where(x > 0, 1, _ALPHA * np.exp(np.minimum(x, 0))) * _SCALE),
    ),
    _smooth("celu", _elu, _AWAY, room=tg),
    spec(
        "celu (alpha)",
        lambda x, a: _elu(x, a, 1 / a),
        st.tuples(_AWAY, st.sampled_from([0.5, 2.0])),
        order=2,
        errors=(Bad(lambda: (tg.ones(1), 0.0), ValueError, "alpha"),),
    ),
    _smooth("softplus", lambda x: np.log(1 + np.exp(x))),
    spec(
        "softplus (beta, threshold)",
        lambda x, b, t: np.where(x * b > t, x, np.log1p(np.exp(b * x)) / b),
        st.tuples(away(1.5), st.just(2.0), st.just(3.0)),
        room=F,
        order=2,
    ),
    _smooth("softsign", lambda x: x / (1 + np.abs(x)), _AWAY, errors=()),
    _smooth("logsigmoid", lambda x: np.log(_sigmoid(x))),
    _smooth("silu", lambda x: x * _sigmoid(x)),
    _smooth("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    _smooth(
        "gelu",
        lambda x: x * _cdf(x),
        rtol=1e-11,
        errors=(*_INTEGER, Bad(lambda: (tg.ones(1), "erf"), ValueError, "approximate")),
    ),
    spec(
        "gelu (tanh)",
        lambda x, how: _gelu_tanh(x),
        st.tuples(REAL, st.just("tanh")),
        room=F,
        order=3,
        dtypes=_FLOATS,
        torch=lambda torch, x, how: torch.nn.functional.gelu(x, approximate=how),
    ),
    _smooth("tanhshrink", lambda x: x - np.tanh(x), errors=()),
    spec(
        "glu",
        lambda x, dim: np.split(x, 2, dim)[0] * _sigmoid(np.split(x, 2, dim)[1]),
        st.tuples(filled(some.numbers(), (2, 2)), st.sampled_from([0, -1])),
        room=F,
        order=3,
        errors=(
            *_INTEGER,
            Bad(lambda: (tg.ones(3),), ValueError, "even"),
            Bad(lambda: (tg.tensor(1.0),), ValueError, "dimensions"),
        ),
    ),
    spec(
        "softmin",
        lambda x, dim: np.exp(-x) / np.exp(-x).sum(dim, keepdims=True),
        st.tuples(filled(some.numbers(), (2, 2)), st.sampled_from([0, -1])),
        room=F,
        order=3,
    ),
]
