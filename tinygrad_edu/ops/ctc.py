"""Connectionist temporal classification: how likely are labels, when nobody says at which times they occur.

Between the labels and around them stand blanks: the labels l₁ l₂ become the path ∅ l₁ ∅ l₂ ∅ of 2S + 1 places. A reading of T steps
stays at a place, goes on by one, or passes over a blank between two different labels; it starts at one of the first two places and
ends at one of the last two. The probability of the labels is the sum over all readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu.creation import tensor
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Fused, run
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._loss import check_labels, check_reduction, reduced, rounded_once
from tinygrad_edu.ops._types import demand, xp
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.ops.reduce import logsumexp
from tinygrad_edu.ops.shape import reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

LOWEST = -1e30  # stands for ln 0: differences of it are numbers, and where there are sums of it nothing else matters


class Ctc(Fused):
    """-ln p(labels) for each sequence of a batch; its derivative by ln p[t, c] is minus the share of all readings that are at
    a place with c at time t.

    That share is α β / p: α[t, s] is the probability of all beginnings that are at place s at time t, and β[t, s] that of all
    endings. An ending is a beginning of the sequence that is read backwards, so one recursion over twice the batch gives both.
    """

    __slots__ = ()

    def forward(self, logp: Any, path: Any, steps: Any, last: Any, zero_infinity: bool) -> Any:
        """``logp`` (T, N, C), the classes of the ``path`` (N, L), how many ``steps`` count (N,), and the number of the ``last``
        place (N,)."""
        ns = xp(logp)
        length, (batch, places) = logp.shape[0], path.shape
        time = ns.reshape(ns.arange(length), (-1, 1, 1))
        row = ns.reshape(ns.arange(batch), (-1, 1))
        emitted = ns.maximum(ns.getitem(logp, (time, row, path)), LOWEST)
        differentiated = any(e is not None for e in self.edges)
        if differentiated:
            # Where to find each place and time of a sequence that is read backwards.
            final_time, final_place = ns.reshape(steps, (-1, 1)) - 1, ns.reshape(last, (-1, 1))
            turned_place = ns.maximum(final_place - ns.arange(places), 0)
            turned = ns.maximum(final_time - time, 0), row, turned_place
            turned_path = ns.getitem(path, (row, turned_place))
            both = ns.concat([emitted, ns.getitem(emitted, turned)], axis=1)
            both = _beginnings(both, ns.concat([path, turned_path]))
            before, behind = both[:, :batch, :], ns.getitem(both[:, batch:, :], turned)
        else:
            before = _beginnings(emitted, path)
        at = ns.maximum(steps - 1, 0), ns.arange(batch)
        before_last = ns.where(last > 0, ns.getitem(before, (*at, ns.maximum(last - 1, 0))), LOWEST)
        total = ns.logaddexp(ns.getitem(before, (*at, last)), before_last)
        total = ns.where(steps > 0, total, LOWEST * ns.astype(last > 0, logp.dtype))
        impossible = total < LOWEST / 2
        self.saved = logp, path, steps, last, zero_infinity
        if differentiated:
            share = ns.exp(before + behind - emitted - ns.reshape(total, (-1, 1)))
            share = ns.where(ns.reshape(impossible, (-1, 1)), 0.0 if zero_infinity else float("nan"), share)
            counted = (time <= final_time) & (ns.arange(places) <= final_place)
            self.saved = (*self.saved, ns.where(counted, share, 0.0))
        return ns.where(impossible, 0.0 if zero_infinity else float("inf"), -total)

    def backward(self, g: Any) -> Any:
        logp, path, *_, share = self.saved
        ns = xp(logp)
        length, batch, classes = logp.shape
        rows = ns.reshape(path + ns.reshape(ns.arange(batch) * classes, (batch, 1)), (-1,))
        shares = ns.permute_dims(-share * ns.reshape(g, (1, batch, 1)), (1, 2, 0))
        distinct, sums = ns.sum_rows(rows, ns.reshape(shares, (-1, length)), batch * classes)
        out = ns.setitem(ns.zeros((batch * classes, length), dtype=logp.dtype), distinct, sums)
        return ns.permute_dims(ns.reshape(out, (batch, classes, length)), (2, 0, 1))

    @staticmethod
    def reference(logp: Any, path: Any, steps: Any, last: Any, zero_infinity: bool) -> Any:
        row = unsqueeze(steps.new_tensor(range(len(steps))), 1)
        emitted = ew.clamp(getitem(logp, (slice(None), row, path)), min=LOWEST)
        lowest = emitted.new_full((len(steps), path.shape[1]), LOWEST)
        can_pass = path[:, 2:] != path[:, :-2]
        alpha = cat([emitted[0][:, :2], lowest[:, 2:]], 1)
        for t in range(1, logp.shape[0]):
            passed = ew.where(can_pass, alpha[:, :-2], LOWEST)
            ways = [alpha, cat([lowest[:, :1], alpha[:, :-1]], 1), cat([lowest[:, :2], passed], 1)]
            alpha = ew.where(unsqueeze(steps > t, 1), logsumexp(stack(ways), 0) + emitted[t], alpha)
        last = unsqueeze(last, 1)
        before_last = ew.where(last > 0, gather(alpha, 1, ew.clamp(last - 1, min=0)), LOWEST)
        total = logsumexp(cat([gather(alpha, 1, last), before_last], 1), 1)
        total = ew.where(steps > 0, total, ew.where(last[:, 0] > 0, LOWEST, total * 0))
        return ew.where(total < LOWEST / 2, 0.0 if zero_infinity else float("inf"), -total)


def _beginnings(emitted: Any, path: Any) -> Any:
    """ln α (T, N, L): of all beginnings of a reading that are at a place at a time, the logarithm of their probability."""
    ns = xp(emitted)
    kernel = ns.kernels.get("ctc_beginnings")
    if kernel is not None:
        return kernel(emitted, path, LOWEST)
    lowest = ns.full((path.shape[0], 2), LOWEST, dtype=emitted.dtype)
    can_pass = ns.concat([ns.zeros((path.shape[0], 2), dtype=ns.bool), path[:, 2:] != path[:, :-2]], axis=1)
    alpha = ns.where(ns.arange(path.shape[1]) < 2, emitted[0, ...], LOWEST)
    found = [alpha]
    for t in range(1, emitted.shape[0]):
        behind = ns.concat([lowest, alpha], axis=1)
        moved, passed = behind[:, 1:-1], ns.where(can_pass, behind[:, :-2], LOWEST)
        top = ns.maximum(ns.maximum(alpha, moved), passed)
        alpha = top + ns.log(ns.exp(alpha - top) + ns.exp(moved - top) + ns.exp(passed - top)) + emitted[t, ...]
        found.append(alpha)
    return ns.stack(found)


@rounded_once
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-ln of the probability of labels, summed over all times at which they may occur.

    The derivative is that by `log_probs` as they are, minus the expected number of times that a class is read. PyTorch's supposes that
    they come from `log_softmax`, and adds the probabilities; after `log_softmax` both are the same.

    Parameters
    ----------
    log_probs : Tensor, (T, N, C) or (T, C)
        Logarithms of the probabilities of classes, one of which is the blank.
    targets : Tensor, (N, S), (S,) or (sum of target_lengths,)
        Labels, padded or one sequence after the other.
    input_lengths, target_lengths : Tensor or sequence of int, (N,) or ()
        How many steps, and how many labels, of each sequence count.
    blank : int
        The class that stands for no label.
    reduction : "mean", "sum" or "none"
        "mean" first divides the loss of each sequence by its number of labels.
    zero_infinity : bool
        Whether a sequence that is too short for its labels, whose loss is infinite, counts as 0 and has no gradient.

    Raises
    ------
    ValueError
        When shapes or lengths do not fit, or a label is the blank.
    IndexError
        When a label is out of range.

    Source: Graves et al., Connectionist temporal classification, ICML (2006).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> logp = tg.tensor([[0.4, 0.6], [0.4, 0.6]]).log()
    >>> ctc_loss(logp, tg.tensor([1]), [2], [1]).exp()  # 1 / (0.6 · 0.4 + 0.4 · 0.6 + 0.6 · 0.6)
    tensor(1.1905)
    """
    name = "ctc_loss"
    check_reduction(name, reduction)
    check_tensors(name, log_probs=log_probs, targets=targets)
    floating(name, log_probs)
    if log_probs.dim() not in (2, 3) or not log_probs.shape[0]:
        raise ValueError(f"{name}: log_probs need shape (T, N, C) or (T, C) with T > 0, got {tuple(log_probs.shape)}")
    logp = log_probs if log_probs.dim() == 3 else unsqueeze(log_probs, 1)
    length, batch, classes = logp.shape
    if not 0 <= blank < classes:
        raise ValueError(f"{name}: blank {blank} is out of range for {classes} classes")
    steps = _lengths(name, "input_lengths", input_lengths, batch, length, "steps")
    counts = _lengths(name, "target_lengths", target_lengths, batch, None, "labels")
    labels = _padded(name, targets, counts, classes, blank)
    if not labels.shape[1]:  # so that a path has three places at least
        labels = labels.new_full((batch, 1), blank)
    blanks = labels.new_full((batch, labels.shape[1] + 1, 1), blank)
    pairs = cat([blanks[:, :-1], unsqueeze(labels, 2)], 2)
    path = cat([reshape(pairs, (batch, 2 * labels.shape[1])), blanks[:, -1]], 1)
    counted = tensor(counts, dtype="int64", device=logp.device)
    last = 2 * counted
    losses = run(Ctc(), (logp, path, tensor(steps, dtype="int64", device=logp.device), last, bool(zero_infinity)))
    if reduction == "mean":
        losses = losses / ew.clamp(counted, min=1).to(losses.dtype)
    return reduced(losses if log_probs.dim() == 3 or reduction != "none" else losses[0], reduction)


