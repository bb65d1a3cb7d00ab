"""Keys and values that were computed, kept for the tokens that come later."""

from __future__ import annotations

from tinygrad_edu.creation import arange
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops.gather import index_select
from tinygrad_edu.tensor import Tensor

__all__ = ["KVCache"]


class KVCache:
    """Keys and values of one layer of attention, so that a new token costs one row and not the whole table anew.

    Memory is taken ahead and doubled when it is full, so that T tokens cost O(T) copying in all. A cache holds numbers, not graphs:
    it is for generating.

    Parameters
    ----------
    capacity : int, default 64
        For how many tokens there is room at first.

    Attributes
    ----------
    length : int
        How many tokens are kept.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.nn import functional as F
    >>> cache = nn.KVCache()
    >>> q, k, v = (tg.rand(1, 2, 3, 4) for _ in range(3))  # (N, H, T, D)
    >>> whole = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    >>> for t in range(3):
    ...     keys, values = cache.update(k[:, :, t : t + 1], v[:, :, t : t + 1])
    ...     row = F.scaled_dot_product_attention(q[:, :, t : t + 1], keys, values)
    ...     assert row.allclose(whole[:, :, t : t + 1], atol=1e-6)
    """

    def __init__(self, capacity: int = 64) -> None:
        if capacity < 1:
            raise ValueError(f"KVCache: capacity must be positive, got {capacity}")
        self.capacity = capacity
        self.length = 0
        self._kept: tuple[Tensor, Tensor] | None = None

    def update(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys (N, H, T, D) and values (N, H, T, V) of new tokens; returns those of all tokens.

        Raises
        ------
        ValueError
            When the shapes fit neither each other nor what is kept.
        RuntimeError
            When a gradient would be lost.
        """
        check_tensors("KVCache", key=key, value=value)
        if key.requires_grad or value.requires_grad:
            raise RuntimeError("KVCache: a cache keeps no graph; call the model inside no_grad()")
        shapes = [tuple(x.shape) for x in (key, value)]
        if len(shapes[0]) != 4 or len(shapes[1]) != 4 or shapes[0][:3] != shapes[1][:3]:
            raise ValueError(
                f"KVCache: expected keys (N, H, T, D) and values (N, H, T, V), got {shapes[0]} and {shapes[1]}"
            )
        with no_grad():
            kept = self._room(key, value)
            start, self.length = self.length, self.length + shapes[0][2]
            for held, new in zip(kept, (key, value), strict=True):
                held[:, :, start : self.length] = new
        return kept[0][:, :, : self.length], kept[1][:, :, : self.length]

    def _room(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Memory with room for more tokens."""
        needed = self.length + key.shape[2]
        if self._kept is not None:
            for held, new in zip(self._kept, (key, value), strict=True):
                if (*held.shape[:2], held.shape[3], held.dtype) != (*new.shape[:2], new.shape[3], new.dtype):
                    raise ValueError(
                        f"KVCache: {tuple(new.shape)} of {new.dtype} does not continue {tuple(held.shape)} of {held.dtype}"
                    )
            if needed <= self._kept[0].shape[2]:
                return self._kept
        capacity = self.capacity if self._kept is None else self._kept[0].shape[2]
        while capacity < needed:
            capacity *= 2
        fresh = [x.new_zeros((*x.shape[:2], capacity, x.shape[3])) for x in (key, value)]
        if self._kept is not None:
            for room, held in zip(fresh, self._kept, strict=True):
                room[:, :, : self.length] = held[:, :, : self.length]
        self._kept = fresh[0], fresh[1]
        return self._kept

    def causal_mask(self, length: int) -> Tensor:
        """Which keys the last ``length`` tokens see, (length, kept) of bool: all before them and themselves."""
        if not 0 <= length <= self.length:
            raise ValueError(f"KVCache: there are {self.length} tokens, not {length}")
        device = None if self._kept is None else self._kept[0].device
        keys = arange(self.length, device=device)
        return keys <= keys[self.length - length :][:, None]

    def select_rows(self, index: Tensor) -> KVCache:
        """A cache with the sequences that ``index`` (M,) names, repeated or reordered, as beam search needs it."""
        check_tensors("KVCache", index=index)
        chosen = KVCache(self.capacity)
        chosen.length = self.length
        if self._kept is not None:
            chosen._kept = index_select(self._kept[0], 0, index), index_select(self._kept[1], 0, index)
        return chosen

    def crop(self, length: int) -> None:
        """Forget all but the first ``length`` tokens."""
        if not 0 <= length <= self.length:
            raise ValueError(f"KVCache: there are {self.length} tokens, not {length}")
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __repr__(self) -> str:
        shapes = (
            "" if self._kept is None else f", keys {tuple(self._kept[0].shape)}, values {tuple(self._kept[1].shape)}"
        )
        return f"KVCache({self.length} tokens{shapes})"
