"""Huffman: the binary tree in which frequent words are near the root."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Huffman"]


class Huffman:
    """The binary tree over V words whose mean depth, weighted by their counts, is the least.

    Hierarchical softmax makes the choice of a word a walk from the root: about :math:`\\log_2 V` decisions between left
    and right, fewer for frequent words, in place of V scores. The V - 1 inner nodes are numbered from 0; the root is the last.

    Parameters
    ----------
    counts : array (V,)
        Not negative; at least two.

    Attributes
    ----------
    lengths : numpy.ndarray (V,) of int64
        How many decisions lead to each word.
    nodes : numpy.ndarray (V, L) of int64
        At which inner node each decision is made, from the root; L is the longest path, and 0 stands beyond the end.
    turns : numpy.ndarray (V, L) of float32
        The decisions: -1 is left, 1 is right, and 0 stands beyond the end.

    Raises
    ------
    ValueError
        If there are fewer than two words, or a count is negative.

    Examples
    --------
    >>> tree = Huffman([5, 2, 1, 1])
    >>> tree.lengths
    array([1, 2, 3, 3])
    >>> tree.code(1), tree.nodes[1, :2]
    ('00', array([2, 1]))
    """

    def __init__(self, counts: ArrayLike) -> None:
        given = np.asarray(counts)
        if given.ndim != 1 or given.size < 2:
            raise ValueError(f"Huffman: a tree needs at least two words, got counts of shape {list(given.shape)}")
        if given.min() < 0:
            raise ValueError(f"Huffman: counts are not negative, got {given.min()}")
        size = given.size
        # Leaves by their counts and merged nodes by the time they were made are both sorted: two queues need no heap.
        leaves = deque((given[i].item(), i) for i in np.argsort(given, kind="stable"))
        merged: deque[tuple[float, int]] = deque()
        parent, right = np.zeros(2 * size - 1, np.int64), np.zeros(2 * size - 1, bool)
        for node in range(size, 2 * size - 1):
            total = 0.0
            for turn in (False, True):
                queue = leaves if leaves and (not merged or leaves[0][0] <= merged[0][0]) else merged
                count, child = queue.popleft()
                parent[child], right[child] = node, turn
                total += count
            merged.append((total, node))
        root = 2 * size - 2
        depth = np.zeros(2 * size - 1, np.int64)
        for node in range(root - 1, -1, -1):  # a parent has the higher number
            depth[node] = depth[parent[node]] + 1
        self.lengths: NDArray[np.int64] = depth[:size]
        longest = int(self.lengths.max())
        self.nodes: NDArray[np.int64] = np.zeros((size, longest), np.int64)
        self.turns: NDArray[np.float32] = np.zeros((size, longest), np.float32)
        current = np.arange(size)
        for _ in range(longest):  # all words climb together
            words = np.flatnonzero(current != root)
            here = current[words]
            place = depth[here] - 1
            self.nodes[words, place] = parent[here] - size
            self.turns[words, place] = np.where(right[here], 1, -1)
            current[words] = parent[here]

    def code(self, word: int) -> str:
        """The walk to a word as zeros (left) and ones (right)."""
        return "".join("1" if turn > 0 else "0" for turn in self.turns[word, : self.lengths[word]])
