"""Where a token stands, told to a Transformer: added vectors, turned queries and keys, or numbers added to the scores.

Vectors are added to the input once (:class:`SinusoidalPositions`, :class:`LearnedPositions`). Queries and keys are turned in every
layer (:class:`RotaryEmbedding`), so that scores depend on distances. A bias of the scores, as ``attn_mask`` of
:func:`~tinygrad_edu.nn.functional.scaled_dot_product_attention`, says the distance itself (:class:`RelativePositionBias`,
:class:`ClippedPositionBias`, :class:`ALiBi`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_edu.creation import arange, empty, tensor
from tinygrad_edu.dtypes import float64
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.ops.elementwise import cos, sin, where
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.ops.shape import flatten
from tinygrad_edu.tensor import Tensor

__all__ = [
    "ALiBi",
    "ClippedPositionBias",
    "LearnedPositions",
    "RelativePositionBias",
    "RotaryEmbedding",
    "SinusoidalPositions",
    "alibi_slopes",
]


def _frequencies(width: int, base: float) -> list[float]:
    """base^(-i / width) for even i."""
    return [math.exp(-i * math.log(base) / width) for i in range(0, width, 2)]


def _angles(count: int, frequencies: Sequence[float], device: Any) -> Tensor:
    """position · frequency, (T, F), in double precision, since far positions turn often."""
    return arange(count, device=device).to(float64)[:, None] * tensor(frequencies, dtype=float64, device=device)


def _even(name: str, width: int) -> None:
    if width < 2 or width % 2:
        raise ValueError(f"{name}: the width must be even, for a sine and a cosine of each frequency, got {width}")


class _Added(Module):
    """Positions that are rows of a table, added to the input."""

    def __init__(self, embed_dim: int, max_length: int, batch_first: bool) -> None:
        super().__init__()
        if max_length < 1 or embed_dim < 1:
            raise ValueError(
                f"{self._get_name()}: embed_dim and max_length must be positive, got {embed_dim} and {max_length}"
            )
        self.embed_dim = embed_dim
        self.max_length = max_length
        self.batch_first = batch_first

    def _add(self, input: Tensor, table: Tensor, start: int) -> Tensor:
        name = self._get_name()
        check_tensors(name, input=input)
        shape = tuple(input.shape)
        if len(shape) not in (2, 3) or shape[-1] != self.embed_dim:
            raise ValueError(
                f"{name}: expected an input of width {self.embed_dim}, with 2 or 3 dimensions, got {shape}"
            )
        length = shape[-2] if self.batch_first or len(shape) == 2 else shape[0]
        if start < 0 or start + length > self.max_length:
            raise ValueError(
                f"{name}: positions {start} to {start + length - 1} are not all inside the {self.max_length} positions"
            )
        rows = table[start : start + length].to(input.dtype)
        return input + (rows if self.batch_first or len(shape) == 2 else rows[:, None])

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, max_length={self.max_length}"


class SinusoidalPositions(_Added):
    """Adds sines and cosines of the position: element 2i is sin(t / 10000^(2i/D)), element 2i + 1 the cosine.

    Source: Vaswani et al., Attention is all you need (2017).

    Parameters
    ----------
    embed_dim : int
        D, even.
    max_length : int, default 5000
        How many positions there are.
    batch_first : bool, default True
        Whether inputs are (N, T, D) instead of (T, N, D).
    base : float, default 10000
        The longest wave is 2π · base long.
    device : optional

    Raises
    ------
    ValueError
        When D is odd.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.SinusoidalPositions(2)(tg.zeros(1, 3, 2))
    tensor([[[ 0.0000,  1.0000],
             [ 0.8415,  0.5403],
             [ 0.9093, -0.4161]]])
    """

    table: Tensor

    def __init__(
        self,
        embed_dim: int,
        max_length: int = 5000,
        batch_first: bool = True,
        base: float = 10000.0,
        device: Any = None,
    ) -> None:
        _even("SinusoidalPositions", embed_dim)
        super().__init__(embed_dim, max_length, batch_first)
        angles = _angles(max_length, _frequencies(embed_dim, base), device)
        self.register_buffer("table", flatten(stack([sin(angles), cos(angles)], -1), 1).float(), persistent=False)

    def forward(self, input: Tensor, start: int = 0) -> Tensor:
        """(N, T, D) to the same shape, the first position being `start`."""
        return self._add(input, self.table, start)


class LearnedPositions(_Added):
    """Adds a learned vector for each position.

    The vectors start from a normal distribution with standard deviation 0.02.

    Parameters
    ----------
    embed_dim : int
        D.
    max_length : int
        How many positions there are.
    batch_first : bool, default True
        Whether inputs are (N, T, D) instead of (T, N, D).
    device, dtype : optional
        Of the parameter.

    Attributes
    ----------
    weight : Parameter, (max_length, D)

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.LearnedPositions(4, max_length=16)(tg.zeros(2, 3, 4)).shape
    Size([2, 3, 4])
    """

    def __init__(
        self, embed_dim: int, max_length: int, batch_first: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(embed_dim, max_length, batch_first)
        self.weight = Parameter(empty(max_length, embed_dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors anew."""
        init.normal_(self.weight, std=0.02)

    def forward(self, input: Tensor, start: int = 0) -> Tensor:
        """(N, T, D) to the same shape, the first position being `start`."""
        return self._add(input, self.weight, start)


