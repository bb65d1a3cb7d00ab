"""Conditional random fields along a line of steps: labels that are judged together, because each depends on its neighbours.

A sequence of tags y₁ … y_T has the score

    s(y) = start[y₁] + Σₜ emissions[t, yₜ] + Σₜ transitions[yₜ₋₁, yₜ] + end[y_T]

and the probability e^s(y) / Z, where Z sums e^s over all Cᵀ sequences. Dynamic programming finds ln Z (the forward algorithm), the
best sequence (Viterbi's) and the probability of each tag at each step (forward-backward) with T C² sums. A score of -inf forbids a
tag or a transition.

Shapes: T steps, N sequences, C tags. Source: Lafferty, McCallum and Pereira, Conditional random fields, ICML (2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu import function
from tinygrad_edu.creation import arange, tensor
from tinygrad_edu.errors import check_tensors, describe
from tinygrad_edu.function import Fused, run
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._loss import check_labels, rounded_once
from tinygrad_edu.ops._types import demand, result_type, xp
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.extremes import argmax
from tinygrad_edu.ops.extremes import max as max_
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.ops.reduce import logsumexp
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import broadcast_to, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

LOWEST = -1e30  # stands for -inf: differences of it are numbers, and where there are sums of it nothing else matters


class LogPartition(Fused):
    """ln Z of each sequence; its derivative by a score is how often that score is expected to be counted.

    α[t, j], the logarithm of the sum over all beginnings that have tag j at step t, is a logsumexp over the tag i before; its
    softmax says where from each beginning comes, and carries the probability of j at t back to i at t - 1.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        return "crf_log_partition"

    def forward(self, emissions: Any, transitions: Any, start: Any, end: Any, steps: Any) -> Any:
        """``emissions`` (T, N, C), ``transitions`` (C, C), ``start`` and ``end`` (C,), and how many ``steps`` count, (N,) or None."""
        ns = xp(emissions)
        moves, last = ns.maximum(transitions, LOWEST), ns.maximum(end, LOWEST)
        differentiated = any(e is not None for e in self.edges)
        emitted = ns.maximum(emissions, LOWEST)
        alpha = ns.maximum(start, LOWEST) + emitted[0, ...]
        kept = []
        for t in range(1, emissions.shape[0]):
            ways = ns.expand_dims(alpha, axis=2) + moves
            top = ns.max(ways, axis=1, keepdims=True)
            ways = ns.exp(ways - top)
            sums = ns.sum(ways, axis=1)
            grown = top[:, 0, :] + ns.log(sums) + emitted[t, ...]
            alpha = grown if steps is None else ns.where(ns.reshape(steps > t, (-1, 1)), grown, alpha)
            if differentiated:
                kept += [ways, sums]
        ends = alpha + last
        top = ns.max(ends, axis=1, keepdims=True)
        shares = ns.exp(ends - top)
        sums = ns.sum(shares, axis=1)
        total = top[:, 0] + ns.log(sums)
        impossible = total < LOWEST / 2
        self.saved = emissions, transitions, start, end, steps
        if differentiated:
            shares = ns.where(ns.reshape(impossible, (-1, 1)), 0.0, shares / ns.reshape(sums, (-1, 1)))
            self.saved = (*self.saved, shares, *kept)
        return ns.where(impossible, -float("inf"), total)

    def backward(self, g: Any) -> Any:
        emissions, transitions, _, _, steps, shares, *kept = self.saved
        ns = xp(emissions)
        flow = shares * ns.reshape(g, (-1, 1))  # the probability of each tag, times the cotangent
        by_end = ns.sum(flow, axis=0)
        by_emission, by_move = [], ns.zeros_like(transitions)
        for t in range(emissions.shape[0] - 1, 0, -1):
            counts = None if steps is None else ns.reshape(steps > t, (-1, 1))
            arriving = flow if counts is None else ns.where(counts, flow, 0.0)
            by_emission.append(arriving)
            ways, sums = kept[2 * t - 2], kept[2 * t - 1]
            pairs = ways * ns.expand_dims(arriving / sums, axis=1)
            by_move = by_move + ns.sum(pairs, axis=0)
            left = ns.sum(pairs, axis=2)
            flow = left if counts is None else ns.where(counts, left, flow)
        by_emission.append(flow)
        return ns.stack(by_emission[::-1]), by_move, ns.sum(flow, axis=0), by_end, None

    @staticmethod
    def reference(emissions: Any, transitions: Any, start: Any, end: Any, steps: Any) -> Any:
        *_, alpha = _beginnings(emissions, transitions, start, steps)
        total = logsumexp(alpha + ew.clamp(end, min=LOWEST), 1)
        return ew.where(total < LOWEST / 2, -float("inf"), total)


