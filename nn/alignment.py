"""Alignment: how much each place of one sequence has to do with each place of another, and what is read there.

A query (a decoder's state) is scored against the keys (an encoder's outputs), the scores become weights that add up to
one, and the weighted mean of the values is the context. The classes differ in the score alone:

==========================  ==================================================
:class:`DotAttention`       qᵀk
:class:`GeneralAttention`   qᵀWk
:class:`AdditiveAttention`  vᵀ tanh(W_q q + W_k k)
:class:`ConcatAttention`    vᵀ tanh(W [q; k])
==========================  ==================================================

Shapes: N batch, T queries, S keys; Q, K, V their sizes, A units inside of a score.
"""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu.creation import arange, empty, tensor
from tinygrad_edu.dtypes import bool_, int64
from tinygrad_edu.errors import describe
from tinygrad_edu.facts import finfo
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.tensor import Tensor

__all__ = [
    "AdditiveAttention",
    "AlignmentAttention",
    "ConcatAttention",
    "DotAttention",
    "GeneralAttention",
    "length_mask",
    "masked_softmax",
]


def length_mask(lengths: Any, size: int, device: Any = None) -> Tensor:
    """Whether each place of a padded sequence lies before its end: mask[n, s] = s < lengths[n].

    Parameters
    ----------
    lengths : list or Tensor of integers, (N,)
        From 0 to `size`.
    size : int
        S, places of the padded sequences.
    device : optional
        Of the mask.

    Returns
    -------
    Tensor of bool, (N, S)

    Raises
    ------
    ValueError
        For lengths that are negative, or go beyond the padding.

    Examples
    --------
    >>> length_mask([1, 3], 3).tolist()
    [[True, False, False], [True, True, True]]
    """
    numbers = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    if not isinstance(numbers, (list, tuple)) or any(isinstance(n, bool) or not isinstance(n, int) for n in numbers):
        raise TypeError(f"length_mask: lengths must be a list or a tensor of integers (N,), got {describe(lengths)}")
    for n in numbers:
        if not 0 <= n <= size:
            raise ValueError(f"length_mask: lengths must lie between 0 and the {size} places of the padding, got {n}")
    ends = tensor(list(numbers), dtype=int64, device=device)
    return arange(size, device=device) < ends.unsqueeze(1)


def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the places of the last dimension where `mask` is true; the others get 0.

    A row without any true place is all zeros, and so is its gradient.

    Parameters
    ----------
    scores : Tensor, (…, S)
    mask : Tensor of bool that broadcasts to the scores, optional

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> masked_softmax(tg.zeros(2, 3), tg.tensor([[True, True, False], [False, False, False]])).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    if mask is None:
        return F.softmax(scores, dim=-1)
    # The smallest number, not -inf, which in a row without a true place would give NaN.
    hidden = ~mask
    return F.softmax(scores.masked_fill(hidden, finfo(scores.dtype).min), dim=-1).masked_fill(hidden, 0.0)


