"""Sequence to sequence by attention alone: an encoder and a decoder for :class:`~tinygrad_edu.models.seq2seq.Seq2Seq`.

Source: Vaswani et al., Attention is all you need (2017), with the norms before the branches.

Shapes: N batch, S places of the source, T of the target, D width, H heads, V target tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.creation import arange, tensor
from tinygrad_edu.models._attention import LayerPast, attend_causally, extend, join_heads, split_heads
from tinygrad_edu.models.seq2seq import Decoder, Encoded, Encoder
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.containers import ModuleList
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.normalization import LayerNorm
from tinygrad_edu.nn.sparse import Embedding
from tinygrad_edu.ops.activation import softmax
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.tensor import Tensor

__all__ = ["AttentionDecoder", "AttentionEncoder", "AttentionState"]


class FeedForward(Module):
    """norm, two linear layers four times as wide between them, and GELU."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = LayerNorm(width)
        self.inner = Linear(width, 4 * width)
        self.outer = Linear(4 * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T, D)."""
        return self.dropout(self.outer(F.gelu(self.inner(self.norm(x)))))


class Attend(Module):
    """norm, queries of a sequence, keys and values of the same or of another one, and a projection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = LayerNorm(width)
        self.query = Linear(width, width)
        self.key_value = Linear(width, 2 * width)
        self.out = Linear(width, width)
        self.dropout = Dropout(dropout)

    def offer(self, x: Tensor) -> LayerPast:
        """The keys and values (N, H, T, D / H) of a sequence (N, T, D)."""
        key, value = self.key_value(x).chunk(2, -1)
        return split_heads(key, self.heads), split_heads(value, self.heads)

    def ask(self, x: Tensor) -> Tensor:
        """The queries (N, H, T, D / H) of a sequence that is normed already."""
        return split_heads(self.query(x), self.heads)

    def project(self, gathered: Tensor) -> Tensor:
        """What was gathered, (N, H, T, D / H), to (N, T, D)."""
        return self.dropout(self.out(join_heads(gathered)))


class EncoderBlock(Module):
    """x + attention, then x + feed-forward network."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attend(width, heads, dropout)
        self.feed_forward = FeedForward(width, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N, S, D) to (N, S, D); the mask (N, 1, 1, S) is True where there is no padding."""
        y = self.attention.norm(x)
        found = F.scaled_dot_product_attention(self.attention.ask(y), *self.attention.offer(y), mask)
        x = x + self.attention.project(found)
        return x + self.feed_forward(x)


