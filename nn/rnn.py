"""Recurrent layers: RNN, LSTM and GRU over whole sequences. The cells for single steps are in :mod:`rnn_cell`."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.errors import describe
from tinygrad_edu.nn._rnn_base import RNNBase
from tinygrad_edu.nn.utils.rnn import PackedSequence
from tinygrad_edu.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]


class _OneState(RNNBase):
    """A recurrent layer whose state is h alone."""

    def forward(self, input: Tensor | PackedSequence, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """Run over a sequence.

        Parameters
        ----------
        input : Tensor, (T, N, I), with `batch_first` (N, T, I), or (T, I) without a batch; or PackedSequence
        hx : Tensor, (L·directions, N, H), optional
            The state to start from, without N where the input has none; zeros where it is left out.

        Returns
        -------
        output : Tensor, (T, N, H·directions), or PackedSequence
            The states of the last layer after each step, in the layout of the input.
        h_n : Tensor, (L·directions, N, H)
            The state of each layer and direction after its last step.
        """
        x, batched = self._sequence(input)
        out, (h,) = self._run(x, (self._state(hx, x, batched, "the initial state h_0", self.hidden_size),), batched)
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
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity


class GRU(_OneState):
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
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )


class LSTM(RNNBase):
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
    proj_size : int, default 0
        P: with P > 0 the outputs are projected, hₜ = W_hr (oₜ ⊙ tanh(cₜ)), and have size P instead of H.
        Source: Sak, Senior and Beaufays, Long short-term memory based recurrent neural network architectures for large
        vocabulary speech recognition, 2014.

    Attributes
    ----------
    weight_ih_l0, weight_ih_l1, … : Parameter, (4H, I), then (4H, H·directions)
    weight_hh_l0, … : Parameter, (4H, H)
    bias_ih_l0, bias_hh_l0, … : Parameter, (4H,)
        Those that read backwards end in ``_reverse``.
    weight_hr_l0, … : Parameter, (P, H)
        With `proj_size`; the weights that take h then have P columns.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> out, (h, c) = nn.LSTM(10, 20, batch_first=True)(tg.zeros(3, 5, 10))
    >>> out.shape, h.shape, c.shape
    (Size([3, 5, 20]), Size([1, 3, 20]), Size([1, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def forward(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Run over a sequence.

        Parameters
        ----------
        input : Tensor, (T, N, I), with `batch_first` (N, T, I), or (T, I) without a batch; or PackedSequence
        hx : tuple of two Tensors, (L·directions, N, H), the first one (L·directions, N, P) with `proj_size`, optional
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
            self._state(h0, x, batched, "the initial state h_0", self.proj_size or self.hidden_size),
            self._state(c0, x, batched, "the initial cell state c_0", self.hidden_size),
        )
        out, (h, c) = self._run(x, states, batched)
        return out, (h, c)
