"""Encoders and decoders made of RNN, LSTM or GRU layers: plain, peeky, and with attention.

Where the decoder's input is known beforehand, all of its steps are one call of the layer: plain, peeky, and Luong's
attention without input feeding. Otherwise the loop has the recurrence alone; the vocabulary comes after it, for all steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from tinygrad_edu.creation import zeros
from tinygrad_edu.models.seq2seq import Decoder, Encoded, Encoder
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.alignment import (
    AdditiveAttention,
    AlignmentAttention,
    ConcatAttention,
    DotAttention,
    GeneralAttention,
    length_mask,
)
from tinygrad_edu.nn.containers import ModuleList
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.rnn import GRU, LSTM, RNN
from tinygrad_edu.nn.sparse import Embedding
from tinygrad_edu.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.tensor import Tensor

__all__ = ["BahdanauDecoder", "DecoderState", "LuongDecoder", "RecurrentDecoder", "RecurrentEncoder"]

_LAYERS: dict[str, Any] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def _layers(name: str, cell: str, inputs: int, hidden: int, layers: int, dropout: float, **options: Any) -> Any:
    """The recurrent layers of a kind; dropout acts between them."""
    if cell not in _LAYERS:
        raise ValueError(f"{name}: cell must be one of {', '.join(map(repr, _LAYERS))}, got {cell!r}")
    return _LAYERS[cell](inputs, hidden, layers, dropout=dropout if layers > 1 else 0.0, **options)


def _run(layers: Any, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Recurrent layers over (T, N, …), with the state as a tuple whatever their kind."""
    if isinstance(layers, LSTM):
        h, c = state
        return layers(x, (h, c))
    out, h = layers(x, state[0])
    return out, (h,)


