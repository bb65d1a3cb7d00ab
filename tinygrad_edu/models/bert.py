"""BERT: a Transformer that reads a whole text at once and gives each token a vector, under the names of its home library.

Source: Devlin et al., BERT: Pre-training of deep bidirectional Transformers, NAACL (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tinygrad_edu.creation import arange, zeros
from tinygrad_edu.errors import describe
from tinygrad_edu.models._attention import join_heads, split_heads
from tinygrad_edu.models.causal import check_sizes
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.containers import ModuleDict, ModuleList
from tinygrad_edu.nn.dropout import Dropout
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.normalization import LayerNorm
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.nn.sparse import Embedding
from tinygrad_edu.ops.elementwise import tanh
from tinygrad_edu.tensor import Tensor

__all__ = ["Bert", "BertConfig", "BertForMaskedLM", "BertOutput", "mean_pool"]


@dataclass(frozen=True)
class BertConfig:
    """Sizes of a :class:`Bert`, under the names of its home library; the defaults are those of BERT-base.

    Parameters
    ----------
    vocab_size : int
        The number of different tokens V.
    hidden_size, intermediate_size : int
        The width D, a multiple of the heads, and that between the layers of each MLP.
    num_hidden_layers, num_attention_heads : int
    max_position_embeddings : int
        How many tokens a text may have.
    type_vocab_size : int
        How many kinds of token there are: of a first and of a second text.
    hidden_dropout_prob, attention_probs_dropout_prob : float
        The shares that training zeroes.
    layer_norm_eps : float
        Added to the variance in each norm.
    hidden_act : "gelu", "gelu_new" or "relu"
        "gelu_new" is the approximation by tanh.
    initializer_range : float
        The width of the normal distribution from which tables and matrices are drawn; narrow networks need more.

    Raises
    ------
    ValueError
        For sizes below 1, heads that do not divide the width, and unknown activations.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        sizes = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size"
        check_sizes(self, f"{sizes} max_position_embeddings type_vocab_size", "hidden_size", "num_attention_heads")
        if self.hidden_act not in ("gelu", "gelu_new", "relu"):
            raise ValueError(f"BertConfig: hidden_act must be 'gelu', 'gelu_new' or 'relu', got {self.hidden_act!r}")


class BertOutput(NamedTuple):
    """What a :class:`Bert` returns."""

    last_hidden_state: Tensor
    """(N, T, D): a vector for each token."""
    pooler_output: Tensor | None
    """(N, D): tanh of an affine map of the first token's vector; None without a pooler."""


def activation(config: BertConfig, x: Tensor) -> Tensor:
    """The activation that the configuration names."""
    if config.hidden_act == "relu":
        return F.relu(x)
    return F.gelu(x, approximate="tanh" if config.hidden_act == "gelu_new" else "none")


