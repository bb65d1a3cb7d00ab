"""The Transformer: layers of attention and feed-forward networks, alone and stacked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from tinygrad_edu.creation import full
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.containers import ModuleList
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.multihead_attention import MultiheadAttention
from tinygrad_edu.nn.normalization import LayerNorm
from tinygrad_edu.ops.multihead_attention import is_causal_mask
from tinygrad_edu.ops.shape import triu
from tinygrad_edu.tensor import Tensor

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Tensor], Tensor]
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class _Layer(Module):
    """What encoder and decoder layers share: a feed-forward network and norms, each around a residual connection."""

    def _make(
        self,
        d_model: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        layer_norm_eps: float,
        norm_first: bool,
        bias: bool,
        blocks: int,
        device: Any,
        dtype: Any,
    ) -> None:
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm_first = norm_first
        for i in range(1, blocks + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype))
        for i in range(1, blocks + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        if isinstance(activation, str):
            if activation not in _ACTIVATIONS:
                raise ValueError(
                    f"{self._get_name()}: activation must be 'relu', 'gelu' or a function, got {activation!r}"
                )
            activation = _ACTIVATIONS[activation]
        self.activation = activation

    def _around(self, x: Tensor, block: Callable[[Tensor], Tensor], norm: Any) -> Tensor:
        """x + block(norm(x)) with the norm first, else norm(x + block(x))."""
        out: Tensor = x + block(norm(x)) if self.norm_first else norm(x + block(x))
        return out

    def _feed_forward(self, x: Tensor, last: Any) -> Tensor:
        out: Tensor = last(self.linear2(self.dropout(self.activation(self.linear1(x)))))
        return out


class TransformerEncoderLayer(_Layer):
    """Self-attention and a feed-forward network, each inside a residual connection with a layer norm.

    x ← norm(x + attention(x)), x ← norm(x + W₂ activation(W₁ x)); with `norm_first` x ← x + attention(norm(x)) and so on, which
    trains without a warm-up. Sources: Vaswani et al., Attention is all you need (2017); Xiong et al., On layer normalization in the
    Transformer architecture (2020).

    Parameters
    ----------
    d_model, nhead : int
        E, the width, and H, the number of heads.
    dim_feedforward : int, default 2048
        Width inside the feed-forward network.
    dropout : float, default 0.1
        Of attention weights, inside the feed-forward network, and of what is added to x.
    activation : "relu", "gelu" or callable
    layer_norm_eps : float, default 1e-5
    batch_first : bool, default False
        Whether sequences come and go as (N, L, E) instead of (L, N, E).
    norm_first : bool, default False
        Whether layer norms come before attention and feed-forward networks, not after the sums.
    bias : bool, default True
        Whether linear maps and layer norms have one.
    device, dtype : optional
        Of the parameters.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16)(tg.rand(5, 3, 8)).shape
    Size([5, 3, 8])
    """

    norm1: LayerNorm
    norm2: LayerNorm
    dropout1: Dropout
    dropout2: Dropout

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **place)
        self._make(d_model, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, bias, 2, device, dtype)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Run the layer.

        Parameters
        ----------
        src : Tensor, (L, N, E), with `batch_first` (N, L, E), or (L, E)
        src_mask : Tensor, (L, L) or (N·H, L, L), optional
            True where a position must not see another, or numbers to add to the scores.
        src_key_padding_mask : Tensor, (N, L) or (L,), optional
            True where a position is padding.
        is_causal : bool, default False
            A hint that `src_mask` is causal.
        """

        def attention(x: Tensor) -> Tensor:
            out, _ = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)
            return self.dropout1(out)

        x = self._around(src, attention, self.norm1)
        return self._around(x, lambda y: self._feed_forward(y, self.dropout2), self.norm2)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to a memory, and a feed-forward network, each inside a residual connection with a layer norm.

    Source: Vaswani et al., Attention is all you need (2017).

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device, dtype
        As in :class:`TransformerEncoderLayer`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.TransformerDecoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> layer(tg.rand(4, 3, 8), tg.rand(5, 3, 8)).shape
    Size([4, 3, 8])
    """

    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm
    dropout1: Dropout
    dropout2: Dropout
    dropout3: Dropout

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **place)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **place)
        self._make(d_model, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, bias, 3, device, dtype)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Run the layer.

        Parameters
        ----------
        tgt : Tensor, (L, N, E), with `batch_first` (N, L, E), or (L, E)
        memory : Tensor, (S, N, E), likewise
            What the encoder made of the source.
        tgt_mask, memory_mask : Tensor, (L, L) and (L, S), or with N·H in front, optional
            True where a position must not see another, or numbers to add to the scores.
        tgt_key_padding_mask, memory_key_padding_mask : Tensor, (N, L) and (N, S), optional
            True where a position is padding.
        tgt_is_causal, memory_is_causal : bool, default False
            Hints that the masks are causal.
        """

        def attention(x: Tensor) -> Tensor:
            out, _ = self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)
            return self.dropout1(out)

        def looking_back(x: Tensor) -> Tensor:
            padding = memory_key_padding_mask
            out, _ = self.multihead_attn(x, memory, memory, padding, False, memory_mask, is_causal=memory_is_causal)
            return self.dropout2(out)

        x = self._around(tgt, attention, self.norm1)
        x = self._around(x, looking_back, self.norm2)
        return self._around(x, lambda y: self._feed_forward(y, self.dropout3), self.norm3)


