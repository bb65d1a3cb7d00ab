"""What attends to what: the weights of every attention that a model computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu._state import modes, swap
from tinygrad_edu.creation import eye
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops.attention import Attention
from tinygrad_edu.tensor import Tensor

__all__ = ["attention_maps"]


def attention_maps(model: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Tensor]:
    """Run a model, and return the weights with which each query took the values, in the order of computation.

    The weights are never computed as a whole by attention itself; here they are, from the same queries, keys and masks, but
    without dropout. A ``nn.MultiheadAttention`` that is asked for its weights is not seen, since it returns them.

    Parameters
    ----------
    model : callable
        Anything that calls ``F.scaled_dot_product_attention``.
    *args, **kwargs
        Its arguments.

    Returns
    -------
    list of Tensor, (N, H, L, S)
        Each row is a distribution over the S keys, or zeros where none may be seen.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import GPT, GPTConfig, attention_maps
    >>> model = GPT(GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=8))
    >>> maps = attention_maps(model, tg.tensor([[1, 2, 3]]))
    >>> len(maps), maps[0].shape, maps[0][0, 0, 0].tolist()
    (2, Size([1, 2, 3, 3]), [1.0, 0.0, 0.0])
    """
    found: list[tuple[Any, ...]] = []
    outer = modes.observe

    def observe(node: Any, outs: Sequence[Any], raws: Sequence[Any]) -> None:
        if isinstance(node, Attention):
            found.append(tuple(raws))
        if outer is not None:
            outer(node, outs, raws)

    before = swap({"observe": observe})
    try:
        with no_grad():
            model(*args, **kwargs)
    finally:
        swap(before)
    with no_grad():
        return [_weights(*raws) for raws in found]


def _weights(q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, dropout: Any) -> Tensor:
    """The weights are what attention makes of values that are rows of the identity."""
    query, key = Tensor._wrap(q), Tensor._wrap(k)
    values = eye(key.shape[2], dtype=key.dtype, device=key.device).expand(*key.shape[:3], key.shape[2])
    weights: Tensor = Attention.reference(
        query, key, values, None if mask is None else Tensor._wrap(mask), causal, scale, None
    )
    return weights