def _beginnings(emissions: Any, transitions: Any, start: Any, steps: Any) -> list[Any]:
    """α after each step (N, C), in plain operations; it stands still where a sequence is over."""
    moves = ew.clamp(transitions, min=LOWEST)
    alpha = ew.clamp(start, min=LOWEST) + ew.clamp(emissions[0], min=LOWEST)
    found = [alpha]
    for t in range(1, emissions.shape[0]):
        grown = logsumexp(unsqueeze(alpha, 2) + moves, 1) + ew.clamp(emissions[t], min=LOWEST)
        alpha = grown if steps is None else ew.where(unsqueeze(steps > t, 1), grown, alpha)
        found.append(alpha)
    return found


def _endings(emissions: Any, transitions: Any, end: Any, steps: Any) -> list[Any]:
    """β at each step (N, C): the logarithm of the sum over all that may follow tag i after step t, in plain operations."""
    moves = ew.clamp(transitions, min=LOWEST)
    beta = broadcast_to(ew.clamp(end, min=LOWEST), emissions.shape[1:])
    found = [beta]
    for t in range(emissions.shape[0] - 1, 0, -1):
        behind = unsqueeze(ew.clamp(emissions[t], min=LOWEST) + beta, 1)
        grown = logsumexp(moves + behind, 2)
        beta = grown if steps is None else ew.where(unsqueeze(steps > t, 1), grown, beta)
        found.append(beta)
    return found[::-1]


class _Arguments(NamedTuple):
    """What the functions below compute with, checked and of one type."""

    emissions: Any
    transitions: Any
    start: Any
    end: Any
    steps: Any  # (N,), or None where all sequences are as long as the padding
    counted: Any  # which steps count, (T, N), or None


