"""Products of any number of tensors, summed over common dimensions: einsum, tensordot and their relatives."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state, function
from tinygrad_edu.dtypes import promote_types
from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._casting import lowered
from tinygrad_edu.ops._types import axis_of, count, same_type, shape_of, xp
from tinygrad_edu.ops.diagonal import diagonal
from tinygrad_edu.ops.elementwise import mul
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import permute, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

# The dimensions of an operand by name. Letters stand in the notation; numbers are dimensions that an ellipsis covers.
Labels = tuple[Any, ...]


class Contract(Op):
    """The product of two tensors with named dimensions, summed over the names that the result lacks.

    Every name of an operand stands in the other one or in the result. Then both gradients are contractions of that kind too.
    """

    __slots__ = ("out", "x", "y")
    keeps = (0, 1)

    def forward(self, x: Any, y: Any, x_labels: Labels, y_labels: Labels, out: Labels) -> Any:
        self.x, self.y, self.out = x_labels, y_labels, out
        self.saved = x if self.needs(1) else None, y if self.needs(0) else None
        ns = xp(x)
        sizes = dict(zip((*x_labels, *y_labels), (*x.shape, *y.shape), strict=True))
        batch = [c for c in out if c in x_labels and c in y_labels]
        summed = [c for c in x_labels if c in y_labels and c not in out]
        left, right = [c for c in out if c not in y_labels], [c for c in out if c not in x_labels]

        def arranged(a: Any, labels: Labels, *groups: list[Any]) -> Any:
            """Dimensions in the order of the groups, all batch dimensions, and each other group as one."""
            order = tuple(labels.index(c) for group in (batch, *groups) for c in group)
            if order != tuple(range(len(order))):
                a = ns.permute_dims(a, order)
            return ns.reshape(a, (*(sizes[c] for c in batch), *(count([sizes[c] for c in g]) for g in groups)))

        if not summed:
            made = arranged(x, x_labels, left, []) * arranged(y, y_labels, [], right)
        elif not left and not right:
            made = ns.vecdot(arranged(x, x_labels, summed), arranged(y, y_labels, summed))
        else:
            made = arranged(x, x_labels, left, summed) @ arranged(y, y_labels, summed, right)
        have = (*batch, *left, *right)
        made = ns.reshape(made, tuple(sizes[c] for c in have))
        return made if have == out else ns.permute_dims(made, tuple(have.index(c) for c in out))

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gx = Contract.apply(g, y, self.out, self.y, self.x) if y is not None else None
        return gx, Contract.apply(g, x, self.out, self.x, self.y) if x is not None else None


def contract(operands: list[Any], labels: list[Labels], out: Labels) -> Tensor:
    """Multiply tensors with named dimensions, cheapest pair first, and sum over the names that ``out`` lacks."""
    while len(operands) > 1:
        i, j = _cheapest(operands, labels, out)
        elsewhere = set(out).union(*(labels[k] for k in range(len(labels)) if k not in (i, j)))
        x, x_labels = _summed(operands[i], labels[i], elsewhere | set(labels[j]))
        y, y_labels = _summed(operands[j], labels[j], elsewhere | set(x_labels))
        last = len(operands) == 2
        kept = out if last else tuple(c for c in dict.fromkeys((*x_labels, *y_labels)) if c in elsewhere)
        made = run(Contract(), (x, y, x_labels, y_labels, kept))
        operands = [t for k, t in enumerate(operands) if k not in (i, j)] + [made]
        labels = [t for k, t in enumerate(labels) if k not in (i, j)] + [kept]
    x, names = _summed(operands[0], labels[0], set(out))
    return permute(x, tuple(names.index(c) for c in out))


def _summed(x: Any, labels: Labels, wanted: set[Any]) -> tuple[Any, Labels]:
    """Sum over the dimensions that nobody else knows."""
    dims = tuple(i for i, c in enumerate(labels) if c not in wanted)
    return (sum_(x, dims), tuple(c for c in labels if c in wanted)) if dims else (x, labels)


def _cheapest(operands: list[Any], labels: list[Labels], out: Labels) -> tuple[int, int]:
    """The pair whose product is smallest compared with the two factors, of several such the one with the fewest steps."""
    sizes = {c: n for t, names in zip(operands, labels, strict=True) for c, n in zip(names, t.shape, strict=True)}

    def cost(pair: tuple[int, int]) -> tuple[int, int]:
        i, j = pair
        others = set(out).union(*(labels[k] for k in range(len(labels)) if k not in pair))
        names = set(labels[i]) | set(labels[j])
        result = count([sizes[c] for c in names if c in others])
        return result - count(operands[i].shape) - count(operands[j].shape), count([sizes[c] for c in names])

    return min(itertools.combinations(range(len(operands)), 2), key=cost)


# The notation --------------------------------------------------------------------------------------------------------


def _split(equation: str, operands: Sequence[Any]) -> tuple[list[str], str | None]:
    """The subscripts of each operand, and those of the result if given."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise ValueError(f"einsum: {equation!r} names {len(inputs)} operands, got {len(operands)}")
    for part in [*inputs, right]:
        bare = part.replace("...", "", 1)
        if not (bare.isascii() and bare.isalpha()) and bare:
            raise ValueError(f"einsum: subscripts are letters and one ..., got {part!r} in {equation!r}")
    return inputs, right if arrow else None


