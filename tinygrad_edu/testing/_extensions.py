"""A small case for every extension of a backend: a function of the backend and of what puts a NumPy array on its device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
Put = Callable[[Any], Array]
Case = Callable[[Any, Put], Any]

_rng = np.random.default_rng(0)
_X = _rng.normal(size=(3, 4))
_Y = _rng.normal(size=(3, 4))
_SQUARE = _X @ _X.T + 3 * np.eye(3)
_MASK = np.array([True, False, True])
_ROWS = np.array([2, 0, 2, -1])
_IMAGE = _rng.normal(size=(2, 5, 6))
_WINDOWS = _rng.normal(size=(2, 2, 3, 3, 2))  # of sizes 2 and 3, three and two of them
_WAYS = ("multiply", "maximum", "minimum")
_STATE_SHAPE = (2, 3)


def _writes(b: Any, put: Put) -> list[Array]:
    """Every form of index on the left of an assignment."""
    forms: list[tuple[Any, Any]] = [
        ((), 5.0),
        (1, _X[1] * 2),
        ((slice(None), slice(1, None, 2)), _X[:, :2]),
        ((..., -1), 0.0),
        (put(_MASK), 1.5),
        ((put(_ROWS), slice(None, 2)), _X[:1, :2]),
        ((put(np.array([0, 2])), put(np.array([[3], [1]]))), _X[:2, :2]),
    ]
    return [b.setitem(b.copy(put(_X)), index, v if isinstance(v, float) else put(v)) for index, v in forms]


def _reads(b: Any, put: Put) -> list[Array]:
    """Every form of index."""
    forms = [
        (2, None, slice(None, None, 3)),
        (..., slice(-2, None)),
        put(_MASK),
        put(_X > 0),
        put(_ROWS),
        (put(_ROWS), ..., None),
        (slice(1, 3), put(_ROWS)),
        (put(np.array([0, 2])), put(np.array([[3], [1]]))),
        (put(np.zeros((0,), np.int64)),),
    ]
    return [b.getitem(put(_X), index) for index in forms]


def _attends(b: Any, put: Put) -> list[Array]:
    """Attention with two kinds of masks and with dropout of everything, and its gradients; and which weights a seed keeps."""
    q, k, v = (put(np.random.default_rng(i).normal(size=(1, heads, 5, 2))) for i, heads in enumerate((4, 2, 2)))
    found = []
    for mask, causal, dropout in (
        (None, True, None),
        (put(_Y[:1, None, None, :1]), False, None),
        (None, False, (1.0, 3)),
    ):
        args = q, k, v, mask, causal, 0.5, dropout
        out, sums = b.attention(*args)
        grads = b.attention_backward(out, args, out, sums, [True, True, True, mask is not None])
        found += [out, *(g for g in grads if g is not None)]
    kept = b.attention_kept((0.0, 3), (1, 2, 3, 4), slice(0, 3))
    return [*found, kept]


def _adds(b: Any, put: Put) -> list[Array]:
    """Adding at repeated positions."""
    return [
        b.index_add(b.copy(put(_X)), put(_ROWS), put(_IMAGE[0, :4, :4])),
        b.index_add(b.copy(put(_X)), (slice(None), put(np.array([1, 1, 3]))), put(_X[:, :3])),
        b.index_add(b.copy(put(_X)), (put(np.array([0, 0])), put(np.array([1, 1]))), put(np.array([2.0, 3.0]))),
        b.index_add(b.copy(put(_X)), 1, put(_Y[0])),
        b.index_add(b.copy(put(_X)), put(_MASK), put(_Y[:2])),
        *(b.index_combine(b.copy(put(_X)), put(_ROWS), put(_IMAGE[0, :4, :4]), how) for how in _WAYS),
    ]


def _refusals(b: Any, put: Put) -> list[Array]:
    """Whether an index out of range raises IndexError; a backend that leaves arrays unchecked is asked for numbers only."""
    bad: list[Any] = [3, (0, -5)]
    if b.checks_indices:
        bad += [put(np.array([0, 3])), (put(np.array([-4])),)]
    refused = 0
    for index in bad:
        try:
            b.getitem(put(_X), index)
        except IndexError:
            refused += 1
    return [put(np.asarray(refused == len(bad)))]


def _generators(b: Any, put: Put) -> list[Array]:
    """Equal seeds and restored states give equal numbers, of the right kind."""
    good = []
    for kind, dtype in (("uniform", "float32"), ("normal", "float64")):
        draw = getattr(b, f"random_{kind}")
        one, two = b.generator(3), b.generator(3)
        first = draw(one, _STATE_SHAPE, b.dtype(dtype))
        good.append(np.array_equal(b.to_host(first), b.to_host(draw(two, _STATE_SHAPE, b.dtype(dtype)))))
        state = b.get_random_state(one)
        after = draw(one, _STATE_SHAPE, b.dtype(dtype))
        b.set_random_state(two, state)
        good.append(np.array_equal(b.to_host(after), b.to_host(draw(two, _STATE_SHAPE, b.dtype(dtype)))))
        good.append(str(b.to_host(first).dtype) == dtype and tuple(first.shape) == _STATE_SHAPE)
    drawn = b.to_host(b.random_integers(b.generator(0), 2, 5, (50,)))
    good.append(bool(((drawn >= 2) & (drawn < 5)).all()))
    good.append(sorted(b.to_host(b.random_permutation(b.generator(0), 6)).tolist()) == list(range(6)))
    return [put(np.array(good))]


def _steps(b: Any, put: Any) -> list[Any]:
    """A rule with one array of state, for two parameters at once."""

    def rule(p: Any, g: Any, m: Any) -> tuple[Any, ...]:
        m = b.mix(m, 0.5, g, 0.5)
        return b.mix(p, 1.0, b.sign(m), -0.1), m

    held = [[b.copy(put(_X + i)), put(_Y), b.copy(put(_X))] for i in range(2)]
    b.apply_rule(rule, held, True)
    return [array for arrays in held for array in arrays]


EXTENSIONS: dict[str, Case] = {
    "getitem": _reads,
    "setitem": _writes,
    "index_add": _adds,
    "in_range": _refusals,
    "generator": _generators,
    "spread": lambda b, put: b.spread(put(_X), (2, 3, 4)),
    "contiguous": lambda b, put: b.contiguous(b.permute_dims(put(_X), (1, 0))),
    "alias": lambda b, put: b.alias(put(_X)),
    "copy": lambda b, put: b.copy(put(_X)),
    "write": lambda b, put: b.write(b.copy(put(_X)), put(_Y)),
    "occurrences": lambda b, put: b.occurrences(put(np.array([3, 1, 3, 0, 3, 1]))),
    "lgamma": lambda b, put: b.lgamma(put(_X * 3)),
    "polygamma": lambda b, put: [b.polygamma(n, put(_X * 3)) for n in (0, 1)],
    "scaled_bessel": lambda b, put: [b.scaled_bessel(n, put(_X * 9)) for n in (0, 1, 2)],
    "incomplete_gamma": lambda b, put: list(b.incomplete_gamma(put(abs(_X) + 0.5), put(abs(_X) * 2))),
    "nextafter": lambda b, put: b.nextafter(put(_X), put(_X * 0)),
    "frexp": lambda b, put: list(b.frexp(put(_X * 9))),
    "take_rows": lambda b, put: b.take_rows(put(_X), put(np.array([[0, 2], [1, 1]]))),
    "sum_rows": lambda b, put: list(b.sum_rows(put(np.array([4, 1, -1])), put(_X), 5)),
    "bounds": lambda b, put: [put(np.array(b.bounds(put(_ROWS)))), put(np.array(b.bounds(put(_ROWS[:0]))))],
    "argsort_stable": lambda b, put: [
        b.argsort_stable(put(np.array([[2.0, 1.0, 2.0, 1.0]])), 1, d) for d in (False, True)
    ],
    "windows": lambda b, put: b.windows(put(_IMAGE), (2, 3), (1, 2), (2, 1)),
    "overlap_add": lambda b, put: b.overlap_add(put(_WINDOWS), (5, 6), (1, 2), (2, 1)),
    "top_places": lambda b, put: [b.top_places(put(_X), 2, 1, largest) for largest in (True, False)],
    "linear": lambda b, put: [b.linear(put(_X), put(_Y), y) for y in (None, put(_SQUARE[0]))],
    "attention": _attends,
    "add_into": lambda b, put: b.add_into(b.copy(put(_X)), put(_Y)),
    "sum_squares": lambda b, put: [b.sum_squares(put(_X)), b.sum_squares(put(_X), axis=1, keepdims=True)],
    "total_squares": lambda b, put: b.total_squares([put(_X), put(_Y), put(_X[:0])]),
    "scale_all_into": lambda b, put: list(
        b.scale_all_into([b.copy(put(_X)), put(_Y.astype("float32") + 0)], put(np.asarray(0.5)))
    ),
    "scale_into": lambda b, put: b.scale_into(b.copy(put(_X)), put(np.asarray(0.5))),
    "mix": lambda b, put: b.mix(b.copy(put(_X)), 0.5, put(_Y), -2.0),
    "apply_rule": _steps,
    "sigmoid": lambda b, put: b.sigmoid(put(_X * 100)),
    "relu": lambda b, put: b.relu(put(_X)),
    "softmax": lambda b, put: b.softmax(put(_X * 100), 1),
    "log_softmax": lambda b, put: b.log_softmax(put(_X * 100), 1),
    "exp2": lambda b, put: b.exp2(put(_X)),
    "logaddexp2": lambda b, put: b.logaddexp2(put(_X), put(_Y)),
    "fmod": lambda b, put: b.fmod(put(_X), put(_Y)),
    "fmax": lambda b, put: b.fmax(put(np.array([1.0, np.nan])), put(np.array([np.nan, 2.0]))),
    "fmin": lambda b, put: b.fmin(put(np.array([1.0, np.nan])), put(np.array([np.nan, 2.0]))),
    "erf": lambda b, put: b.erf(put(_X * 3)),
    "erfc": lambda b, put: b.erfc(put(_X * 3)),
    "erfinv": lambda b, put: b.erfinv(put(np.tanh(_X))),
    "cumulative_prod": lambda b, put: b.cumulative_prod(put(_X), 1, b.dtype("float64")),
    "cumulative_max": lambda b, put: b.cumulative_max(put(_X), 1),
    "cumulative_min": lambda b, put: b.cumulative_min(put(_X), 0),
    "cumulative_logaddexp": lambda b, put: b.cumulative_logaddexp(put(_X), 1),
    "linear_recurrence": lambda b, put: b.linear_recurrence(put(_X), put(_Y), 1),
    "diagonal": lambda b, put: [b.diagonal(put(_X), k) for k in (-1, 0, 2)],
    "inv": lambda b, put: b.inv(put(_SQUARE)),
    "solve": lambda b, put: b.solve(put(_SQUARE), put(_X)),
    "solve_triangular": lambda b, put: [b.solve_triangular(put(_SQUARE), put(_X), u, not u) for u in (True, False)],
    "det": lambda b, put: b.det(put(_SQUARE)),
    "slogdet": lambda b, put: list(b.slogdet(put(_SQUARE))),
    "cholesky": lambda b, put: b.cholesky(put(_SQUARE)),
    "qr": lambda b, put: [b.matmul(*b.qr(put(_X.T), mode)) for mode in ("reduced", "complete")],
    "svd": lambda b, put: b.svd(put(_X), False)[1],
    "eigh": lambda b, put: b.eigh(put(_SQUARE), True)[0],
}