class AlignmentAttention(Module):
    """What attention by alignment shares: everything but the score. A subclass defines :meth:`score`.

    Parameters
    ----------
    query_size, key_size : int
        Q and K.
    """

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__()
        for name, size in (("query_size", query_size), ("key_size", key_size)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{self._get_name()}: {name} must be a positive integer, got {size!r}")
        self.query_size = query_size
        self.key_size = key_size

    def project(self, keys: Tensor) -> Tensor:
        """Compute the part of the score that depends on the keys (N, S, K) alone; a decoder does it once a sequence."""
        return keys

    def score(self, query: Tensor, projected: Tensor) -> Tensor:
        """Scores (N, T, S) of queries (N, T, Q) and projected keys (N, S, …)."""
        raise TypeError(f"{self._get_name()} does not define score")

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        values: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        lengths: Any = None,
        projected: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Align queries with keys: weights = softmax(score), context = weights · values.

        Parameters
        ----------
        query : Tensor, (N, T, Q), or (N, Q) for one query a sequence
        keys : Tensor, (N, S, K)
        values : Tensor, (N, S, V), optional
            What is read; the keys where it is left out.
        mask : Tensor of bool, (N, S) or (N, T, S), optional
            True where a key may be looked at.
        lengths : list or Tensor of integers, (N,), optional
            How many of the S keys of each sequence are not padding.
        projected : Tensor, optional
            ``project(keys)``, when it is known already.

        Returns
        -------
        context : Tensor, (N, T, V), or (N, V)
            Zeros where all keys are masked.
        weights : Tensor, (N, T, S), or (N, S)
            Zeros where the mask is false; other rows add up to one.

        Raises
        ------
        TypeError, ValueError
            Of types and shapes that do not fit; the message names both.
        """
        single = isinstance(query, Tensor) and query.dim() == 2
        q = query.unsqueeze(1) if single else query
        values = keys if values is None else values
        self._check(q, keys, values)
        seen = self._mask(q, keys, mask, lengths)
        weights = masked_softmax(self.score(q, self.project(keys) if projected is None else projected), seen)
        context = weights @ values
        return (context.squeeze(1), weights.squeeze(1)) if single else (context, weights)

    def _check(self, query: Any, keys: Any, values: Any) -> None:
        """Raise where queries, keys and values do not belong together."""
        name = self._get_name()
        for what, x, size in (
            ("query", query, self.query_size),
            ("keys", keys, self.key_size),
            ("values", values, None),
        ):
            if not isinstance(x, Tensor):
                raise TypeError(f"{name}: expected a Tensor as {what}, got {describe(x)}")
            if x.dim() != 3 or (size is not None and x.shape[2] != size):
                raise ValueError(f"{name}: expected {what} of shape (N, …, {size or 'V'}), got {tuple(x.shape)}")
            if x.dtype is not query.dtype:
                raise TypeError(
                    f"{name}: the query is {query.dtype}, the {what} {x.dtype}; convert one with .to(dtype)"
                )
        if not query.shape[0] == keys.shape[0] or keys.shape[:2] != values.shape[:2] or keys.shape[1] == 0:
            raise ValueError(
                f"{name}: expected query (N, T, Q), keys (N, S, K) and values (N, S, V) with S > 0, "
                f"got {tuple(query.shape)}, {tuple(keys.shape)} and {tuple(values.shape)}"
            )

    def _mask(self, query: Tensor, keys: Tensor, mask: Any, lengths: Any) -> Tensor | None:
        """Both kinds of mask as one that broadcasts to (N, T, S)."""
        n, t, s = query.shape[0], query.shape[1], keys.shape[1]
        if mask is not None:
            if not isinstance(mask, Tensor) or mask.dtype is not bool_:
                raise TypeError(f"{self._get_name()}: expected a mask of booleans, got {describe(mask)}")
            if tuple(mask.shape) not in ((n, s), (n, t, s)):
                raise ValueError(
                    f"{self._get_name()}: expected a mask of shape {(n, s)} or {(n, t, s)}, got {tuple(mask.shape)}"
                )
            mask = mask.unsqueeze(1) if mask.dim() == 2 else mask
        if lengths is None:
            return mask
        inside = length_mask(lengths, s, keys.device)
        if inside.shape[0] != n:
            raise ValueError(
                f"{self._get_name()}: expected one length for each of the {n} sequences, got {inside.shape[0]}"
            )
        inside = inside.unsqueeze(1)
        return inside if mask is None else inside & mask

    def extra_repr(self) -> str:
        return f"{self.query_size}, {self.key_size}"


class DotAttention(AlignmentAttention):
    """Alignment by the product of query and key, score = qᵀk, which needs no parameters.

    Source: Luong, Pham and Manning, Effective approaches to attention-based neural machine translation, EMNLP 2015;
    scaled by 1/√K: Vaswani et al., Attention is all you need, 2017.

    Parameters
    ----------
    size : int
        Of queries and keys, Q = K.
    scaled : bool, default False
        Whether to divide scores by √K.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> keys = tg.tensor([[[9.0, 0.0], [0.0, 9.0], [0.0, 9.0]]])
    >>> context, weights = nn.DotAttention(2)(tg.tensor([[1.0, 0.0]]), keys, lengths=[2])
    >>> [round(w, 3) for w in weights[0].tolist()]
    [1.0, 0.0, 0.0]
    """

    def __init__(self, size: int, scaled: bool = False) -> None:
        super().__init__(size, size)
        self.scaled = scaled

    def score(self, query: Tensor, projected: Tensor) -> Tensor:
        scores = query @ projected.transpose(1, 2)
        return scores / math.sqrt(self.key_size) if self.scaled else scores

    def extra_repr(self) -> str:
        return f"{self.key_size}" + (", scaled=True" if self.scaled else "")


class GeneralAttention(AlignmentAttention):
    """Alignment by a bilinear form, score = qᵀWk, where query and key may have different sizes.

    Source: Luong, Pham and Manning, Effective approaches to attention-based neural machine translation, EMNLP 2015.

    Parameters
    ----------
    query_size, key_size : int
        Q and K.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter, (Q, K)
        From U(-1/√K, 1/√K).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> context, weights = nn.GeneralAttention(4, 6)(tg.randn(2, 3, 4), tg.randn(2, 5, 6))
    >>> context.shape, weights.shape
    (Size([2, 3, 6]), Size([2, 3, 5]))
    """

    weight: Parameter

    def __init__(self, query_size: int, key_size: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__(query_size, key_size)
        self.weight = Parameter(empty(query_size, key_size, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        bound = 1 / math.sqrt(self.key_size)
        init.uniform_(self.weight, -bound, bound)

    def project(self, keys: Tensor) -> Tensor:
        """W k, (N, S, Q)."""
        return F.linear(keys, self.weight)

    def score(self, query: Tensor, projected: Tensor) -> Tensor:
        return query @ projected.transpose(1, 2)


class AdditiveAttention(AlignmentAttention):
    """Alignment by a small network, score = vᵀ tanh(W_q q + W_k k).

    Source: Bahdanau, Cho and Bengio, Neural machine translation by jointly learning to align and translate, ICLR 2015.

    Parameters
    ----------
    query_size, key_size : int
        Q and K.
    hidden_size : int
        A, units of the network.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    query.weight : Parameter, (A, Q)
    key.weight : Parameter, (A, K)
    energy.weight : Parameter, (1, A)

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> context, weights = nn.AdditiveAttention(4, 6, 8)(tg.randn(2, 4), tg.randn(2, 5, 6), lengths=[5, 3])
    >>> context.shape, weights.shape
    (Size([2, 6]), Size([2, 5]))
    """

    def __init__(self, query_size: int, key_size: int, hidden_size: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__(query_size, key_size)
        self.hidden_size = hidden_size
        self.query = Linear(query_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.key = Linear(key_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.energy = Linear(hidden_size, 1, bias=False, device=device, dtype=dtype)

    def project(self, keys: Tensor) -> Tensor:
        """W_k k, (N, S, A)."""
        return self.key(keys)

    def score(self, query: Tensor, projected: Tensor) -> Tensor:
        return _energies(self.query(query), projected, self.energy)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.hidden_size}"


class ConcatAttention(AlignmentAttention):
    """Alignment by a layer over query and key side by side, score = vᵀ tanh(W [q; k]).

    It computes what :class:`AdditiveAttention` does, with one matrix in the place of two.
    Source: Luong, Pham and Manning, Effective approaches to attention-based neural machine translation, EMNLP 2015.

    Parameters
    ----------
    query_size, key_size : int
        Q and K.
    hidden_size : int
        A, units of the layer.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    joint.weight : Parameter, (A, Q + K)
    energy.weight : Parameter, (1, A)

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> context, weights = nn.ConcatAttention(4, 6, 8)(tg.randn(2, 3, 4), tg.randn(2, 5, 6))
    >>> context.shape, weights.shape
    (Size([2, 3, 6]), Size([2, 3, 5]))
    """

    def __init__(self, query_size: int, key_size: int, hidden_size: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__(query_size, key_size)
        self.hidden_size = hidden_size
        self.joint = Linear(query_size + key_size, hidden_size, bias=False, device=device, dtype=dtype)
        self.energy = Linear(hidden_size, 1, bias=False, device=device, dtype=dtype)

    def project(self, keys: Tensor) -> Tensor:
        """The part of W [q; k] that k has, (N, S, A): side by side or one after the other, it is the same product."""
        return F.linear(keys, self.joint.weight[:, self.query_size :])

    def score(self, query: Tensor, projected: Tensor) -> Tensor:
        return _energies(F.linear(query, self.joint.weight[:, : self.query_size]), projected, self.energy)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self.hidden_size}"


def _energies(query: Tensor, keys: Tensor, energy: Linear) -> Tensor:
    """vᵀ tanh(q + k) of every query (N, T, A) and every key (N, S, A)."""
    return energy(F.tanh(query.unsqueeze(2) + keys.unsqueeze(1))).squeeze(3)
