"""GradScaler: a loss is multiplied before the backward pass, and the gradients are divided after it.

In float16 what is smaller than 6·10⁻⁸ is zero, as gradients often are. Multiplied by a large number they survive; where one
overflows, the step is left out and the number halved. Source: Micikevicius et al., Mixed precision training, ICLR (2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.writes import writes

__all__ = ["GradScaler"]


class _Gradients:
    """What is known of the gradients of one optimizer since the last update."""

    def __init__(self) -> None:
        self.squares: list[Any] = []  # sums of squares, one for each device, which nobody has waited for yet
        self.arrays: list[Any] = []
        self.finite: bool | None = None
        self.stepped = False

    def are_finite(self) -> bool:
        """Whether all elements are finite; waits for the device the first time."""
        if self.finite is None:
            self.finite = all(math.isfinite(float(total)) for total in self.squares)
            if not self.finite:  # a sum of squares overflows before its parts do
                self.finite = all(bool(backends.of(a).all(backends.of(a).isfinite(a))) for a in self.arrays)
            self.squares, self.arrays = [], []
        return self.finite


class GradScaler:
    """Multiplies losses, divides gradients, leaves out steps whose gradients overflowed, and finds the factor by itself.

    After `growth_interval` steps without an overflow the factor grows by `growth_factor`; after an overflow it shrinks by
    `backoff_factor`. A step waits for the device once, to learn whether there was one.

    Parameters
    ----------
    device : str, default "cuda"
        Accepted for PyTorch's sake: tensors are scaled where they are.
    init_scale : float, default 65536
    growth_factor : float, default 2.0
    backoff_factor : float, default 0.5
    growth_interval : int, default 2000
    enabled : bool, default True
        Whether it does anything at all.

    Raises
    ------
    ValueError
        When `growth_factor` would not grow, or `backoff_factor` not shrink.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.amp import GradScaler
    >>> w = tg.tensor([1.0], requires_grad=True)
    >>> optimizer, scaler = tg.optim.SGD([w], lr=1.0), GradScaler(init_scale=1024.0)
    >>> loss = (w.half() * 1e-7).sum().float()  # the gradient would be less than float16 has
    >>> scaler.scale(loss).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> bool(w.item() < 1), scaler.get_scale()
    (True, 1024.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if growth_factor <= 1.0:
            raise ValueError(f"GradScaler: growth_factor must be above 1, got {growth_factor}")
        if backoff_factor >= 1.0:
            raise ValueError(f"GradScaler: backoff_factor must be below 1, got {backoff_factor}")
        self._enabled = enabled
        self._scale = float(init_scale)
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._good_steps = 0
        self._seen: dict[int, tuple[Optimizer, _Gradients]] = {}

    def scale(self, outputs: Any) -> Any:
        """Multiply a tensor, or each of a list or tuple of them, by the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled
        raise ValueError(f"GradScaler.scale: expected a Tensor or a list of them, got {type(outputs).__name__}")

    def _of(self, optimizer: Optimizer) -> _Gradients:
        return self._seen.setdefault(id(optimizer), (optimizer, _Gradients()))[1]

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of an optimizer's parameters by the factor, in place: before clipping, for example.

        Raises
        ------
        RuntimeError
            When that has been done since the last update.
        ValueError
            For gradients in float16: they are those of half-precision parameters, which are too coarse to be trained.
        """
        if not self._enabled:
            return
        found = self._of(optimizer)
        if found.stepped:
            raise RuntimeError("GradScaler.unscale_: called after step(); call update() first")
        if found.arrays or found.finite is not None:
            raise RuntimeError("GradScaler.unscale_: already called for this optimizer since the last update()")
        held = [p for group in optimizer.param_groups for p in group["params"] if p._grad is not None]
        if any(p.dtype.bits == 16 for p in held):
            raise ValueError(
                "GradScaler.unscale_: gradients in half precision cannot be unscaled; keep the parameters in float32 and "
                "convert them in forward"
            )
        by_backend: dict[Any, list[Any]] = {}
        for p in held:
            array = _divided(p, 1.0 / self._scale)
            by_backend.setdefault(backends.of(array), []).append(array)
            found.arrays.append(array)
        found.squares = [xp.total_squares(arrays) for xp, arrays in by_backend.items()]
        found.finite = None if held else True

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscale the gradients, unless that was done, and make a step if all of them are finite.

        Returns
        -------
        object
            What the optimizer's ``step`` returns; None where it was left out.

        Raises
        ------
        RuntimeError
            When it was called since the last update, with a closure, or without any gradient.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if args or kwargs.get("closure") is not None:
            raise RuntimeError("GradScaler.step: a closure would compute other gradients than those that were unscaled")
        found = self._of(optimizer)
        if found.stepped:
            raise RuntimeError("GradScaler.step: already called for this optimizer since the last update()")
        if all(p._grad is None for group in optimizer.param_groups for p in group["params"]):
            raise RuntimeError("GradScaler.step: no parameter of this optimizer has a gradient")
        if not found.arrays and found.finite is None:
            self.unscale_(optimizer)
        found.stepped = True
        return optimizer.step(**kwargs) if found.are_finite() else None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Choose the factor for the next step, or take the given one.

        Raises
        ------
        RuntimeError
            When no gradients have been looked at since the last update.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._seen:
            raise RuntimeError("GradScaler.update: no step() and no unscale_() since the last update()")
        elif all(found.are_finite() for _, found in self._seen.values()):
            self._good_steps += 1
            if self._good_steps == self._growth_interval:
                larger = self._scale * self._growth_factor
                self._scale = larger if larger < 3.4e38 else self._scale
                self._good_steps = 0
        else:
            self._scale *= self._backoff_factor
            self._good_steps = 0
        self._seen = {}

    def get_scale(self) -> float:
        """The factor; 1 where the scaler is not enabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """By how much the factor grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set by how much the factor grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By how much the factor shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set by how much the factor shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many good steps the factor grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many good steps the factor grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold, under PyTorch's names; empty where the scaler is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._good_steps,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned.

        Raises
        ------
        RuntimeError
            When it is empty, as that of a scaler that is not enabled.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "GradScaler.load_state_dict: the state is empty, as that of a scaler that is not enabled"
            )
        self._scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._good_steps = state_dict["_growth_tracker"]


def _divided(p: Tensor, factor: float) -> Any:
    """Multiply the gradient of a parameter in place; return the array with all of it that is not zero."""
    sparse = p._grad if type(p._grad) is SparseGrad else None
    rows = sparse.rows() if sparse is not None else None
    if sparse is not None and rows is not None:
        index, values = rows
        values = values * factor
        sparse.parts = [(index, values)]
        return values
    grad = p.grad
    assert grad is not None
    xp = backends.of(grad._data)
    grad._data = xp.write(grad._data, grad._data * factor)
    writes.record(grad._data)
    return grad._data
