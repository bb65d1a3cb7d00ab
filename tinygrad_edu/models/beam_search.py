"""Beam search: write the likeliest sequence, keeping several beginnings in mind.

It takes what all generation takes, ``logits, state = step(tokens, state)``, as :mod:`generation` describes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_edu.creation import tensor
from tinygrad_edu.dtypes import float32, int64
from tinygrad_edu.errors import describe
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.models.generation import evaluating, select_rows
from tinygrad_edu.nn import functional as F
from tinygrad_edu.ops.sorting import topk
from tinygrad_edu.tensor import Tensor

__all__ = ["Hypothesis", "beam_search"]


class Hypothesis(NamedTuple):
    """A sequence that was found.

    Attributes
    ----------
    tokens : list of int
        Without the end token.
    score : float
        The log-probability divided by the length penalty: what the search ranks by.
    log_probability : float
        Of all tokens, the end token included.
    ended : bool
        Whether the end token was written, and not the maximum length reached.
    """

    tokens: list[int]
    score: float
    log_probability: float
    ended: bool


class _Beginning(NamedTuple):
    """A sequence that may go on."""

    tokens: list[int]
    log_probability: float
    row: int  # of the model, of the step that made it


def beam_search(
    model: Any,
    first: Tensor,
    *,
    end: int,
    max_length: int,
    min_length: int = 0,
    beam_size: int = 4,
    n_best: int = 1,
    length_penalty: float = 0.0,
    penalty: str = "gnmt",
    state: Any = None,
    dim: int = 1,
) -> list[list[Hypothesis]]:
    """Search for the likeliest sequences of tokens, for several rows at once.

    At each step every beginning is continued by every token, and the `beam_size` likeliest of all are kept: those that have
    ended are done, the others go on. A row is finished when none goes on, or when none can become better than the `n_best`
    that are done. With ``beam_size=1`` that is greedy writing; with a beam that no beginning falls out of, it is an
    exhaustive search.

    Parameters
    ----------
    model : callable or object
        ``step(tokens, state) -> (logits, state)``, or something with such a method ``step``. A `Module` is in evaluation
        mode meanwhile.
    first : Tensor of int64, (N,)
        The token that each row reads first, such as ``<bos>``; it is no part of the result.
    end : int
        The token that ends a sequence.
    max_length : int
        How many tokens may be written, the end token included.
    min_length : int, default 0
        How many tokens must be written before the end token.
    beam_size : int, default 4
    n_best : int, default 1
        How many hypotheses to return for each row, at most `beam_size`.
    length_penalty : float, default 0
        α. Log-probabilities are divided by a function of the length L, end token included: long sequences are less likely
        than short ones by themselves. At 0 the function is 1.
    penalty : "gnmt" or "average"
        ((5 + L) / 6)^α, or L^α, which at α = 1 is the mean over the tokens.
    state : structure of tensors, optional
        What the model carries before `first`.
    dim : int, default 1
        Which dimension of the state's tensors counts the rows; see `select_rows`.

    Returns
    -------
    list of list of Hypothesis
        For each row up to `n_best`, the best first. There are fewer only where there are no more sequences.

    Raises
    ------
    TypeError, ValueError
        When an argument is out of its range, which the message names; when the model returns something else than
        logits (N, V) and a state, or logits that are NaN.

    Notes
    -----
    Source: Graves, Sequence transduction with recurrent neural networks, 2012; the penalty "gnmt": Wu et al., Google's
    neural machine translation system, 2016.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import beam_search
    >>> chances = tg.tensor([[0.0, 0.6, 0.4], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0]])  # of 0, the end, 1 and 2 after each
    >>> def step(tokens, state):
    ...     return chances[tokens].log(), state
    >>> start = tg.tensor([0])
    >>> [h.tokens for h in beam_search(step, start, end=0, max_length=5, beam_size=1)[0]]  # the likelier beginning
    [[1]]
    >>> [h.tokens for h in beam_search(step, start, end=0, max_length=5, beam_size=2)[0]]  # the likelier whole
    [[2]]
    """
    search = _Search(end, max_length, min_length, beam_size, n_best, length_penalty, penalty)
    step = getattr(model, "step", model)
    if not callable(step):
        raise TypeError(
            f"beam_search: expected step(tokens, state), or something that has a method step, got {describe(model)}"
        )
    if not isinstance(first, Tensor) or first.dtype is not int64 or first.dim() != 1 or not first.shape[0]:
        raise TypeError(f"beam_search: first must be one integer a row, (N,), got {describe(first)}")
    rows = [_Row(search) for _ in range(first.shape[0])]
    running, tokens, scores = rows, first, None
    with no_grad(), evaluating(model):
        for length in range(1, max_length + 1):
            log_p, state = _step(step, tokens, state)
            candidates = search.candidates(log_p, scores, len(running), length)
            for at, (row, (values, places)) in enumerate(zip(running, candidates, strict=True)):
                row.extend(values, places, log_p.shape[1], at * (log_p.shape[0] // len(running)), length)
            running = [row for row in running if row.beginnings]
            if not running:
                break
            width = max(len(row.beginnings) for row in running)
            # Rows with fewer beginnings than others are filled up with impossible ones.
            kept = [b for row in running for b in row.filled(width)]
            index = tensor([b.row for b in kept], dtype=int64, device=first.device)
            tokens = tensor([b.tokens[-1] for b in kept], dtype=int64, device=first.device)
            scores = tensor([b.log_probability for b in kept], dtype=log_p.dtype, device=first.device)
            state = state if state is None else select_rows(state, index, dim)
    return [row.best() for row in rows]


def _step(step: Callable[[Tensor, Any], Any], tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Let the model read, check what it returns, and make log-probabilities (N, V) of the logits."""
    result = step(tokens, state)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"beam_search: the model must return a pair (logits, state), got {describe(result)}")
    logits, state = result
    n = tokens.shape[0]
    if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[0] != n:
        raise ValueError(f"beam_search: the model must return logits of shape ({n}, V), got {describe(logits)}")
    if logits.dtype.itemsize < 4:
        logits = logits.to(float32)
    return F.log_softmax(logits, dim=1), state


