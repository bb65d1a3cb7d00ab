"""Parameters as one long vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters in one vector, through which gradients pass.

    Raises
    ------
    RuntimeError
        When parameters are on different devices.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    Size([8])
    """
    parts = list(parameters)
    _same_device("parameters_to_vector", parts)
    return cat([p.reshape(-1) for p in parts])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give parameters the consecutive elements of a vector, whose memory they share from then on.

    Raises
    ------
    ValueError
        When the vector has too few or too many elements; no parameter is changed then.
    """
    parts = list(parameters)
    _same_device("vector_to_parameters", parts)
    total = sum(p.numel() for p in parts)
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__}")
    if vec.numel() != total or vec.dim() != 1:
        raise ValueError(
            f"vector_to_parameters: the parameters have {total} elements, the vector shape {tuple(vec.shape)}"
        )
    start = 0
    with no_grad():
        for p in parts:
            end = start + p.numel()
            p.data = vec[start:end].reshape(p.shape)
            start = end


def _same_device(name: str, parameters: list[Tensor]) -> None:
    devices = {str(p.device) for p in parameters}
    if len(devices) > 1:
        raise RuntimeError(f"{name}: the parameters are on different devices ({' and '.join(sorted(devices))})")