def _copies(layer: Module, n: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(n)])


class TransformerEncoder(Module):
    """A stack of copies of a layer, each with weights of its own that start from the same values.

    Parameters
    ----------
    encoder_layer : TransformerEncoderLayer
        What is copied.
    num_layers : int
    norm : Module, optional
        What the result goes through.
    enable_nested_tensor, mask_check : bool
        Taken for PyTorch's sake, which leaves padding out of the computation in some cases; nothing changes here.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> nn.TransformerEncoder(layer, num_layers=2)(tg.rand(5, 3, 8)).shape
    Size([5, 3, 8])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Run all layers; the arguments are those of a layer, and without `is_causal` the mask is looked at."""
        causal = is_causal_mask(mask) if is_causal is None else is_causal
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, causal)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """A stack of copies of a layer, each with weights of its own that start from the same values.

    Parameters
    ----------
    decoder_layer : TransformerDecoderLayer
        What is copied.
    num_layers : int
    norm : Module, optional
        What the result goes through.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.TransformerDecoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> nn.TransformerDecoder(layer, num_layers=2)(tg.rand(4, 3, 8), tg.rand(5, 3, 8)).shape
    Size([4, 3, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Run all layers; the arguments are those of a layer, and without `tgt_is_causal` the mask is looked at."""
        causal = is_causal_mask(tgt_mask) if tgt_is_causal is None else tgt_is_causal
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks, causal, memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """Encoder and decoder, for sequences that become other sequences.

    Source: Vaswani et al., Attention is all you need (2017).

    Parameters
    ----------
    d_model : int, default 512
    nhead : int, default 8
    num_encoder_layers, num_decoder_layers : int, default 6
    dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device, dtype
        As in :class:`TransformerEncoderLayer`.
    custom_encoder, custom_decoder : Module, optional
        In place of those that the sizes describe.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> model = nn.Transformer(8, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> model(tg.rand(5, 3, 8), tg.rand(4, 3, 8)).shape
    Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        shape = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **place)

        if custom_encoder is None:
            custom_encoder = TransformerEncoder(TransformerEncoderLayer(*shape, **place), num_encoder_layers, norm())
        self.encoder = custom_encoder
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*shape, **place), num_decoder_layers, norm())
        self.decoder = custom_decoder
        self.reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def reset_parameters(self) -> None:
        """Draw all weights of two dimensions from Glorot's uniform distribution."""
        for p in self.parameters():
            if p.dim() > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Encode `src`, (S, N, E), and decode `tgt`, (L, N, E), with it; masks as in the layers.

        Raises
        ------
        ValueError
            When the batches differ, or a width is not E.
        """
        along = 0 if self.batch_first or src.dim() == 2 else 1
        if src.dim() != tgt.dim() or (src.dim() == 3 and src.shape[along] != tgt.shape[along]):
            raise ValueError(
                f"Transformer: src and tgt must have one batch size, got {tuple(src.shape)} and {tuple(tgt.shape)}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ValueError(
                f"Transformer: src and tgt must have the width d_model = {self.d_model}, got {tuple(src.shape)} and {tuple(tgt.shape)}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        out: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )
        return out

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask of `sz` positions: 0 on and below the diagonal, -inf above.

        Examples
        --------
        >>> from tinygrad_edu import nn
        >>> nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return triu(full((sz, sz), -math.inf, device=device, dtype=dtype), 1)