class RecurrentEncoder(Encoder):
    """Embedding and recurrent layers; read backwards as well, the last states are joined by a bridge.

    The bridge makes the decoder's initial state of the last states of both directions: tanh(W [→; ←]), for h and for c.

    Parameters
    ----------
    vocab_size, embedding_size, hidden_size : int
    cell : "lstm", "gru" or "rnn"
    num_layers : int, default 1
    bidirectional : bool, default False
    dropout : float, default 0.0
        Of the embeddings, and between layers.
    padding : int, default 0
        The token whose embedding stays zero.
    device, dtype : optional
        Of the parameters.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import RecurrentEncoder
    >>> encoder = RecurrentEncoder(10, 4, 8, cell="gru", bidirectional=True)
    >>> outputs, mask, state = encoder(tg.tensor([[5, 6, 7], [8, 0, 0]]), [3, 1])
    >>> outputs.shape, mask.tolist(), state[0].shape
    (Size([2, 3, 16]), [[True, True, True], [True, False, False]], Size([1, 2, 8]))
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        *,
        cell: str = "lstm",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        padding: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        self.embed = Embedding(vocab_size, embedding_size, padding_idx=padding, **where)
        self.dropout = Dropout(dropout)
        self.recurrent = _layers(
            self._get_name(),
            cell,
            embedding_size,
            hidden_size,
            num_layers,
            dropout,
            bidirectional=bidirectional,
            **where,
        )
        self.output_size = hidden_size * (2 if bidirectional else 1)
        parts = 2 if cell == "lstm" else 1
        self.bridge: ModuleList | None = None
        if bidirectional:
            self.bridge = ModuleList([Linear(2 * hidden_size, hidden_size, **where) for _ in range(parts)])

    def forward(self, source: Tensor, lengths: Any = None) -> Encoded:
        """Read tokens (N, S) of which the first ``lengths[n]`` are not padding; all of them where it is left out."""
        size = source.shape[1]
        x = self.dropout(self.embed(source.transpose(0, 1)))
        mask = None if lengths is None else length_mask(lengths, size, source.device)
        numbers = lengths.tolist() if isinstance(lengths, Tensor) else lengths
        if mask is None or min(numbers) == size:
            outputs, state = self.recurrent(x)
            mask = None
        else:
            packed, state = self.recurrent(pack_padded_sequence(x, numbers, enforce_sorted=False))
            outputs, _ = pad_packed_sequence(packed, total_length=size)
        parts = state if isinstance(state, tuple) else (state,)
        if self.bridge is not None:
            parts = tuple(F.tanh(bridge(_joined(part))) for bridge, part in zip(self.bridge, parts, strict=True))
        return Encoded(outputs.transpose(0, 1), mask, parts)


def _joined(state: Tensor) -> Tensor:
    """The states of both directions side by side: (2L, N, H) to (L, N, 2H)."""
    return state.unflatten(0, (-1, 2)).transpose(1, 2).flatten(2)


class DecoderState(NamedTuple):
    """What a recurrent decoder carries from token to token. What its kind does not need is None.

    Attributes
    ----------
    recurrent : tuple of Tensors, (L, N, H)
    context : Tensor, (N, H)
        The encoder's last state, at which a peeky decoder looks at every step.
    memory, mask, projected : Tensor, (N, S, …)
        What attention looks at.
    fed : Tensor, (N, H)
        The last attentional vector, for input feeding.
    weights : Tensor, (N, T, S)
        Where attention looked in the last call.
    """

    recurrent: tuple[Tensor, ...]
    context: Tensor | None = None
    memory: Tensor | None = None
    mask: Tensor | None = None
    projected: Tensor | None = None
    fed: Tensor | None = None
    weights: Tensor | None = None

    def select_rows(self, index: Tensor) -> Self:
        """Choose, repeat or reorder the sequences."""
        rows = (part if part is None else part.index_select(0, index) for part in self[1:])
        return type(self)(tuple(part.index_select(1, index) for part in self.recurrent), *rows)


class RecurrentDecoder(Decoder):
    """Embedding, recurrent layers that begin with the encoder's state, and a layer that gives the logits.

    A peeky one hands the encoder's last state h to the recurrent layers and to the last layer at every step, in place of
    keeping it in mind from the first step on.

    Source: Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014; the name is Saito's, Deep
    Learning from Scratch 2, 2018.

    Parameters
    ----------
    vocab_size, embedding_size, hidden_size : int
        The hidden size and number of layers are those of the encoder.
    cell : "lstm", "gru" or "rnn"
    num_layers : int, default 1
    dropout : float, default 0.0
        Of the embeddings, between layers, and before the last layer.
    peeky : bool, default False
    padding : int, default 0
    device, dtype : optional
        Of the parameters.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        *,
        cell: str = "lstm",
        num_layers: int = 1,
        dropout: float = 0.0,
        peeky: bool = False,
        padding: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        more = hidden_size if peeky else 0
        self.embed = Embedding(vocab_size, embedding_size, padding_idx=padding, **where)
        self.dropout = Dropout(dropout)
        name = self._get_name()
        self.recurrent = _layers(name, cell, embedding_size + more, hidden_size, num_layers, dropout, **where)
        self.head = Linear(hidden_size + more, vocab_size, **where)
        self.peeky = peeky

    def start(self, encoded: Encoded) -> DecoderState:
        """Begin with the encoder's last state."""
        return DecoderState(encoded.state, context=encoded.state[0][-1] if self.peeky else None)

    def forward(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        x = self.dropout(self.embed(tokens.transpose(0, 1)))
        everywhere = None
        if state.context is not None:
            everywhere = state.context.expand(x.shape[0], *state.context.shape)
            x = cat([x, everywhere], 2)
        out, recurrent = _run(self.recurrent, x, state.recurrent)
        out = self.dropout(out)
        logits = self.head(out if everywhere is None else cat([out, everywhere], 2))
        return logits.transpose(0, 1), state._replace(recurrent=recurrent)


class _AttentionDecoder(Decoder):
    """What decoders with attention share: their parts, and the state that they begin with.

    Parameters
    ----------
    attention : "dot", "general", "additive", "concat", or an AlignmentAttention
    memory_size : int or None
        K; the hidden size where it is left out.
    fed_size : int
        What the recurrent layers read besides the embedding.
    read_size : int
        What the attentional layer reads besides state and context.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        attention: str | AlignmentAttention,
        memory_size: int | None,
        cell: str,
        num_layers: int,
        dropout: float,
        padding: int,
        where: dict[str, Any],
        *,
        fed_size: int,
        read_size: int,
    ) -> None:
        super().__init__()
        name = self._get_name()
        memory_size = hidden_size if memory_size is None else memory_size
        self.embed = Embedding(vocab_size, embedding_size, padding_idx=padding, **where)
        self.dropout = Dropout(dropout)
        self.recurrent = _layers(name, cell, embedding_size + fed_size, hidden_size, num_layers, dropout, **where)
        self.attention = _attention(name, attention, hidden_size, memory_size, where)
        self.combine = Linear(hidden_size + memory_size + read_size, hidden_size, **where)
        self.head = Linear(hidden_size, vocab_size, **where)
        self.hidden_size = hidden_size

    def start(self, encoded: Encoded) -> DecoderState:
        """Begin with the encoder's last state; what attention needs of its outputs is computed here, once."""
        projected = self.attention.project(encoded.outputs)
        return DecoderState(encoded.state, memory=encoded.outputs, mask=encoded.mask, projected=projected)

    def _look(self, query: Tensor, state: DecoderState) -> tuple[Tensor, Tensor]:
        """Context and weights for queries (N, T, H) or (N, H)."""
        return self.attention(query, state.memory, mask=state.mask, projected=state.projected)


class LuongDecoder(_AttentionDecoder):
    """A decoder that looks at the encoder's outputs after each step, with its new state.

    Of the context c and the state h it makes the attentional vector tanh(W [c; h]), of which the logits are computed. With
    input feeding, the next step reads this vector beside the embedding, so that the decoder knows where it has looked.

    Source: Luong, Pham and Manning, Effective approaches to attention-based neural machine translation, EMNLP 2015.

    Parameters
    ----------
    vocab_size, embedding_size, hidden_size : int
        The hidden size and number of layers are those of the encoder.
    attention : "dot", "general", "additive", "concat", or an AlignmentAttention, default "general"
    memory_size : int, optional
        The encoder's `output_size`; the hidden size where it is left out.
    input_feeding : bool, default False
    cell, num_layers, dropout, padding, device, dtype
        As in :class:`RecurrentDecoder`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import LuongDecoder, RecurrentEncoder
    >>> encoder = RecurrentEncoder(10, 4, 8, bidirectional=True)
    >>> decoder = LuongDecoder(12, 4, 8, memory_size=encoder.output_size)
    >>> state = decoder.start(encoder(tg.tensor([[5, 6, 7]])))
    >>> logits, state = decoder(tg.tensor([[1, 4]]), state)
    >>> logits.shape, state.weights.shape
    (Size([1, 2, 12]), Size([1, 2, 3]))
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        *,
        attention: str | AlignmentAttention = "general",
        memory_size: int | None = None,
        input_feeding: bool = False,
        cell: str = "lstm",
        num_layers: int = 1,
        dropout: float = 0.0,
        padding: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            vocab_size,
            embedding_size,
            hidden_size,
            attention,
            memory_size,
            cell,
            num_layers,
            dropout,
            padding,
            {"device": device, "dtype": dtype},
            fed_size=hidden_size if input_feeding else 0,
            read_size=0,
        )
        self.input_feeding = input_feeding

    def start(self, encoded: Encoded) -> DecoderState:
        state = super().start(encoded)
        if not self.input_feeding:
            return state
        memory = encoded.outputs
        return state._replace(fed=zeros(memory.shape[0], self.hidden_size, dtype=memory.dtype, device=memory.device))

    def forward(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        x = self.dropout(self.embed(tokens.transpose(0, 1)))
        if not self.input_feeding:
            out, recurrent = _run(self.recurrent, x, state.recurrent)
            attentional, weights = self._attend(out.transpose(0, 1), state)
            return self.head(self.dropout(attentional)), state._replace(recurrent=recurrent, weights=weights)
        fed, recurrent, vectors, looks = state.fed, state.recurrent, [], []
        assert fed is not None
        for x_t in x.unbind(0):
            out, recurrent = _run(self.recurrent, cat([x_t, fed], 1).unsqueeze(0), recurrent)
            fed, weights = self._attend(out.squeeze(0), state)
            vectors.append(fed)
            looks.append(weights)
        logits = self.head(self.dropout(stack(vectors, 1)))
        return logits, state._replace(recurrent=recurrent, fed=fed, weights=stack(looks, 1))

    def _attend(self, out: Tensor, state: DecoderState) -> tuple[Tensor, Tensor]:
        """The attentional vector of each state, and where it looked."""
        context, weights = self._look(out, state)
        return F.tanh(self.combine(cat([context, out], -1))), weights


class BahdanauDecoder(_AttentionDecoder):
    """A decoder that looks at the encoder's outputs before each step, with its old state.

    The recurrent layers read the context c beside the embedding y; the logits are computed of tanh(W [c; h; y]).

    Source: Bahdanau, Cho and Bengio, Neural machine translation by jointly learning to align and translate, ICLR 2015.

    Parameters
    ----------
    vocab_size, embedding_size, hidden_size : int
        The hidden size and number of layers are those of the encoder.
    attention : "additive", "dot", "general", "concat", or an AlignmentAttention, default "additive"
    memory_size : int, optional
        The encoder's `output_size`; the hidden size where it is left out.
    cell, num_layers, dropout, padding, device, dtype
        As in :class:`RecurrentDecoder`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import BahdanauDecoder, RecurrentEncoder
    >>> encoder, decoder = RecurrentEncoder(10, 4, 8, cell="gru"), BahdanauDecoder(12, 4, 8, cell="gru")
    >>> logits, state = decoder(tg.tensor([[1, 4]]), decoder.start(encoder(tg.tensor([[5, 6, 7]]))))
    >>> logits.shape, state.weights.shape
    (Size([1, 2, 12]), Size([1, 2, 3]))
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        *,
        attention: str | AlignmentAttention = "additive",
        memory_size: int | None = None,
        cell: str = "lstm",
        num_layers: int = 1,
        dropout: float = 0.0,
        padding: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            vocab_size,
            embedding_size,
            hidden_size,
            attention,
            memory_size,
            cell,
            num_layers,
            dropout,
            padding,
            {"device": device, "dtype": dtype},
            fed_size=hidden_size if memory_size is None else memory_size,
            read_size=embedding_size,
        )

    def forward(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        x = self.dropout(self.embed(tokens.transpose(0, 1)))
        recurrent, contexts, outs, looks = state.recurrent, [], [], []
        for x_t in x.unbind(0):
            context, weights = self._look(recurrent[0][-1], state)
            out, recurrent = _run(self.recurrent, cat([x_t, context], 1).unsqueeze(0), recurrent)
            contexts.append(context)
            outs.append(out)
            looks.append(weights)
        attentional = F.tanh(self.combine(cat([stack(contexts, 0), cat(outs, 0), x], 2)))
        logits = self.head(self.dropout(attentional))
        return logits.transpose(0, 1), state._replace(recurrent=recurrent, weights=stack(looks, 1))


def _attention(
    name: str, attention: str | AlignmentAttention, query_size: int, key_size: int, where: dict[str, Any]
) -> AlignmentAttention:
    """The attention of a name, or the given one, whose sizes must fit."""
    if isinstance(attention, AlignmentAttention):
        if (attention.query_size, attention.key_size) != (query_size, key_size):
            raise ValueError(
                f"{name}: the attention must take queries of size {query_size} and keys of size {key_size}, "
                f"got {attention.query_size} and {attention.key_size}"
            )
        return attention
    if attention == "dot":
        if query_size != key_size:
            raise ValueError(
                f"{name}: 'dot' needs states and outputs of the encoder of one size, got {query_size} and {key_size}; "
                "'general' has a matrix between them"
            )
        return DotAttention(key_size)
    if attention == "general":
        return GeneralAttention(query_size, key_size, **where)
    if attention in ("additive", "concat"):
        kind = AdditiveAttention if attention == "additive" else ConcatAttention
        return kind(query_size, key_size, query_size, **where)
    raise ValueError(f"{name}: attention must be 'dot', 'general', 'additive' or 'concat', got {attention!r}")