def _named(part: str, x: Any) -> Labels:
    """The names of an operand's dimensions; those under an ellipsis are counted from the right: …, -2, -1."""
    letters = part.replace("...", "")
    extra = len(x.shape) - len(letters)
    if extra < 0 or (extra and "..." not in part):
        raise ValueError(f"einsum: the subscripts {part!r} do not fit a tensor of shape {tuple(x.shape)}")
    front, dots, back = part.partition("...")
    return (*front, *(range(-extra, 0) if dots else ()), *back)


def _result_labels(right: str | None, inputs: list[str], labels: list[Labels]) -> Labels:
    """The names of the result's dimensions: as written, or those under ellipses and then the letters that occur once."""
    covered = sorted({c for names in labels for c in names if isinstance(c, int)})
    letters = "".join(inputs).replace("...", "")
    if right is None:
        return (*covered, *sorted(c for c in set(letters) if letters.count(c) == 1))
    written = right.replace("...", "")
    for c in written:
        if written.count(c) > 1 or c not in letters:
            why = "twice" if written.count(c) > 1 else "but no operand has it"
            raise ValueError(f"einsum: the result names {c!r} {why}")
    front, dots, back = right.partition("...")
    return (*front, *(covered if dots else ()), *back)


def _prepared(x: Any, labels: Labels, sizes: dict[Any, int]) -> tuple[Any, Labels]:
    """Take the diagonal of dimensions with the same name, and drop those of size 1 that are broadcast."""
    for c in dict.fromkeys(labels):
        while labels.count(c) > 1:
            first = labels.index(c)
            second = labels.index(c, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ValueError(
                    f"einsum: dimensions with the same name {c!r} have sizes {x.shape[first]} and {x.shape[second]} in one operand"
                )
            x = diagonal(x, 0, first, second)
            labels = (*(d for i, d in enumerate(labels) if i not in (first, second)), c)
    drop = [i for i, c in enumerate(labels) if x.shape[i] == 1 and sizes[c] != 1]
    if drop:
        x = reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in drop))
    return x, tuple(c for i, c in enumerate(labels) if i not in drop)


