"""What all language models that read from left to right have in common: reading on from what was read."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_edu.errors import describe
from tinygrad_edu.models._attention import LayerPast
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.tensor import Tensor

__all__ = ["CausalLM", "Past", "SlidingWindow", "check_sizes"]


@dataclass(frozen=True)
class Past:
    """What a Transformer has read: for each layer its keys and values, (N, H, T, D / H).

    It is never written to, so that several continuations may start from one past.

    Attributes
    ----------
    layers : tuple of pairs of Tensor
    tokens : Tensor (N, T), optional
        The tokens themselves, where a window slides over them.
    """

    layers: tuple[LayerPast, ...]
    tokens: Tensor | None = None

    @property
    def length(self) -> int:
        """How many tokens were read."""
        return int(self.layers[0][0].shape[2])

    def select_rows(self, index: Tensor) -> Past:
        """Choose, repeat or reorder the sequences (N)."""
        chosen = tuple((key.index_select(0, index), value.index_select(0, index)) for key, value in self.layers)
        return Past(chosen, None if self.tokens is None else self.tokens.index_select(0, index))


class CausalLM(Module):
    """Base class of Transformers that predict the next token; a subclass defines :meth:`hidden` and :meth:`head`.

    Attributes
    ----------
    max_length : int
        How many tokens may be read.
    """

    max_length: int

    def hidden(self, tokens: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Read tokens (N, T) after those of the past: vectors (N, T, D) from which the next tokens can be told, and the past
        after them."""
        raise NotImplementedError(f"{self._get_name()} does not define hidden")

    def head(self, hidden: Tensor) -> Tensor:
        """Vectors (…, D) to logits (…, V)."""
        raise NotImplementedError(f"{self._get_name()} does not define head")

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T) to logits (N, T, V) of the token that follows each of them."""
        return self.head(self.hidden(tokens)[0])

    def advance(self, tokens: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Read tokens (N, T) after those of the past: all their logits (N, T, V), and the past after them."""
        hidden, past = self.hidden(tokens, past)
        return self.head(hidden), past

    def prefill(self, tokens: Tensor, state: Past | None = None) -> tuple[Tensor, Past]:
        """Read tokens (N, T), such as a prompt: the logits (N, V) after the last one, and the past after it."""
        hidden, state = self.hidden(tokens, state)
        return self.head(hidden[:, -1]), state

    def step(self, tokens: Tensor, state: Past | None = None) -> tuple[Tensor, Past]:
        """Read one token of each row, (N,): the logits (N, V) of the next one, and the past after it."""
        return self.prefill(tokens[:, None], state)

    def _start(self, tokens: Tensor, past: Past | None) -> int:
        """The position of the first of these tokens; raises where they are none, or too many."""
        name = self._get_name()
        if tokens.dim() != 2 or not tokens.shape[1] or tokens.dtype.name not in ("int64", "int32"):
            raise ValueError(f"{name}: expected integers of shape (N, T), got {describe(tokens)}")
        start = 0 if past is None else past.length
        if start + tokens.shape[1] > self.max_length:
            raise ValueError(
                f"{name}: {start + tokens.shape[1]} tokens are more than the {self.max_length} positions of the model; "
                "give it the last ones alone, or generate with SlidingWindow(model)"
            )
        return start


class SlidingWindow(Module):
    """A model that reads on without an end: when its positions are used up, it reads the later half of them anew.

    What stood before the window is forgotten.

    Parameters
    ----------
    model : CausalLM

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.causal import SlidingWindow
    >>> from tinygrad_edu.models.gpt import GPT, GPTConfig
    >>> model = SlidingWindow(GPT(GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=1, n_embd=4)))
    >>> state = None
    >>> for token in range(5):
    ...     logits, state = model.step(tg.tensor([token]), state)
    >>> state.tokens
    tensor([[3, 4]])
    """

    def __init__(self, model: CausalLM) -> None:
        super().__init__()
        self.model = model

    def prefill(self, tokens: Tensor, state: Past | None = None) -> tuple[Tensor, Past]:
        """Read tokens (N, T), of which the last ones count: the logits (N, V) after them, and the past with its tokens."""
        limit = self.model.max_length
        read = tokens if state is None or state.tokens is None else cat((state.tokens, tokens), 1)
        if state is None or read.shape[1] > limit:
            if read.shape[1] > limit:
                read = read[:, -max(1, limit // 2) :]
            tokens, state = read, None
        logits, after = self.model.prefill(tokens, state)
        return logits, Past(after.layers, read)

    def step(self, tokens: Tensor, state: Past | None = None) -> tuple[Tensor, Past]:
        """Read one token of each row, (N,): the logits (N, V) of the next one, and the past after it."""
        return self.prefill(tokens[:, None], state)


def check_sizes(config: object, names: str, width: str, heads: str) -> None:
    """Raise unless the sizes of a configuration are at least 1, and its heads divide its width."""
    kind = type(config).__name__
    for name in names.split():
        if getattr(config, name) < 1:
            raise ValueError(f"{kind}: {name} must be at least 1, got {getattr(config, name)}")
    if getattr(config, width) % getattr(config, heads):
        raise ValueError(f"{kind}: {getattr(config, heads)} heads do not divide a width of {getattr(config, width)}")
