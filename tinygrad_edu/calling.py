"""Words and places for arguments that PyTorch takes besides its own: ``axis`` for ``dim``, ``out=``, and a factor in the middle."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tinygrad_edu._state import modes
from tinygrad_edu.tensor import Tensor

__all__ = ["accept_more"]

_WORDS = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}

# Where scripts use them. Only the function that users call takes them: formulas of the library call the one inside.
_WITH_DIM = (
    "all amax amin any argmax argmin argsort cat chunk concat concatenate count_nonzero cumprod cumsum diff gather index_select "
    "log_softmax logsumexp max mean median min nanmean nansum prod repeat_interleave softmax sort squeeze stack std std_mean sum "
    "take_along_dim topk unbind unsqueeze var var_mean"
).split()
_WITH_OUT = (
    "abs add addmm amax amin arange argmax argmin bernoulli bmm cat ceil clamp concat cos cosh cummax cummin cumprod cumsum div dot "
    "eq erf exp eye floor full gather ge gt index_select inverse le linspace log log10 log1p log2 logsumexp lt masked_select matmul "
    "max maximum mean min minimum mm mul multinomial mv ne neg nonzero normal ones outer pow prod rand randint randn randperm "
    "reciprocal "
    "remainder round rsqrt sigmoid sign sin sinh softmax sort sqrt square stack std sub sum svd take tan tanh topk tril triu trunc "
    "var where zeros"
).split()
_WITH_FACTOR = {"add": "alpha", "sub": "alpha", "addcmul": "value", "addcdiv": "value"}


def _called_like_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, also called with NumPy's words."""

    @functools.wraps(function)
    def _call(*args: Any, **kwargs: Any) -> Any:
        for word in kwargs.keys() & _WORDS.keys():
            kwargs.setdefault(_WORDS[word], kwargs.pop(word))
        return function(*args, **kwargs)

    return _call


def _called_with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, also called with tensors that the result is written to."""

    @functools.wraps(function)
    def _call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and (out := kwargs.pop("out", None)) is not None:
            return _written(function.__name__, function(*args, **kwargs), out)
        return function(*args, **kwargs)

    return _call


def _written(name: str, result: Any, out: Any) -> Any:
    """Write a result, or each of several, to a tensor, which takes its shape."""
    if not isinstance(result, Tensor):
        return type(result)(*(_written(name, r, o) for r, o in zip(result, out, strict=True)))
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}: out must be a Tensor, got {type(out).__name__}")
    if modes.grad and (result.requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{name}: a result that is written to out= cannot be differentiated; call it without, or under no_grad()"
        )
    if result.dtype.category > out.dtype.category:
        raise RuntimeError(f"{name}: a result of {result.dtype} cannot be written to a tensor of {out.dtype}")
    if out.shape == result.shape:
        return out.copy_(result)
    out.data = result.to(out.dtype)
    return out


def _factor_in_the_middle(function: Callable[..., Any], factor: str) -> Callable[..., Any]:
    """The function, also called as PyTorch's first versions had it: ``x.add(2, y)`` for ``x.add(y, alpha=2)``."""

    @functools.wraps(function)
    def _call(*args: Any, **kwargs: Any) -> Any:
        usual = 2 if factor == "alpha" else 3
        if len(args) == usual + 1 and factor not in kwargs:
            first, number, *rest = args
            return function(first, *rest, **{factor: number}, **kwargs)
        return function(*args, **kwargs)

    return _call


def accept_more(namespace: dict[str, Any]) -> None:
    """Let functions of a namespace, and the tensor's methods that are the same functions, be called in these ways, too."""
    methods: dict[Any, list[str]] = {}  # a method, and all its names; operators stay as quick as they are
    for name, value in ((name, value) for kind in Tensor.__mro__ for name, value in vars(kind).items()):
        if inspect.isfunction(value) and not name.startswith("__"):
            methods.setdefault(value, []).append(name)

    def wrap(old: Callable[..., Any], new: Callable[..., Any], tensors: bool = True) -> None:
        for alias in [alias for alias, value in namespace.items() if value is old]:
            namespace[alias] = new
        for alias in methods.get(old, ()) if tensors else ():
            setattr(Tensor, alias, new)

    for function in dict.fromkeys(namespace[name] for name in _WITH_DIM):
        wrap(function, _called_like_numpy(function))
    for name, factor in _WITH_FACTOR.items():
        for function in (namespace[name], getattr(Tensor, f"{name}_")):
            wrap(function, _factor_in_the_middle(function, factor))
    for function in dict.fromkeys(namespace[name] for name in _WITH_OUT):
        wrap(function, _called_with_out(function), tensors=False)
