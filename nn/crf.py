"""A conditional random field as the last layer of a tagger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from tinygrad_edu.creation import empty
from tinygrad_edu.errors import describe
from tinygrad_edu.facts import finfo
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.ops.elementwise import where
from tinygrad_edu.tensor import Tensor

__all__ = ["LinearChainCRF"]


class LinearChainCRF(Module):
    """Scores of tags at each step to the probability of whole sequences of tags: -ln p(y) = ln Z - s(y).

    A softmax at each step decides about each tag alone; this layer learns which tag follows which, so it judges sequences.
    With `allowed` it can say nothing else than what is allowed.

    Parameters
    ----------
    num_tags : int
        C.
    batch_first : bool, default False
        Whether sequences come and go as (N, T, …) instead of (T, N, …).
    reduction : "mean", "sum", "none" or "token_mean"
        Of the loss: over sequences, or over all their steps.
    allowed_transitions : Tensor of bool, (C, C), optional
        Which tag (column) may follow which (row).
    allowed_start, allowed_end : Tensor of bool, (C,), optional
        Which tags may be the first, and the last.

    Attributes
    ----------
    transitions : Parameter, (C, C)
        The score of tag j after tag i in row i, column j; from uniform(-0.1, 0.1), as the others.
    start_transitions, end_transitions : Parameter, (C,)

    Raises
    ------
    ValueError
        When `num_tags` is not positive, the reduction is unknown, or a mask of what is allowed has another shape.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> crf = nn.LinearChainCRF(3, batch_first=True)
    >>> scores, tags = tg.zeros(2, 4, 3), tg.tensor([[0, 1, 2, 0], [1, 1, 0, 0]])
    >>> crf(scores, tags, lengths=[4, 2]).shape, [len(found) for found in crf.decode(scores, lengths=[4, 2])]
    (Size([]), [4, 2])
    """

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none", "token_mean")
    allowed_transitions: Tensor | None
    allowed_start: Tensor | None
    allowed_end: Tensor | None

    def __init__(
        self,
        num_tags: int,
        batch_first: bool = False,
        reduction: str = "mean",
        *,
        allowed_transitions: Tensor | None = None,
        allowed_start: Tensor | None = None,
        allowed_end: Tensor | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if isinstance(num_tags, bool) or not isinstance(num_tags, int) or num_tags < 1:
            raise ValueError(f"LinearChainCRF: num_tags must be a positive integer, got {num_tags!r}")
        if reduction not in self.reductions:
            raise ValueError(f"LinearChainCRF: reduction must be one of {self.reductions}, got {reduction!r}")
        self.num_tags, self.batch_first, self.reduction = num_tags, batch_first, reduction
        self.transitions = Parameter(empty(num_tags, num_tags, device=device, dtype=dtype))
        self.start_transitions = Parameter(empty(num_tags, device=device, dtype=dtype))
        self.end_transitions = Parameter(empty(num_tags, device=device, dtype=dtype))
        masks = {
            "allowed_transitions": (allowed_transitions, self.transitions),
            "allowed_start": (allowed_start, self.start_transitions),
            "allowed_end": (allowed_end, self.end_transitions),
        }
        for name, (mask, scores) in masks.items():
            if mask is not None:
                if not isinstance(mask, Tensor) or mask.dtype.category != 0 or mask.shape != scores.shape:
                    raise ValueError(
                        f"LinearChainCRF: {name} must be a Tensor of bool, {tuple(scores.shape)}, got {describe(mask)}"
                    )
                mask = mask.to(scores.device)
            self.register_buffer(name, mask)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all scores anew."""
        for parameter in self.parameters():
            init.uniform_(parameter, -0.1, 0.1)

    def scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """The scores of transitions (C, C), of first and of last tags (C,), with -inf where something is not allowed."""
        lowest = -float("inf")
        masks = self.allowed_transitions, self.allowed_start, self.allowed_end
        scores = self.transitions, self.start_transitions, self.end_transitions
        moves, start, end = (s if m is None else where(m, s, lowest) for m, s in zip(masks, scores, strict=True))
        return moves, start, end

    def forward(
        self,
        emissions: Tensor,
        tags: Tensor,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """-ln p(tags): a number, or with reduction "none" one for each sequence.

        Parameters
        ----------
        emissions : Tensor, (T, N, C), with `batch_first` (N, T, C)
        tags : Tensor of int, (T, N)
            What stands behind the end of a sequence has no effect.
        lengths : Tensor or sequence of int, (N,), optional
            How many steps of each sequence count.
        mask : Tensor of bool, (T, N), optional
            The same in another form.
        """
        emissions, mask = self._time_first(emissions), self._time_first(mask)
        moves, start, end = self.scores()
        total = F.crf_log_partition(emissions, moves, start, end, lengths, mask)
        # What is forbidden costs infinity, also where nothing is allowed: infinity less infinity would be no number.
        losses = total.clamp(min=finfo(total.dtype).min) - F.crf_score(
            emissions, self._time_first(tags), moves, start, end, lengths, mask
        )
        if self.reduction == "token_mean":
            return losses.sum() / self._steps(emissions, lengths, mask)
        return losses if self.reduction == "none" else losses.sum() if self.reduction == "sum" else losses.mean()

    def decode(
        self, emissions: Tensor, lengths: Tensor | Sequence[int] | None = None, mask: Tensor | None = None
    ) -> list[list[int]]:
        """The most probable tags of each sequence, without padding."""
        emissions, mask = self._time_first(emissions), self._time_first(mask)
        tags = F.viterbi_decode(emissions, *self.scores(), lengths, mask, padding_value=-1).tags
        return [[tag for tag in row if tag >= 0] for row in tags.transpose(0, 1).tolist()]

    def marginals(
        self, emissions: Tensor, lengths: Tensor | Sequence[int] | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """The probability of each tag at each step, in the layout of the emissions."""
        found = F.crf_marginals(self._time_first(emissions), *self.scores(), lengths, self._time_first(mask))
        return found.transpose(0, 1) if self.batch_first else found

    def extra_repr(self) -> str:
        return f"{self.num_tags}" + (", batch_first=True" if self.batch_first else "")

    def _time_first(self, x: Any) -> Any:
        """Sequences as (T, N, …); what is no such thing is left to be refused by name."""
        return x.transpose(0, 1) if self.batch_first and isinstance(x, Tensor) and x.dim() >= 2 else x

    @staticmethod
    def _steps(emissions: Tensor, lengths: Any, mask: Any) -> Any:
        """How many steps count, of all sequences together."""
        if mask is not None:
            return mask.sum()
        if lengths is None:
            return emissions.shape[0] * emissions.shape[1]
        return lengths.sum() if isinstance(lengths, Tensor) else sum(lengths)
