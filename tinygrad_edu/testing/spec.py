"""``OpSpec``: what an operation is, told to the battery of tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_edu import Tensor


@dataclass(frozen=True)
class Bad:
    """Arguments that an operation must refuse.

    Attributes
    ----------
    args : callable
        Makes the arguments (so that no tensor is made when the spec is read).
    error : type
        The kind of error.
    text : str
        A regular expression that its message must match.
    """

    args: Callable[[], Sequence[Any]]
    error: type[Exception]
    text: str


@dataclass(frozen=True)
class OpSpec:
    """An operation, told to the test battery.

    Attributes
    ----------
    name : str
        Its public name.
    function : callable
        Takes the arguments and returns a Tensor or a tuple of them.
    inputs : strategy
        Draws the arguments, a tuple (or one Tensor), away from kinks, inside the domain, in float64.
    reference : callable, optional
        The same on NumPy arrays, written independently.
    kinks : strategy, optional
        Draws arguments that lie on kinks or ties; there the gradient must lie between the one-sided derivatives.
    convention : callable, optional
        Which of the possible gradients is meant on kinks: takes the cotangent and the arguments as NumPy arrays, and returns the
        gradient of each tensor among them. With ``differentiable=False`` it is meant everywhere: of an operation that rounds, whose
        slopes are no guide.
    errors : sequence of Bad
        What must be refused.
    differentiable : bool
        False for operations without gradient, such as comparisons.
    order : int
        Up to which order derivatives are checked.
    domain : str
        In words, for the documentation.
    rtol : float
        Of the comparison of values with the reference.
    draws : bool
        Whether the values depend on random numbers, which a backend with a generator of its own draws otherwise.
    notes : str
        The convention at kinks and the like, for the documentation.
    methods : str
        Names of Tensor methods, with blanks between, that take the same arguments and must give the same result.
    inplace : str
        Names of Tensor methods that must write the same result into the first argument, and give the same gradients.
    torch : str or callable
        What the tests compare with where PyTorch is installed: the dotted name of a function below ``torch``
        (``"nn.functional.gelu"``, ``"Tensor.scatter_add"``), or a callable that takes the module and then the arguments.
    dtypes : str
        The types, with blanks between, that the comparison with PyTorch runs the tensors in.
    """

    name: str
    function: Callable[..., Any]
    inputs: Any
    reference: Callable[..., Any] | None = None
    kinks: Any = None
    errors: Sequence[Bad] = field(default=())
    differentiable: bool = True
    order: int = 2
    domain: str = "all real numbers"
    rtol: float = 1e-12
    draws: bool = False
    notes: str = ""
    methods: str = ""
    inplace: str = ""
    torch: str | Callable[..., Any] = ""
    dtypes: str = "float64 float32 int64"
    convention: Callable[..., Any] | None = None


def arguments_of(case: Any) -> tuple[Any, ...]:
    """The arguments of a drawn case."""
    return tuple(case) if isinstance(case, (tuple, list)) else (case,)


def flattened(spec: OpSpec, case: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Arguments with tensors inside lists taken out, and the function of those; its ``nested`` puts the lists together again."""
    flat: list[Any] = []
    counts: list[int | None] = []
    for a in arguments_of(case):
        if isinstance(a, (list, tuple)) and a and all(isinstance(v, Tensor) for v in a):
            counts.append(len(a))
            flat.extend(a)
        else:
            counts.append(None)
            flat.append(a)

    def nested(*values: Any) -> list[Any]:
        rest = iter(values)
        return [next(rest) if n is None else [next(rest) for _ in range(n)] for n in counts]

    def call(*values: Any) -> Any:
        return spec.function(*nested(*values))

    call.__name__ = spec.name
    call.nested = nested  # type: ignore[attr-defined]
    return call, flat


def several(result: Any) -> list[Any]:
    """The results of an operation, one or more, as a list."""
    return list(result) if isinstance(result, (tuple, list)) else [result]
