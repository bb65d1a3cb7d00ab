"""Words as vectors by prediction: skip-gram and CBOW, and four ways to score what comes out.

Both models end in a vector per example and a word that should get a high score; an output layer makes the loss of the two.
The plain softmax costs a score for each of V words. The others follow what a step touches: negative sampling K + 1 words,
hierarchical softmax the walk to a word through a tree, adaptive softmax one cluster of words.
"""

from __future__ import annotations

from typing import Any

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import functional as F
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.text.alias import AliasTable
from tinygrad_edu.text.huffman import Huffman

__all__ = ["CBOW", "AdaptiveSoftmax", "FullSoftmax", "HierarchicalSoftmax", "NegativeSampling", "SkipGram"]


class SkipGram(nn.Module):
    """From a word predict one that stands near it.

    Parameters
    ----------
    num_words : int
        The size V of the vocabulary.
    dim : int
        The size D of the vectors.
    output : Module
        Called with hidden vectors (N, D) and words (N,), gives the loss, as the layers of this module do.

    Shape
    -----
    centers (N,), neighbours (N,) → a scalar, the mean loss.

    Notes
    -----
    T. Mikolov et al., "Efficient estimation of word representations in vector space", 2013.

    Examples
    --------
    >>> counts = [40, 30, 20, 10]
    >>> model = SkipGram(4, 8, NegativeSampling(8, counts, negatives=2))
    >>> loss = model(tg.tensor([0, 1, 2]), tg.tensor([1, 0, 3]))
    >>> loss.shape, model.vectors.shape
    (Size([]), Size([4, 8]))
    """

    def __init__(self, num_words: int, dim: int, output: nn.Module) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, dim, sparse=True)
        nn.init.uniform_(self.embedding.weight, -0.5 / dim, 0.5 / dim)
        self.output = output

    def forward(self, centers: Tensor, neighbours: Tensor) -> Tensor:
        return self.output(self.embedding(centers), neighbours)

    @property
    def vectors(self) -> Tensor:
        """The vectors of all words (V, D), without a graph."""
        return self.embedding.weight.detach()


class CBOW(nn.Module):
    """From the mean of the vectors that stand around a gap predict the word in it ("continuous bag of words").

    Parameters
    ----------
    num_words, dim, output
        As for `SkipGram`.

    Attributes
    ----------
    padding : int
        The number V, which stands in `neighbours` where a window has no word; it has a row of zeros that is never trained.

    Shape
    -----
    neighbours (N, 2 · window), centers (N,) → a scalar, the mean loss.

    Examples
    --------
    >>> model = CBOW(4, 8, FullSoftmax(8, 4))
    >>> model.padding
    4
    >>> model(tg.tensor([[0, 1], [2, 4]]), tg.tensor([1, 3])).round(decimals=4)  # at first all words are as likely
    tensor(1.3863, grad_fn=<RoundBackward0>)
    """

    def __init__(self, num_words: int, dim: int, output: nn.Module) -> None:
        super().__init__()
        self.padding = num_words
        self.embedding = nn.EmbeddingBag(num_words + 1, dim, mode="mean", padding_idx=num_words, sparse=True)
        with tg.no_grad():
            nn.init.uniform_(self.embedding.weight[:num_words], -0.5 / dim, 0.5 / dim)
        self.output = output

    def forward(self, neighbours: Tensor, centers: Tensor) -> Tensor:
        return self.output(self.embedding(neighbours), centers)

    @property
    def vectors(self) -> Tensor:
        """The vectors of all words (V, D), without a graph."""
        return self.embedding.weight.detach()[: self.padding]