def _from_sublists(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """``einsum(x, [0, 1], y, [1, 2], [0, 2])`` in letters."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def written(part: Sequence[Any]) -> str:
        return "".join("..." if p is ... else alphabet[p] for p in part)

    pairs = len(args) // 2
    equation = ",".join(written(args[2 * i + 1]) for i in range(pairs))
    if len(args) % 2:
        equation += "->" + written(args[-1])
    return equation, [args[2 * i] for i in range(pairs)]


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Products of tensors, summed over the subscripts that the result lacks, in Einstein's notation.

    Each dimension has a letter, ``...`` covers any others and broadcasts. A letter that stands twice in one operand takes its
    diagonal. Without ``->`` the result has the covered dimensions and then, in alphabetical order, the letters that occur once.
    Several operands are multiplied in pairs, the smallest product first; a pair is one matrix product.

    Parameters
    ----------
    equation : str
        Such as ``"bij,bjk->bik"``. Operands with lists of numbers work as well: ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.

    Raises
    ------
    ValueError
        When the notation is wrong, or sizes of the same letter differ and none of them is 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tg.einsum("ij,kj->ik", x, x)
    tensor([[ 5., 11.],
            [11., 25.]])
    >>> tg.einsum("ii", x)
    tensor(5.)
    """
    if isinstance(equation, function.Tensor):
        equation, operands = _from_sublists((equation, *operands))  # type: ignore[assignment]
    elif len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    for x in operands:
        if not isinstance(x, function.Tensor):
            raise TypeError(f"einsum: expected tensors, got {describe(x)}")
    if not operands:
        raise ValueError("einsum: expected at least one operand")
    if _state.casting_threads:
        operands = lowered(*operands)
    inputs, right = _split(equation, operands)
    labels = [_named(part, x) for part, x in zip(inputs, operands, strict=True)]
    out = _result_labels(right, inputs, labels)
    sizes: dict[Any, int] = {}
    for names, x in zip(labels, operands, strict=True):
        for c, n in zip(names, x.shape, strict=True):
            if sizes.setdefault(c, n) == 1:
                sizes[c] = n
            elif n not in (1, sizes[c]):
                what = repr(c) if isinstance(c, str) else "..."
                raise ValueError(f"einsum: {what} has size {sizes[c]} and size {n} in {equation!r}")
    dtype = functools.reduce(promote_types, (x.dtype for x in operands))
    pairs = [_prepared(x.to(dtype), names, sizes) for x, names in zip(operands, labels, strict=True)]
    return contract([x for x, _ in pairs], [names for _, names in pairs], out)


# Relatives -----------------------------------------------------------------------------------------------------------


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The product summed over the last ``dims`` dimensions of a and the first of b, or over the given pairs of dimensions.

    Parameters
    ----------
    dims : int, or two sequences of int
        How many, or which dimensions of a and of b.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.tensordot(tg.ones(2, 3, 4), tg.ones(4, 3), dims=([1, 2], [1, 0]))
    tensor([12., 12.])
    """
    na, nb = len(shape_of(a)), len(shape_of(b))
    if isinstance(dims, int):
        if not 0 <= dims <= min(na, nb):
            raise ValueError(f"tensordot: dims = {dims} for tensors with {na} and {nb} dimensions")
        dims = list(range(na - dims, na)), list(range(dims))
    of_a, of_b = (
        [axis_of(d, n) for d in ([part] if isinstance(part, int) else part)]
        for part, n in zip(dims, (na, nb), strict=True)
    )
    if len(of_a) != len(of_b) or len(set(of_a)) != len(of_a) or len(set(of_b)) != len(of_b):
        raise ValueError(f"tensordot: the dimensions {list(dims[0])} and {list(dims[1])} do not pair up")
    a_labels, b_labels = list(range(na)), list(range(na, na + nb))
    for i, j in zip(of_a, of_b, strict=True):
        if a.shape[i] != b.shape[j]:
            raise ValueError(
                f"tensordot: dimension {i} of {tuple(a.shape)} and dimension {j} of {tuple(b.shape)} have different sizes"
            )
        b_labels[j] = i
    a, b = same_type(a, b)
    out = (*(c for c in a_labels if c not in of_a), *(c for c in b_labels if c >= na))
    return run(Contract(), (a, b, tuple(a_labels), tuple(b_labels), out))


def inner(input: Tensor, other: Tensor) -> Tensor:
    """The product summed over the last dimension of both; of numbers, their product.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.inner(tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if not shape_of(input) or not shape_of(other):
        return mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ValueError(
            f"inner: the last dimensions of {tuple(input.shape)} and {tuple(other.shape)} have different sizes"
        )
    return tensordot(input, other, dims=([-1], [-1]))
