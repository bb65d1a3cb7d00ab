"""Look-up tables of vectors."""

from __future__ import annotations

from typing import Any, Self

from tinygrad_edu.creation import empty
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.tensor import Tensor

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """A table with one vector for each of `num_embeddings` numbers.

    The table starts from N(0, 1), its padding row from zeros. Its gradient costs what was looked up, never the table.

    Parameters
    ----------
    num_embeddings : int
        V, the number of rows.
    embedding_dim : int
        D, the size of a row.
    padding_idx : int, optional
        A row that gets no gradient, and so stays zero; negative numbers count from the end.
    max_norm : float, optional
        Rows that are looked up and have a larger norm are first scaled down to it, in place.
    norm_type : float, default 2.0
        The exponent of this norm.
    scale_grad_by_freq : bool, default False
        Whether to divide the gradient of a row by how often a call looks it up.
    sparse : bool, default False
        Accepted and without effect: the gradient is always kept by rows, until somebody reads ``weight.grad``.
    device, dtype : optional
        Of the table.

    Attributes
    ----------
    weight : Parameter, (V, D)

    Raises
    ------
    ValueError
        When `padding_idx` is outside of the table.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> embed = nn.Embedding(10, 3, padding_idx=0)
    >>> embed(tg.tensor([[0, 2], [4, 0]])).shape
    Size([2, 2, 3])
    >>> embed(tg.tensor(0)).tolist()
    [0.0, 0.0, 0.0]
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _row(padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype), not _freeze)
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight, not _freeze)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Make an embedding of a table (V, D) that is there already, and whose memory is shared.

        Parameters
        ----------
        freeze : bool, default True
            Whether the table stays as it is, without gradient.
        padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
            As in :class:`Embedding`.
        """
        if embeddings.dim() != 2:
            raise ValueError(
                f"Embedding.from_pretrained: expected a table of shape (V, D), got {tuple(embeddings.shape)}"
            )
        rows, size = embeddings.shape
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        return cls(rows, size, *options, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew, with zeros in the padding row."""
        _draw(self.weight, self.padding_idx)

    def forward(self, input: Tensor) -> Tensor:
        """Integers of any shape (…) to vectors (…, D)."""
        options = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)
        return F.embedding(input, self.weight, *options)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "sparse": False}
        for name, value in usual.items():
            if getattr(self, name) != value:
                text += f", {name}={getattr(self, name)}"
        return text


class EmbeddingBag(Module):
    """A table whose rows are summed, averaged or compared bag by bag, without keeping the rows of a bag.

    Parameters
    ----------
    num_embeddings : int
        V, the number of rows.
    embedding_dim : int
        D, the size of a row.
    max_norm, norm_type, scale_grad_by_freq, sparse
        As in `Embedding`.
    mode : "sum", "mean" or "max", default "mean"
        How a bag is reduced.
    include_last_offset : bool, default False
        Whether the offsets have one number more, the end of the last bag.
    padding_idx : int, optional
        A row that does not count and gets no gradient.
    device, dtype : optional
        Of the table.

    Attributes
    ----------
    weight : Parameter, (V, D)

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> bags = nn.EmbeddingBag(10, 3, mode="sum")
    >>> bags(tg.tensor([1, 2, 4, 5, 4]), tg.tensor([0, 2])).shape
    Size([2, 3])
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self.padding_idx = _row(padding_idx, num_embeddings)
        made = empty(num_embeddings, embedding_dim, device=device, dtype=dtype) if _weight is None else _weight
        self.weight = Parameter(made)
        if _weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew, with zeros in the padding row."""
        _draw(self.weight, self.padding_idx)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """Make one of a table (V, D) that is there already, and whose memory is shared; `freeze` leaves it as it is."""
        if embeddings.dim() != 2:
            raise ValueError(f"EmbeddingBag.from_pretrained: expected a table (V, D), got {tuple(embeddings.shape)}")
        options = (max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset, padding_idx)
        rows, size = embeddings.shape
        bags = cls(rows, size, *options)
        bags.weight.requires_grad = not freeze
        return bags

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Integers (B, L), or (M,) with offsets (B,), to vectors (B, D)."""
        options = (self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse)
        rest = (per_sample_weights, self.include_last_offset, self.padding_idx)
        return F.embedding_bag(input, self.weight, offsets, *options, *rest)

    def extra_repr(self) -> str:
        usual = {"max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "mode": "", "padding_idx": None}
        shown = [f"{name}={getattr(self, name)!r}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *shown])


def _draw(table: Parameter, padding_idx: int | None) -> None:
    """Fill a table with normal numbers, and its padding row with zeros."""
    init.normal_(table)
    if padding_idx is not None:
        with no_grad():
            table[padding_idx] = 0.0


def _row(padding_idx: int | None, rows: int) -> int | None:
    """The padding row counted from the front."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ValueError(f"Embedding: padding_idx {padding_idx} is outside of a table of {rows} rows")
    return padding_idx % rows
