"""A softmax over many classes that costs little for the frequent ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.containers import ModuleList, Sequential
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.elementwise import where
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.scatter import index_add
from tinygrad_edu.tensor import Tensor

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class OutputAndLoss(NamedTuple):
    """The logarithm of each target's probability, and the mean of their negatives."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax over classes that are numbered from the most frequent to the rarest, and its cross entropy.

    The head decides between the frequent classes and clusters of rare ones; a cluster, which only the samples in it
    pay for, decides between its own. The k-th cluster sees its input in in_features / div_valueᵏ dimensions.
    Source: Grave et al., Efficient softmax approximation for GPUs, ICML 2017.

    Parameters
    ----------
    in_features, n_classes : int
    cutoffs : sequence of int
        Where clusters start: rising numbers from 1 to n_classes - 1.
    div_value : float, default 4.0
    head_bias : bool, default False
        Whether the head has a bias.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    head : Linear
    tail : ModuleList
        Two matrices for each cluster.

    Raises
    ------
    ValueError
        When `cutoffs` are no such numbers.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.AdaptiveLogSoftmaxWithLoss(16, 100, cutoffs=[10, 50])
    >>> layer(tg.zeros(3, 16), tg.tensor([0, 20, 99])).output.shape
    Size([3])
    >>> layer.log_prob(tg.zeros(3, 16)).shape
    Size([3, 100])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        bounds = [*cutoffs, n_classes]
        if len(bounds) < 2 or any(int(c) != c or c < 1 for c in bounds) or any(a >= b for a, b in pairwise(bounds)):
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs must be rising integers from 1 to n_classes - 1 = {n_classes - 1}, "
                f"got {list(cutoffs)}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = bounds
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = bounds[0]
        self.n_clusters = len(bounds) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (start, end) in enumerate(pairwise(bounds), 1):
            hidden = int(in_features // div_value**i)
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, False, device, dtype), Linear(hidden, end - start, False, device, dtype)
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> OutputAndLoss:
        """Samples (N, in_features) or (in_features,) and classes (N,) or () to (output, loss): (N,) or (), and ()."""
        name = "AdaptiveLogSoftmaxWithLoss"
        if target_.dim() > 1 or tuple(input_.shape) != (*target_.shape, self.in_features):
            raise ValueError(
                f"{name}: expected shapes (N, {self.in_features}) and (N,), or ({self.in_features},) and (), got "
                f"{tuple(input_.shape)} and {tuple(target_.shape)}"
            )
        if target_.dtype.category != 1:
            raise TypeError(f"{name}: class numbers must be integers, got {target_.dtype}")
        if target_.numel() and not 0 <= int(target_.min()) <= int(target_.max()) < self.n_classes:
            raise IndexError(
                f"{name}: targets must lie between 0 and {self.n_classes - 1}, got {int(target_.min())} to {int(target_.max())}"
            )
        x, target = input_.reshape(-1, self.in_features), target_.reshape(-1)
        choice = target
        for i, start in enumerate(self.cutoffs[:-1]):
            choice = where(target >= start, self.shortlist_size + i, choice)
        output = -F.cross_entropy(self.head(x), choice, reduction="none")
        for i, (start, end) in enumerate(pairwise(self.cutoffs)):
            rows = ((target >= start) & (target < end)).nonzero().reshape(-1)
            if rows.numel():
                inside = -F.cross_entropy(self.tail[i](x[rows]), target[rows] - start, reduction="none")
                output = index_add(output, 0, rows, inside)
        return OutputAndLoss(output.reshape(target_.shape), -output.mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """The logarithms of the probabilities of all classes: (N, in_features) to (N, n_classes)."""
        head = F.log_softmax(self.head(input), -1)
        parts = [head[..., : self.shortlist_size]]
        for i in range(self.n_clusters):
            k = self.shortlist_size + i
            parts.append(F.log_softmax(self.tail[i](input), -1) + head[..., k : k + 1])
        return cat(parts, -1)

    def predict(self, input: Tensor) -> Tensor:
        """The most likely classes: (N, in_features) to (N,); where the head names no cluster, no cluster is computed."""
        head = self.head(input)
        found = head.argmax(-1)
        unsure = found >= self.shortlist_size
        if bool(unsure.any()):
            found = where(unsure, self.log_prob(input).argmax(-1), found)
        return found
