"""Recurrent layers for CuPy: a product and one elementwise kernel a step, and all weights' gradients in one product each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tinygrad_edu.backends._cupy_source import elementwise
from tinygrad_edu.backends._numpy_rnn import _bias, _inputs, _weight_gradients

Array = Any

# The names i and n belong to CuPy: the place of the thread and the number of elements.
LSTM = """
    T one = 1;
    ig = one / (one + exp(-(ig + hi)));
    fg = one / (one + exp(-(fg + hf)));
    gg = tanh(gg + hg);
    og = one / (one + exp(-(og + ho)));
    c = fg * before + ig * gg;
    h = og * tanh(c);
"""
LSTM_BACKWARD = """
    T one = 1;
    T s = tanh(c), dh = out + carry;
    T dc = cell + dh * og * (one - s * s);
    di = dc * gg * ig * (one - ig);
    df = dc * before * fg * (one - fg);
    dg = dc * ig * (one - gg * gg);
    dout = dh * s * og * (one - og);
    cell = dc * fg;
"""
GRU = """
    T one = 1;
    rg = one / (one + exp(-(rg + hr)));
    zg = one / (one + exp(-(zg + hz)));
    ng = tanh(ng + rg * hn);
    h = ng + zg * (before - ng);
"""
GRU_BACKWARD = """
    T one = 1;
    T dh = out + carry;
    dn = dh * (one - zg) * (one - ng * ng);
    dz = dh * (before - ng) * zg * (one - zg);
    dr = dn * hn * rg * (one - rg);
    dhn = dn * rg;
    direct = dh * zg;