class FullSoftmax(nn.Module):
    """The loss :math:`-\\log p(w \\mid h)` with :math:`p` proportional to :math:`e^{u_w \\cdot h}` over all words.

    Parameters
    ----------
    dim, num_words : int

    Shape
    -----
    hidden (N, D), words (N,) → a scalar.
    """

    def __init__(self, dim: int, num_words: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(tg.zeros(num_words, dim))

    def forward(self, hidden: Tensor, words: Tensor) -> Tensor:
        return F.cross_entropy(F.linear(hidden, self.weight), words)

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Log-probabilities of all words, (N, V)."""
        return F.log_softmax(F.linear(hidden, self.weight), dim=-1)


class NegativeSampling(nn.Module):
    """The loss of telling a word from K others that are drawn at random:

    .. math:: -\\log\\sigma(u_w \\cdot h) - \\sum_{k=1}^K \\log\\sigma(-u_{n_k} \\cdot h)

    Parameters
    ----------
    dim : int
    counts : sequence of number (V,)
        How often each word occurs.
    negatives : int, default 5
        The K.
    power : float, default 0.75
        Words are drawn in proportion to ``counts ** power``.

    Shape
    -----
    hidden (N, D), words (N,) → a scalar, the mean over N. `noise` (N, K), where given, are the words to tell from.

    Notes
    -----
    T. Mikolov et al., "Distributed representations of words and phrases and their compositionality", 2013.
    """

    threshold: Tensor
    alias: Tensor
    signs: Tensor

    def __init__(self, dim: int, counts: Any, negatives: int = 5, power: float = 0.75) -> None:
        super().__init__()
        if negatives < 1:
            raise ValueError(f"NegativeSampling: needs at least one negative sample, got {negatives}")
        table = AliasTable((tg.tensor(counts, dtype=tg.float64, device="cpu") ** power).numpy())
        self.negatives = negatives
        self.weight = nn.Parameter(tg.zeros(len(table), dim))
        # They follow from the counts, so checkpoints go without them.
        self.register_buffer("threshold", tg.tensor(table.threshold, dtype=tg.float32), persistent=False)
        self.register_buffer("alias", tg.tensor(table.alias), persistent=False)
        self.register_buffer("signs", tg.tensor([1.0] + negatives * [-1.0]), persistent=False)

    def draw(self, n: int) -> Tensor:
        """Words at random, (n, K): each choice takes a box of the alias table, and one of the two words in it."""
        device = self.alias.device
        boxes = tg.randint(0, len(self.alias), (n, self.negatives), device=device)
        uniform = tg.rand(n, self.negatives, dtype=tg.float32, device=device)
        return tg.where(uniform < self.threshold[boxes], boxes, self.alias[boxes])

    def forward(self, hidden: Tensor, words: Tensor, noise: Tensor | None = None) -> Tensor:
        noise = self.draw(len(words)) if noise is None else noise
        rows = F.embedding(tg.cat([words.unsqueeze(1), noise], dim=1), self.weight)  # (N, 1 + K, D)
        scores = tg.bmm(rows, hidden.unsqueeze(2)).squeeze(2)
        return -F.logsigmoid(scores * self.signs).sum(1).mean()


class HierarchicalSoftmax(nn.Module):
    """The loss :math:`-\\log p(w \\mid h)` where p is the probability of a walk from the root of a Huffman tree to a word.

    At each inner node n on the way the walk goes right with probability :math:`\\sigma(v_n \\cdot h)`. So the probabilities of
    all words sum to 1, and one costs about :math:`\\log_2 V` scores.

    Parameters
    ----------
    dim : int
    counts : sequence of number (V,)
        How often each word occurs; frequent words get short walks.

    Shape
    -----
    hidden (N, D), words (N,) → a scalar.

    Notes
    -----
    F. Morin and Y. Bengio, "Hierarchical probabilistic neural network language model", 2005.
    """

    nodes: Tensor
    turns: Tensor

    def __init__(self, dim: int, counts: Any) -> None:
        super().__init__()
        tree = Huffman(tg.tensor(counts, device="cpu").numpy())
        self.weight = nn.Parameter(tg.zeros(len(tree.nodes) - 1, dim))
        self.register_buffer("nodes", tg.tensor(tree.nodes), persistent=False)
        self.register_buffer("turns", tg.tensor(tree.turns), persistent=False)

    def forward(self, hidden: Tensor, words: Tensor) -> Tensor:
        scores = tg.bmm(F.embedding(self.nodes[words], self.weight), hidden.unsqueeze(2)).squeeze(2)  # (N, L)
        turns = self.turns[words]
        return -(F.logsigmoid(scores * turns) * turns.abs()).sum(1).mean()

    def log_prob(self, hidden: Tensor) -> Tensor:
        """Log-probabilities of all words, (N, V): as many walks."""
        scores = F.linear(hidden, self.weight)[:, self.nodes]  # (N, V, L)
        return (F.logsigmoid(scores * self.turns) * self.turns.abs()).sum(2)


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """`nn.AdaptiveLogSoftmaxWithLoss` as an output layer: its result is the loss alone. Frequent words come first in the vocabulary.

    Shape
    -----
    hidden (N, D), words (N,) → a scalar.
    """

    def forward(self, input_: Tensor, target_: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(input_, target_).loss
