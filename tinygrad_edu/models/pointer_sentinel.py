"""The pointer sentinel mixture model: say a word of the vocabulary, or point to one that was just read.

A softmax over the vocabulary learns rare words poorly, yet a rare word that occurred is likely to occur again. A pointer
needs no more than to find it. How much of the probability the pointer has to give away is decided by the sentinel, a place
beside the words of the window that attention may choose instead.

Source: Merity, Xiong, Bradbury and Socher, Pointer sentinel mixture models, ICLR 2017.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.creation import arange
from tinygrad_edu.errors import describe
from tinygrad_edu.models.generation import State
from tinygrad_edu.models.language_model import RNNLanguageModel
from tinygrad_edu.ops.elementwise.exponential import logaddexp
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.reduce import logsumexp
from tinygrad_edu.tensor import Tensor

__all__ = ["PointerSentinelLM", "PointerState", "mixture_log_prob", "pointer_sentinel_loss"]


def _check(name: str, logits: Tensor, scores: Tensor, words: Tensor) -> None:
    """Raise unless there is a score for each word of the window, and one for the sentinel."""
    if scores.shape[:-1] != logits.shape[:-1] or words.shape != (*scores.shape[:-1], scores.shape[-1] - 1):
        raise ValueError(
            f"{name}: expected logits (..., V), scores (..., M + 1) and words (..., M), got {describe(logits)}, "
            f"{describe(scores)} and {describe(words)}"
        )
    if words.is_floating_point():
        raise TypeError(f"{name}: expected words as integers, got {describe(words)}")


def mixture_log_prob(logits: Tensor, scores: Tensor, words: Tensor) -> Tensor:
    """The logarithms of the probabilities of all words: p(w) = g softmax(logits)_w + Σ aᵢ [wordsᵢ = w].

    The weights (a₁, …, a_M, g) are the softmax of the scores.

    Parameters
    ----------
    logits : Tensor, (…, V)
    scores : Tensor, (…, M + 1)
        Of the words of the window, and at the end of the sentinel; -inf for what is not to be pointed to.
    words : Tensor of int64, (…, M)
        The words of the window.

    Returns
    -------
    Tensor, (…, V)

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.pointer_sentinel import mixture_log_prob
    >>> mixture_log_prob(tg.zeros(4), tg.zeros(4), tg.tensor([2, 3, 2])).exp()  # a quarter for each place and the sentinel
    tensor([0.0625, 0.0625, 0.5625, 0.3125])
    """
    _check("mixture_log_prob", logits, scores, words)
    weights = F.log_softmax(scores, -1)
    pointed = logits.new_zeros(logits.shape).scatter_add(-1, words, weights[..., :-1].exp())
    somewhere = pointed > 0
    pointer = pointed.where(somewhere, 1).log().where(somewhere, -math.inf)  # its slope at 0 would be infinite
    return logaddexp(weights[..., -1:] + F.log_softmax(logits, -1), pointer)


def pointer_sentinel_loss(
    logits: Tensor, scores: Tensor, words: Tensor, target: Tensor, reduction: str = "mean", supervision: float = 0.0
) -> Tensor:
    """-log p(target), by what `mixture_log_prob` says, without computing it for the other words.

    With supervision λ the loss is -log p(y) - λ log(g + Σ aᵢ [wordsᵢ = y]): attention is told that wherever it does not point
    to the word that follows, it should point to the sentinel.

    Parameters
    ----------
    logits, scores, words
        As in `mixture_log_prob`.
    target : Tensor of int64, (…)
    reduction : "mean", "sum" or "none"
    supervision : float, default 0
        λ; Merity et al. train with 1.

    Returns
    -------
    Tensor, () or (…)

    Raises
    ------
    ValueError
        When shapes do not fit, or for another reduction.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.pointer_sentinel import pointer_sentinel_loss
    >>> loss = pointer_sentinel_loss(tg.zeros(4), tg.zeros(4), tg.tensor([2, 3, 2]), tg.tensor(2))
    >>> round((-loss).exp().item(), 4)
    0.5625
    """
    _check("pointer_sentinel_loss", logits, scores, words)
    if target.shape != logits.shape[:-1]:
        raise ValueError(f"pointer_sentinel_loss: expected targets {tuple(logits.shape[:-1])}, got {describe(target)}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"pointer_sentinel_loss: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    weights = F.log_softmax(scores, -1)
    sentinel = weights[..., -1]
    elsewhere = words != target.unsqueeze(-1)
    pointer = logsumexp(weights[..., :-1].masked_fill(elsewhere, -math.inf), -1)
    vocabulary = F.log_softmax(logits, -1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    loss = -logaddexp(sentinel + vocabulary, pointer)
    if supervision:
        loss = loss - supervision * logaddexp(sentinel, pointer)
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


class PointerState(NamedTuple):
    """What a `PointerSentinelLM` remembers of what it has read.

    Attributes
    ----------
    rnn
        The state of the recurrent layers.
    outputs : Tensor, (M, N, H)
        What the last layer made of the last words.
    words : Tensor of int64, (M, N)
        These words.
    known : Tensor of bool, (M, N)
        Which of them belong to the text: False where `reset_state` has let another one begin.
    """

    rnn: State
    outputs: Tensor
    words: Tensor
    known: Tensor


class PointerSentinelLM(RNNLanguageModel):
    """A recurrent language model that also points to the words that it read last.

    With the outputs hᵢ of the last layer for the words of the window, and the query q = tanh(W hₜ + b):
    (a, g) = softmax(q·h₁, …, q·h_M, q·s), p(wₜ₊₁) = g softmax(V hₜ + c) + Σ aᵢ [wᵢ = wₜ₊₁].

    Parameters
    ----------
    rnn_type, vocab_size, embedding_size, hidden_size, num_layers, dropout, variational, tie_weights
        As in `RNNLanguageModel`.
    window : int, default 100
        How many of the last words can be pointed to; they are carried from call to call.
    supervision : float, default 1.0
        How much attention is taught directly while training; see `pointer_sentinel_loss`.

    Attributes
    ----------
    query : Linear, (H, H)
    sentinel : Parameter, (H,)

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import PointerSentinelLM
    >>> model = PointerSentinelLM("LSTM", 50, 8, 8, window=20)
    >>> log_prob, state = model(tg.zeros(35, 4, dtype=tg.int64))
    >>> log_prob.shape, state.words.shape
    (Size([35, 4, 50]), Size([19, 4]))
    """

    def __init__(
        self,
        rnn_type: str,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        dropout: float = 0.0,
        variational: bool = False,
        tie_weights: bool = False,
        window: int = 100,
        supervision: float = 1.0,
    ) -> None:
        super().__init__(
            rnn_type,
            vocab_size,
            embedding_size,
            hidden_size,
            num_layers,
            dropout=dropout,
            variational=variational,
            tie_weights=tie_weights,
        )
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise ValueError(f"{self._get_name()}: window must be a positive integer, got {window!r}")
        if not 0 <= supervision < math.inf:
            raise ValueError(f"{self._get_name()}: supervision must be a number of at least 0, got {supervision!r}")
        self.window, self.supervision = window, float(supervision)
        self.query = nn.Linear(hidden_size, hidden_size)
        self.sentinel = nn.Parameter(self.query.weight.new_zeros(hidden_size))

    def init_state(self, batch_size: int) -> PointerState:
        """The state of texts that begin: nothing to point to."""
        outputs = self.encoder.weight.new_zeros(0, batch_size, self.rnn.hidden_size)
        words = outputs.new_zeros(0, batch_size, dtype="int64")
        return PointerState(super().init_state(batch_size), outputs, words, words.bool())

    def attend(self, tokens: Tensor, state: PointerState | None = None) -> tuple[Tensor, Tensor, Tensor, PointerState]:
        """Read words (T, N).

        Returns
        -------
        logits : Tensor, (T, N, V)
            Of the vocabulary's part of the mixture.
        scores : Tensor, (T, N, M + 1)
            Of the words in sight and the sentinel, after each word; -inf outside of its window.
        words : Tensor of int64, (T, N, M)
            The words in sight.
        state : PointerState
        """
        self._check(tokens)
        if state is None:
            state = self.init_state(tokens.shape[1])
        new, rnn = self.features(tokens, state.rnn)
        outputs, words = cat([state.outputs, new]), cat([state.words, tokens])
        known = cat([state.known, tokens.new_ones(tokens.shape, dtype="bool")])
        steps, seen = new.shape[0], outputs.shape[0]
        query = F.tanh(self.query(new))
        scores = matmul(query.transpose(0, 1), outputs.permute(1, 2, 0)).transpose(0, 1)  # (T, N, M)
        now = arange(seen - steps, seen, device=tokens.device).unsqueeze(1)
        age = now - arange(seen, device=tokens.device)  # of each word in sight, (T, M)
        hidden = ((age < 0) | (age >= self.window)).unsqueeze(1) | ~known.transpose(0, 1)
        scores = cat([scores.masked_fill(hidden, -math.inf), matmul(query, self.sentinel).unsqueeze(-1)], -1)
        in_sight = words.transpose(0, 1).expand(steps, *words.transpose(0, 1).shape)
        keep = slice(max(0, seen - self.window + 1), seen)  # the next word takes a place in the window, too
        after = PointerState(rnn, outputs[keep], words[keep], known[keep])
        return self.decoder(self.drop(new)), scores, in_sight, after

    def forward(self, tokens: Tensor, state: PointerState | None = None) -> tuple[Tensor, PointerState]:
        """Read words (T, N): the logarithms of the probabilities of the words that follow, (T, N, V), and the state."""
        logits, scores, words, state = self.attend(tokens, state)
        return mixture_log_prob(logits, scores, words), state

    def prefill(self, tokens: Tensor, state: PointerState | None = None) -> tuple[Tensor, PointerState]:
        """Read the beginnings of texts (N, T) at once: log-probabilities (N, V) of the next words, and the state."""
        logits, scores, words, state = self.attend(tokens.transpose(0, 1), state)
        return mixture_log_prob(logits[-1], scores[-1], words[-1]), state

    def loss(
        self, tokens: Tensor, targets: Tensor, state: PointerState | None = None, reduction: str = "mean"
    ) -> tuple[Tensor, PointerState]:
        """How wrong the predictions are, as in `RNNLanguageModel`; while training with the supervision of the pointer."""
        logits, scores, words, state = self.attend(tokens, state)
        supervision = self.supervision if self.training else 0.0
        return pointer_sentinel_loss(logits, scores, words, targets, reduction, supervision), state