class DecoderBlock(Module):
    """x + causal attention, then x + attention to the source, then x + feed-forward network."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attend(width, heads, dropout)
        self.crossing = Attend(width, heads, dropout)
        self.feed_forward = FeedForward(width, dropout)

    def forward(
        self, x: Tensor, past: LayerPast | None, source: LayerPast, mask: Tensor | None, look: bool
    ) -> tuple[Tensor, LayerPast, Tensor | None]:
        """(N, T, D) to (N, T, D), the past after it, and, where they are wanted, the weights (N, T, S) of the source."""
        y = self.attention.norm(x)
        past = extend(past, *self.attention.offer(y))
        x = x + self.attention.project(attend_causally(self.attention.ask(y), *past))
        query = self.crossing.ask(self.crossing.norm(x))
        x = x + self.crossing.project(F.scaled_dot_product_attention(query, *source, mask))
        weights = None
        if look:
            scores = query @ source[0].transpose(-2, -1) / math.sqrt(query.shape[-1])
            weights = softmax(scores if mask is None else where(mask, scores, -math.inf), -1).mean(1)
        return x + self.feed_forward(x), past, weights


@dataclass(frozen=True)
class AttentionState:
    """What an :class:`AttentionDecoder` carries: for each layer keys and values of the source and of what was written.

    Attributes
    ----------
    source : tuple of pairs of Tensor, (N, H, S, D / H)
    mask : Tensor of bool, (N, 1, 1, S), or None
    past : tuple of pairs of Tensor, (N, H, T, D / H)
        Empty at the beginning.
    weights : Tensor, (N, T, S), or None
        Where the last layer looked in the last call, the mean of its heads; only outside of training.
    """

    source: tuple[LayerPast, ...]
    mask: Tensor | None
    past: tuple[LayerPast, ...] = ()
    weights: Tensor | None = None

    @property
    def length(self) -> int:
        """How many tokens were written."""
        return int(self.past[0][0].shape[2]) if self.past else 0

    def select_rows(self, index: Tensor) -> AttentionState:
        """Choose, repeat or reorder the sequences (N)."""

        def chosen(x: Tensor | None) -> Any:
            return None if x is None else x.index_select(0, index)

        def pairs(layers: tuple[LayerPast, ...]) -> tuple[LayerPast, ...]:
            return tuple((chosen(key), chosen(value)) for key, value in layers)

        return AttentionState(pairs(self.source), chosen(self.mask), pairs(self.past), chosen(self.weights))


class _Positions(Module):
    """token · √D + position: the vectors with which the layers begin."""

    def __init__(self, tokens: int, width: int, longest: int, dropout: float) -> None:
        super().__init__()
        self.tokens = Embedding(tokens, width)
        self.positions = Embedding(longest, width)
        self.dropout = Dropout(dropout)
        for table in (self.tokens, self.positions):
            init.normal_(table.weight, 0.0, width**-0.5)

    def forward(self, tokens: Tensor, start: int, name: str) -> Tensor:
        """Tokens (N, T), the first of them at position `start`, to (N, T, D)."""
        end, longest = start + tokens.shape[1], self.positions.num_embeddings
        if end > longest:
            raise ValueError(f"{name}: {end} tokens are more than the {longest} positions of the model")
        places = self.positions(arange(start, end, device=tokens.device))
        return self.dropout(self.tokens(tokens) * math.sqrt(self.tokens.embedding_dim) + places)


def _check(name: str, width: int, heads: int) -> None:
    if heads < 1 or width < 1 or width % heads:
        raise ValueError(f"{name}: {heads} heads do not divide a width of {width}")


class AttentionEncoder(Encoder):
    """Reads the source by self-attention.

    Parameters
    ----------
    tokens : int
        How many different ones there are.
    width, heads, layers : int
    longest : int, default 256
        How many tokens a source may have.
    dropout : float, default 0
        The share that training zeroes, of embeddings and of each branch.

    Raises
    ------
    ValueError
        When the heads do not divide the width; for a source that is too long.
    """

    def __init__(
        self, tokens: int, width: int, heads: int, layers: int, *, longest: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__()
        _check("AttentionEncoder", width, heads)
        self.output_size = width
        self.embedding = _Positions(tokens, width, longest, dropout)
        self.layers = ModuleList([EncoderBlock(width, heads, dropout) for _ in range(layers)])
        self.norm = LayerNorm(width)

    def forward(self, source: Tensor, lengths: Any = None) -> Encoded:
        """Read tokens (N, S) of which the first ``lengths[n]`` are not padding."""
        mask = None
        if lengths is not None:
            limits = lengths if isinstance(lengths, Tensor) else tensor(list(lengths))
            mask = arange(source.shape[1], device=source.device) < limits.to(source.device)[:, None]
        x = self.embedding(source, 0, "AttentionEncoder")
        for layer in self.layers:
            x = layer(x, None if mask is None else mask[:, None, None])
        return Encoded(self.norm(x), mask, ())


class AttentionDecoder(Decoder):
    """Writes the target: each token looks at those before it, and at the source.

    Parameters
    ----------
    tokens, width, heads, layers, longest, dropout
        As in :class:`AttentionEncoder`, whose width it shares.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import AttentionDecoder, AttentionEncoder, Seq2Seq
    >>> model = Seq2Seq(AttentionEncoder(10, 8, 2, 1), AttentionDecoder(12, 8, 2, 1), bos=1, eos=2)
    >>> source, target = tg.tensor([[5, 6, 7], [8, 9, 0]]), tg.tensor([[1, 4, 2, 0], [1, 6, 7, 2]])
    >>> model(source, target).shape, model.align(source, target).shape
    (Size([2, 3, 12]), Size([2, 3, 3]))
    """

    def __init__(
        self, tokens: int, width: int, heads: int, layers: int, *, longest: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__()
        _check("AttentionDecoder", width, heads)
        self.embedding = _Positions(tokens, width, longest, dropout)
        self.layers = ModuleList([DecoderBlock(width, heads, dropout) for _ in range(layers)])
        self.norm = LayerNorm(width)
        self.head = Linear(width, tokens)

    def start(self, encoded: Encoded) -> AttentionState:
        """The state before the first token: keys and values of the source, which are computed once."""
        source = tuple(layer.crossing.offer(encoded.outputs) for layer in self.layers)
        return AttentionState(source, None if encoded.mask is None else encoded.mask[:, None, None])

    def forward(self, tokens: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        """Read tokens (N, T): the logits (N, T, V) of the token after each, and the state after the last."""
        x = self.embedding(tokens, state.length, "AttentionDecoder")
        past, weights = [], None
        for i, layer in enumerate(self.layers):
            look = not self.training and i + 1 == len(self.layers)
            before = state.past[i] if state.past else None
            x, after, weights = layer(x, before, state.source[i], state.mask, look)
            past.append(after)
        return self.head(self.norm(x)), AttentionState(state.source, state.mask, tuple(past), weights)
