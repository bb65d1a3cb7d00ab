"""Weight norm and spectral norm as hooks before each call, under the keys of older checkpoints.

New code takes those of `parametrizations`, whose weight is right at any time and not only after a call.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.nn.utils.parametrizations import as_matrix, norm_except, power_iteration
from tinygrad_edu.tensor import Tensor

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


class _Hook:
    """Computes a weight from other parameters before each call of a module."""

    what: ClassVar[str] = ""

    def __init__(self, name: str) -> None:
        self.name = name

    def weight(self, module: Any, call: bool) -> Tensor:
        """The weight; `call` is False outside of a call."""
        raise NotImplementedError

    def __call__(self, module: Any, args: Any) -> None:
        setattr(module, self.name, self.weight(module, True))

    def install(self, module: Module) -> None:
        """Take the place of the parameter."""
        for hook in module._hooks.values():
            if isinstance(hook.fn, type(self)) and hook.fn.name == self.name:
                raise RuntimeError(f"{self.what}: {module._get_name()} has it on {self.name!r} already")
        held = module.__dict__.get(self.name)
        if module._kinds.get(self.name) != "parameter" or held is None:
            raise ValueError(f"{self.what}: {module._get_name()} has no parameter {self.name!r}")
        delattr(module, self.name)
        self.split(module, held)
        with no_grad():
            setattr(module, self.name, self.weight(module, False))
        module.register_forward_pre_hook(self)

    def split(self, module: Module, weight: Parameter) -> None:
        """Register what the weight is computed from."""
        raise NotImplementedError

    @classmethod
    def remove(cls, module: Module, name: str) -> Module:
        """Make the weight an ordinary parameter again, with its present value."""
        found = [(k, h.fn) for k, h in module._hooks.items() if isinstance(h.fn, cls) and h.fn.name == name]
        if not found:
            raise ValueError(f"{cls.what}: {module._get_name()} has none on {name!r}")
        number, hook = found[0]
        with no_grad():
            value = hook.weight(module, False).detach().clone()
        del module._hooks[number]
        for part in (name, *hook.parts()):
            delattr(module, part)
        module.register_parameter(name, Parameter(value))
        return module

    def parts(self) -> list[str]:
        """Names of what the weight is computed from."""
        raise NotImplementedError


class _WeightNorm(_Hook):
    what = "weight_norm"

    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = -1 if dim is None else dim

    def parts(self) -> list[str]:
        return [f"{self.name}_g", f"{self.name}_v"]

    def split(self, module: Module, weight: Parameter) -> None:
        with no_grad():
            norm = norm_except(weight, self.dim)
        norm = norm.reshape(()) if self.dim == -1 else norm
        module.register_parameter(f"{self.name}_g", Parameter(norm.detach()))
        module.register_parameter(f"{self.name}_v", Parameter(weight.detach()))

    def weight(self, module: Any, call: bool) -> Tensor:
        g, v = (getattr(module, part) for part in self.parts())
        return v * (g / norm_except(v, self.dim))


class _SpectralNorm(_Hook):
    what = "spectral_norm"

    def __init__(self, name: str, steps: int, eps: float, dim: int) -> None:
        super().__init__(name)
        self.steps = steps
        self.eps = eps
        self.dim = dim

    def parts(self) -> list[str]:
        return [f"{self.name}_orig", f"{self.name}_u", f"{self.name}_v"]

    def split(self, module: Module, weight: Parameter) -> None:
        module.register_parameter(f"{self.name}_orig", weight)
        rows, columns = as_matrix(weight.detach(), self.dim).shape
        for letter, n in (("u", rows), ("v", columns)):
            start = F.normalize(weight.detach().new_empty(n).normal_(), dim=0, eps=self.eps)
            module.register_buffer(f"{self.name}_{letter}", start)

    def weight(self, module: Any, call: bool) -> Tensor:
        held, u, v = (getattr(module, part) for part in self.parts())
        matrix = as_matrix(held, self.dim)
        if call and module.training:
            power_iteration(matrix.detach(), u, v, self.steps, self.eps, v_first=True)
        u, v = u.clone(), v.clone()  # a second call moves them on while the graph of the first is still needed
        return held / (u @ (matrix @ v))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length g and the direction v of a weight apart: w = g · v / ‖v‖, computed before each call.

    Parameters
    ----------
    module : Module
    name : str, default "weight"
        The parameter; ``name_g`` and ``name_v`` take its place.
    dim : int or None, default 0
        The dimension along which there is a length each; None has one length for all.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> list(weight_norm(nn.Linear(20, 40)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    _WeightNorm(name, dim).install(module)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undo `weight_norm`: the weight is an ordinary parameter again."""
    return _WeightNorm.remove(module, name)


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, estimated by power iteration, before each call.

    Parameters
    ----------
    module : Module
    name : str, default "weight"
        The parameter; ``name_orig`` takes its place.
    n_power_iterations : int, default 1
        How many steps each call in training mode does.
    eps : float, default 1e-12
        The smallest norm to divide by.
    dim : int, optional
        The dimension of outputs: 1 in a transposed convolution, else 0.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> list(spectral_norm(nn.Linear(20, 40)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}")
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    _SpectralNorm(name, n_power_iterations, eps, dim).install(module)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo `spectral_norm`: the weight is an ordinary parameter again."""
    return _SpectralNorm.remove(module, name)
