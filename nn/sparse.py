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

__all__ = ["Embedding"]


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
        *,
        device: Any = None,
        dtype: Any = None,
        _weight: Tensor | None = None,
        _freeze: bool = False,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _row(padding_idx, num_embeddings)
        if _weight is None:
            self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype), not _freeze)
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight, not _freeze)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Self:
        """Make an embedding of a table (V, D) that is there already, and whose memory is shared.

        Parameters
        ----------
        freeze : bool, default True
            Whether the table stays as it is, without gradient.
        padding_idx : int, optional
            A row that gets no gradient.
        """
        if embeddings.dim() != 2:
            raise ValueError(
                f"Embedding.from_pretrained: expected a table of shape (V, D), got {tuple(embeddings.shape)}"
            )
        return cls(
            embeddings.shape[0], embeddings.shape[1], padding_idx=padding_idx, _weight=embeddings, _freeze=freeze
        )

    def reset_parameters(self) -> None:
        """Draw the table anew, with zeros in the padding row."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        """Integers of any shape (…) to vectors (…, D)."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def _row(padding_idx: int | None, rows: int) -> int | None:
    """The padding row counted from the front."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ValueError(f"Embedding: padding_idx {padding_idx} is outside of a table of {rows} rows")
    return padding_idx % rows
