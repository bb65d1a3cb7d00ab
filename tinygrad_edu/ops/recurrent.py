"""Recurrent layers over whole sequences: one layer, one direction.

Each is fused over all time steps: one product for the inputs of all steps, then one product and a few in-place
operations a step, and a
hand-derived backward that does the same in reverse. The ``reference`` under each is the recurrence as books write it,
step by step.

Shapes: x (T, N, I), h and c (N, H), w_ih (G·H, I), w_hh (G·H, H), biases (G·H,), with G gates: 1 in a plain RNN, 3 in
a GRU, 4 in an LSTM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state, function
from tinygrad_edu.function import Fused, run
from tinygrad_edu.ops._casting import single
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.elementwise import relu, sigmoid, tanh
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.ops.linalg import linear
from tinygrad_edu.ops.parts import chunk, unbind

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Recurrent(Fused):
    """A fused recurrence; ``kernel`` names the backend's forward, ``kernel``_backward its derivative."""

    __slots__ = ()
    kernel = ""

    def forward(self, *args: Any) -> Any:
        outs, work = xp(args[0]).kernels[self.kernel](*args)
        self.saved = (*args, *work)
        return outs

    def backward(self, *cotangents: Any) -> Any:
        n = len(self.edges)
        args, work = self.saved[:n], self.saved[n:]
        needed = [e is not None for e in self.edges]
        return tuple(xp(args[0]).kernels[f"{self.kernel}_backward"](args, work, cotangents, needed))


def _scan(step: Callable[..., Any], x: Any, state: Any) -> tuple[Any, Any]:
    """Feed the steps of x one by one into ``step(x_t, state)``; the stacked hidden states, and the last state."""
    outs = []
    for x_t in unbind(x, 0):
        state = step(x_t, state)
        outs.append(state[0] if isinstance(state, tuple) else state)
    return stack(outs, 0), state


class Tanh(Recurrent):
    """hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh)."""

    __slots__ = ()
    kernel = "rnn_tanh"

    @property
    def name(self) -> str:
        return "rnn_tanh"

    @staticmethod
    def reference(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        return _scan(lambda x_t, h: tanh(linear(x_t, w_ih, b_ih) + linear(h, w_hh, b_hh)), x, h)


class Relu(Recurrent):
    """hₜ = max(0, W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh)."""

    __slots__ = ()
    kernel = "rnn_relu"

    @property
    def name(self) -> str:
        return "rnn_relu"

    @staticmethod
    def reference(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        return _scan(lambda x_t, h: relu(linear(x_t, w_ih, b_ih) + linear(h, w_hh, b_hh)), x, h)


class LSTM(Recurrent):
    """i, f, o = σ(…), g = tanh(…) of W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh; cₜ = f cₜ₋₁ + i g; hₜ = o tanh(cₜ)."""

    __slots__ = ()
    kernel = "lstm"

    @staticmethod
    def step(x_t: Any, state: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        """One step: the state (h, c) after x_t."""
        h, c = state
        i, f, g, o = chunk(linear(x_t, w_ih, b_ih) + linear(h, w_hh, b_hh), 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    @staticmethod
    def reference(x: Any, h: Any, c: Any, *weights: Any) -> Any:
        out, (h, c) = _scan(lambda x_t, state: LSTM.step(x_t, state, *weights), x, (h, c))
        return out, h, c


class GRU(Recurrent):
    """r, z = σ(…); n = tanh(W_in xₜ + b_in + r (W_hn hₜ₋₁ + b_hn)); hₜ = (1 - z) n + z hₜ₋₁."""

    __slots__ = ()
    kernel = "gru"

    @staticmethod
    def reference(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        def step(x_t: Any, h: Any) -> Any:
            x_r, x_z, x_n = chunk(linear(x_t, w_ih, b_ih), 3, 1)
            h_r, h_z, h_n = chunk(linear(h, w_hh, b_hh), 3, 1)
            r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
            n = tanh(x_n + r * h_n)
            return n + z * (h - n)

        return _scan(step, x, h)


def _recur(op: type[Recurrent], gates: int, x: Any, states: tuple[Any, ...], weights: tuple[Any, ...]) -> Any:
    """Check the arguments, then run the fused operation, or its reference where the backend has no kernel."""
    name = op.kernel
    if _state.casting_threads:
        (x,), states, weights = single(x), single(*states), single(*weights)
    w_ih, w_hh, b_ih, b_hh = weights
    hidden = w_hh.shape[1]
    if len(x.shape) != 3:
        raise ValueError(f"{name}: the input must have shape (T, N, I), got {tuple(x.shape)}")
    if x.shape[0] == 0:
        raise ValueError(f"{name}: the sequence is empty; at least one time step is needed")
    expected = [
        *((f"{what} state", s, (x.shape[1], hidden)) for what, s in zip(("hidden", "cell"), states, strict=False)),
        ("input weight", w_ih, (gates * hidden, x.shape[2])),
        ("recurrent weight", w_hh, (gates * hidden, hidden)),
        ("input bias", b_ih, (gates * hidden,)),
        ("recurrent bias", b_hh, (gates * hidden,)),
    ]
    for what, value, shape in expected:
        if value is None:
            continue
        if tuple(value.shape) != shape:
            raise ValueError(
                f"{name}: the {what} must have shape {shape} for an input of shape {tuple(x.shape)}, got {tuple(value.shape)}"
            )
        if value.dtype is not x.dtype:
            raise TypeError(f"{name}: the {what} is {value.dtype}, the input {x.dtype}; convert one with .to(dtype)")
    args = (x, *states, *weights)
    if name in xp(x._data).kernels and len({type(xp(a._data)) for a in args if isinstance(a, function.Tensor)}) == 1:
        return run(op(), args)
    return op.reference(*args)


def rnn_tanh(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """A plain recurrent layer with tanh: all hidden states (T, N, H), and the last (N, H)."""
    return _recur(Tanh, 1, x, (h0,), (w_ih, w_hh, b_ih, b_hh))


def rnn_relu(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """A plain recurrent layer with relu: all hidden states (T, N, H), and the last (N, H)."""
    return _recur(Relu, 1, x, (h0,), (w_ih, w_hh, b_ih, b_hh))


def lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """A long short-term memory layer: all hidden states (T, N, H), the last (N, H), and the last cell state (N, H).

    Gates stand in the order i, f, g, o. Source: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al.
    (2000).
    """
    return _recur(LSTM, 4, x, (h0, c0), (w_ih, w_hh, b_ih, b_hh))


def lstm_projected(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    w_hr: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM whose hidden states are projected to (…, P) before they are put out and fed back, by w_hr (P, H).

    Step by step in plain operations: w_hh is (4H, P), h0 (N, P), c0 (N, H). Source: Sak, Senior and Beaufays (2014).
    """

    def step(x_t: Any, state: Any) -> Any:
        h, c = LSTM.step(x_t, state, w_ih, w_hh, b_ih, b_hh)
        return linear(h, w_hr), c

    out, (h, c) = _scan(step, x, (h0, c0))
    return out, h, c


def gru(
    x: Tensor, h0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """A gated recurrent layer: all hidden states (T, N, H), and the last (N, H).

    Gates stand in the order r, z, n. Source: Cho et al. (2014), with the reset gate after the product, as in cuDNN.
    """
    return _recur(GRU, 3, x, (h0,), (w_ih, w_hh, b_ih, b_hh))
