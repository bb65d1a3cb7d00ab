"""Sequence to sequence: an encoder reads one sequence, a decoder writes another.

:class:`Seq2Seq` puts any two together that keep to the interfaces here, and does what does not depend on what they are
made of: teacher forcing, the loss, and writing. Recurrent ones are in :mod:`recurrent_seq2seq`.

Shapes: N batch, S places of the source, T of the target, V target tokens; L layers, H their units, K size of an output of
the encoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_edu.creation import full
from tinygrad_edu.dtypes import int64
from tinygrad_edu.errors import describe
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.models.beam_search import Hypothesis, beam_search
from tinygrad_edu.models.generation import evaluating, generate
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.random import rand
from tinygrad_edu.tensor import Tensor

__all__ = ["Decoder", "Encoded", "Encoder", "Schedule", "Seq2Seq", "inverse_sigmoid_schedule", "linear_schedule"]

Schedule = Callable[[int], float]


class Encoded(NamedTuple):
    """What an encoder has read.

    Attributes
    ----------
    outputs : Tensor, (N, S, K)
        What the encoder knows at each place.
    mask : Tensor of bool, (N, S), or None
        Where there is no padding; None where there is nowhere any.
    state : tuple of Tensors, (L, N, H)
        What a recurrent decoder begins with, (h,) or (h, c).
    """

    outputs: Tensor
    mask: Tensor | None
    state: tuple[Tensor, ...]


class Encoder(Module):
    """What reads the source. A subclass defines :meth:`forward`.

    Attributes
    ----------
    output_size : int
        K.
    """

    output_size: int

    def forward(self, source: Tensor, lengths: Any = None) -> Encoded:
        """Read tokens (N, S) of which the first ``lengths[n]`` are not padding."""
        raise TypeError(f"{self._get_name()} does not define forward")


class Decoder(Module):
    """What writes the target. A subclass defines :meth:`start` and :meth:`forward`.

    A state is a structure of tensors, or has a method ``select_rows(index)``, so that beam search can choose rows of it.
    """

    def start(self, encoded: Encoded) -> Any:
        """Return the state before the first token."""
        raise TypeError(f"{self._get_name()} does not define start")

    def forward(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read tokens (N, T): the logits (N, T, V) of the token after each, and the state after the last."""
        raise TypeError(f"{self._get_name()} does not define forward")

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one token of each row, (N,): the logits (N, V) of the next one, and the state after it."""
        logits, state = self(tokens.unsqueeze(1), state)
        return logits.squeeze(1), state


class Seq2Seq(Module):
    """An encoder and a decoder that are trained together.

    Source: Sutskever, Vinyals and Le, Sequence to sequence learning with neural networks, NeurIPS 2014.

    Parameters
    ----------
    encoder : Encoder
    decoder : Decoder
    bos, eos : int
        The target tokens before the first and after the last.
    padding : int, default 0
        What fills up short sequences, source and target.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import LuongDecoder, RecurrentEncoder, Seq2Seq
    >>> model = Seq2Seq(RecurrentEncoder(10, 4, 8), LuongDecoder(12, 4, 8), bos=1, eos=2)
    >>> source, target = tg.tensor([[5, 6, 7], [8, 9, 0]]), tg.tensor([[1, 4, 2, 0], [1, 6, 7, 2]])
    >>> model(source, target).shape
    Size([2, 3, 12])
    >>> model.loss(source, target).backward()
    >>> [len(tokens) <= 5 for tokens in model.generate(source, max_length=5)]
    [True, True]
    """

    def __init__(self, encoder: Encoder, decoder: Decoder, *, bos: int, eos: int, padding: int = 0) -> None:
        super().__init__()
        for name, token in (("bos", bos), ("eos", eos), ("padding", padding)):
            if isinstance(token, bool) or not isinstance(token, int) or token < 0:
                raise ValueError(f"Seq2Seq: {name} must be the number of a token, got {token!r}")
        if eos in (bos, padding):
            raise ValueError(f"Seq2Seq: eos must be a token of its own, got bos={bos}, eos={eos}, padding={padding}")
        self.encoder = encoder
        self.decoder = decoder
        self.bos = bos
        self.eos = eos
        self.padding = padding

    def start(self, source: Tensor, lengths: Any = None) -> Any:
        """Read the source (N, S); return the decoder's state before the first token.

        Parameters
        ----------
        source : Tensor of int64, (N, S)
        lengths : list or Tensor of integers, (N,), optional
            How many tokens of each row are not padding; where it is left out, the padding is counted.
        """
        tokens = self._tokens("source", source)
        if lengths is None:
            lengths = (tokens != self.padding).sum(1).tolist()
            if 0 in lengths:
                raise ValueError(f"Seq2Seq: row {lengths.index(0)} of the source is empty")
        return self.decoder.start(self.encoder(tokens, lengths))

    def forward(self, source: Tensor, target: Tensor, lengths: Any = None, *, teacher_forcing: float = 1.0) -> Tensor:
        """Predict each token of the target from those before it.

        Parameters
        ----------
        source : Tensor of int64, (N, S)
        target : Tensor of int64, (N, T)
            From `bos` to `eos`, with padding behind.
        lengths : list or Tensor of integers, (N,), optional
            Of the sources.
        teacher_forcing : float in [0, 1], default 1
            How often the decoder reads the target's token and not the one that it takes for the likeliest itself: a coin
            is tossed for each token (scheduled sampling: Bengio et al., NeurIPS 2015). At 1 all steps are one call.

        Returns
        -------
        Tensor, (N, T - 1, V)
            Logits of ``target[:, 1:]``.
        """
        tokens = self._tokens("target", target)
        if tokens.shape[1] < 2 or tokens.shape[0] != source.shape[0]:
            raise ValueError(
                f"Seq2Seq: expected a target of {source.shape[0]} rows with two tokens at least, bos and what follows, "
                f"got shape {tuple(tokens.shape)}"
            )
        if not 0 <= teacher_forcing <= 1:
            raise ValueError(f"Seq2Seq: teacher_forcing must lie between 0 and 1, got {teacher_forcing!r}")
        state = self.start(source, lengths)
        if teacher_forcing == 1:
            return self.decoder(tokens[:, :-1], state)[0]
        read, all_logits = tokens[:, 0], []
        for t in range(1, tokens.shape[1]):
            logits, state = self.decoder.step(read, state)
            all_logits.append(logits)
            told = rand(len(read), device=read.device) < teacher_forcing
            read = where(told, tokens[:, t], logits.detach().argmax(1))
        return stack(all_logits, 1)

    def loss(
        self,
        source: Tensor,
        target: Tensor,
        lengths: Any = None,
        *,
        teacher_forcing: float = 1.0,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Mean cross entropy of the target's tokens, `eos` included and padding left out.

        Parameters
        ----------
        source, target, lengths, teacher_forcing
            As in :meth:`forward`.
        label_smoothing : float in [0, 1], default 0
            The share of each target that is spread over all tokens.
        """
        logits = self(source, target, lengths, teacher_forcing=teacher_forcing)
        # Steps first, as recurrent decoders have them: flattening is then free.
        wanted = target[:, 1:].transpose(0, 1).reshape(-1)
        return F.cross_entropy(
            logits.transpose(0, 1).reshape(wanted.shape[0], -1),
            wanted,
            ignore_index=self.padding,
            label_smoothing=label_smoothing,
        )

    def generate(self, source: Tensor, lengths: Any = None, *, max_length: int, **options: Any) -> list[list[int]]:
        """Write targets token by token, always the likeliest one.

        Parameters
        ----------
        source, lengths
            As in :meth:`start`.
        max_length : int
            At most so many tokens.
        options
            Of :func:`tinygrad_edu.models.generate`, to draw tokens: ``greedy=False, temperature=0.5``.

        Returns
        -------
        list of list of int
            Without `bos` and `eos`.
        """
        first = full((len(source), 1), self.bos, dtype=int64, device=source.device)
        with no_grad(), evaluating(self):
            state = self.start(source, lengths)
        options = {"greedy": True, **options}
        return generate(self.decoder, first, max_length, stop=[self.eos], state=state, **options)

    def beam_search(
        self, source: Tensor, lengths: Any = None, *, max_length: int, **options: Any
    ) -> list[list[Hypothesis]]:
        """Write targets by beam search; `options` are those of :func:`tinygrad_edu.models.beam_search`."""
        first = full((len(source),), self.bos, dtype=int64, device=source.device)
        with no_grad(), evaluating(self):
            state = self.start(source, lengths)
        return beam_search(self.decoder, first, end=self.eos, max_length=max_length, state=state, **options)

    def align(self, source: Tensor, target: Tensor, lengths: Any = None) -> Tensor:
        """Where a decoder with attention looks while it reads a target as in :meth:`forward`.

        Returns
        -------
        Tensor, (N, T - 1, S)
            Row t has the weights with which ``target[:, t + 1]`` is predicted.

        Raises
        ------
        TypeError
            If the decoder has no attention.
        """
        with no_grad(), evaluating(self):
            _, state = self.decoder(self._tokens("target", target)[:, :-1], self.start(source, lengths))
        weights = getattr(state, "weights", None)
        if weights is None:
            raise TypeError(f"Seq2Seq: {type(self.decoder).__name__} has no attention to show")
        return weights

    def _tokens(self, what: str, tokens: Any) -> Tensor:
        """The tokens, checked."""
        if not isinstance(tokens, Tensor) or tokens.dtype is not int64:
            raise TypeError(f"Seq2Seq: expected the {what} as a tensor of int64, got {describe(tokens)}")
        if tokens.dim() != 2 or 0 in tokens.shape:
            raise ValueError(
                f"Seq2Seq: expected a {what} of shape (N, length) that is not empty, got {tuple(tokens.shape)}"
            )
        return tokens

    def extra_repr(self) -> str:
        return f"bos={self.bos}, eos={self.eos}, padding={self.padding}"


