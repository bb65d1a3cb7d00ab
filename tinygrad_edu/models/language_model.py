"""Recurrent language models: which word comes next, given all words before it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.creation import zeros
from tinygrad_edu.errors import describe
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.models.generation import State, evaluating
from tinygrad_edu.nn import init
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.utils.bptt import TruncatedBPTT

__all__ = ["RNNLanguageModel", "held_out_loss", "perplexity"]

KINDS: dict[str, Callable[..., Any]] = {
    "RNN_TANH": nn.RNN,
    "RNN_RELU": partial(nn.RNN, nonlinearity="relu"),
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
}


class RNNLanguageModel(nn.Module):
    """Embedding, recurrent layers, and a linear layer with a logit for each word of the vocabulary.

    p(wₜ₊₁ | w₁ … wₜ) = softmax(W hₜ + b), hₜ = rnn(E[wₜ], hₜ₋₁)

    The plain model has no dropout and weights of its own for E and W. The better one (Zaremba et al. 2014, Gal and
    Ghahramani 2016, Press and Wolf 2017) has two layers or more, drops the embeddings, what goes from layer to layer and the
    outputs, with one mask for all steps, and uses one matrix for E and W.

    Parameters
    ----------
    rnn_type : "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"
    vocab_size : int
        V.
    embedding_size, hidden_size : int
        D and H.
    num_layers : int, default 1
        L.
    dropout : float, default 0.0
        The share of embeddings, of outputs between layers and of the last outputs that is zeroed while training.
    variational : bool, default False
        Whether the masks of dropout are the same at all steps of a call.
    tie_weights : bool, default False
        Whether E and W are the same parameter; then D = H.

    Attributes
    ----------
    encoder : Embedding, decoder : Linear, rnn : RNN, LSTM or GRU
        The names in ``state_dict`` are those of PyTorch's example word_language_model.

    Raises
    ------
    ValueError
        For another `rnn_type`, sizes that cannot be tied, and a `dropout` that is not a probability.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import RNNLanguageModel, generate
    >>> model = RNNLanguageModel("LSTM", 100, 16, 16, num_layers=2, dropout=0.5, variational=True, tie_weights=True)
    >>> logits, state = model(tg.zeros(35, 4, dtype=tg.int64))  # 35 words of 4 texts
    >>> logits.shape
    Size([35, 4, 100])
    >>> len(generate(model, tg.tensor([1, 2, 3]), 10))
    10
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
    ) -> None:
        super().__init__()
        name = self._get_name()
        if rnn_type not in KINDS:
            raise ValueError(f"{name}: rnn_type must be one of {', '.join(KINDS)}, got {rnn_type!r}")
        if vocab_size < 1:
            raise ValueError(f"{name}: vocab_size must be at least 1, got {vocab_size}")
        if tie_weights and embedding_size != hidden_size:
            raise ValueError(
                f"{name}: tied weights need an embedding_size that is the hidden_size, got {embedding_size} and {hidden_size}"
            )
        kind = nn.VariationalDropout if variational else nn.Dropout
        self.drop = kind(dropout)
        self.encoder = nn.Embedding(vocab_size, embedding_size)
        self.rnn = KINDS[rnn_type](embedding_size, hidden_size, num_layers)
        if num_layers > 1:
            self.rnn.between = kind(dropout)
        self.decoder = nn.Linear(hidden_size, vocab_size)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw embeddings from U(-0.5, 0.5) and output weights of their own from U(-0.1, 0.1); biases become zero.

        Embeddings much smaller than that leave the second layer with next to nothing to learn from for epochs.
        """
        init.uniform_(self.encoder.weight, -0.5, 0.5)
        if self.decoder.weight is not self.encoder.weight:
            init.uniform_(self.decoder.weight, -0.1, 0.1)
        if self.decoder.bias is not None:
            init.zeros_(self.decoder.bias)
        self.rnn.reset_parameters()

    def init_state(self, batch_size: int) -> State:
        """The state of `batch_size` texts that begin: zeros (L, N, H), and for an LSTM a pair of them."""
        weight, rnn = self.encoder.weight, self.rnn
        h = zeros(rnn.num_layers, batch_size, rnn.hidden_size, dtype=weight.dtype, device=weight.device)
        return (h, h) if isinstance(rnn, nn.LSTM) else h

    def _check(self, tokens: Tensor) -> None:
        """Raise unless these are words (T, N)."""
        if not isinstance(tokens, Tensor) or tokens.dim() != 2 or tokens.is_floating_point():
            raise ValueError(f"{self._get_name()}: expected words as integers (T, N), got {describe(tokens)}")

    def features(self, tokens: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Read words (T, N): what the last layer makes of them (T, N, H), and the state after them."""
        self._check(tokens)
        outputs: Tensor
        outputs, state = self.rnn(self.drop(self.encoder(tokens)), state)
        return outputs, state

    def forward(self, tokens: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Read words.

        Parameters
        ----------
        tokens : Tensor of int64, (T, N)
        state : optional
            What an earlier call returned, or `init_state` made; zeros where it is left out.

        Returns
        -------
        logits : Tensor, (T, N, V)
            Of the word after each word.
        state
            To read on with.
        """
        outputs, state = self.features(tokens, state)
        return self.decoder(self.drop(outputs)), state

    def step(self, tokens: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Read one word of each text, (N,): the logits (N, V) of the next one, and the state after it."""
        logits, state = self(tokens.unsqueeze(0), state)
        return logits.squeeze(0), state

    def prefill(self, tokens: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Read the beginnings of texts (N, T) at once: the logits (N, V) of the next words, and the state."""
        outputs, state = self.features(tokens.transpose(0, 1), state)
        return self.decoder(self.drop(outputs[-1:])).squeeze(0), state

    def loss(
        self, tokens: Tensor, targets: Tensor, state: State = None, reduction: str = "mean"
    ) -> tuple[Tensor, State]:
        """Read words (T, N), and tell by the words that really follow, (T, N), how wrong the predictions are.

        Returns
        -------
        loss : Tensor
            The cross-entropy in nats: per word, in all (``reduction="sum"``), or of each word, (T, N) (``"none"``).
        state
        """
        logits, state = self(tokens, state)
        if logits.shape[:-1] != targets.shape:
            raise ValueError(
                f"{self._get_name()}.loss: expected targets {tuple(logits.shape[:-1])}, got {describe(targets)}"
            )
        loss = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction=reduction)
        return (loss.reshape(targets.shape) if reduction == "none" else loss), state


def held_out_loss(model: Any, tokens: Tensor, *, chunk: int = 128) -> float:
    """The mean cross-entropy in nats per word on texts that are read once from beginning to end.

    They are read in chunks between which the state is carried, so the result does not depend on `chunk` beyond rounding.
    The first word of each has nothing before it and is not scored.

    Parameters
    ----------
    model : callable
        ``logits, state = model(tokens, state)`` for tokens (T, N) and logits (T, N, V); or something with a method
        ``loss`` like that of `RNNLanguageModel`, which is asked instead. A `Module` is in evaluation mode meanwhile.
    tokens : Tensor of int64, (T, N) or (T,)
        N texts of T words; with T alone, one.
    chunk : int, default 128
        How many words are read at once.

    Raises
    ------
    ValueError
        When a text has fewer than two words: there is nothing to predict.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.language_model import held_out_loss
    >>> def as_before(tokens, state):  # the same word again, with probability 0.9
    ...     return tg.nn.functional.one_hot(tokens, 2) * math.log(9), state
    >>> round(held_out_loss(as_before, tg.tensor([0, 0, 0, 1, 1])), 3)
    0.655
    """
    if not isinstance(tokens, Tensor) or tokens.dim() not in (1, 2) or tokens.is_floating_point():
        raise ValueError(f"held_out_loss: expected words as integers (T, N) or (T,), got {describe(tokens)}")
    if tokens.dim() == 1:
        tokens = tokens.unsqueeze(1)
    if tokens.shape[0] < 2 or not tokens.shape[1]:
        raise ValueError(f"held_out_loss: a text needs two words at least, got shape {tuple(tokens.shape)}")

    def summed(pair: Tensor, state: State) -> tuple[Tensor, State]:
        words, targets = pair.unbind(-1)
        if hasattr(model, "loss"):
            result: tuple[Tensor, State] = model.loss(words, targets, state, reduction="sum")
            return result
        logits, state = model(words, state)
        return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="sum"), state

    total = 0.0
    with no_grad(), evaluating(model):
        pairs = stack([tokens[:-1], tokens[1:]], -1)
        for part in TruncatedBPTT(summed, chunk).walk(pairs):
            total += part.output.item()
    return total / tokens[1:].numel()


def perplexity(model: Any, tokens: Tensor, *, chunk: int = 128) -> float:
    """exp(held_out_loss): among how many equally likely words the model hesitates on average.

    Parameters
    ----------
    model, tokens, chunk
        As in `held_out_loss`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import perplexity
    >>> round(perplexity(lambda tokens, state: (tg.zeros(*tokens.shape, 50), state), tg.arange(20)), 3)
    50.0
    """
    loss = held_out_loss(model, tokens, chunk=chunk)
    return math.exp(loss) if loss < 700 else math.inf