class Embeddings(Module):
    """norm(token + position + kind)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor, kinds: Tensor) -> Tensor:
        """Tokens and their kinds, (N, T), to (N, T, D)."""
        positions = self.position_embeddings(arange(tokens.shape[1], device=tokens.device))
        x = self.word_embeddings(tokens) + self.token_type_embeddings(kinds) + positions
        return self.dropout(self.LayerNorm(x))


class SelfAttention(Module):
    """Queries, keys and values of all heads, and what each token gathers."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads, self.drop = config.num_attention_heads, config.attention_probs_dropout_prob
        self.query = Linear(config.hidden_size, config.hidden_size)
        self.key = Linear(config.hidden_size, config.hidden_size)
        self.value = Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N, T, D) to (N, T, D); the mask broadcasts to (N, H, T, T)."""
        query, key, value = (split_heads(part(x), self.heads) for part in (self.query, self.key, self.value))
        return join_heads(F.scaled_dot_product_attention(query, key, value, mask, self.drop if self.training else 0.0))


class Output(Module):
    """The end of a branch: norm(stream + dropout(W x + b))."""

    def __init__(self, config: BertConfig, width: int) -> None:
        super().__init__()
        self.dense = Linear(width, config.hidden_size)
        self.LayerNorm = LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, stream: Tensor) -> Tensor:
        """(N, T, width) and (N, T, D) to (N, T, D)."""
        return self.LayerNorm(stream + self.dropout(self.dense(x)))


class Layer(Module):
    """x = norm(x + attention(x)), then norm(x + mlp(x))."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.attention = ModuleDict({"self": SelfAttention(config), "output": Output(config, config.hidden_size)})
        self.intermediate = ModuleDict({"dense": Linear(config.hidden_size, config.intermediate_size)})
        self.output = Output(config, config.intermediate_size)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(N, T, D) to (N, T, D)."""
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(activation(self.config, self.intermediate["dense"](x)), x)


def reset(model: Module, width: float) -> None:
    """Draw the parameters of a BERT anew: tables and matrices from N(0, width²)."""
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            (init.zeros_ if name.endswith("bias") else init.ones_)(parameter)
        else:
            init.normal_(parameter, 0.0, width)


class Bert(Module):
    """The encoder of BERT: learned positions, kinds of token, norms behind the branches.

    x = norm(token + position + kind); x = norm(x + attention(x)); x = norm(x + mlp(x)); …

    Parameters
    ----------
    config : BertConfig
    pooler : bool, default True
        Whether there is an affine map of the first token's vector, for tasks about whole texts.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.bert import Bert, BertConfig
    >>> model = Bert(BertConfig(11, 8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16))
    >>> tokens, there = tg.tensor([[2, 5, 3, 0], [2, 5, 7, 3]]), tg.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    >>> model(tokens, there).last_hidden_state.shape
    Size([2, 4, 8])
    """

    def __init__(self, config: BertConfig, pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = ModuleDict({"layer": ModuleList([Layer(config) for _ in range(config.num_hidden_layers)])})
        self.pooler = ModuleDict({"dense": Linear(config.hidden_size, config.hidden_size)}) if pooler else None
        reset(self, config.initializer_range)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> BertOutput:
        """Read texts.

        Parameters
        ----------
        input_ids : Tensor of int64, (N, T)
        attention_mask : Tensor (N, T), optional
            1 or True for tokens, 0 or False for padding.
        token_type_ids : Tensor of int64, (N, T), optional
            The kind of each token; zeros where it is left out.

        Raises
        ------
        ValueError
            For other shapes, and for texts longer than the positions.
        """
        if input_ids.dim() != 2 or input_ids.dtype.name not in ("int64", "int32"):
            raise ValueError(f"Bert: input_ids must be integers of shape (N, T), got {describe(input_ids)}")
        limit = self.config.max_position_embeddings
        if input_ids.shape[1] > limit:
            raise ValueError(
                f"Bert: {input_ids.shape[1]} tokens are more than the {limit} positions of the model; cut the text"
            )
        for name, other in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids)):
            if other is not None and other.shape != input_ids.shape:
                raise ValueError(
                    f"Bert: {name} must have the shape of input_ids, {tuple(input_ids.shape)}, got {tuple(other.shape)}"
                )
        kinds = zeros(input_ids.shape, dtype="int64", device=input_ids.device)
        x = self.embeddings(input_ids, kinds if token_type_ids is None else token_type_ids)
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None]
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        return BertOutput(x, None if self.pooler is None else tanh(self.pooler["dense"](x[:, 0])))


class Transform(Module):
    """What stands between the encoder and the table of tokens: norm(activation(W x + b))."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) to (…, D)."""
        return self.LayerNorm(activation(self.config, self.dense(x)))


class Predictions(Module):
    """Logits of the token at each place: norm(activation(W x + b)) tableᵀ + bias."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bias = Parameter(zeros(config.vocab_size))
        self.transform = Transform(config)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        """(…, D) to (…, V)."""
        return F.linear(self.transform(x), table, self.bias)


class BertForMaskedLM(Module):
    """BERT with a head that says which token stands at each place, whose table is that of the embeddings.

    Parameters
    ----------
    config : BertConfig

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.bert import BertConfig, BertForMaskedLM
    >>> model = BertForMaskedLM(BertConfig(11, 8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16))
    >>> model(tg.tensor([[2, 5, 1, 3]])).shape
    Size([1, 4, 11])
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Bert(config, pooler=False)
        self.cls = ModuleDict({"predictions": Predictions(config)})
        reset(self, config.initializer_range)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        places: Tensor | None = None,
    ) -> Tensor:
        """Logits (N, T, V), or (M, V) of the places that a mask (N, T) of bool selects: those alone are computed then."""
        x = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
        return self.cls["predictions"](x if places is None else x[places], self.bert.embeddings.word_embeddings.weight)


def mean_pool(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean of the vectors of each text's tokens: (N, T, D) and a mask (N, T) to (N, D).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> mean_pool(tg.tensor([[[1.0], [3.0], [9.0]]]), tg.tensor([[1, 1, 0]]))
    tensor([[2.]])
    """
    weights = attention_mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
