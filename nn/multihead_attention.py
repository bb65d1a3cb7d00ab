"""Attention of several heads."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.creation import empty
from tinygrad_edu.nn import init
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.ops.multihead_attention import Heads, Masks, attend
from tinygrad_edu.tensor import Tensor

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of several heads: headₕ = softmax(Q Wₕ (K W'ₕ)ᵀ / √(E/H)) V W''ₕ, side by side and times W_out.

    Source: Vaswani et al., Attention is all you need (2017).

    Parameters
    ----------
    embed_dim, num_heads : int
        E, the width of queries and results, and H, which divides it.
    dropout : float, default 0.0
        Of the weights, while training.
    bias : bool, default True
        Whether the projections have one.
    add_bias_kv : bool, default False
        Whether there is one learned key and value more.
    add_zero_attn : bool, default False
        Whether there is a further key and value of zeros, so that a query may attend to nothing.
    kdim, vdim : int, optional
        Widths of keys and values; by default E.
    batch_first : bool, default False
        Whether sequences come and go as (N, L, …) instead of (L, N, …).
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    in_proj_weight : Parameter, (3E, E)
        Of query, key and value; with a ``kdim`` or ``vdim`` of its own q_proj_weight, k_proj_weight and v_proj_weight instead.
    in_proj_bias : Parameter, (3E,), or None
    out_proj : Linear
    bias_k, bias_v : Parameter, (1, 1, E), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> x = tg.zeros(2, 5, 8)
    >>> out, weights = nn.MultiheadAttention(8, num_heads=4, batch_first=True)(x, x, x)
    >>> out.shape, weights.shape
    (Size([2, 5, 8]), Size([2, 5, 5]))
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim and num_heads must be positive, and the one divisible by the other, "
                f"got {embed_dim} and {num_heads}"
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"MultiheadAttention: dropout must be a probability between 0 and 1, got {dropout}")
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn

        def parameter(there: bool, *shape: int) -> Parameter | None:
            return Parameter(empty(*shape, device=device, dtype=dtype)) if there else None

        one = self.kdim == self.vdim == embed_dim
        for name, width in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            self.register_parameter(f"{name}_proj_weight", parameter(not one, embed_dim, width))
        self.register_parameter("in_proj_weight", parameter(one, 3 * embed_dim, embed_dim))
        self.register_parameter("in_proj_bias", parameter(bias, 3 * embed_dim))
        self.out_proj = Linear(embed_dim, embed_dim, bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, parameter(add_bias_kv, 1, 1, embed_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights of the projections in from Glorot's uniform distribution, and set biases to 0."""
        for weight in self._weights():
            init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def _weights(self) -> list[Parameter]:
        """The one weight of the projections in, or the three."""
        several = self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        return [w for w in several if w is not None]

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Let queries attend to keys.

        Parameters
        ----------
        query : Tensor, (L, N, E), with `batch_first` (N, L, E), or (L, E)
        key, value : Tensor, (S, N, kdim) and (S, N, vdim), likewise
        key_padding_mask : Tensor, (N, S) or (S,), optional
            True where a key is padding, or numbers to add to the scores.
        need_weights : bool, default True
            Whether the weights are wanted. Without them attention is faster, and its memory grows with L + S alone.
        attn_mask : Tensor, (L, S) or (N·H, L, S), optional
            True where a query must not see a key, or numbers to add.
        average_attn_weights : bool, default True
            Whether the weights are the mean of the heads' weights.
        is_causal : bool, default False
            A hint that `attn_mask` lets query i see keys 0 … i, so that it need not be looked at.

        Returns
        -------
        output : Tensor
            In the layout of the query.
        weights : Tensor, (N, L, S), or (N, H, L, S) without averaging; without N where the query has none; or None
            A query that may see nothing has weights 0.
        """
        heads = Heads(
            self.num_heads,
            self._weights(),
            self.in_proj_bias,
            self.out_proj.weight,
            self.out_proj.bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout if self.training else 0.0,
        )
        return attend(
            query,
            key,
            value,
            heads,
            Masks(key_padding_mask, attn_mask, is_causal),
            batch_first=self.batch_first,
            need_weights=need_weights,
            average=average_attn_weights,
        )
