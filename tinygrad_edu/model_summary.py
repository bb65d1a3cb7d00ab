"""A table of a model: what each layer gets and gives, its parameters, its work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_edu.creation import zeros
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.multiply_adds import count_multiply_adds
from tinygrad_edu.tensor import Tensor

__all__ = ["LayerSummary", "Summary", "summary"]

Shape = tuple[int, ...]


@dataclass
class LayerSummary:
    """A line of the table.

    Attributes
    ----------
    name : str
        The layer's name in the model, as in ``named_modules``; empty for the model itself.
    kind : str
        Its class.
    depth : int
        How many layers it lies in.
    input_shapes, output_shapes : list of tuple
        The shapes of the tensors that it got and gave in its last call; empty when it was not called.
    parameters, trainable : int
        How many numbers it and what is inside it hold as parameters, and how many of them require a gradient. A
        parameter that was counted in a line above (tied weights) counts there alone.
    multiply_adds : int
        The multiply-adds of its calls, all together.
    calls : int
        How often it was called.
    """

    name: str
    kind: str
    depth: int
    parameters: int
    trainable: int
    input_shapes: list[Shape] = field(default_factory=list)
    output_shapes: list[Shape] = field(default_factory=list)
    multiply_adds: int = 0
    calls: int = 0


@dataclass
class Summary:
    """What :func:`summary` found; printing it shows the table."""

    layers: list[LayerSummary]

    @property
    def parameters(self) -> int:
        """All parameters of the model."""
        return self.layers[0].parameters

    @property
    def trainable(self) -> int:
        """Those that require a gradient."""
        return self.layers[0].trainable

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of one call of the model."""
        return self.layers[0].multiply_adds

    def __str__(self) -> str:
        header = ("layer", "input", "output", "parameters", "multiply-adds")
        rows: list[tuple[str, ...]] = [header]
        for layer in self.layers:
            name = "  " * layer.depth + (f"{layer.name.rpartition('.')[2]}: " if layer.name else "") + layer.kind
            shapes = [_shown(layer.input_shapes), _shown(layer.output_shapes)] if layer.calls else ["not called", ""]
            rows.append((name, *shapes, f"{layer.parameters:,}", f"{layer.multiply_adds:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [*(x.ljust(n) for x, n in zip(row[:3], widths, strict=False)), *map(str.rjust, row[3:], widths[3:])]
            )
            for row in rows
        ]
        rule = "-" * len(lines[0])
        fixed = self.parameters - self.trainable
        end = f"{self.parameters:,} parameters" + (f", {fixed:,} of them fixed" if fixed else "")
        return "\n".join([lines[0], rule, *lines[1:], rule, f"{end}; {self.multiply_adds:,} multiply-adds a call"])

    __repr__ = __str__


def _shown(shapes: list[Shape]) -> str:
    return ", ".join(str(list(s)) for s in shapes)


def _shapes(value: Any) -> list[Shape]:
    """The shapes of the tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [tuple(value.shape)]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [shape for part in value for shape in _shapes(part)]


def _arguments(input: Any) -> tuple[Any, ...]:
    """What to call the model with: a tensor, several, or one shape of zeros."""
    if isinstance(input, Tensor):
        return (input,)
    if isinstance(input, (tuple, list)) and input:
        if all(isinstance(n, int) for n in input):
            return (zeros(*input),)
        if any(isinstance(part, Tensor) for part in input):
            return tuple(input)
    raise TypeError(
        f"summary: input must be a tensor, a tuple of arguments with tensors in it, or a shape, got {input!r}"
    )


def summary(model: Any, input: Tensor | Sequence[Any], *, depth: int | None = None) -> Summary:
    """Call a model once and list its layers with shapes, parameters and multiply-adds.

    The call is made without gradients and in evaluation mode, so that it changes nothing in the model.

    Parameters
    ----------
    model : nn.Module
    input : Tensor, tuple of arguments, or shape
        What to call it with; a shape, which includes the batch, stands for zeros.
    depth : int, optional
        Show layers in so many others at most; all by default.

    Returns
    -------
    Summary
        Print it, or read its ``layers``, ``parameters``, ``trainable`` and ``multiply_adds``.

    Raises
    ------
    TypeError
        When `model` is not a Module or `input` nothing to call it with.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> tg.summary(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (64, 4))
    layer        input    output   parameters  multiply-adds
    --------------------------------------------------------
    Sequential   [64, 4]  [64, 2]          58          3,072
      0: Linear  [64, 4]  [64, 8]          40          2,048
      1: ReLU    [64, 8]  [64, 8]           0              0
      2: Linear  [64, 8]  [64, 2]          18          1,024
    --------------------------------------------------------
    58 parameters; 3,072 multiply-adds a call
    """
    if not hasattr(model, "named_modules"):
        raise TypeError(f"summary: expected an nn.Module, got a {type(model).__name__}")
    args = _arguments(input)
    seen: set[int] = set()
    layers: dict[int, LayerSummary] = {}
    modules = list(model.named_modules())
    with no_grad(), count_multiply_adds() as count:
        training = [module for _, module in modules if module.training]
        handles = []
        for name, module in modules:
            layer = layers[id(module)] = _layer(name, module, seen)
            before: list[int] = []

            def enter(module: Any, args: Any, before: list[int] = before) -> None:
                before.append(count.total)

            def leave(
                module: Any, args: Any, out: Any, layer: LayerSummary = layer, before: list[int] = before
            ) -> None:
                layer.multiply_adds += count.total - before.pop()
                layer.input_shapes, layer.output_shapes = _shapes(args), _shapes(out)
                layer.calls += 1

            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        model.eval()
        try:
            model(*args)
        finally:
            for handle in handles:
                handle.remove()
            for module in training:
                module.training = True
    return Summary([layer for layer in layers.values() if depth is None or layer.depth <= depth])


def _layer(name: str, module: Any, seen: set[int]) -> LayerSummary:
    """A module's line before the call; ``seen`` has the parameters of the lines above that do not hold this module."""
    parameters = [p for p in module.parameters() if id(p) not in seen]
    seen.update(id(p) for _, p in module.named_parameters(recurse=False))
    sizes = [(p.numel(), p.requires_grad) for p in parameters]
    trainable = sum(n for n, needed in sizes if needed)
    depth = name.count(".") + 1 if name else 0
    return LayerSummary(name, type(module).__name__, depth, sum(n for n, _ in sizes), trainable)
