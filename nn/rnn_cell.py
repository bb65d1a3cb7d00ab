"""Recurrent cells: one step at a time, in plain operations."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from tinygrad_edu import _state
from tinygrad_edu.creation import empty, zeros
from tinygrad_edu.errors import describe
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.ops._casting import single
from tinygrad_edu.ops.parts import chunk
from tinygrad_edu.tensor import Tensor

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What cells share: two weights and two biases with the rows of all gates, and the checks of what comes in.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    bias : bool
    num_chunks : int
        G, the number of gates.
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        for what, value in (("input_size", input_size), ("hidden_size", hidden_size)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{self._get_name()}: {what} must be an integer, got {value!r}")
            if value < 0:
                raise ValueError(f"{self._get_name()}: {what} must not be negative, got {value}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew from U(-1/√H, 1/√H)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for name, parameter in self.named_parameters(recurse=False):
            if name.startswith(("weight_", "bias_")):
                init.uniform_(parameter, -bound, bound)

    def _input(self, input: Any) -> Tensor:
        """The input, checked, as (N, I)."""
        if not isinstance(input, Tensor):
            raise TypeError(f"{self._get_name()}: expected a Tensor as input, got {describe(input)}")
        if input.dim() not in (1, 2) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"{self._get_name()}: expected an input of shape (N, {self.input_size}) or ({self.input_size},), "
                f"got {tuple(input.shape)}"
            )
        input = self._checked(input, "the input")
        return input if input.dim() == 2 else input.unsqueeze(0)

    def _checked(self, value: Tensor, what: str) -> Tensor:
        """A value of the weights' type; inside of autocast half precision is made single."""
        weight = self.weight_ih
        if _state.casting_threads:
            (value,) = single(value)
        if value.dtype is not weight.dtype:
            raise TypeError(
                f"{self._get_name()}: {what} is {value.dtype} and the weights {weight.dtype}; convert one with .to(dtype)"
            )
        return value

    def _state(self, state: Tensor | None, input: Tensor, what: str) -> Tensor:
        """A state, checked, as (N, H); zeros where none was given."""
        if state is None:
            n = input.shape[0] if input.dim() == 2 else 1
            return zeros(n, self.hidden_size, dtype=self.weight_ih.dtype, device=input.device)
        if not isinstance(state, Tensor):
            raise TypeError(f"{self._get_name()}: expected a Tensor as {what}, got {describe(state)}")
        expected = (*input.shape[:-1], self.hidden_size)
        if tuple(state.shape) != expected:
            raise ValueError(f"{self._get_name()}: expected {what} of shape {expected}, got {tuple(state.shape)}")
        state = self._checked(state, what)
        return state if input.dim() == 2 else state.unsqueeze(0)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """A step of the simple recurrent network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    bias : bool, default True
    nonlinearity : "tanh" or "relu"

    Attributes
    ----------
    weight_ih : Parameter, (H, I)
    weight_hh : Parameter, (H, H)
    bias_ih, bias_hh : Parameter, (H,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.RNNCell(10, 20)(tg.zeros(3, 10)).shape
    Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Input (N, I) or (I,) and state (N, H) or (H,), zeros where it is left out, to the next state."""
        x, h = self._input(input), self._state(hx, input, "the state h")
        out = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        out = F.tanh(out) if self.nonlinearity == "tanh" else F.relu(out)
        return out if input.dim() == 2 else out.squeeze(0)

    def extra_repr(self) -> str:
        shown = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + shown


class _GatedCell(RNNCellBase):
    """A cell with gates, which has no choice of nonlinearity."""

    _gates: ClassVar[int]

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, self._gates, device, dtype)


class LSTMCell(_GatedCell):
    """A step of long short-term memory; the equations are those of :class:`LSTM`.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    bias : bool, default True

    Attributes
    ----------
    weight_ih : Parameter, (4H, I)
        The rows of the gates i, f, g and o.
    weight_hh : Parameter, (4H, H)
    bias_ih, bias_hh : Parameter, (4H,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> h, c = nn.LSTMCell(10, 20)(tg.zeros(3, 10))
    >>> h.shape, c.shape
    (Size([3, 20]), Size([3, 20]))
    """

    _gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Input (N, I) or (I,) and states (h, c) of (N, H) or (H,), zeros where left out, to the next (h, c)."""
        x = self._input(input)
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise TypeError(f"LSTMCell: expected a pair (h, c) of states, got {describe(hx)}")
        h0, c0 = (None, None) if hx is None else hx
        h, c = self._state(h0, input, "the state h"), self._state(c0, input, "the cell state c")
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = chunk(gates, 4, 1)
        c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
        h = F.sigmoid(o) * F.tanh(c)
        return (h, c) if input.dim() == 2 else (h.squeeze(0), c.squeeze(0))


class GRUCell(_GatedCell):
    """A step of the gated recurrent unit; the equations are those of :class:`GRU`.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    bias : bool, default True

    Attributes
    ----------
    weight_ih : Parameter, (3H, I)
        The rows of the gates r and z and of the candidate n.
    weight_hh : Parameter, (3H, H)
    bias_ih, bias_hh : Parameter, (3H,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.GRUCell(10, 20)(tg.zeros(10)).shape
    Size([20])
    """

    _gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Input (N, I) or (I,) and state (N, H) or (H,), zeros where it is left out, to the next state."""
        x, h = self._input(input), self._state(hx, input, "the state h")
        from_x = chunk(F.linear(x, self.weight_ih, self.bias_ih), 3, 1)
        from_h = chunk(F.linear(h, self.weight_hh, self.bias_hh), 3, 1)
        r = F.sigmoid(from_x[0] + from_h[0])
        z = F.sigmoid(from_x[1] + from_h[1])
        n = F.tanh(from_x[2] + r * from_h[2])
        out = n + z * (h - n)
        return out if input.dim() == 2 else out.squeeze(0)
