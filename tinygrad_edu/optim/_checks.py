"""Checks of optimizers' settings, which name the optimizer, the setting, what it must be and what it was."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.errors import describe
from tinygrad_edu.tensor import Tensor


def number(name: str, setting: str, value: Any) -> float:
    """A setting as a number; a tensor must have one element."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"{name}: {setting} must be a number or a tensor with 1-element, got {describe(value)}")
    return float(value)


def check_at_least(name: str, settings: dict[str, Any], **least: float) -> None:
    """Raise ``ValueError`` when a setting is below the number given under its name."""
    for setting, limit in least.items():
        if not number(name, setting, settings[setting]) >= limit:
            raise ValueError(f"{name}: {setting} must be at least {limit:g}, got {settings[setting]}")


def check_betas(name: str, betas: Any) -> None:
    """Raise ``ValueError`` unless there are two shares for running averages."""
    if len(betas) != 2 or not all(0 <= number(name, "betas", beta) < 1 for beta in betas):
        raise ValueError(f"{name}: betas must be two numbers in [0, 1), got {betas}")


def check_ways(name: str, group: dict[str, Any]) -> None:
    """Raise for ways of computing that PyTorch knows and that would mean something else here, or exclude each other."""
    if group.get("differentiable"):
        raise NotImplementedError(
            f"{name}: differentiable=True is not supported: a step is not recorded in the graph; write the update with tensors"
        )
    if group.get("fused") and group.get("foreach"):
        raise RuntimeError(f"{name}: fused and foreach cannot be True together")
