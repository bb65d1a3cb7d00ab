"""state_dict and load_state_dict: a module's tensors by dotted name, and back, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn import _hooks
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.nn.uninitialized import Uninitialized
from tinygrad_edu.tensor import Tensor

if TYPE_CHECKING:
    from tinygrad_edu.nn.module import Module

EXTRA_STATE = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` returns: the keys that the model lacks, and those that it doesn't know."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def _members(module: Module) -> Iterator[tuple[str, Tensor]]:
    """Yield what of `module` itself belongs into a state_dict: parameters, then persistent buffers."""
    yield from ((name, param) for name, param in module._own("parameter") if param is not None)
    for name, buffer in module._own("buffer"):
        if buffer is not None and name not in module._transient:
            yield name, buffer


def _overrides(module: Module, method: str) -> bool:
    from tinygrad_edu.nn.module import Module

    return getattr(type(module), method) is not getattr(Module, method)


def collect(module: Module, destination: MutableMapping[str, Any], prefix: str, keep_vars: bool) -> None:
    """Put the members of `module` and of all modules below it into `destination`."""
    for hook in _hooks.select(module._state_hooks, _hooks.STATE_PRE):
        hook.fn(module, prefix, keep_vars)
    for name, tensor in _members(module):
        as_it_is = keep_vars or isinstance(tensor, Uninitialized)
        destination[prefix + name] = tensor if as_it_is else tensor.detach()
    if _overrides(module, "get_extra_state"):
        destination[prefix + EXTRA_STATE] = module.get_extra_state()
    for name, child in module._own("module"):
        if child is not None:
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for hook in _hooks.select(module._state_hooks, _hooks.STATE_POST):
        hook.fn(module, destination, prefix, {})


class _Plan:
    """What a load is going to do, and all that speaks against it; nothing has been touched while it is made."""

    def __init__(self, state: MutableMapping[str, Any], strict: bool) -> None:
        self.state = state
        self.strict = strict
        self.copies: list[tuple[Module, str, Tensor, Tensor]] = []  # (module, attribute, its tensor, the new value)
        self.extras: list[tuple[Module, Any]] = []
        self.known: set[str] = set()
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []

    def visit(self, module: Module, prefix: str) -> None:
        for hook in _hooks.select(module._state_hooks, _hooks.LOAD_PRE):
            hook.fn(module, self.state, prefix, {}, self.strict, self.missing, self.unexpected, self.errors)
        for name, tensor in _members(module):
            if self._expect(prefix + name):
                self._compare(module, name, tensor, prefix + name)
        if _overrides(module, "set_extra_state") and self._expect(prefix + EXTRA_STATE):
            self.extras.append((module, self.state[prefix + EXTRA_STATE]))

    def _expect(self, key: str) -> bool:
        self.known.add(key)
        if key not in self.state:
            self.missing.append(key)
        return key in self.state

    def _compare(self, module: Module, name: str, tensor: Tensor, key: str) -> None:
        value = self.state[key]
        if not isinstance(value, Tensor):
            self.errors.append(f'the entry for "{key}" must be a Tensor, got a {type(value).__name__}.')
        elif isinstance(value, Uninitialized):
            if not isinstance(tensor, Uninitialized):
                self.errors.append(f'the entry for "{key}" has no shape: its lazy module was not called before.')
        elif isinstance(tensor, Uninitialized):
            self.copies.append((module, name, tensor, value))
        elif value.shape != tensor.shape:
            self.errors.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {tensor.shape}."
            )
        else:
            self.copies.append((module, name, tensor, value))

    def check(self, name: str) -> None:
        self.unexpected += [key for key in self.state if key not in self.known]
        problems = list(self.errors)
        if self.strict and self.unexpected:
            problems.insert(0, "Unexpected key(s) in state_dict: " + _quoted(self.unexpected))
        if self.strict and self.missing:
            problems.insert(0, "Missing key(s) in state_dict: " + _quoted(self.missing))
        if problems:
            raise RuntimeError(f"Error(s) in loading state_dict for {name}:\n\t" + "\n\t".join(problems))

    def copy(self) -> None:
        """Copy the new values; all conversions come first, so that one that fails leaves the model as it was."""
        with no_grad():
            for _, _, old, new in self.copies:
                if isinstance(old, Uninitialized):
                    old.materialize(tuple(new.shape))
            ready = [(old, new.to(device=old.device, dtype=old.dtype)) for _, _, old, new in self.copies]
            for old, new in ready:
                old.copy_(new)

    def assign(self) -> None:
        """Put the new tensors in the place of the old ones; tied parameters stay tied."""
        made: dict[int, Tensor] = {}
        for module, name, old, new in self.copies:
            if id(old) not in made:
                made[id(old)] = Parameter(new.detach(), old.requires_grad) if isinstance(old, Parameter) else new
            module.__dict__[name] = made[id(old)]


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys) + "."


def load(module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Check `state_dict` against `module`, then copy or assign its tensors."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict takes a mapping from names to tensors, got a {type(state_dict).__name__}")
    plan = _Plan(dict(state_dict), strict)
    modules = list(module.named_modules(remove_duplicate=False))
    for path, part in modules:
        plan.visit(part, f"{path}." if path else "")
    plan.check(module._get_name())
    (plan.assign if assign else plan.copy)()
    for part, state in plan.extras:
        part.set_extra_state(state)
    keys = IncompatibleKeys(plan.missing, plan.unexpected)
    for _, part in reversed(modules):
        for hook in _hooks.select(part._state_hooks, _hooks.LOAD_POST):
            hook.fn(part, keys)
    return keys
