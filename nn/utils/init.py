"""Making a module without drawing its starting values."""

from __future__ import annotations

from typing import Any, TypeVar

from tinygrad_edu.nn.module import Module

__all__ = ["skip_init"]

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """Make a module whose parameters keep what was in memory, for values that are loaded at once.

    The class draws its starting values in a method ``reset_parameters``, as the layers of this library do.

    Parameters
    ----------
    module_cls : type
        The class of the module.
    *args, **kwargs
        Its arguments.

    Raises
    ------
    TypeError
        When the class is no subclass of Module.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> state = tg.get_rng_state()
    >>> nn.utils.skip_init(nn.Linear, 2, 3)
    Linear(in_features=2, out_features=3, bias=True)
    >>> tg.get_rng_state().equal(state)
    True
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise TypeError(f"skip_init: expected a subclass of Module, got {module_cls!r}")
    silent: Any = type(module_cls.__name__, (module_cls,), {"reset_parameters": lambda self: None})
    module: M = silent(*args, **kwargs)
    module.__class__ = module_cls
    return module