@rounded_once
def crf_log_partition(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor | None = None,
    end: Tensor | None = None,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """ln Z: the logarithm of the sum of e^score over all sequences of tags, by the forward algorithm.

    Its gradient is what is expected: of an emission, the probability of this tag at this step; of a transition, how often it occurs.

    Parameters
    ----------
    emissions : Tensor, (T, N, C)
        The score of each tag at each step; -inf forbids it.
    transitions : Tensor, (C, C)
        The score of tag j after tag i in row i, column j; -inf forbids it.
    start, end : Tensor, (C,), optional
        The scores of the first and of the last tag; 0 where left out.
    lengths : Tensor or sequence of int, (N,), optional
        How many steps of each sequence count, 1 at least.
    mask : Tensor of bool, (T, N), optional
        The same in another form: True where a step counts, which must be those before some end. What does not count has no effect.

    Returns
    -------
    Tensor, (N,)
        -inf, with a gradient of 0, where all sequences are forbidden.

    Raises
    ------
    ValueError
        When shapes do not fit, a sequence is empty or longer than T, or a mask has holes.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.nn import functional as F
    >>> F.crf_log_partition(tg.zeros(3, 1, 2), tg.zeros(2, 2)).exp()  # 2³ sequences
    tensor([8.])
    """
    a = _checked("crf_log_partition", emissions, transitions, start, end, lengths, mask)
    return run(LogPartition(), (a.emissions, a.transitions, a.start, a.end, a.steps))


@rounded_once
def crf_score(
    emissions: Tensor,
    tags: Tensor,
    transitions: Tensor,
    start: Tensor | None = None,
    end: Tensor | None = None,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The score of a sequence of tags: Σₜ emissions[t, yₜ] + Σₜ transitions[yₜ₋₁, yₜ] + start[y₁] + end[y_T].

    Parameters
    ----------
    tags : Tensor of int, (T, N)
        What stands behind the end of a sequence has no effect.
    emissions, transitions, start, end, lengths, mask
        As in :func:`crf_log_partition`.

    Returns
    -------
    Tensor, (N,)

    Raises
    ------
    IndexError
        When a tag is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.nn import functional as F
    >>> emissions = tg.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    >>> F.crf_score(emissions, tg.tensor([[1], [0]]), tg.tensor([[0.0, 0.0], [0.5, 0.0]]))  # 2 + 3 + 0.5
    tensor([5.5000])
    """
    name = "crf_score"
    check_tensors(name, emissions=emissions, tags=tags)
    a = _checked(name, emissions, transitions, start, end, lengths, mask)
    if tuple(tags.shape) != tuple(a.emissions.shape[:2]):
        raise ValueError(
            f"{name}: for emissions of shape {tuple(emissions.shape)} the tags need shape {tuple(a.emissions.shape[:2])}, "
            f"got {tuple(tags.shape)}"
        )
    counted = tags if a.counted is None else ew.where(a.counted, tags, 0)
    check_labels(name, counted, a.transitions.shape[0])
    return _score(a, counted)


def _score(a: _Arguments, tags: Any) -> Any:
    """The score of tags (T, N) that are in range everywhere."""
    emitted = gather(a.emissions, 2, unsqueeze(tags, 2))[:, :, 0]
    moved = getitem(a.transitions, (tags[:-1], tags[1:]))
    if a.counted is None:
        last = tags[-1]
    else:
        emitted = ew.where(a.counted, emitted, 0.0)
        moved = ew.where(a.counted[1:], moved, 0.0)
        last = gather(tags, 0, unsqueeze(a.steps - 1, 0))[0]
    return sum_(emitted, 0) + sum_(moved, 0) + getitem(a.start, tags[0]) + getitem(a.end, last)


@rounded_once
def crf_marginals(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor | None = None,
    end: Tensor | None = None,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The probability of each tag at each step, summed over all sequences: e^(α + β) / Z, by forward-backward.

    The gradient of :func:`crf_log_partition` by the emissions has the same values; here they can be differentiated further, as
    in a loss of their own.

    Parameters
    ----------
    emissions, transitions, start, end, lengths, mask
        As in :func:`crf_log_partition`.

    Returns
    -------
    Tensor, (T, N, C)
        Zeros behind the end of a sequence, and where all sequences are forbidden.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.nn import functional as F
    >>> stay = tg.tensor([[0.0, -float("inf")], [-float("inf"), 0.0]])  # what the second step says counts for the first one, too
    >>> F.crf_marginals(tg.tensor([[[0.0, 0.0]], [[1.0, 0.0]]]), stay)[:, 0]
    tensor([[0.7311, 0.2689],
            [0.7311, 0.2689]])
    """
    a = _checked("crf_marginals", emissions, transitions, start, end, lengths, mask)
    alphas = _beginnings(a.emissions, a.transitions, a.start, a.steps)
    betas = _endings(a.emissions, a.transitions, a.end, a.steps)
    total = logsumexp(alphas[-1] + betas[-1], 1, True)
    possible = total > LOWEST / 2
    if a.counted is not None:
        possible = possible & unsqueeze(a.counted, 2)
    logs = stack(alphas) + stack(betas) - total
    return ew.where(possible, ew.exp(ew.where(possible, logs, 0.0)), 0.0)


class BestTags(NamedTuple):
    """The score of the best sequence of tags, and the tags."""

    score: Any
    tags: Any


@rounded_once
def viterbi_decode(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor | None = None,
    end: Tensor | None = None,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    padding_value: int = -100,
) -> BestTags:
    """The sequence of tags with the highest score, by Viterbi's algorithm; of several, that with the smaller numbers at the end.

    Parameters
    ----------
    emissions, transitions, start, end, lengths, mask
        As in :func:`crf_log_partition`.
    padding_value : int, default -100
        What stands behind the end of a sequence.

    Returns
    -------
    score : Tensor, (N,)
        It carries a gradient: that of the score of these tags.
    tags : Tensor of int64, (T, N)

    Source: Viterbi, Error bounds for convolutional codes, IEEE Transactions on Information Theory 13 (1967).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.nn import functional as F
    >>> emissions = tg.tensor([[[1.0, 0.0]], [[0.0, 0.2]], [[1.0, 0.0]]])
    >>> F.viterbi_decode(emissions, tg.eye(2)).tags[:, 0]  # a change costs more than the second step gains
    tensor([0, 0, 0])
    """
    a = _checked("viterbi_decode", emissions, transitions, start, end, lengths, mask)
    with no_grad():
        best = a.start + a.emissions[0]
        here = arange(a.transitions.shape[0], device=best.device)
        came_from = []
        for t in range(1, a.emissions.shape[0]):
            ways = max_(unsqueeze(best, 2) + a.transitions, 1)
            grown, before = ways.values + a.emissions[t], ways.indices
            if a.steps is not None:
                goes_on = unsqueeze(a.steps > t, 1)
                grown, before = ew.where(goes_on, grown, best), ew.where(goes_on, before, here)
            best = grown
            came_from.append(before)
        tag = argmax(best + a.end, 1, True)
        path = [tag]
        for before in reversed(came_from):
            tag = gather(before, 1, tag)
            path.append(tag)
        tags = cat(path[::-1], 1).transpose(0, 1)
    score = _score(a, tags)
    return BestTags(score, tags if a.counted is None else ew.where(a.counted, tags, padding_value))


def _checked(name: str, emissions: Any, transitions: Any, start: Any, end: Any, lengths: Any, mask: Any) -> _Arguments:
    """The arguments of a function, checked, in their common type, and with zeros at steps that do not count."""
    check_tensors(name, emissions=emissions, transitions=transitions)
    if emissions.dim() != 3 or 0 in (emissions.shape[0], emissions.shape[2]):
        raise ValueError(
            f"{name}: emissions need shape (T, N, C) with a step and a tag at least, got {tuple(emissions.shape)}"
        )
    length, batch, tags = emissions.shape
    if tuple(transitions.shape) != (tags, tags):
        raise ValueError(
            f"{name}: for {tags} tags the transitions need shape ({tags}, {tags}), got {tuple(transitions.shape)}"
        )
    ends = []
    for what, scores in (("start", start), ("end", end)):
        if scores is None:
            scores = transitions.new_zeros(tags)
        check_tensors(name, **{what: scores})
        if tuple(scores.shape) != (tags,):
            raise ValueError(
                f"{name}: for {tags} tags the scores of the {what} need shape ({tags},), got {tuple(scores.shape)}"
            )
        ends.append(scores)
    floats = [floating(name, x) for x in (emissions, transitions, *ends)]
    kind = result_type(*floats)
    emissions, transitions, start, end = (x.to(kind) for x in floats)
    if lengths is None and mask is None:
        return _Arguments(emissions, transitions, start, end, None, None)
    time = arange(length, device=emissions.device)
    if mask is None:
        steps = _lengths(name, lengths, batch, length, emissions.device)
        mask = unsqueeze(time, 1) < steps
    elif lengths is not None:
        raise ValueError(f"{name}: lengths and mask say the same; pass one of them")
    else:
        check_tensors(name, mask=mask)
        if mask.dtype.category != 0 or tuple(mask.shape) != (length, batch):
            raise ValueError(f"{name}: the mask must be of booleans, ({length}, {batch}), got {describe(mask)}")
        steps = sum_(mask, 0)
        demand(steps > 0, f"{name}: the mask leaves a sequence without a step")
        demand(
            mask == (unsqueeze(time, 1) < steps), f"{name}: the mask has holes: True must stand before the end alone"
        )
    return _Arguments(ew.where(unsqueeze(mask, 2), emissions, 0.0), transitions, start, end, steps, mask)


def _lengths(name: str, lengths: Any, batch: int, length: int, device: Any) -> Any:
    """Lengths as a tensor (N,)."""
    if not isinstance(lengths, function.Tensor):
        if not isinstance(lengths, (list, tuple)):
            raise TypeError(f"{name}: lengths must be a Tensor or a sequence of integers, got {describe(lengths)}")
        lengths = tensor(lengths, device=device) if len(lengths) else tensor(lengths, dtype="int64", device=device)
    if tuple(lengths.shape) != (batch,) or lengths.dtype.category != 1:
        raise ValueError(f"{name}: lengths must be {batch} integers, one for each sequence, got {describe(lengths)}")
    demand(
        (lengths >= 1) & (lengths <= length), f"{name}: lengths must lie between 1 and the number of steps, {length}"
    )
    return lengths.to(device)
