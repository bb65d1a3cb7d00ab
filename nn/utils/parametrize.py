"""Parametrizations: a parameter that is computed from others, such as a weight that is always symmetric.

``register_parametrization(module, "weight", f)`` turns ``module.weight`` into ``f(original)``, where the original is the parameter
that is trained. The module gets a class of its own with a property in the place of the parameter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tinygrad_edu.errors import describe
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn.containers import ModuleDict, ModuleList
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.tensor import Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]


class _Cache(threading.local):
    """The parametrized tensors that were computed inside of `cached`, and how many such blocks there are."""

    depth = 0

    def __init__(self) -> None:
        self.tensors: dict[tuple[int, str], Tensor] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Inside of this block every parametrized tensor is computed once, the first time that it is used.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    >>> with cached():
    ...     layer.weight is layer.weight
    True
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.tensors.clear()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, called one after the other, and the original tensor or tensors.

    Parameters
    ----------
    modules : sequence of Module
    original : Tensor
        The parameter or buffer; where the parametrizations have a ``right_inverse``, it is moved to what that gives.
    unsafe : bool, default False
        Whether to leave out the check that shape and dtype stay what they are.

    Attributes
    ----------
    original : Parameter or Tensor
        What is trained; ``original0``, ``original1`` and so on where there are several.
    """

    is_tensor: bool
    ntensors: int
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList: expected one or more modules")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = tuple(original.shape), original.dtype
        with no_grad():
            start = self._invert(original, strict=False)
        self.is_tensor = isinstance(start, Tensor)
        self.ntensors = 1 if self.is_tensor else len(start)
        if self.is_tensor:
            if start.dtype is not dtype:
                raise ValueError(f"right_inverse: expected a tensor of {dtype}, got {describe(start)}")
            if start is not original:
                original.data = start.detach()
            self._keep("original", original)
        else:
            for i, part in enumerate(start):
                made = Parameter(part.detach(), original.requires_grad) if isinstance(original, Parameter) else part
                self._keep(f"original{i}", made)
        if not unsafe:
            self._check(shape, dtype)

    def _keep(self, name: str, tensor: Tensor) -> None:
        if isinstance(tensor, Parameter):
            self.register_parameter(name, tensor)
        else:
            self.register_buffer(name, tensor)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> None:
        """Raise where a parametrization makes something else of a tensor of this shape and type."""
        with no_grad():
            made = self()
        if not isinstance(made, Tensor) or tuple(made.shape) != shape or made.dtype is not dtype:
            raise ValueError(
                f"register_parametrization: expected a tensor of {dtype} and shape {shape} as before, got {describe(made)}; "
                "with unsafe=True it may change"
            )

    def _invert(self, value: Any, strict: bool) -> Any:
        """What the parametrizations make ``value`` of; those that cannot tell are taken for the identity, unless ``strict``."""
        for module in reversed(list(self)):
            inverse: Any = getattr(module, "right_inverse", None)
            if inverse is None:
                if strict:
                    raise RuntimeError(
                        f"{type(module).__name__} has no right_inverse: the parametrized tensor cannot be assigned to"
                    )
                continue
            try:
                value = inverse(value)
            except NotImplementedError:
                if strict:
                    raise
        if not isinstance(value, (Tensor, tuple, list)) or not all(isinstance(v, Tensor) for v in value):
            raise ValueError(f"right_inverse: expected a tensor or a sequence of tensors, got {describe(value)}")
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes ``value``."""
        with no_grad():
            start = self._invert(value, strict=True)
            parts = [start] if self.is_tensor else list(start)
            if isinstance(start, Tensor) != self.is_tensor or len(parts) != self.ntensors:
                raise ValueError(f"right_inverse: expected {self.ntensors} tensors as before, got {describe(start)}")
            for held, new in zip(self._originals(), parts, strict=True):
                if held.dtype is not new.dtype:
                    raise ValueError(f"right_inverse: expected a tensor of {held.dtype}, got {describe(new)}")
                held.data = new.detach().clone()

    def _originals(self) -> list[Tensor]:
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def forward(self) -> Any:
        """The parametrized tensor."""
        first, *others = self
        value = first(*self._originals())
        for module in others:
            value = module(value)
        return value


def _property(name: str) -> property:
    """The parametrized tensor in the place of the parameter."""

    def read(module: Module) -> Any:
        if not _cache.depth:
            return module.parametrizations[name]()
        key = (id(module), name)
        if key not in _cache.tensors:
            _cache.tensors[key] = module.parametrizations[name]()
        return _cache.tensors[key]

    def write(module: Module, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"{module._get_name()}.{name}: expected a Tensor, got {describe(value)}")
        module.parametrizations[name].right_inverse(value)

    return property(read, write, doc=f"What the parametrizations make of the original {name}.")


def _not_pickled(module: Module) -> Any:
    raise RuntimeError(
        f"{module._get_name()}: a module with parametrizations is saved by its state_dict() alone; its class was made at run time"
    )


def _reclass(module: Module, base: type[Module], names: Sequence[str]) -> None:
    """Give a module a class of its own, with a property for each name; without names it gets ``base`` again.

    A new class each time, so that copies of the module, which share its class, stay what they are.
    """
    cls: Any = base
    if names:
        members: dict[str, Any] = {name: _property(name) for name in names}
        members |= {"__reduce_ex__": lambda self, protocol: _not_pickled(self), "__deepcopy__": _copied}
        cls = type(f"Parametrized{base.__name__}", (base,), members)
    object.__setattr__(module, "__class__", cls)


def _copied(module: Module, memo: dict[int, Any]) -> Module:
    """A deep copy, of the same class."""
    import copy

    twin: Module = object.__new__(type(module))
    memo[id(module)] = twin
    twin.__dict__.update({name: copy.deepcopy(value, memo) for name, value in module.__dict__.items()})
    return twin


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make ``module.tensor_name`` what `parametrization` makes of the parameter that was there.

    The parameter moves to ``module.parametrizations.tensor_name.original``. A second parametrization is called on the result of the
    first. Where `parametrization` has a method ``right_inverse``, the parametrized tensor can be assigned to, and the original starts
    from what it gives for the present value; where that are several tensors, `parametrization` is called with all of them.

    Parameters
    ----------
    module : Module
    tensor_name : str
        The name of one of its parameters or buffers.
    parametrization : Module
        Takes a tensor, and returns one of the same shape and dtype.
    unsafe : bool, default False
        Whether shape and dtype may change.

    Returns
    -------
    Module
        The module itself.

    Raises
    ------
    ValueError
        When there is no such tensor, or shape or dtype would change.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> layer = register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> layer.weight.equal(layer.weight.mT)
    True
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        held: ParametrizationList = module.parametrizations[tensor_name]
        if unsafe:
            held.unsafe = True
        if getattr(parametrization, "right_inverse", None) is not None and not held.unsafe:
            _check_inverse(module, tensor_name, parametrization)
        held.append(parametrization)
        if not held.unsafe:
            shape, dtype = getattr(module, tensor_name).shape, getattr(module, tensor_name).dtype
            held._check(tuple(shape), dtype)
        return module
    kind = module._kinds.get(tensor_name)
    original = module.__dict__.get(tensor_name)
    if kind not in ("parameter", "buffer") or original is None:
        raise ValueError(
            f"register_parametrization: {module._get_name()} has no parameter, buffer or parametrized tensor {tensor_name!r}"
        )
    made = ParametrizationList([parametrization], original, unsafe)
    base = type_before_parametrizations(module)
    delattr(module, tensor_name)
    if "parametrizations" not in module._kinds:
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = made
    _reclass(module, base, list(module.parametrizations))
    return module


def _check_inverse(module: Module, name: str, parametrization: Any) -> None:
    """Raise where the inverse of a further parametrization gives something of another shape or type."""
    value = getattr(module, name)
    with no_grad():
        try:
            start = parametrization.right_inverse(value)
        except NotImplementedError:
            return
    if not isinstance(start, Tensor) or start.dtype is not value.dtype or start.shape != value.shape:
        raise ValueError(
            f"register_parametrization: expected right_inverse to give {describe(value)}, got {describe(start)}"
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations, or has them of one tensor."""
    held = module.__dict__.get("parametrizations")
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized tensor an ordinary parameter (or buffer) again.

    Parameters
    ----------
    module : Module
    tensor_name : str
    leave_parametrized : bool, default True
        Whether it keeps its present value, or gets that of the original, where that is one tensor.

    Returns
    -------
    Module
        The module itself.

    Raises
    ------
    ValueError
        When the tensor is not parametrized, or there are several originals to go back to.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    >>> remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {module._get_name()} has no parametrization of {tensor_name!r}")
    held: ParametrizationList = module.parametrizations[tensor_name]
    if not held.is_tensor and not leave_parametrized:
        raise ValueError(
            "remove_parametrizations: leave_parametrized=False needs one original tensor, here are several"
        )
    with no_grad():
        value = getattr(module, tensor_name).detach().clone()
    first = held._originals()[0]
    if held.is_tensor:  # the original stays the object that an optimizer holds
        if leave_parametrized:
            first.data = value
        restored = first
    else:
        restored = Parameter(value, first.requires_grad) if isinstance(first, Parameter) else value
    base = type_before_parametrizations(module)
    del module.parametrizations[tensor_name]
    names = list(module.parametrizations)
    if not names:
        del module.parametrizations
    _reclass(module, base, names)
    if isinstance(restored, Parameter):
        module.register_parameter(tensor_name, restored)
    else:
        module.register_buffer(tensor_name, restored)
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class that a module had before it got parametrizations."""
    base: type[Module] = type(module).__bases__[0] if is_parametrized(module) else type(module)
    return base


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give a module the parametrizations of another one, with the values of the parameters that they are computed from.

    Parameters
    ----------
    from_module, to_module : Module
    tensor_name : str, optional
        By default all parametrized tensors.

    Returns
    -------
    Module
        ``to_module``.

    Raises
    ------
    ValueError
        When `from_module` has no such parametrization.
    """
    if not is_parametrized(from_module, tensor_name):
        raise ValueError(f"transfer_parametrizations_and_params: {from_module._get_name()} has no such parametrization")
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source: ParametrizationList = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization, unsafe=True)
        target: ParametrizationList = to_module.parametrizations[name]
        for mine, theirs in zip(target._originals(), source._originals(), strict=True):
            mine.data = theirs.detach().clone()
    return to_module