"""


PLAIN = {
    "rnn_tanh": ("h = (T)tanh((A)ig + (A)hi);", "A s = h; slope = (T)(((A)out + (A)carry) * (1 - s * s));"),
    "rnn_relu": (
        "A a = (A)ig + (A)hi; h = (T)(a > 0 || a != a ? a : (A)0);",
        "slope = (T)((A)h > 0 ? (A)out + (A)carry : (A)0);",
    ),
}


def kernels_of(cupy: Any) -> dict[str, Callable[..., Any]]:
    """The layers by name; the card's compiler sees the kernels at their first use."""

    def kernel(inputs: str, outputs: str, source: str, name: str) -> Any:
        typed = [", ".join(f"T {n}" for n in names.split()) for names in (inputs, outputs)]
        return cupy.ElementwiseKernel(*typed, source, f"tinygrad_edu_{name}")

    lstm_step = kernel("hi hf hg ho before", "ig fg gg og c h", LSTM, "lstm")
    lstm_back = kernel("out carry ig fg gg og before c", "di df dg dout cell", LSTM_BACKWARD, "lstm_backward")
    gru_step = kernel("hr hz hn before", "rg zg ng h", GRU, "gru")
    gru_back = kernel("out carry rg zg ng hn before", "dr dz dn dhn direct", GRU_BACKWARD, "gru_backward")

    def states_from(steps: int, first: Array) -> Array:
        states = cupy.empty((steps + 1, *first.shape), dtype=first.dtype)
        states[0] = first
        return states

    table: dict[str, Callable[..., Any]]

    def lstm(x: Array, h0: Array, c0: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None) -> Any:
        gates = _inputs(x, w_ih.T, _bias(b_ih, b_hh))
        states, cells = states_from(len(x), h0), states_from(len(x), c0)
        for t in range(len(x)):
            shares = _split(states[t] @ w_hh.T, 4)
            lstm_step(*shares, cells[t], *_split(gates[t], 4), cells[t + 1], states[t + 1])
        return (states[1:], states[-1].copy(), cells[-1].copy()), (gates, states, cells)

    def lstm_backward(args: Any, work: Any, cotangents: Any, needed: list[bool]) -> Any:
        x, h0, c0, w_ih, w_hh, _, _ = args
        gates, states, cells = work
        out, last, last_cell = cotangents
        out = cupy.zeros_like(states[1:]) if out is None else out
        carry = cupy.zeros_like(h0) if last is None else last
        cell = cupy.zeros_like(c0) if last_cell is None else last_cell.copy()
        slope = cupy.empty(gates.shape, dtype=gates.dtype)
        for t in range(len(x) - 1, -1, -1):
            kept = (*_split(gates[t], 4), cells[t], cells[t + 1])
            lstm_back(out[t], carry, *kept, *_split(slope[t], 4), cell)
            carry = slope[t] @ w_hh
        gx, gw_ih, gw_hh, gb_ih, gb_hh = _weight_gradients(x, states[:-1], slope, slope, w_ih, needed[:1] + needed[3:])
        return gx, carry, cell, gw_ih, gw_hh, gb_ih, gb_hh

    def gru(x: Array, h0: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None) -> Any:
        gates = _inputs(x, w_ih.T, b_ih)
        states = states_from(len(x), h0)
        recurrent = cupy.empty((len(x), *h0.shape), dtype=h0.dtype)  # W_hn h + b_hn
        for t in range(len(x)):
            share = states[t] @ w_hh.T
            if b_hh is not None:
                share += b_hh
            parts = _split(share, 3)
            recurrent[t] = parts[2]
            gru_step(*parts, states[t], *_split(gates[t], 3), states[t + 1])
        return (states[1:], states[-1].copy()), (gates, states, recurrent)

    def gru_backward(args: Any, work: Any, cotangents: Any, needed: list[bool]) -> Any:
        x, h0, w_ih, w_hh, _, _ = args
        gates, states, recurrent = work
        out, last = cotangents
        out = cupy.zeros_like(recurrent) if out is None else out
        carry = cupy.zeros_like(h0) if last is None else last
        slope_x, slope_h = (cupy.empty(gates.shape, dtype=gates.dtype) for _ in range(2))
        direct = cupy.empty(h0.shape, dtype=h0.dtype)
        hidden = h0.shape[1]
        for t in range(len(x) - 1, -1, -1):
            kept = (*_split(gates[t], 3), recurrent[t], states[t])
            gru_back(out[t], carry, *kept, *_split(slope_x[t], 3), slope_h[t][:, 2 * hidden :], direct)
            slope_h[t][:, : 2 * hidden] = slope_x[t][:, : 2 * hidden]
            carry = slope_h[t] @ w_hh + direct
        gx, gw_ih, gw_hh, gb_ih, gb_hh = _weight_gradients(
            x, states[:-1], slope_x, slope_h, w_ih, needed[:1] + needed[2:]
        )
        return gx, carry, gw_ih, gw_hh, gb_ih, gb_hh

    def plain(step: Any, x: Array, h0: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None) -> Any:
        gates = _inputs(x, w_ih.T, _bias(b_ih, b_hh))
        states = states_from(len(x), h0)
        for t in range(len(x)):
            step(gates[t], states[t] @ w_hh.T, states[t + 1])
        return (states[1:], states[-1].copy()), (states,)

    def plain_backward(step: Any, args: Any, work: Any, cotangents: Any, needed: list[bool]) -> Any:
        x, h0, w_ih, w_hh, _, _ = args
        (states,) = work
        out, last = cotangents
        out = cupy.zeros_like(states[1:]) if out is None else out
        carry = cupy.zeros_like(h0) if last is None else last
        slope = cupy.empty(out.shape, dtype=out.dtype)
        for t in range(len(x) - 1, -1, -1):
            step(out[t], carry, states[t + 1], slope[t])
            carry = slope[t] @ w_hh
        gx, gw_ih, gw_hh, gb_ih, gb_hh = _weight_gradients(x, states[:-1], slope, slope, w_ih, needed[:1] + needed[2:])
        return gx, carry, gw_ih, gw_hh, gb_ih, gb_hh

    table = {"lstm": lstm, "lstm_backward": lstm_backward, "gru": gru, "gru_backward": gru_backward}
    for name, (forward, backward) in PLAIN.items():
        step = elementwise(cupy, "T ig, T hi", "T h", forward, name)
        back = elementwise(cupy, "T out, T carry, T h", "T slope", backward, f"{name}_backward")
        table[name] = functools.partial(plain, step)
        table[f"{name}_backward"] = functools.partial(plain_backward, back)
    return table


def _split(gates: Array, count: int) -> list[Array]:
    """The gates of one step, (N, G·H), as G views."""
    hidden = gates.shape[1] // count
    return [gates[:, k * hidden : (k + 1) * hidden] for k in range(count)]
