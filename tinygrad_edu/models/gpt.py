"""GPT: a Transformer that predicts the next token, with the parameters of GPT-2 under their names.

Source: Radford et al., Language models are unsupervised multitask learners (2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinygrad_edu.creation import arange
from tinygrad_edu.models._attention import LayerPast, attend_causally, extend, join_heads, split_heads
from tinygrad_edu.models.causal import CausalLM, Past, check_sizes
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.containers import ModuleDict, ModuleList
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.normalization import LayerNorm
from tinygrad_edu.nn.sparse import Embedding
from tinygrad_edu.tensor import Tensor

__all__ = ["GPT", "GPTConfig"]


@dataclass(frozen=True)
class GPTConfig:
    """Sizes of a :class:`GPT`; the defaults are those of the smallest GPT-2.

    Parameters
    ----------
    vocab_size : int
        The number of different tokens V.
    block_size : int
        The number of positions: how many tokens may be read.
    n_layer, n_head, n_embd : int
        Blocks, heads of each, and the width D, a multiple of the heads.
    dropout : float
        The share of elements that training zeroes, of embeddings, attention and each branch.
    bias : bool
        Whether linear layers and norms have biases.
    activation : "gelu" or "gelu_tanh"
        GPT-2 was trained with the approximation by tanh.
    eps : float
        Added to the variance in each norm.

    Raises
    ------
    ValueError
        For sizes below 1, heads that do not divide the width, and unknown activations.
    """

    vocab_size: int = 50257
    block_size: int = 1024
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True
    activation: str = "gelu"
    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_sizes(self, "vocab_size block_size n_layer n_head n_embd", "n_embd", "n_head")
        if self.activation not in ("gelu", "gelu_tanh"):
            raise ValueError(f"GPTConfig: activation must be 'gelu' or 'gelu_tanh', got {self.activation!r}")


class Attention(Module):
    """Causal self-attention; one matrix makes queries, keys and values."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.dropout = config.n_head, config.dropout
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor, past: LayerPast | None) -> tuple[Tensor, LayerPast]:
        """(N, T, D) and the past to (N, T, D) and the past after it."""
        query, key, value = (split_heads(part, self.n_head) for part in self.c_attn(x).chunk(3, -1))
        past = extend(past, key, value)
        return self.c_proj(join_heads(attend_causally(query, *past, self.dropout if self.training else 0.0))), past


class MLP(Module):
    """Two linear layers, four times as wide between them."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.approximate = "tanh" if config.activation == "gelu_tanh" else "none"
        self.c_fc = Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T, D)."""
        return self.c_proj(F.gelu(self.c_fc(x), approximate=self.approximate))


class Block(Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, config.eps, bias=config.bias)
        self.attn = Attention(config)
        self.ln_2 = LayerNorm(config.n_embd, config.eps, bias=config.bias)
        self.mlp = MLP(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, past: LayerPast | None) -> tuple[Tensor, LayerPast]:
        """(N, T, D) and the past to (N, T, D) and the past after it."""
        branch, past = self.attn(self.ln_1(x), past)
        x = x + self.dropout(branch)
        return x + self.dropout(self.mlp(self.ln_2(x))), past


class GPT(CausalLM):
    """The Transformer of GPT-2: learned positions, norms before the branches, and one table for tokens in and out.

    h = wte[tokens] + wpe[positions]; h = h + attention(norm(h)); h = h + mlp(norm(h)); …; logits = norm(h) wteᵀ

    The names of ``state_dict`` are those of GPT-2. Its linear weights are stored transposed there:
    ``models.pretrained`` turns them.

    Parameters
    ----------
    config : GPTConfig

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.gpt import GPT, GPTConfig
    >>> model = GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=16))
    >>> model(tg.tensor([[1, 2, 3]])).shape
    Size([1, 3, 11])
    >>> logits, state = model.step(tg.tensor([1]))
    >>> logits, state = model.step(tg.tensor([2]), state)
    >>> logits.shape
    Size([1, 11])
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.max_length = config.block_size
        self.transformer = ModuleDict(
            {
                "wte": Embedding(config.vocab_size, config.n_embd),
                "wpe": Embedding(config.block_size, config.n_embd),
                "drop": Dropout(config.dropout),
                "h": ModuleList([Block(config) for _ in range(config.n_layer)]),
                "ln_f": LayerNorm(config.n_embd, config.eps, bias=config.bias),
            }
        )
        self.lm_head = Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew: N(0, 0.02²), and narrower by √(2 · layers) for what is added to the stream."""
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                (init.zeros_ if name.endswith("bias") else init.ones_)(parameter)
            else:
                init.normal_(parameter, 0.0, 0.02 / math.sqrt(2 * self.config.n_layer) if "c_proj" in name else 0.02)

    def hidden(self, tokens: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Read tokens (N, T) after those of the past: vectors (N, T, D), and the past after them."""
        start = self._start(tokens, past)
        parts = self.transformer
        positions = arange(start, start + tokens.shape[1], device=tokens.device)
        x = parts["drop"](parts["wte"](tokens) + parts["wpe"](positions))
        after = []
        for i, block in enumerate(parts["h"]):
            x, layer = block(x, None if past is None else past.layers[i])
            after.append(layer)
        return parts["ln_f"](x), Past(tuple(after))

    def head(self, hidden: Tensor) -> Tensor:
        """Vectors (…, D) to logits (…, V)."""
        return self.lm_head(hidden)
