"""Recurrent layers: RNN, LSTM and GRU over whole sequences. The cells for single steps are in :mod:`rnn_cell`."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

from tinygrad_edu.creation import empty, zeros
from tinygrad_edu.errors import describe
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.ops.rearrange import flip
from tinygrad_edu.ops.recurrent import gru, lstm, rnn_relu, rnn_tanh
from tinygrad_edu.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

# Each mode's function for one layer in one direction, and the number of gates that it stacks in its weights.
_MODES: dict[str, tuple[Any, int]] = {
    "RNN_TANH": (rnn_tanh, 1),
    "RNN_RELU": (rnn_relu, 1),
    "LSTM": (lstm, 4),
    "GRU": (gru, 3),
}


class RNNBase(Module):
    """What recurrent layers share: parameters, layers, directions, and the checks of what comes in.

    Parameters
    ----------
    mode : "RNN_TANH", "RNN_RELU", "LSTM" or "GRU"
    input_size, hidden_size : int
        I and H.
    num_layers : int, default 1
        L; each layer reads the outputs of the one before.
    bias : bool, default True
    batch_first : bool, default False
        Whether sequences come and go as (N, T, …) instead of (T, N, …); states are not concerned.
    dropout : float, default 0.0
        Probability of dropping elements of the outputs between layers, while training.
    bidirectional : bool, default False
        Whether a second set of weights reads the sequence backwards.
    device, dtype : optional
        Of the parameters.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = self._get_name()
        if mode not in _MODES:
            raise ValueError(f"{name}: mode must be one of {', '.join(_MODES)}, got {mode!r}")
        for what, value in (("hidden_size", hidden_size), ("num_layers", num_layers)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name}: {what} must be an integer, got {value!r}")
            if value < 1:
                raise ValueError(f"{name}: {what} must be at least 1, got {value}")
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout must be a probability between 0 and 1, got {dropout!r}")
        if dropout and num_layers == 1:
            warnings.warn(f"{name}: dropout={dropout} acts between layers, and there is one layer only", stacklevel=3)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        rows = _MODES[mode][1] * hidden_size
        directions = 2 if bidirectional else 1
        self._names: list[list[str]] = []  # of the weights of layer 0, of layer 0 backwards, of layer 1, …
        for layer in range(num_layers):
            columns = input_size if layer == 0 else hidden_size * directions
            for suffix in ("", "_reverse")[:directions]:
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                names = {f"{kind}_l{layer}{suffix}": shape for kind, shape in shapes.items()}
                for weight, shape in names.items():
                    self.register_parameter(weight, Parameter(empty(shape, device=device, dtype=dtype)))
                self._names.append(list(names))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew from U(-1/√H, 1/√H)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: weights are laid out for the backend at each call. It is here because scripts call it."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def _sequence(self, input: Any) -> tuple[Tensor, bool]:
        """The input as (T, N, I), and whether it had a batch dimension."""
        name = self._get_name()
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: expected a Tensor as input, got {describe(input)}")
        shape = tuple(input.shape)
        if len(shape) not in (2, 3):
            raise ValueError(f"{name}: expected an input of 2 dimensions (T, I) or 3 with a batch, got shape {shape}")
        if shape[-1] != self.input_size:
            raise ValueError(f"{name}: expected a last dimension of input_size = {self.input_size}, got shape {shape}")
        weight = getattr(self, self._names[0][0])
        if input.dtype is not weight.dtype:
            raise TypeError(
                f"{name}: the input is {input.dtype} and the weights {weight.dtype}; convert one with .to(dtype)"
            )
        batched = len(shape) == 3
        x: Tensor = input.unsqueeze(1) if not batched else input.transpose(0, 1) if self.batch_first else input
        if x.shape[0] == 0:
            raise ValueError(f"{name}: expected at least one time step, got shape {shape}")
        return x, batched

    def _state(self, state: Tensor | None, x: Tensor, batched: bool, what: str) -> Tensor:
        """An initial state as (L·directions, N, H): the one that was given, checked, or zeros."""
        count, n = len(self._names), x.shape[1]
        if state is None:
            return zeros(count, n, self.hidden_size, dtype=x.dtype, device=x.device)
        name = self._get_name()
        if not isinstance(state, Tensor):
            raise TypeError(f"{name}: expected a Tensor as {what}, got {describe(state)}")
        expected = (count, n, self.hidden_size) if batched else (count, self.hidden_size)
        if tuple(state.shape) != expected:
            raise ValueError(f"{name}: expected {what} of shape {expected}, got {tuple(state.shape)}")
        if state.dtype is not x.dtype:
            raise TypeError(f"{name}: the input is {x.dtype} and {what} {state.dtype}; convert one with .to(dtype)")
        return state if batched else state.unsqueeze(1)

    def _run(self, x: Tensor, states: tuple[Tensor, ...], batched: bool) -> tuple[Tensor, list[Tensor]]:
        """All layers in all directions: the outputs of the last, and each state after the last step, stacked."""
        function = _MODES[self.mode][0]
        directions = 2 if self.bidirectional else 1
        finals: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = F.dropout(x, self.dropout)
            outputs = []
            for direction in range(directions):
                i = layer * directions + direction
                weights = [getattr(self, name) for name in self._names[i]]
                if not self.bias:
                    weights += [None, None]
                sequence = flip(x, 0) if direction else x
                out, *final = function(sequence, *(state[i] for state in states), *weights)
                outputs.append(flip(out, 0) if direction else out)
                finals.append(tuple(final))
            x = outputs[0] if directions == 1 else cat(outputs, 2)
        ends = [final[0].unsqueeze(0) if len(finals) == 1 else stack(final) for final in zip(*finals, strict=True)]
        if not batched:
            return x.squeeze(1), [end.squeeze(1) for end in ends]
        return (x.transpose(0, 1) if self.batch_first else x), ends

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name, default in (
            ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0), ("bidirectional", False)
        ):  # fmt: skip
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


