"""What all language models that read from left to right have in common: reading on, step by step, from what was read."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.models._attention import LayerPast
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.tensor import Tensor

__all__ = ["CausalLM", "Past"]

Past = tuple[LayerPast, ...]  # for each layer the keys and values of what was read, rows first
SlidingState = tuple[Tensor, Past]


class CausalLM(Module):
    """Base class of Transformers that predict the next token; a subclass defines :meth:`advance`.

    What was read is a state of keys and values, so that a further token costs one row of every layer instead of all of
    them again. A state is never written to: rows of it may be chosen, and several continuations may start from it.

    Attributes
    ----------
    max_length : int
        How many tokens may be read.
    """

    max_length: int

    def advance(self, tokens: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Read tokens (N, T) after those of the past: their logits (N, T, V), and the state after them."""
        raise NotImplementedError(f"{self._get_name()} does not define advance")

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T) to logits (N, T, V) of the token that follows each of them."""
        return self.advance(tokens)[0]

    def step(self, tokens: Tensor, state: Past | None = None) -> tuple[Tensor, Past]:
        """Read one token of each row, (N,): the logits (N, V) of the next one, and the state after it."""
        logits, state = self.advance(tokens[:, None], state)
        return logits[:, -1], state

    def sliding_step(self, tokens: Tensor, state: SlidingState | None = None) -> tuple[Tensor, SlidingState]:
        """:meth:`step` without an end: when all positions are taken, the later half of what was read is read anew.

        The state holds the tokens of the window, too. The past before the window is forgotten.
        """
        read, past = (tokens[:, None], None) if state is None else (cat((state[0], tokens[:, None]), 1), state[1])
        if read.shape[1] > self.max_length:
            read = read[:, -max(1, self.max_length // 2) :]
            logits, after = self.advance(read)
        else:
            logits, after = self.advance(tokens[:, None], past)
        return logits[:, -1], (read, after)

    def _place(self, tokens: Tensor, past: Past | None) -> int:
        """The position of the first of these tokens; raises where they are none, or too many."""
        name = self._get_name()
        if tokens.dim() != 2 or not tokens.shape[1] or tokens.is_floating_point():
            raise ValueError(f"{name}: expected token numbers of shape (N, T), got {_shown(tokens)}")
        start = 0 if past is None else past[0][0].shape[2]
        if start + tokens.shape[1] > self.max_length:
            raise ValueError(
                f"{name}: {start + tokens.shape[1]} tokens are more than the {self.max_length} positions of the model; "
                "give it the last ones alone, or generate with sliding_step"
            )
        return start


def _shown(x: Any) -> str:
    return f"{tuple(x.shape)} of {x.dtype}"
