"""Recurrent layers in NumPy, fused over all time steps.

Forward: the input's share of all gates in one product; a step then costs one product with the recurrent weights and a
few in-place
calls. Sigmoids come out of the same tanh as the rest, since σ(a) = (1 + tanh(a/2)) / 2: the halves are folded into a
copy of the weights.
Backward: every factor that does not depend on what flows back in time is computed for all steps at once; the weights'
gradients are single
products over all steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.backends._numpy_threads import split, together

Array = Any


def _inputs(x: Array, w: Array, bias: Array | None) -> Array:
    """x W + bias for all steps: (T, N, I) to (T, N, G·H), for w (I, G·H)."""
    together()
    steps, batch, size = x.shape
    out = x.reshape(steps * batch, size) @ w
    if bias is not None:
        out += bias
    return out.reshape(steps, batch, w.shape[1])


def _bias(b_ih: Array | None, b_hh: Array | None) -> Array | None:
    return b_ih if b_hh is None else b_hh if b_ih is None else b_ih + b_hh


def _states(steps: int, h0: Array) -> Array:
    """Room for the states before and after each step, (T+1, N, H), beginning with the initial one."""
    states = np.empty((steps + 1, *h0.shape), h0.dtype)
    states[0] = h0
    return states


def _last_first(out: Array | None, last: Array | None, like: Array) -> tuple[Array, Array]:
    """The cotangents of all hidden states, and what flows back into the last one, as an array of ours."""
    together()
    carry = np.array(last) if last is not None else np.zeros(like.shape[1:], like.dtype)
    return (out if out is not None else np.zeros_like(like)), carry


def _weight_gradients(
    x: Array, before: Array, gates_x: Array, gates_h: Array, w_ih: Array, needed: list[bool]
) -> tuple[Array | None, ...]:
    """Gradients of x, w_ih, w_hh, b_ih, b_hh from the gradients of the input's and the state's share of the gates."""
    steps, batch, width = gates_x.shape
    flat_x = gates_x.reshape(steps * batch, width)
    flat_h = flat_x if gates_h is gates_x else gates_h.reshape(steps * batch, width)
    need_x, need_ih, need_hh, need_bi, need_bh = needed
    gx = (flat_x @ w_ih).reshape(x.shape) if need_x else None
    gw_ih = flat_x.T @ x.reshape(steps * batch, x.shape[2]) if need_ih else None
    gw_hh = flat_h.T @ before.reshape(steps * batch, before.shape[2]) if need_hh else None
    gb_ih = flat_x.sum(0) if need_bi else None
    gb_hh = (flat_h.sum(0) if gb_ih is None or flat_h is not flat_x else gb_ih.copy()) if need_bh else None
    return gx, gw_ih, gw_hh, gb_ih, gb_hh


# Plain ---------------------------------------------------------------------------------------------------------------


def rnn_tanh(x: Array, h0: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None) -> Any:
    """Forward of a plain recurrent layer."""
    return _plain(np.tanh, x, h0, w_ih, w_hh, b_ih, b_hh)


def rnn_relu(x: Array, h0: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None) -> Any:
    """Forward of a plain recurrent layer with relu."""
    return _plain(lambda a, out: np.maximum(a, 0, out=out), x, h0, w_ih, w_hh, b_ih, b_hh)


def _plain(act: Any, x: Array, h0: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None) -> Any:
    gates = _inputs(x, w_ih.T, _bias(b_ih, b_hh))
    states = _states(len(x), h0)
    w = np.ascontiguousarray(w_hh.T)
    product = np.empty_like(h0)
    for t in range(len(x)):
        a = gates[t]
        np.matmul(states[t], w, product)
        np.add(a, product, a)
        act(a, out=states[t + 1])
    return (states[1:], states[-1].copy()), (states,)


def _plain_backward(slope: Array, args: Any, states: Array, cotangents: Any, needed: list[bool]) -> Any:
    """``slope`` is the activation's derivative at every step; it is overwritten by the gates' gradient."""
    x, h0, w_ih, w_hh, _, _ = args
    out, carry = _last_first(cotangents[0], cotangents[1], states[1:])
    total = np.empty_like(h0)
    for t in range(len(x) - 1, -1, -1):
        np.add(out[t], carry, total)
        gates = slope[t]
        np.multiply(total, gates, gates)
        np.matmul(gates, w_hh, carry)
    gx, gw_ih, gw_hh, gb_ih, gb_hh = _weight_gradients(x, states[:-1], slope, slope, w_ih, needed[:1] + needed[2:])
    return gx, carry, gw_ih, gw_hh, gb_ih, gb_hh


def rnn_tanh_backward(args: Any, work: Any, cotangents: Any, needed: list[bool]) -> Any:
    """Backward of :func:`rnn_tanh`."""
    (states,) = work
    slope = states[1:] * states[1:]
    np.subtract(1, slope, slope)
    return _plain_backward(slope, args, states, cotangents, needed)


def rnn_relu_backward(args: Any, work: Any, cotangents: Any, needed: list[bool]) -> Any:
    """Backward of :func:`rnn_relu`."""
    (states,) = work
    slope = (states[1:] > 0).astype(states.dtype)
    return _plain_backward(slope, args, states, cotangents, needed)


# LSTM ----------------------------------------------------------------------------------------------------------------


def lstm(x: Array, h0: Array, c0: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None) -> Any:
    """Forward of an LSTM layer; gates in the order i, f, g, o."""
    hidden = h0.shape[1]
    # tanh of the halved pre-activation, then scale and shift: a sigmoid for i, f and o, the plain tanh for g.
    scale = np.full(4 * hidden, 0.5, x.dtype)
    scale[2 * hidden : 3 * hidden] = 1
    shift = 1 - scale
    bias = _bias(b_ih, b_hh)
    gates = _inputs(x, (w_ih * scale[:, None]).T, None if bias is None else bias * scale)
    w = np.multiply(w_hh.T, scale, order="C")
    states, cells = _states(len(x), h0), _states(len(x), c0)
    squashed = np.empty_like(states[1:])  # tanh of the cells
    product = np.empty_like(gates[0])
    new = np.empty_like(c0)
    for t in range(len(x)):
        a = gates[t]
        np.matmul(states[t], w, product)
        np.add(a, product, a)
        np.tanh(a, a)
        np.multiply(a, scale, a)
        np.add(a, shift, a)
        i, f, g, o = (a[:, k * hidden : (k + 1) * hidden] for k in range(4))
        c, squash = cells[t + 1], squashed[t]
        np.multiply(f, cells[t], c)
        np.multiply(i, g, new)
        np.add(c, new, c)
        np.tanh(c, squash)
        np.multiply(o, squash, states[t + 1])
    return (states[1:], states[-1].copy(), cells[-1].copy()), (gates, states, cells, squashed)


def lstm_backward(args: Any, work: Any, cotangents: Any, needed: list[bool]) -> Any:
    """Backward of :func:`lstm`."""
    x, h0, c0, w_ih, w_hh, _, _ = args
    gates, states, cells, squashed = work
    steps, batch, hidden = squashed.shape
    parts = gates.reshape(steps, batch, 4, hidden)
    # What each step multiplies with the gradient of the cell (i, f, g) or of the hidden state (o), and of the cell by
    # the state.
    factor = np.empty_like(parts)
    to_cell = np.empty_like(squashed)

    def prepare(at: slice) -> None:
        i, g, o = (parts[at, :, k] for k in (0, 2, 3))
        np.subtract(1, parts[at], factor[at])
        np.multiply(factor[at], parts[at], factor[at])  # s (1 - s), right for the sigmoids
        np.multiply(factor[at, :, 0], g, factor[at, :, 0])
        np.multiply(factor[at, :, 1], cells[at], factor[at, :, 1])
        np.multiply(g, g, factor[at, :, 2])
        np.subtract(1, factor[at, :, 2], factor[at, :, 2])
        np.multiply(factor[at, :, 2], i, factor[at, :, 2])
        np.multiply(factor[at, :, 3], squashed[at], factor[at, :, 3])
        np.multiply(squashed[at], squashed[at], to_cell[at])
        np.subtract(1, to_cell[at], to_cell[at])
        np.multiply(to_cell[at], o, to_cell[at])

    split(prepare, steps, factor.size * 3)
    out, carry = _last_first(cotangents[0], cotangents[1], squashed)
    cell = np.array(cotangents[2]) if cotangents[2] is not None else np.zeros_like(c0)
    total, share = np.empty_like(h0), np.empty_like(h0)
    for t in range(steps - 1, -1, -1):
        np.add(out[t], carry, total)
        np.multiply(total, to_cell[t], share)
        np.add(cell, share, cell)
        step = factor[t]  # becomes the gradient of the gates
        ifg = step[:, :3]
        np.multiply(ifg, cell[:, None], ifg)
        o = step[:, 3]
        np.multiply(o, total, o)
        np.multiply(cell, parts[t, :, 1], cell)
        np.matmul(step.reshape(batch, 4 * hidden), w_hh, carry)
    slope = factor.reshape(steps, batch, 4 * hidden)
    gx, gw_ih, gw_hh, gb_ih, gb_hh = _weight_gradients(x, states[:-1], slope, slope, w_ih, needed[:1] + needed[3:])
    return gx, carry, cell, gw_ih, gw_hh, gb_ih, gb_hh


# GRU -----------------------------------------------------------------------------------------------------------------


def gru(x: Array, h0: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None) -> Any:
    """Forward of a GRU layer; gates in the order r, z, n."""
    hidden = h0.shape[1]
    scale = np.full(3 * hidden, 0.5, x.dtype)
    scale[2 * hidden :] = 1
    bias = np.zeros(3 * hidden, x.dtype)
    bias_n = np.zeros(hidden, x.dtype)
    if b_ih is not None:
        bias += b_ih
    if b_hh is not None:
        bias[: 2 * hidden] += b_hh[: 2 * hidden]
        bias_n = b_hh[2 * hidden :]
    gates = _inputs(x, (w_ih * scale[:, None]).T, bias * scale)
    w = np.multiply(w_hh.T, scale, order="C")
    states = _states(len(x), h0)
    recurrent = np.empty_like(states[1:])  # W_hn h + b_hn
    product = np.empty_like(gates[0])
    part = np.empty_like(h0)
    for t in range(len(x)):
        a = gates[t]
        before, after = states[t], states[t + 1]
        np.matmul(before, w, product)
        rz, n = a[:, : 2 * hidden], a[:, 2 * hidden :]
        np.add(rz, product[:, : 2 * hidden], rz)
        np.tanh(rz, rz)
        np.multiply(rz, 0.5, rz)
        np.add(rz, 0.5, rz)
        np.add(product[:, 2 * hidden :], bias_n, recurrent[t])
        np.multiply(rz[:, :hidden], recurrent[t], part)
        np.add(n, part, n)
        np.tanh(n, n)
        np.subtract(before, n, part)
        np.multiply(part, rz[:, hidden:], part)
        np.add(n, part, after)
    return (states[1:], states[-1].copy()), (gates, states, recurrent)


def gru_backward(args: Any, work: Any, cotangents: Any, needed: list[bool]) -> Any:
    """Backward of :func:`gru`."""
    x, h0, w_ih, w_hh, _, _ = args
    gates, states, recurrent = work
    steps, batch, hidden = recurrent.shape
    parts = gates.reshape(steps, batch, 3, hidden)
    factor = np.empty_like(parts)  # the share of r, z and W_hn h + b_hn in the gradient of the state
    to_n = np.empty_like(recurrent)  # and that of n

    def prepare(at: slice) -> None:
        r, z, n = (parts[at, :, k] for k in range(3))
        np.multiply(n, n, to_n[at])
        np.subtract(1, to_n[at], to_n[at])
        keep = 1 - z
        np.multiply(to_n[at], keep, to_n[at])
        np.multiply(to_n[at], r, factor[at, :, 2])
        np.subtract(1, r, factor[at, :, 0])
        np.multiply(factor[at, :, 0], factor[at, :, 2], factor[at, :, 0])
        np.multiply(factor[at, :, 0], recurrent[at], factor[at, :, 0])
        np.subtract(states[:-1][at], n, factor[at, :, 1])
        np.multiply(factor[at, :, 1], z, factor[at, :, 1])
        np.multiply(factor[at, :, 1], keep, factor[at, :, 1])

    split(prepare, steps, factor.size * 4)
    out, carry = _last_first(cotangents[0], cotangents[1], recurrent)
    total = np.empty_like(h0)
    for t in range(steps - 1, -1, -1):
        np.add(out[t], carry, total)
        step = factor[t]
        np.multiply(step, total[:, None], step)
        np.multiply(to_n[t], total, to_n[t])
        np.matmul(step.reshape(batch, 3 * hidden), w_hh, carry)
        np.multiply(total, parts[t, :, 1], total)
        np.add(carry, total, carry)
    gates_h = factor.reshape(steps, batch, 3 * hidden)
    gates_x = gates_h.copy()
    gates_x.reshape(parts.shape)[:, :, 2] = to_n
    gx, gw_ih, gw_hh, gb_ih, gb_hh = _weight_gradients(x, states[:-1], gates_x, gates_h, w_ih, needed[:1] + needed[2:])
    return gx, carry, gw_ih, gw_hh, gb_ih, gb_hh
