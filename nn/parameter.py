"""Parameter and Buffer: the tensors that a Module registers by itself when they are assigned to it."""

from __future__ import annotations

from typing import Any, Self

from tinygrad_edu.creation import empty
from tinygrad_edu.tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that is trained: assigned as an attribute of a `Module`, it joins ``module.parameters()``.

    A parameter is always a leaf of the graph. It shares the memory of `data`, and what is computed from it is an
    ordinary `Tensor`.

    Parameters
    ----------
    data : Tensor, optional
        Initial value; an empty tensor of shape ``(0,)`` where it is left out.
    requires_grad : bool, default True
        Whether ``backward()`` computes a gradient for it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> scale = nn.Parameter(tg.ones(2))
    >>> (scale * tg.tensor([3.0, 4.0])).sum().backward()
    >>> scale.grad.tolist()
    [3.0, 4.0]
    """

    # No __slots__: users mark parameters with attributes of their own, such as `param.no_decay = True`.

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        self._init((empty(0) if data is None else data)._data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy the value and `requires_grad`; the gradient stays with the original."""
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin._init(self.detach().clone()._data, self.requires_grad)
        for name, value in self.__dict__.items():
            setattr(twin, name, value)
        return twin


class Buffer(Tensor):
    """A tensor that belongs to a `Module` but is not trained, such as the running mean of a batch norm.

    Assigned as an attribute it joins ``module.buffers()``: it moves with ``module.to(...)`` and, where `persistent`, is
    part of ``module.state_dict()``.

    Parameters
    ----------
    data : Tensor, optional
        Initial value, whose memory is shared; an empty tensor of shape ``(0,)`` where it is left out.
    persistent : bool, default True
        Whether the module's `state_dict` contains it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> class Counter(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.calls = nn.Buffer(tg.zeros(1))
    >>> list(Counter().state_dict())
    ['calls']
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        data = empty(0) if data is None else data
        self._init(data._data, data.requires_grad)
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin: Self = super().__deepcopy__(memo)  # type: ignore[assignment]
        twin.persistent = self.persistent
        return twin