def _lengths(name: str, what: str, given: Any, batch: int, most: int | None, unit: str) -> list[int]:
    """Lengths as a list, on the host: they decide about shapes."""
    found = given.tolist() if hasattr(given, "tolist") else list(given)
    found = found if isinstance(found, list) else [found]
    if len(found) != batch or not all(isinstance(n, int) and not isinstance(n, bool) for n in found):
        raise ValueError(f"{name}: {what} must be {batch} integers, one for each sequence, got {found}")
    if min(found, default=0) < 0 or (most is not None and max(found, default=0) > most):
        raise ValueError(f"{name}: {what} must lie between 0 and the number of {unit}, {most}, got {found}")
    return found


def _padded(name: str, targets: Tensor, counts: list[int], classes: int, blank: int) -> Tensor:
    """The labels (N, S) of each sequence, then blanks."""
    batch, longest = len(counts), max(counts, default=0)
    if targets.dim() == 2 and targets.shape[0] == batch and targets.shape[1] >= longest:
        labels = targets[:, :longest]
    elif targets.dim() == 1 and (targets.shape[0] == sum(counts) or (batch == 1 and targets.shape[0] >= longest)):
        starts = [sum(counts[:n]) for n in range(batch)]
        places = [[min(start + s, sum(counts) - 1) for s in range(longest)] for start in starts]
        labels = getitem(targets, tensor(places, dtype="int64", device=targets.device).reshape(batch, longest))
    else:
        raise ValueError(
            f"{name}: for target_lengths {counts} the targets need shape ({batch}, {longest}) or more, padded, or ({sum(counts)},), "
            f"one sequence after the other; got {tuple(targets.shape)}"
        )
    ends = tensor(counts, dtype="int64", device=targets.device)
    counted = tensor(range(longest), dtype="int64", device=targets.device) < unsqueeze(ends, 1)
    first = 1 if blank == 0 else 0
    check_labels(name, ew.where(counted, labels, first) if classes > first else labels, classes)
    demand((labels != blank) | ~counted, f"{name}: a label is {blank}, the number of the blank")
    return ew.where(counted, labels, blank)
