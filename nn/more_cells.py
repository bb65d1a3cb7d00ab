"""Cells beyond RNN, LSTM and GRU: normalised, leaky, and with connections that skip steps. :class:`Recurrence` runs them over time."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.creation import empty
from tinygrad_edu.errors import describe
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.normalization import LayerNorm
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.nn.rnn_cell import RNNCellBase
from tinygrad_edu.ops.parts import chunk
from tinygrad_edu.tensor import Tensor

__all__ = ["LayerNormGRUCell", "LayerNormLSTMCell", "LayerNormRNNCell", "LeakyRNNCell", "SkipRNNCell"]


class _Cell(RNNCellBase):
    """A cell whose step is written for a batch: ``_step(x (N, I), *states (N, H))`` returns the next states."""

    _names: tuple[str, ...] = ("the state h",)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """Input (N, I) or (I,) and state (N, H) or (H,), zeros where it is left out, to the next state."""
        x = self._input(input)
        given = (hx,) if len(self._names) == 1 else (None,) * len(self._names) if hx is None else hx
        if not isinstance(given, (tuple, list)) or len(given) != len(self._names):
            raise TypeError(f"{self._get_name()}: expected {len(self._names)} states, got {describe(hx)}")
        after = self._step(x, *(self._state(s, input, what) for s, what in zip(given, self._names, strict=True)))
        if input.dim() == 1:
            after = tuple(s.squeeze(0) for s in after)
        return after[0] if len(after) == 1 else after

    def _step(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        raise TypeError(f"{self._get_name()} does not define _step")


class LayerNormRNNCell(_Cell):
    """A step of the simple recurrent network on a normalised sum: h' = tanh(LN(W_ih x + W_hh h)).

    LN is a :class:`LayerNorm` with weight and bias, so the products have no bias of their own. Source of this and of the other
    normalised cells: Ba, Kiros and Hinton, Layer normalization (2016), whose equations they follow.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    eps : float, default 1e-5
        Added to the variance.

    Attributes
    ----------
    weight_ih : Parameter, (H, I)
    weight_hh : Parameter, (H, H)
    norm : LayerNorm of H

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.LayerNormRNNCell(10, 20)(tg.zeros(3, 10)).shape
    Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, eps: float = 1e-5, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, False, 1, device, dtype)
        self.norm = LayerNorm(hidden_size, eps, device=device, dtype=dtype)

    def _step(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        (h,) = states
        return (F.tanh(self.norm(F.linear(x, self.weight_ih) + F.linear(h, self.weight_hh))),)


class LayerNormLSTMCell(_Cell):
    """A step of long short-term memory with three normalisations.

    (i, f, g, o) = LN(W_ih x) + LN(W_hh h), c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g), h' = σ(o) ⊙ tanh(LN(c')).

    What comes in and what is remembered are normalised apart, all four gates together. c' itself is not, so that it can be
    carried over any number of steps.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    eps : float, default 1e-5

    Attributes
    ----------
    weight_ih : Parameter, (4H, I)
        The rows of the gates i, f, g and o.
    weight_hh : Parameter, (4H, H)
    norm_ih, norm_hh : LayerNorm of 4H
    norm_c : LayerNorm of H

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> h, c = nn.LayerNormLSTMCell(10, 20)(tg.zeros(3, 10))
    >>> h.shape, c.shape
    (Size([3, 20]), Size([3, 20]))
    """

    _names = ("the state h", "the cell state c")

    def __init__(
        self, input_size: int, hidden_size: int, eps: float = 1e-5, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, False, 4, device, dtype)
        self.norm_ih = LayerNorm(4 * hidden_size, eps, device=device, dtype=dtype)
        self.norm_hh = LayerNorm(4 * hidden_size, eps, device=device, dtype=dtype)
        self.norm_c = LayerNorm(hidden_size, eps, device=device, dtype=dtype)

    def _step(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        h, c = states
        gates = self.norm_ih(F.linear(x, self.weight_ih)) + self.norm_hh(F.linear(h, self.weight_hh))
        i, f, g, o = chunk(gates, 4, 1)
        c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
        return F.sigmoid(o) * F.tanh(self.norm_c(c)), c


class LayerNormGRUCell(_Cell):
    """A step of the gated recurrent unit with four normalisations.

    (r, z) = σ(LN(W_i x) + LN(W_h h)), n = tanh(LN(W_in x) + r ⊙ LN(W_hn h)), h' = (1 - z) ⊙ n + z ⊙ h.

    The gates are normalised together, the candidate n apart from them.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    eps : float, default 1e-5

    Attributes
    ----------
    weight_ih : Parameter, (3H, I)
        The rows of the gates r and z and of the candidate n.
    weight_hh : Parameter, (3H, H)
    norm_ih, norm_hh : LayerNorm of 2H
    norm_in, norm_hn : LayerNorm of H

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.LayerNormGRUCell(10, 20)(tg.zeros(10)).shape
    Size([20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, eps: float = 1e-5, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, False, 3, device, dtype)
        self.norm_ih = LayerNorm(2 * hidden_size, eps, device=device, dtype=dtype)
        self.norm_hh = LayerNorm(2 * hidden_size, eps, device=device, dtype=dtype)
        self.norm_in = LayerNorm(hidden_size, eps, device=device, dtype=dtype)
        self.norm_hn = LayerNorm(hidden_size, eps, device=device, dtype=dtype)

    def _step(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        (h,) = states
        gates = 2 * self.hidden_size
        from_x, from_h = F.linear(x, self.weight_ih), F.linear(h, self.weight_hh)
        r, z = chunk(F.sigmoid(self.norm_ih(from_x[:, :gates]) + self.norm_hh(from_h[:, :gates])), 2, 1)
        n = F.tanh(self.norm_in(from_x[:, gates:]) + r * self.norm_hn(from_h[:, gates:]))
        return (n + z * (h - n),)


class LeakyRNNCell(_Cell):
    """A step of leaky units: h' = (1 - α) h + α tanh(W_ih x + b_ih + W_hh h + b_hh).

    A unit with a leak rate α forgets by a factor 1 - α a step, so that it remembers for about 1 / α steps: the path through the
    first term neither vanishes nor explodes, for whatever weights. Units with different α see the sequence on different scales.

    Sources: Mozer, Induction of multiscale temporal structure, NeurIPS (1991); Jaeger et al., Optimization and applications of
    echo state networks with leaky-integrator neurons, Neural Networks 20 (2007).

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    leak : float or Tensor (H,), default 0.1
        α in (0, 1]: one for all units, or one for each; 1 is the plain cell.
    bias : bool, default True
    learn_leak : bool, default False
        Whether α is trained, as the sigmoid of a parameter.

    Attributes
    ----------
    weight_ih : Parameter, (H, I)
    weight_hh : Parameter, (H, H)
    bias_ih, bias_hh : Parameter, (H,), or None
    leak_logit : Parameter, or buffer, (H,)
        log(α / (1 - α)).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> cell = nn.LeakyRNNCell(10, 20, leak=tg.logspace(-2, 0, 20))
    >>> cell(tg.zeros(3, 10)).shape
    Size([3, 20])
    """

    leak_logit: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        leak: float | Tensor = 0.1,
        bias: bool = True,
        learn_leak: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        rates = empty(hidden_size, device=device, dtype=dtype)
        if isinstance(leak, Tensor):
            if tuple(leak.shape) != (hidden_size,):
                raise ValueError(
                    f"LeakyRNNCell: expected one leak rate, or {hidden_size}, got shape {tuple(leak.shape)}"
                )
            rates.copy_(leak.detach())
        else:
            rates.fill_(leak)
        if not ((rates > 0) & (rates < 1 if learn_leak else rates <= 1)).all().item():
            most = "below 1 to be learned" if learn_leak else "at most 1"
            raise ValueError(f"LeakyRNNCell: leak rates must be above 0 and {most}, got {leak}")
        logit = rates.log() - (1 - rates).log()
        if learn_leak:
            self.leak_logit = Parameter(logit)
        else:
            self.register_buffer("leak_logit", logit)

    @property
    def leak(self) -> Tensor:
        """The leak rates α, (H,)."""
        return F.sigmoid(self.leak_logit)

    def _step(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        (h,) = states
        new = F.tanh(F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh))
        return (h + self.leak * (new - h),)


class SkipRNNCell(_Cell):
    """A step with a second connection that comes from d steps ago: h' = tanh(W_ih x + b_ih + W_hh h + b_hh + W_sh h₋d).

    Gradients reach a distant past in a d-th of the steps. The state holds the last d hidden states, the newest first.

    Source: Lin et al., Learning long-term dependencies in NARX recurrent neural networks, IEEE Trans. Neural Networks 7 (1996).

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    skip : int, default 2
        d, at least 2.
    bias : bool, default True

    Attributes
    ----------
    weight_ih : Parameter, (H, I)
    weight_hh, weight_sh : Parameter, (H, H)
    bias_ih, bias_hh : Parameter, (H,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> out, state = nn.unroll(nn.SkipRNNCell(10, 20, skip=4), tg.zeros(7, 3, 10))
    >>> out.shape, len(state), state[0].shape
    (Size([7, 3, 20]), 4, Size([3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        skip: int = 2,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(skip, bool) or not isinstance(skip, int) or skip < 2:
            raise ValueError(f"SkipRNNCell: skip must be an integer of at least 2, got {skip!r}")
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.skip = skip
        self._names = tuple(f"the hidden state of {k} steps ago" for k in range(1, skip + 1))
        self.weight_sh = Parameter(empty(hidden_size, hidden_size, device=device, dtype=dtype))
        self.reset_parameters()

    def _step(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        total = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(states[0], self.weight_hh, self.bias_hh)
        return F.tanh(total + F.linear(states[-1], self.weight_sh)), *states[:-1]

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, skip={self.skip}"