class _Search:
    """The settings of a search, checked."""

    def __init__(
        self, end: int, max_length: int, min_length: int, beam_size: int, n_best: int, alpha: float, penalty: str
    ) -> None:
        for name, value, least in (
            ("end", end, 0), ("max_length", max_length, 1), ("min_length", min_length, 0), ("beam_size", beam_size, 1),
            ("n_best", n_best, 1),
        ):  # fmt: skip
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"beam_search: {name} must be an integer of at least {least}, got {value!r}")
        if n_best > beam_size:
            raise ValueError(f"beam_search: n_best = {n_best} is more than beam_size = {beam_size}")
        if min_length > max_length:
            raise ValueError(f"beam_search: min_length = {min_length} is more than max_length = {max_length}")
        if penalty not in ("gnmt", "average"):
            raise ValueError(f"beam_search: penalty must be 'gnmt' or 'average', got {penalty!r}")
        if not math.isfinite(alpha):
            raise ValueError(f"beam_search: length_penalty must be a number, got {alpha!r}")
        self.end = end
        self.max_length = max_length
        self.min_length = min_length
        self.beam_size = beam_size
        self.n_best = n_best
        self.alpha = alpha
        self.penalty = penalty

    def score(self, log_probability: float, length: int) -> float:
        """The log-probability of a sequence of a length divided by the penalty of it."""
        base = float(length) if self.penalty == "average" else (5.0 + length) / 6.0
        return log_probability / base**self.alpha

    def candidates(
        self, log_p: Tensor, scores: Tensor | None, rows: int, length: int
    ) -> list[tuple[list[float], list[int]]]:
        """For each row the log-probabilities of the best continuations and their places, beginning · V + token."""
        vocabulary = log_p.shape[1]
        if self.end >= vocabulary:
            raise ValueError(f"beam_search: end = {self.end} is none of the model's {vocabulary} tokens")
        totals = log_p if scores is None else log_p + scores.unsqueeze(1)
        if length <= self.min_length:
            totals[:, self.end] = -math.inf
        totals = totals.reshape(rows, -1)
        values, places = topk(totals, min(self.beam_size, totals.shape[1]), dim=1)
        return list(zip(values.tolist(), places.tolist(), strict=True))


class _Row:
    """The search for one row: beginnings that may go on, and hypotheses that are done."""

    def __init__(self, search: _Search) -> None:
        self.search = search
        self.beginnings = [_Beginning([], 0.0, 0)]
        self.done: list[Hypothesis] = []

    def extend(self, values: list[float], places: list[int], vocabulary: int, offset: int, length: int) -> None:
        """Take the best continuations, whose beginnings stand in the model's rows from `offset` on."""
        search, before = self.search, self.beginnings
        self.beginnings = []
        for value, place in zip(values, places, strict=True):
            if math.isnan(value):
                raise ValueError("beam_search: the model's logits are NaN, or infinite")
            if value == -math.inf:
                break
            at, token = divmod(place, vocabulary)
            if token == search.end:
                self._finish(before[at].tokens, value, length, True)
            else:
                self.beginnings.append(_Beginning([*before[at].tokens, token], value, offset + at))
        if self._is_finished(length):
            self.beginnings = []
        elif length == search.max_length:
            for b in self.beginnings:
                self._finish(b.tokens, b.log_probability, length, False)
            self.beginnings = []

    def _finish(self, tokens: list[int], log_probability: float, length: int, ended: bool) -> None:
        score = self.search.score(log_probability, length)
        self.done.append(Hypothesis(tokens, score, log_probability, ended))

    def _is_finished(self, length: int) -> bool:
        """Whether no beginning can become better than the hypotheses that count."""
        search = self.search
        if len(self.done) < search.n_best or not self.beginnings:
            return False
        likeliest = self.beginnings[0].log_probability
        # Log-probabilities only fall, and the penalty is the weakest at one of the two ends.
        bound = max(search.score(likeliest, length + 1), search.score(likeliest, search.max_length))
        return self.best()[-1].score >= bound

    def filled(self, width: int) -> list[_Beginning]:
        """The beginnings, and impossible ones up to a number."""
        first = self.beginnings[0]
        return self.beginnings + [_Beginning(first.tokens, -math.inf, first.row)] * (width - len(self.beginnings))

    def best(self) -> list[Hypothesis]:
        """The best hypotheses, the best first."""
        return sorted(self.done, key=lambda h: -h.score)[: self.search.n_best]