def linear_schedule(first: float = 1.0, last: float = 0.0, steps: int = 1000) -> Schedule:
    """The rate of teacher forcing falls in equal parts from `first` to `last` within so many steps, and stays there.

    Source: Bengio et al., Scheduled sampling for sequence prediction with recurrent neural networks, NeurIPS 2015.

    Returns
    -------
    callable
        From the number of a step, from 0, to the rate.

    Examples
    --------
    >>> rate = linear_schedule(1.0, 0.5, steps=10)
    >>> rate(0), rate(5), rate(10), rate(99)
    (1.0, 0.75, 0.5, 0.5)
    """
    if not (0 <= first <= 1 and 0 <= last <= 1 and steps > 0):
        raise ValueError(f"linear_schedule: rates lie between 0 and 1, steps above 0, got {first}, {last} and {steps}")
    return lambda step: first + (last - first) * min(1.0, step / steps)


def inverse_sigmoid_schedule(k: float) -> Schedule:
    """The rate of teacher forcing k / (k + exp(i / k)) at step i: near 1 at first, then faster down, then slowly to 0.

    Source: Bengio et al., Scheduled sampling for sequence prediction with recurrent neural networks, NeurIPS 2015.

    Parameters
    ----------
    k : float, at least 1
        The rate is one half after k ln k steps.

    Examples
    --------
    >>> rate = inverse_sigmoid_schedule(100)
    >>> [round(rate(i), 2) for i in (0, 461, 1000, 10**6)]
    [0.99, 0.5, 0.0, 0.0]
    """
    if not k >= 1:
        raise ValueError(f"inverse_sigmoid_schedule: k must be at least 1, got {k!r}")
    return lambda step: k / (k + math.exp(min(step / k, 700.0)))
