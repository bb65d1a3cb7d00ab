"""LLaMA: a Transformer that predicts the next token, with rotary positions, RMS norms, gates, and keys shared by queries.

Source: Touvron et al., LLaMA: Open and efficient foundation language models (2023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.models._attention import LayerPast, attend_causally, extend, join_heads, split_heads
from tinygrad_edu.models.causal import CausalLM, Past, check_sizes
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.containers import ModuleDict, ModuleList
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.normalization import RMSNorm
from tinygrad_edu.nn.positions import RotaryEmbedding
from tinygrad_edu.nn.sparse import Embedding
from tinygrad_edu.tensor import Tensor

__all__ = ["Llama", "LlamaConfig"]


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a :class:`Llama`, under the names of its home library.

    Parameters
    ----------
    vocab_size : int
        The number of different tokens V.
    hidden_size, intermediate_size : int
        The width D, and that between the layers of each MLP.
    num_hidden_layers, num_attention_heads : int
    num_key_value_heads : int, optional
        A divisor of the heads: so many heads have keys and values, which groups of queries share. By default all.
    head_dim : int, optional
        The width of a head; by default D / heads.
    max_position_embeddings : int
        How many tokens may be read.
    rms_norm_eps : float
    rope_theta : float
        The base of the frequencies of positions: pair i of n turns by position · theta^(-i/n).
    rope_scaling : mapping, optional
        How the frequencies are changed for texts longer than those of the first training: ``rope_type`` ``"linear"``
        (with ``factor``) or ``"llama3"`` (also ``low_freq_factor``, ``high_freq_factor``,
        ``original_max_position_embeddings``).
    tie_word_embeddings : bool
        Whether the table of tokens is that of the logits, too.
    attention_bias, mlp_bias : bool
        Whether the linear layers have biases.

    Raises
    ------
    ValueError
        For sizes below 1, heads that do not divide, a head of odd width, and unknown scalings.
    """

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: Mapping[str, Any] | None = None
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False

    def __post_init__(self) -> None:
        heads = self.num_attention_heads
        if self.num_key_value_heads is None:
            object.__setattr__(self, "num_key_value_heads", heads)
        if self.head_dim is None:
            check_sizes(self, "hidden_size num_attention_heads", "hidden_size", "num_attention_heads")
            object.__setattr__(self, "head_dim", self.hidden_size // heads)
        sizes = "vocab_size hidden_size intermediate_size num_hidden_layers num_key_value_heads head_dim"
        check_sizes(
            self, f"{sizes} num_attention_heads max_position_embeddings", "num_attention_heads", "num_key_value_heads"
        )
        if self.key_width % 2:
            raise ValueError(
                f"LlamaConfig: a head must be even for its elements to turn in pairs, got {self.key_width}"
            )
        rope_frequencies(self)

    @property
    def key_width(self) -> int:
        """The width of a head."""
        assert self.head_dim is not None
        return self.head_dim

    @property
    def key_heads(self) -> int:
        """How many heads have keys and values."""
        assert self.num_key_value_heads is not None
        return self.num_key_value_heads


def rope_frequencies(config: LlamaConfig) -> list[float]:
    """By how much each pair of elements of a head turns from position to position."""
    width = config.key_width
    plain = [config.rope_theta ** (-i / width) for i in range(0, width, 2)]
    scaling = dict(config.rope_scaling or {})
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return plain
    if kind == "linear":
        return [f / scaling["factor"] for f in plain]
    if kind == "llama3":
        return [_stretched(f, scaling) for f in plain]
    raise ValueError(f"LlamaConfig: rope_scaling of type {kind!r} is not known; 'default', 'linear' and 'llama3' are")


def _stretched(frequency: float, scaling: Mapping[str, Any]) -> float:
    """Slow turns, which the first training has not seen whole, are slowed further; fast ones stay; between them a mixture."""
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequency / (2 * math.pi)
    share = min(1.0, max(0.0, (turns - low) / (high - low)))
    return float(share * frequency + (1 - share) * frequency / scaling["factor"])


class Attention(Module):
    """Causal self-attention with rotary positions; groups of queries share keys and values."""

    def __init__(self, config: LlamaConfig, rotary: RotaryEmbedding) -> None:
        super().__init__()
        self.rotary = rotary
        self.heads, self.key_heads = config.num_attention_heads, config.key_heads
        queries, keys, bias = self.heads * config.key_width, self.key_heads * config.key_width, config.attention_bias
        self.q_proj = Linear(config.hidden_size, queries, bias=bias)
        self.k_proj = Linear(config.hidden_size, keys, bias=bias)
        self.v_proj = Linear(config.hidden_size, keys, bias=bias)
        self.o_proj = Linear(queries, config.hidden_size, bias=bias)

    def forward(self, x: Tensor, past: LayerPast | None) -> tuple[Tensor, LayerPast]:
        """(N, T, D) and the past to (N, T, D) and the past after it."""
        start = 0 if past is None else past[0].shape[2]
        query = self.rotary(split_heads(self.q_proj(x), self.heads), start)
        key = self.rotary(split_heads(self.k_proj(x), self.key_heads), start)
        past = extend(past, key, split_heads(self.v_proj(x), self.key_heads))
        return self.o_proj(join_heads(attend_causally(query, *past))), past


class MLP(Module):
    """down(silu(gate(x)) · up(x))."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        inner, outer, bias = config.intermediate_size, config.hidden_size, config.mlp_bias
        self.gate_proj = Linear(outer, inner, bias=bias)
        self.up_proj = Linear(outer, inner, bias=bias)
        self.down_proj = Linear(inner, outer, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T, D)."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: LlamaConfig, rotary: RotaryEmbedding) -> None:
        super().__init__()
        self.self_attn = Attention(config, rotary)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, past: LayerPast | None) -> tuple[Tensor, LayerPast]:
        """(N, T, D) and the past to (N, T, D) and the past after it."""
        branch, past = self.self_attn(self.input_layernorm(x), past)
        x = x + branch
        return x + self.mlp(self.post_attention_layernorm(x)), past


class Llama(CausalLM):
    """The Transformer of LLaMA; the names of ``state_dict`` are those of its home library.

    h = table[tokens]; h = h + attention(norm(h)); h = h + down(silu(gate(norm(h))) · up(norm(h))); …; logits = W norm(h)

    Parameters
    ----------
    config : LlamaConfig

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.llama import Llama, LlamaConfig
    >>> config = LlamaConfig(11, 16, 24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
    >>> Llama(config)(tg.tensor([[1, 2, 3]])).shape
    Size([1, 3, 11])
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.max_length = config.max_position_embeddings
        rotary = RotaryEmbedding(config.key_width, frequencies=rope_frequencies(config))  # one for all layers
        self.model = ModuleDict(
            {
                "embed_tokens": Embedding(config.vocab_size, config.hidden_size),
                "layers": ModuleList([Block(config, rotary) for _ in range(config.num_hidden_layers)]),
                "norm": RMSNorm(config.hidden_size, config.rms_norm_eps),
            }
        )
        self.lm_head = Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model["embed_tokens"].weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, from N(0, 0.02²)."""
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                (init.zeros_ if name.endswith("bias") else init.ones_)(parameter)
            else:
                init.normal_(parameter, 0.0, 0.02)

    def hidden(self, tokens: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Read tokens (N, T) after those of the past: vectors (N, T, D), and the past after them."""
        self._start(tokens, past)
        x = self.model["embed_tokens"](tokens)
        after = []
        for i, block in enumerate(self.model["layers"]):
            x, layer = block(x, None if past is None else past.layers[i])
            after.append(layer)
        return self.model["norm"](x), Past(tuple(after))

    def head(self, hidden: Tensor) -> Tensor:
        """Vectors (…, D) to logits (…, V)."""
        return self.lm_head(hidden)