class RotaryEmbedding(Module):
    """Turns pairs of elements of queries and keys by angles that grow with the position, so that q · k tells the distance.

    Pair i of a head of width D turns by t · base^(-2i/D). Source: Su et al., RoFormer: Enhanced Transformer with rotary position
    embedding (2021).

    Parameters
    ----------
    dim : int
        How many elements of a head turn, the first ones; even.
    base : float, default 10000
        Of the frequencies.
    interleaved : bool, default False
        Which elements make a pair: i and i + dim/2, as in LLaMA and GPT-NeoX, or 2i and 2i + 1, as in the paper and GPT-J.
    max_length : int, optional
        From which position on an error is raised; by default there is no end.
    frequencies : sequence of float, optional
        By how much each pair turns from position to position, instead of base^(-2i/D): for models that stretch them.

    Raises
    ------
    ValueError
        When ``dim`` is odd, or has not two elements for each frequency.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> rotary = nn.RotaryEmbedding(2)
    >>> rotary(tg.tensor([[1.0, 0.0], [1.0, 0.0]]))
    tensor([[1.0000, 0.0000],
            [0.5403, 0.8415]])
    """

    def __init__(
        self,
        dim: int,
        base: float = 10000.0,
        interleaved: bool = False,
        max_length: int | None = None,
        frequencies: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        _even("RotaryEmbedding", dim)
        if frequencies is not None and 2 * len(frequencies) != dim:
            raise ValueError(
                f"RotaryEmbedding: {len(frequencies)} frequencies for {dim} elements, which make {dim // 2} pairs"
            )
        self.dim = dim
        self.base = base
        self.interleaved = interleaved
        self.max_length = max_length
        self.frequencies = _frequencies(dim, base) if frequencies is None else list(frequencies)
        self._known: tuple[Any, Tensor, Tensor] | None = None

    def _turns(self, input: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines, (T, dim/2); those of all positions so far are kept."""
        kind = input.dtype, input.device
        if self._known is None or self._known[0] != kind or self._known[1].shape[0] < stop:
            length = max(64, 1 << (stop - 1).bit_length())
            angles = _angles(length, self.frequencies, input.device)
            self._known = kind, cos(angles).to(input.dtype), sin(angles).to(input.dtype)
        return self._known[1][start:stop], self._known[2][start:stop]

    def forward(self, input: Tensor, start: int = 0) -> Tensor:
        """Turn queries or keys (…, T, D), the first of which stands at position `start`."""
        check_tensors("RotaryEmbedding", input=input)
        shape = tuple(input.shape)
        if len(shape) < 2 or shape[-1] < self.dim:
            raise ValueError(f"RotaryEmbedding: expected (…, T, D) with a width D of at least {self.dim}, got {shape}")
        stop = start + shape[-2]
        if start < 0 or (self.max_length is not None and stop > self.max_length):
            raise ValueError(
                f"RotaryEmbedding: positions {start} to {stop - 1} are not all inside the {self.max_length} positions"
            )
        c, s = self._turns(input, start, stop)
        turning = input[..., : self.dim]
        if self.interleaved:
            x, y = turning[..., ::2], turning[..., 1::2]
            turned = flatten(stack([x * c - y * s, y * c + x * s], -1), -2)
        else:
            x, y = turning[..., : self.dim // 2], turning[..., self.dim // 2 :]
            turned = cat([x * c - y * s, y * c + x * s], -1)
        return turned if shape[-1] == self.dim else cat([turned, input[..., self.dim :]], -1)

    def extra_repr(self) -> str:
        return f"{self.dim}, base={self.base}, interleaved={self.interleaved}"


def _distances(name: str, query_length: int, key_length: int | None, device: Any) -> Tensor:
    """j - i for key j and query i, (L, S); the queries are the last ones of the keys' positions."""
    keys = query_length if key_length is None else key_length
    if query_length < 0 or keys < query_length:
        raise ValueError(f"{name}: expected as many keys as queries or more, got {keys} and {query_length}")
    return arange(keys, device=device) - arange(keys - query_length, keys, device=device)[:, None]


class _Biased(Module):
    """Distances, sorted into groups with one learned number for each head."""

    def __init__(self, num_heads: int, groups: int, device: Any, dtype: Any) -> None:
        super().__init__()
        if num_heads < 1:
            raise ValueError(f"{self._get_name()}: num_heads must be positive, got {num_heads}")
        self.num_heads = num_heads
        self.weight = Parameter(empty(groups, num_heads, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the numbers from a normal distribution with standard deviation 0.02."""
        init.normal_(self.weight, std=0.02)

    def _groups(self, distances: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, query_length: int, key_length: int | None = None) -> Tensor:
        """What to add to the scores, (H, L, S); with more keys than queries, the queries are the last positions."""
        distances = _distances(self._get_name(), query_length, key_length, self.weight.device)
        return F.embedding(self._groups(distances), self.weight).permute(2, 0, 1)


class RelativePositionBias(_Biased):
    """A learned number for each head and each range of distances, added to the scores, as in T5.

    Half of the ranges are single small distances, the others grow logarithmically up to ``max_distance``, beyond which there is one.
    Source: Raffel et al., Exploring the limits of transfer learning with a unified text-to-text Transformer (2020).

    Parameters
    ----------
    num_heads : int
        H.
    num_buckets : int, default 32
        How many ranges.
    max_distance : int, default 128
        From where on distances are no longer told apart.
    bidirectional : bool, default True
        Whether half of the ranges are for keys behind the query; otherwise these count as distance 0.
    device, dtype : optional
        Of the parameter.

    Attributes
    ----------
    weight : Parameter, (num_buckets, H)

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> nn.RelativePositionBias(4)(5).shape
    Size([4, 5, 5])
    """

    def __init__(
        self,
        num_heads: int,
        num_buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        least = 4 if bidirectional else 2
        exact = num_buckets // least
        if num_buckets < least or num_buckets % least or max_distance <= exact:
            raise ValueError(
                f"RelativePositionBias: num_buckets must be a multiple of {least}, and max_distance larger than "
                f"num_buckets / {least}, got {num_buckets} and {max_distance}"
            )
        super().__init__(num_heads, num_buckets, device, dtype)
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.bidirectional = bidirectional

    def _groups(self, distances: Tensor) -> Tensor:
        count, first = self.num_buckets, distances * 0
        if self.bidirectional:
            count //= 2
            first = (distances > 0).to(distances.dtype) * count
            distances = distances.abs()
        else:
            distances = (-distances).clamp(min=0)
        exact = count // 2
        growth = (count - exact) / math.log(self.max_distance / exact)
        steps = (distances.clamp(min=1).to(float64) / exact).log() * growth
        far = exact + (steps + 1e-6).to(distances.dtype)  # whole numbers of steps must not be rounded down
        return first + where(distances < exact, distances, far.clamp(max=count - 1))

    def extra_repr(self) -> str:
        return f"{self.num_heads}, num_buckets={self.num_buckets}, max_distance={self.max_distance}"


class ClippedPositionBias(_Biased):
    """A learned number for each head and each distance from -k to k, beyond which distances count as ±k.

    Source: after Shaw, Uszkoreit and Vaswani, Self-attention with relative position representations (2018), who learn vectors.

    Parameters
    ----------
    num_heads : int
        H.
    max_distance : int
        k.
    device, dtype : optional
        Of the parameter.

    Attributes
    ----------
    weight : Parameter, (2k + 1, H)

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> nn.ClippedPositionBias(4, max_distance=2)(5).shape
    Size([4, 5, 5])
    """

    def __init__(self, num_heads: int, max_distance: int, device: Any = None, dtype: Any = None) -> None:
        if max_distance < 0:
            raise ValueError(f"ClippedPositionBias: max_distance must not be negative, got {max_distance}")
        super().__init__(num_heads, 2 * max_distance + 1, device, dtype)
        self.max_distance = max_distance

    def _groups(self, distances: Tensor) -> Tensor:
        return distances.clamp(-self.max_distance, self.max_distance) + self.max_distance

    def extra_repr(self) -> str:
        return f"{self.num_heads}, max_distance={self.max_distance}"


def alibi_slopes(num_heads: int, device: Any = None) -> Tensor:
    """The slope of each head, (H,): 2^(-8/H), 2^(-16/H), …; where H is no power of two, those of the next smaller one, and as many
    as are missing of every other one of the next larger.

    Source: Press, Smith and Lewis, Train short, test long: attention with linear biases enables input length extrapolation (2022).

    Examples
    --------
    >>> from tinygrad_edu.nn.positions import alibi_slopes
    >>> alibi_slopes(4)
    tensor([0.2500, 0.0625, 0.0156, 0.0039])
    """
    if num_heads < 1:
        raise ValueError(f"alibi_slopes: num_heads must be positive, got {num_heads}")

    def series(n: int) -> list[float]:
        return [2.0 ** (-8 * (i + 1) / n) for i in range(n)]

    power = 1 << (num_heads.bit_length() - 1)
    return tensor(series(power) + series(2 * power)[::2][: num_heads - power], device=device)


class ALiBi(Module):
    """Scores fall with the distance, by a slope of each head: -slope · |i - j|. There is nothing to learn.

    Source: Press, Smith and Lewis, Train short, test long: attention with linear biases enables input length extrapolation (2022).

    Parameters
    ----------
    num_heads : int
        H.
    causal : bool, default True
        Whether keys behind the query are hidden, so that no other mask is needed.
    device : optional

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> nn.ALiBi(1)(2)
    tensor([[[ 0.0000,    -inf],
             [-0.0039,  0.0000]]])
    """

    slopes: Tensor

    def __init__(self, num_heads: int, causal: bool = True, device: Any = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.causal = causal
        self.register_buffer("slopes", alibi_slopes(num_heads, device), persistent=False)

    def forward(self, query_length: int, key_length: int | None = None) -> Tensor:
        """What to add to the scores, (H, L, S); with more keys than queries, the queries are the last positions."""
        distances = _distances("ALiBi", query_length, key_length, self.slopes.device)
        bias = (-distances.abs()).to(self.slopes.dtype) * self.slopes[:, None, None]
        return where(distances > 0, -math.inf, bias) if self.causal else bias

    def extra_repr(self) -> str:
        return f"{self.num_heads}, causal={self.causal}"
