"""Generating text: a model is asked for the next token, the token is drawn, and the model reads it.

Everything that generates has one interface, ``logits, state = step(tokens, state)``: `tokens` (N,) of int64 are read
after all that came before, `logits` (N, V) are about the token that follows, and `state` is whatever the model carries,
a structure of tensors that is None at the beginning. Recurrent networks, decoders with attention and Transformers with a
cache of keys and values all fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from tinygrad_edu.creation import tensor, zeros
from tinygrad_edu.errors import describe
from tinygrad_edu.generator import Generator
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.models.sampling import (
    ban_tokens,
    check_count,
    check_penalty,
    check_temperature,
    check_top_k,
    check_top_p,
    penalize_repeats,
    sample,
)
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.utils.bptt import map_state

__all__ = ["Processor", "State", "Step", "generate", "select_rows", "stream"]

State = Any  # a structure of tensors, or None
Step = Callable[[Tensor, State], tuple[Tensor, State]]
Processor = Callable[[Tensor, list[list[int]]], Tensor]


def select_rows(state: State, index: Tensor, dim: int = 1) -> State:
    """Choose, repeat or reorder the sequences of a state, as beam search does.

    Parameters
    ----------
    state : Tensor, or a structure of tensors
        A part with a method ``select_rows(index)`` of its own chooses for itself, whatever its dimensions mean.
    index : Tensor of int64, (M,)
        Which sequences, in which order; one may occur several times.
    dim : int, default 1
        Which dimension of each tensor counts the sequences: 1 in the states of ``nn.LSTM``, 0 in those of ``nn.LSTMCell``.

    Raises
    ------
    ValueError
        When a tensor has no such dimension, or `index` is not a row of integers.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import select_rows
    >>> h = tg.tensor([[[1.0], [2.0]]])  # one layer, two sequences, one unit
    >>> select_rows((h, h + 10), tg.tensor([1, 1, 0]))
    (tensor([[[2.],
             [2.],
             [1.]]]), tensor([[[12.],
             [12.],
             [11.]]]))
    """
    if not isinstance(index, Tensor) or index.dim() != 1 or index.dtype.name not in ("int64", "int32"):
        raise ValueError(f"select_rows: index must be integers of shape (M,), got {describe(index)}")

    def chosen(part: Any) -> Any:
        if not isinstance(part, Tensor):
            return part.select_rows(index)
        if part.dim() <= dim:
            raise ValueError(f"select_rows: a state of shape {tuple(part.shape)} has no sequences in dimension {dim}")
        return part.index_select(dim, index)

    return map_state(chosen, state, is_leaf=lambda part: callable(getattr(part, "select_rows", None)))


def generate(
    model: Any,
    prompt: Tensor,
    max_new_tokens: int,
    *,
    lengths: Sequence[int] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    banned: Sequence[int] = (),
    stop: Sequence[int | Sequence[int]] = (),
    min_new_tokens: int = 0,
    processors: Sequence[Processor] = (),
    greedy: bool = False,
    generator: Generator | None = None,
    state: State = None,
) -> Any:
    """Continue prompts by tokens that the model predicts.

    Parameters
    ----------
    model : callable or object
        ``step(tokens, state) -> (logits, state)`` as this module describes, or something with such a method ``step``. A
        method ``prefill(tokens, state) -> (logits, state)``, where it has one, reads the beginning (N, T) of all prompts
        at once. A `Module` is in evaluation mode meanwhile, and computes no gradients in any case.
    prompt : Tensor of int64, (N, T) or (T,)
        The beginnings, of one token at least.
    max_new_tokens : int
        How many tokens to add to each at most.
    lengths : sequence of int, optional
        The length of each prompt where they differ; what stands behind it in `prompt` is padding.
    temperature, top_k, top_p
        How to draw; see `sample`. They are applied in this order, after what follows here.
    repetition_penalty : float, default 1
        Above 1 it makes tokens of the prompt and of what was generated less likely; see `penalize_repeats`.
    banned : sequence of int
        Tokens that are never drawn.
    stop : sequence of tokens, or of sequences of tokens
        A row ends when it has generated one of them, which is not part of the result.
    min_new_tokens : int, default 0
        Before so many tokens no stop is completed.
    processors : sequence of callables
        ``logits = f(logits, tokens)``, called first of all with the logits (N, V) and the tokens of each row so far: for
        rules of one's own.
    greedy : bool, default False
        Always take the likeliest token, as a temperature of 0 does.
    generator : Generator, optional
        Where chance comes from; the same seed gives the same text.
    state : structure of tensors, optional
        What the model carries before the first token of the prompt.

    Returns
    -------
    list of list of int
        The new tokens of each prompt; for a prompt (T,) one list.

    Raises
    ------
    TypeError, ValueError, IndexError
        When an argument is out of its range, which the message names; when the model returns something else than
        logits (N, V) and a state.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import generate
    >>> def count(tokens, state):  # of five tokens, the next one is likeliest
    ...     return tg.nn.functional.one_hot((tokens + 1) % 5, 5).float(), state
    >>> generate(count, tg.tensor([[0], [3]]), 4, greedy=True)
    [[1, 2, 3, 4], [4, 0, 1, 2]]
    >>> generate(count, tg.tensor([0]), 9, greedy=True, stop=[[3, 4]])
    [1, 2]
    """
    options = _Options(
        lengths=lengths,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        banned=banned,
        stop=stop,
        min_new_tokens=min_new_tokens,
        processors=processors,
        greedy=greedy,
        generator=generator,
        state=state,
    )
    writer = _Writer("generate", model, prompt, max_new_tokens, options)
    rows: list[list[int]] = [[] for _ in writer.rows]
    for row, token in writer.write():
        rows[row].append(token)
    return rows if prompt.dim() == 2 else rows[0]


def stream(model: Any, prompt: Tensor, max_new_tokens: int, **options: Any) -> Iterator[tuple[int, int]]:
    """Give the tokens that `generate` returns one by one, as soon as they are known, as pairs (row, token).

    A token that may turn out to begin a stop is held back until that is clear.

    Parameters
    ----------
    model, prompt, max_new_tokens, options
        As in `generate`; they are checked at the call, not when the first token is asked for.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import stream
    >>> def count(tokens, state):
    ...     return tg.nn.functional.one_hot((tokens + 1) % 5, 5).float(), state
    >>> for _, token in stream(count, tg.tensor([0]), 3, greedy=True):
    ...     print(token)
    1
    2
    3
    """
    unknown = sorted(options.keys() - {f.name for f in fields(_Options)})
    if unknown:
        raise TypeError(f"stream: there is no argument {unknown[0]!r}")
    return _Writer("stream", model, prompt, max_new_tokens, _Options(**options)).write()


@dataclass(kw_only=True)
class _Options:
    """How to draw and when to stop; see `generate`."""

    lengths: Sequence[int] | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    banned: Sequence[int] = ()
    stop: Sequence[int | Sequence[int]] = ()
    min_new_tokens: int = 0
    processors: Sequence[Processor] = ()
    greedy: bool = False
    generator: Generator | None = None
    state: State = None

    def check(self, name: str) -> None:
        """Raise where an option is out of its range."""
        check_count(name, "min_new_tokens", self.min_new_tokens)
        check_temperature(name, self.temperature)
        check_penalty(name, self.repetition_penalty)
        if self.top_k is not None:
            check_top_k(name, self.top_k)
        if self.top_p is not None:
            check_top_p(name, self.top_p)
        for end in self.stops():
            if not end or not all(isinstance(token, int) for token in end):
                raise ValueError(f"{name}: a stop must be one token or a sequence of them, got {end!r}")

    def stops(self) -> list[list[int]]:
        """The stops as sequences."""
        return [[end] if isinstance(end, int) else list(end) for end in self.stop]


class _Writer:
    """Reads the prompts and writes on, all rows at the same position."""

    def __init__(self, name: str, model: Any, prompt: Any, max_new_tokens: int, options: _Options) -> None:
        if not callable(getattr(model, "step", model)):
            raise TypeError(
                f"{name}: expected step(tokens, state), or something that has a method step, got {describe(model)}"
            )
        if not isinstance(prompt, Tensor) or prompt.dtype.name not in ("int64", "int32") or prompt.dim() not in (1, 2):
            raise TypeError(f"{name}: the prompt must be integers of shape (N, T) or (T,), got {describe(prompt)}")
        if not prompt.numel():
            raise ValueError(f"{name}: the prompt must have at least one token, got shape {tuple(prompt.shape)}")
        check_count(name, "max_new_tokens", max_new_tokens)
        options.check(name)
        self.name, self.model, self.limit, self.options = name, model, max_new_tokens, options
        self.prompt = prompt.long() if prompt.dim() == 2 else prompt.long().unsqueeze(0)
        n, longest = self.prompt.shape
        self.sizes = [longest] * n if options.lengths is None else [int(length) for length in options.lengths]
        if len(self.sizes) != n or not all(1 <= size <= longest for size in self.sizes):
            raise ValueError(f"{name}: expected {n} lengths from 1 to {longest}, got {self.sizes}")
        self.rows = [row[:size] for row, size in zip(self.prompt.tolist(), self.sizes, strict=True)]  # and new tokens
        self.given = [0] * n  # how many new tokens of a row were handed out
        self.open = [max_new_tokens > 0] * n
        self.stops = options.stops()
        self.state = options.state

    def write(self) -> Iterator[tuple[int, int]]:
        """Hand out the new tokens; gradients and modes are as they were whenever somebody else runs."""
        if not any(self.open):
            return
        at, logits = self._read_beginning()
        while True:
            for i in self._draw(logits, at):
                yield from ((i, token) for token in self._ready(i))
            if not any(self.open):
                return
            logits = self._step(at)
            at += 1

    def _read_beginning(self) -> tuple[int, Tensor]:
        """Read what all prompts have; return how much it is, and the logits after it."""
        common = min(self.sizes)
        prefill = getattr(self.model, "prefill", None)
        if prefill is not None:
            return common, self._call(prefill, self.prompt[:, :common])
        for at in range(common):
            logits = self._step(at)
        return common, logits

    def _step(self, at: int) -> Tensor:
        """Read the tokens at a position; of a row that has ended, its last one again."""
        tokens = [row[at] if at < len(row) else row[-1] for row in self.rows]
        step = getattr(self.model, "step", self.model)
        return self._call(step, tensor(tokens, dtype="int64", device=self.prompt.device))

    def _call(self, step: Step, tokens: Tensor) -> Tensor:
        """Let the model read tokens, and check what it returns."""
        with no_grad(), evaluating(self.model):
            result = step(tokens, self.state)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{self.name}: the model must return a pair (logits, state), got {describe(result)}")
        logits, self.state = result
        n = len(self.rows)
        if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[0] != n:
            raise ValueError(f"{self.name}: the model must return logits of shape ({n}, V), got {describe(logits)}")
        return logits

    def _draw(self, logits: Tensor, at: int) -> list[int]:
        """Add a token to each open row that has none at this position; return which ones."""
        places = [i for i, row in enumerate(self.rows) if self.open[i] and len(row) == at]
        if not places:
            return []
        options = self.options
        with no_grad():
            if len(places) < len(self.rows):
                logits = logits[places]
            for process in options.processors:
                logits = process(logits, [list(self.rows[i]) for i in places])
            if options.repetition_penalty != 1:
                logits = penalize_repeats(logits, self._occurred(logits, places), options.repetition_penalty)
            logits = self._without_early_stops(ban_tokens(logits, options.banned), places)
            drawn = sample(
                logits,
                temperature=0.0 if options.greedy else options.temperature,
                top_k=options.top_k,
                top_p=options.top_p,
                generator=options.generator,
            )
        for i, token in zip(places, drawn.tolist(), strict=True):
            self.rows[i].append(token)
        return places

    def _occurred(self, logits: Tensor, places: list[int]) -> Tensor:
        """Which tokens each row has had (N, V)."""
        seen = zeros(logits.shape, dtype="bool", device=logits.device)
        for k, i in enumerate(places):
            seen[k, tensor(self.rows[i], dtype="int64", device=logits.device)] = True
        return seen

    def _without_early_stops(self, logits: Tensor, places: list[int]) -> Tensor:
        """Ban the tokens that would complete a stop too soon."""
        banned = [
            []
            if len(new) >= self.options.min_new_tokens
            else [end[-1] for end in self.stops if _ends_with(new, end[:-1])]
            for new in map(self._new, places)
        ]
        if not any(banned):
            return logits
        return stack([ban_tokens(row, early) for row, early in zip(logits, banned, strict=True)])

    def _new(self, i: int) -> list[int]:
        """The tokens that were added to a row."""
        return self.rows[i][self.sizes[i] :]

    def _ready(self, i: int) -> list[int]:
        """The tokens of a row that can be handed out by now; closes the row where it ends."""
        new = self._new(i)
        cut = max((len(end) for end in self.stops if _ends_with(new, end)), default=0)
        self.open[i] = not cut and len(new) < self.limit
        if self.open[i]:
            cut = max((_overlap(new, end) for end in self.stops), default=0)
        ready = new[self.given[i] : len(new) - cut]
        self.given[i] += len(ready)
        return ready


def _ends_with(tokens: list[int], end: list[int]) -> bool:
    """Whether these are the last tokens."""
    return len(end) <= len(tokens) and tokens[len(tokens) - len(end) :] == end


def _overlap(tokens: list[int], end: list[int]) -> int:
    """How many of the last tokens may begin a stop."""
    return next((size for size in range(len(end) - 1, 0, -1) if _ends_with(tokens, end[:size])), 0)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a module and all its parts into evaluation mode, and afterwards each back into its own."""
    training = [part for part in model.modules() if part.training] if isinstance(model, Module) else []
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True
