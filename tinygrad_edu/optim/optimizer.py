"""What optimizers share: groups of parameters with their settings, the state of each parameter, and saving both."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

from tinygrad_edu import backends
from tinygrad_edu.errors import describe
from tinygrad_edu.grad_mode import enable_grad
from tinygrad_edu.optim._hooks import (
    Hooked,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.writes import writes

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]

Params = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]
Closure = Callable[[], Any]


class _Required:
    """The default of a setting that every group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required: Final = _Required()


class Optimizer(Hooked):
    """Base class of optimizers: subclass it, pass the default settings up, and define ``step``.

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
        What to optimize: tensors, ``module.named_parameters()``, or groups ``{"params": tensors, setting: value, …}``
        with settings of their own.
    defaults : dict
        The settings of groups that do not say otherwise; the value ``required`` stands for one that they must say.

    Attributes
    ----------
    param_groups : list of dict
        Each group's parameters and settings, which may be changed at any time (as schedulers do with ``"lr"``).
    state : dict
        For each parameter what the optimizer remembers of it, by name.

    Raises
    ------
    ValueError
        When there are no parameters, or one of them is a result of other tensors or was given twice.
    TypeError
        When something else than tensors was given.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> class SignDescent(optim.Optimizer):
    ...     def __init__(self, params, lr=0.1):
    ...         super().__init__(params, {"lr": lr})
    ...
    ...     @tg.no_grad()
    ...     def step(self):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p -= group["lr"] * p.grad.sign()
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w]).step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    # State that keeps its own type when it is loaded: numbers, which do not follow the parameter's type.
    counters: ClassVar[tuple[str, ...]] = ("step",)

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                f"{self._name()}: params must be a list of tensors or of groups, not one tensor; pass [tensor]"
            )
        if not hasattr(params, "__iter__"):
            raise TypeError(
                f"{self._name()}: params must be a list of tensors or of groups, got {type(params).__name__}; of a module "
                "pass module.parameters()"
            )
        self._forget_hooks()
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"{self._name()}: there are no parameters to optimize (an empty list)")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        if not any(value is required for value in defaults.values()):
            self._check(defaults)
        for group in groups:
            self.add_param_group(group)

    @classmethod
    def _name(cls) -> str:
        return cls.__name__

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_step_pre_hooks" not in self.__dict__:
            self._forget_hooks()

    # Groups ----------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own, for example layers that are unfrozen during training.

        Parameters
        ----------
        param_group : dict
            ``"params"`` (a tensor or an ordered collection of tensors), and any setting that differs from the defaults.
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{self._name()}: a group must be a dict with the key 'params', got {describe(param_group)}"
            )
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError(
                f"{self._name()}: a set has no order, so a checkpoint could not be loaded; pass a list of parameters"
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        group = {**param_group, "params": params}
        if names:
            if len(names) != len(params):
                raise ValueError(
                    f"{self._name()}: {len(names)} of {len(params)} parameters have names; give all or none"
                )
            group["param_names"] = names
        if any(("param_names" in other) != ("param_names" in group) for other in self.param_groups):
            raise ValueError(f"{self._name()}: either all groups have names of parameters or none")
        self._check_params(params)
        for name, value in self.defaults.items():
            if value is required and name not in group:
                raise ValueError(f"{self._name()}: the group must have a value of {name!r}, which has no default")
            group.setdefault(name, value)
        self._check(group)
        self.param_groups.append(group)

    def _check_params(self, params: list[Any]) -> None:
        """Raise when one of them cannot be optimized or is there already."""
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name()}: parameters must be tensors, got {describe(p)}")
            if not p.is_leaf:
                raise ValueError(
                    f"{self._name()}: a parameter of shape {tuple(p.shape)} is the result of an operation; "
                    "only leaves can be optimized"
                )
            if id(p) in known:
                raise ValueError(f"{self._name()}: a parameter of shape {tuple(p.shape)} was given twice")
            known.add(id(p))

    def _check(self, group: dict[str, Any]) -> None:
        """Raise ``ValueError`` when a setting of a new group makes no sense."""

    # Steps -----------------------------------------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or with ``set_to_none=False`` fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p._grad is None:
                    p._grad = None
                elif type(p._grad) is SparseGrad or not p._grad.is_leaf:
                    p._grad = Tensor._wrap(backends.of(p._data).zeros_like(p._data))
                else:
                    raw = p._grad._data
                    xp = backends.of(raw)
                    p._grad._data = xp.write(raw, xp.zeros_like(raw))
                    writes.record(p._grad._data)

    def step(self, closure: Closure | None = None) -> Any:
        """Update all parameters once by their gradients; every optimizer defines its own.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients anew and returns the loss, which is returned.
        """
        raise NotImplementedError(f"{self._name()} has no step(): define how parameters follow their gradients")

    def _follow_parameters(self) -> None:
        """Move the state of parameters that have been moved to another device since the last step."""
        for p, state in self.state.items():
            for name in state.keys() - self.counters if isinstance(p, Tensor) else ():
                state[name] = _beside(state[name], p)

    def _loss(self, closure: Closure | None) -> Any:
        if closure is None:
            return None
        with enable_grad():
            return closure()

    # Saving ----------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The settings and the state, with parameters as numbers: ``{"state": {0: …}, "param_groups": […]}``.

        Parameters are counted through all groups. The tensors are those in use: ``tg.save`` them, or copy what must not
        change.
        """
        for hook in self._state_dict_pre_hooks.values():
            hook(self)
        numbers = {id(p): i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups]
        for group in groups:
            group["params"] = group.pop("params")  # the last key, as in PyTorch
        state = {numbers[id(p)] if isinstance(p, Tensor) else p: value for p, value in self.state.items()}
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._state_dict_post_hooks.values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave, of this library or of PyTorch (with its tensors converted).

        Floating-point state takes the type and device of its parameter. An error leaves the optimizer as it was.

        Raises
        ------
        ValueError
            When the groups or the numbers of their parameters differ, or state has not the shape of its parameter.
        """
        state_dict = dict(state_dict)
        for hook in self._load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = list(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"{self._name()}.load_state_dict: the state has {len(saved)} parameter groups, the optimizer {len(self.param_groups)}"
            )
        by_number: dict[Any, Tensor] = {}
        groups = []
        for i, (theirs, ours) in enumerate(zip(saved, self.param_groups, strict=True)):
            if len(theirs["params"]) != len(ours["params"]):
                raise ValueError(
                    f"{self._name()}.load_state_dict: group {i} has {len(theirs['params'])} parameters in the state and "
                    f"{len(ours['params'])} in the optimizer"
                )
            by_number.update(zip(theirs["params"], ours["params"], strict=True))
            settings = {name: copy.deepcopy(value) for name, value in theirs.items() if name != "params"}
            groups.append({**ours, **settings})
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            p = by_number.get(number)
            if p is None:
                state[number] = copy.deepcopy(values)
            else:
                state[p] = {name: self._fitted(name, value, p) for name, value in values.items()}
                self._check_loaded(number, p, state[p])
        self.__setstate__({"param_groups": groups, "state": state})
        for hook in self._load_state_dict_post_hooks.values():
            hook(self)

    def _check_loaded(self, number: Any, p: Tensor, state: dict[str, Any]) -> None:
        """Raise ``ValueError`` when loaded state does not fit its parameter."""

    @classmethod
    def _fitted(cls, name: str, value: Any, p: Tensor) -> Any:
        """A value of a loaded state as a copy, on the parameter's device and of its type; numbers stay as they are."""
        if isinstance(value, (list, tuple)):
            return type(value)(cls._fitted(name, v, p) for v in value)
        if isinstance(value, dict):
            return {key: cls._fitted(key, v, p) for key, v in value.items()}
        if not isinstance(value, Tensor):
            return copy.deepcopy(value)
        value = value.detach()
        if name not in cls.counters:
            value = value.to(device=p.device, dtype=p.dtype if p.is_floating_point() else None)
        return value.clone()

    def __repr__(self) -> str:
        lines = [f"{self._name()} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _beside(value: Any, p: Tensor) -> Any:
    """A value of a state on the device of its parameter, itself where it is there."""
    if isinstance(value, list):
        return [_beside(v, p) for v in value]
    if isinstance(value, Tensor) and backends.of(value._data) is not backends.of(p._data):
        return value.to(p.device)
    return value
