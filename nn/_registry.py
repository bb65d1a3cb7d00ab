"""What a Module knows about its members: registering them, finding them by name, walking over them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn, cast

from tinygrad_edu.nn.parameter import Buffer, Parameter
from tinygrad_edu.tensor import Tensor

if TYPE_CHECKING:
    from tinygrad_edu.nn._hooks import Hook
    from tinygrad_edu.nn.module import Module

# What a registered attribute can be. `_kinds` maps its name to one of these.
PARAMETER, BUFFER, MODULE = "parameter", "buffer", "module"


class Registry:
    """The part of `Module` that holds its members.

    They live in the instance's ``__dict__`` like any other attribute, so that reading ``self.weight`` in ``forward``
    costs what an attribute costs; ``_kinds`` says which names are registered, and as what.
    """

    training: bool
    _kinds: dict[str, str]
    _transient: set[str]  # the buffers that state_dict leaves out
    _hooks: OrderedDict[int, Hook]
    _state_hooks: OrderedDict[int, Hook]

    def __init__(self) -> None:
        self.__dict__.update(
            training=True, _kinds={}, _transient=set(), _hooks=OrderedDict(), _state_hooks=OrderedDict()
        )

    def _get_name(self) -> str:
        return type(self).__name__

    # --- attributes -------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            return self._register(name, value, PARAMETER)
        if isinstance(value, Registry):
            return self._register(name, value, MODULE)
        if isinstance(value, Buffer):
            return self.register_buffer(name, value, value.persistent)
        kind = self.__dict__.get("_kinds", {}).get(name)
        if kind is None:
            return object.__setattr__(self, name, value)
        if value is not None and not (kind == BUFFER and isinstance(value, Tensor)):
            self._refuse(name, value, kind)
        self.__dict__[name] = value

    def _refuse(self, name: str, value: Any, kind: str) -> NoReturn:
        """Explain why `value` can't replace the registered attribute `name`."""
        fix = {
            PARAMETER: f"assign nn.Parameter(value), or write into it with `self.{name}.copy_(value)` under no_grad",
            BUFFER: "assign a Tensor or None",
            MODULE: "assign a Module or None",
        }[kind]
        raise TypeError(
            f"cannot assign a {type(value).__name__} as {kind} {name!r} of {self._get_name()}: {fix}, "
            f"or `del self.{name}` first to make it an ordinary attribute"
        )

    def __getattr__(self, name: str) -> Any:
        # Called only after the ordinary look-up failed, so its speed matters to hasattr() alone.
        if "_kinds" not in self.__dict__ and name in Registry.__annotations__:
            raise AttributeError(_not_initialised(self, f"uses {name!r}"))
        if hasattr(type(self), name):  # a property whose own body failed: let its error through
            return object.__getattribute__(self, name)
        raise _NoSuchAttribute(self, name)

    def __delattr__(self, name: str) -> None:
        if self.__dict__.get("_kinds", {}).pop(name, None) is None:
            return object.__delattr__(self, name)
        del self.__dict__[name]
        self._transient.discard(name)

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if name.isidentifier())

    # --- registration -----------------------------------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under `name`; None marks a parameter that this configuration doesn't have.

        Raises
        ------
        TypeError
            If `param` is neither a Parameter nor None.
        KeyError
            If `name` is empty, has a dot, or is taken by something else.
        """
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter({name!r}) got a {type(param).__name__}: pass nn.Parameter(tensor), or None"
            )
        self._register(name, param, PARAMETER, new=True)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that moves with the module but is not trained.

        Parameters
        ----------
        name : str
            The attribute under which it is found.
        tensor : Tensor or None
            Its value; None marks a buffer that this configuration doesn't have.
        persistent : bool, default True
            Whether ``state_dict`` contains it.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> from tinygrad_edu import nn
        >>> m = nn.Module()
        >>> m.register_buffer("mean", tg.zeros(2))
        >>> m.register_buffer("mask", tg.ones(2), persistent=False)
        >>> [name for name, _ in m.named_buffers()], list(m.state_dict())
        (['mean', 'mask'], ['mean'])
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer({name!r}) got a {type(tensor).__name__}: pass a Tensor or None")
        self._register(name, tensor, BUFFER, new=not isinstance(tensor, Buffer))
        (self._transient.discard if persistent else self._transient.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child module under `name`, for names that are computed; ``self.name = module`` does the same."""
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"register_module({name!r}) got a {type(module).__name__}: pass a Module or None")
        self._register(name, module, MODULE, new=True)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under `name`: another name of `register_module`."""
        self.register_module(name, module)

    def _register(self, name: str, value: Any, kind: str, new: bool = False) -> None:
        """Make `value` the member `name`; with `new`, another kind of attribute of that name is an error."""
        if "_kinds" not in self.__dict__:
            raise AttributeError(_not_initialised(self, f"assigns {name!r}"))
        if not isinstance(name, str):
            raise TypeError(f"the name of a {kind} must be a string, got {name!r}")
        if not name or "." in name:
            raise KeyError(f"{name!r} can't be the name of a {kind}: it must not be empty or contain a dot")
        known = self._kinds.get(name)
        if hasattr(type(self), name) or (new and known != kind and name in self.__dict__):
            raise KeyError(f"{self._get_name()} has an attribute {name!r} already: give the {kind} another name")
        if known != kind:
            self._kinds.pop(name, None)  # so that it moves to the end
            self._transient.discard(name)
        self._kinds[name] = kind
        self.__dict__[name] = value

    @property
    def _parameters(self) -> MutableMapping[str, Parameter | None]:
        return _Members(self, PARAMETER)

    @property
    def _buffers(self) -> MutableMapping[str, Tensor | None]:
        return _Members(self, BUFFER)

    @property
    def _modules(self) -> MutableMapping[str, Module | None]:
        return _Members(self, MODULE)

    # --- walks ------------------------------------------------------------------------------------------------------

    def _own(self, kind: str) -> list[tuple[str, Any]]:
        """Return this module's own members of one kind, those that are None included."""
        members = self.__dict__
        return [(name, members[name]) for name, its_kind in self._kinds.items() if its_kind == kind]

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield ``(dotted name, module)`` of this module (name ``prefix``) and of everything below it, parents first.

        Parameters
        ----------
        memo : set of Module, optional
            Modules to leave out; those that were met are added.
        prefix : str, default ""
            Put before every name.
        remove_duplicate : bool, default True
            Whether a module that is used in several places is yielded once.
        """
        memo = set() if memo is None else memo
        this = cast("Module", self)
        if remove_duplicate:
            if this in memo:
                return
            memo.add(this)
        yield prefix, this
        for name, child in self._own(MODULE):
            if child is not None:
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def _named_tensors(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        this = [(prefix, cast("Module", self))]
        for path, module in self.named_modules(None, prefix, remove_duplicate) if recurse else this:
            for name, value in module._own(kind):
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield ``(dotted name, parameter)``: of this module, and with `recurse` of all modules below it.

        With `remove_duplicate`, a parameter that is shared between modules is yielded once, by its first name.
        """
        return self._named_tensors(PARAMETER, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield every parameter once: what an optimizer is given."""
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield ``(dotted name, buffer)``, those that are not persistent included."""
        return self._named_tensors(BUFFER, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield every buffer once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield ``(name, module)`` of the direct children, each module once."""
        seen: set[Module] = set()
        for name, child in self._own(MODULE):
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """Yield the direct children."""
        return (child for _, child in self.named_children())

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yield this module and all modules below it, each once unless asked otherwise, parents first."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def get_submodule(self, target: str) -> Module:
        """Return the module with the dotted name `target`; the empty name is this module itself.

        Raises
        ------
        AttributeError
            If there is no module of that name.
        """
        module = cast("Module", self)
        for name in target.split(".") if target else []:
            module = module._member(name, MODULE, target)
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module in the place with the dotted name `target`; with `strict` there must be one already.

        Examples
        --------
        >>> from tinygrad_edu import nn
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        >>> net.set_submodule("1", nn.ReLU())
        >>> net[1]
        ReLU()
        """
        if not target:
            raise ValueError("set_submodule: the name must not be empty, that is the module itself")
        if not isinstance(module, Registry):
            raise TypeError(f"set_submodule({target!r}) got a {type(module).__name__}: pass a Module")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict or name in parent.__dict__:
            parent._member(name, MODULE, target)
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter with the dotted name `target`."""
        path, _, name = target.rpartition(".")
        param: Parameter = self.get_submodule(path)._member(name, PARAMETER, target)
        return param

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer with the dotted name `target`."""
        path, _, name = target.rpartition(".")
        buffer: Tensor = self.get_submodule(path)._member(name, BUFFER, target)
        return buffer

    def _member(self, name: str, kind: str, target: str) -> Any:
        value = self.__dict__[name] if self._kinds.get(name) == kind else None
        if value is None:
            names = ", ".join(known for known, value in self._own(kind) if value is not None) or "none"
            raise AttributeError(f"no {kind} {target!r}: {self._get_name()} has no {kind} {name!r} (it has: {names})")
        return value


class _Members(MutableMapping[str, Any]):
    """The members of one kind as a mapping: what PyTorch's users know as ``module._modules`` and so on."""

    def __init__(self, module: Registry, kind: str) -> None:
        self._module = module
        self._kind = kind

    def __getitem__(self, name: str) -> Any:
        if self._module._kinds.get(name) != self._kind:
            raise KeyError(name)
        return self._module.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._module._register(name, value, self._kind)

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self._module, name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._module._own(self._kind))

    def __len__(self) -> int:
        return len(self._module._own(self._kind))

    def __repr__(self) -> str:
        return repr(dict(self))


class _NoSuchAttribute(AttributeError):
    """Looks for similar names only when it is printed: ``hasattr`` raises one of these each time it says no."""

    def __init__(self, module: Registry, attribute: str) -> None:
        self._message = f"{module._get_name()!r} object has no attribute {attribute!r}"
        super().__init__(self._message)
        self._module = module
        self._attribute = attribute

    def __str__(self) -> str:
        import difflib

        close = difflib.get_close_matches(self._attribute, dir(self._module), n=1)
        return self._message + (f"; did you mean {close[0]!r}?" if close else "")


def _not_initialised(module: Registry, what: str) -> str:
    name = type(module).__name__
    return f"{name} {what} before Module.__init__ ran: make `super().__init__()` the first line of {name}.__init__"