class _Gated(RNNBase):
    """A recurrent layer with gates, which has no choice of nonlinearity."""

    _gated: ClassVar[str]  # its mode

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            self._gated, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        )


class _OneState(RNNBase):
    """A recurrent layer whose state is h alone."""

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run over a sequence.

        Parameters
        ----------
        input : Tensor, (T, N, I), with `batch_first` (N, T, I), or (T, I) without a batch
        hx : Tensor, (L·directions, N, H), optional
            The state to start from, without N where the input has none; zeros where it is left out.

        Returns
        -------
        output : Tensor, (T, N, H·directions)
            The states of the last layer after each step, in the layout of the input.
        h_n : Tensor, (L·directions, N, H)
            The state of each layer and direction after its last step.
        """
        x, batched = self._sequence(input)
        out, (h,) = self._run(x, (self._state(hx, x, batched, "the initial state h_0"),), batched)
        return out, h


class RNN(_OneState):
    """The simple recurrent network of Elman: hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh).

    Source: Elman, Finding structure in time, Cognitive Science 14 (1990).

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int, default 1
        L; each layer reads the outputs of the one before.
    nonlinearity : "tanh" or "relu"
    bias : bool, default True
    batch_first : bool, default False
        Whether sequences come and go as (N, T, …) instead of (T, N, …); states are not concerned.
    dropout : float, default 0.0
        Probability of dropping elements of the outputs between layers, while training.
    bidirectional : bool, default False
        Whether a second set of weights reads the sequence backwards; outputs are then (T, N, 2H).

    Attributes
    ----------
    weight_ih_l0, weight_ih_l1, … : Parameter, (H, I), then (H, H·directions)
    weight_hh_l0, … : Parameter, (H, H)
    bias_ih_l0, bias_hh_l0, … : Parameter, (H,)
        Those that read backwards end in ``_reverse``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> out, h = nn.RNN(10, 20, num_layers=2)(tg.zeros(5, 3, 10))
    >>> out.shape, h.shape
    (Size([5, 3, 20]), Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        )
        self.nonlinearity = nonlinearity


class GRU(_Gated, _OneState):
    """The gated recurrent unit.

    rₜ = σ(W_ir xₜ + b_ir + W_hr hₜ₋₁ + b_hr), zₜ = σ(W_iz xₜ + b_iz + W_hz hₜ₋₁ + b_hz),
    nₜ = tanh(W_in xₜ + b_in + rₜ ⊙ (W_hn hₜ₋₁ + b_hn)), hₜ = (1 - zₜ) ⊙ nₜ + zₜ ⊙ hₜ₋₁.

    The rows of the weights are those of r, z and n, in this order.
    Source: Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014; the form of n is cuDNN's.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        As in :class:`RNN`.

    Attributes
    ----------
    weight_ih_l0, weight_ih_l1, … : Parameter, (3H, I), then (3H, H·directions)
    weight_hh_l0, … : Parameter, (3H, H)
    bias_ih_l0, bias_hh_l0, … : Parameter, (3H,)
        Those that read backwards end in ``_reverse``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> out, h = nn.GRU(10, 20, bidirectional=True)(tg.zeros(5, 3, 10))
    >>> out.shape, h.shape
    (Size([5, 3, 40]), Size([2, 3, 20]))
    """

    _gated = "GRU"


class LSTM(_Gated):
    """Long short-term memory.

    iₜ = σ(W_ii xₜ + b_ii + W_hi hₜ₋₁ + b_hi), fₜ and oₜ alike, gₜ = tanh(W_ig xₜ + b_ig + W_hg hₜ₋₁ + b_hg),
    cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ, hₜ = oₜ ⊙ tanh(cₜ).

    The rows of the weights are those of i, f, g and o, in this order.
    Source: Hochreiter and Schmidhuber, Long short-term memory, Neural Computation 9 (1997), with the forget gate of
    Gers, Schmidhuber and Cummins (2000).

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        As in :class:`RNN`.

    Attributes
    ----------
    weight_ih_l0, weight_ih_l1, … : Parameter, (4H, I), then (4H, H·directions)
    weight_hh_l0, … : Parameter, (4H, H)
    bias_ih_l0, bias_hh_l0, … : Parameter, (4H,)
        Those that read backwards end in ``_reverse``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> out, (h, c) = nn.LSTM(10, 20, batch_first=True)(tg.zeros(3, 5, 10))
    >>> out.shape, h.shape, c.shape
    (Size([3, 5, 20]), Size([1, 3, 20]), Size([1, 3, 20]))
    """

    _gated = "LSTM"

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over a sequence.

        Parameters
        ----------
        input : Tensor, (T, N, I), with `batch_first` (N, T, I), or (T, I) without a batch
        hx : tuple of two Tensors, (L·directions, N, H), optional
            The states (h_0, c_0) to start from, without N where the input has none; zeros where they are left out.

        Returns
        -------
        output : Tensor, (T, N, H·directions)
            The states h of the last layer after each step, in the layout of the input.
        (h_n, c_n) : tuple of two Tensors, (L·directions, N, H)
            The states of each layer and direction after its last step.
        """
        x, batched = self._sequence(input)
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise TypeError(f"LSTM: expected a pair (h_0, c_0) of initial states, got {describe(hx)}")
        h0, c0 = (None, None) if hx is None else hx
        states = (
            self._state(h0, x, batched, "the initial state h_0"),
            self._state(c0, x, batched, "the initial cell state c_0"),
        )
        out, (h, c) = self._run(x, states, batched)
        return out, (h, c)
