"""How PyTorch's older scripts call losses and softmax: ``size_average=False``, ``reduce=False``, and no ``dim``."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["accept_older_forms"]

# Behind which arguments of a function, or of its module, PyTorch has size_average and reduce: (function, places; module, places).
_LOSSES = {
    "binary_cross_entropy": ((3, 4), "BCELoss", (1, 2)),
    "binary_cross_entropy_with_logits": ((3, 4), "BCEWithLogitsLoss", (1, 2)),
    "cosine_embedding_loss": ((4, 5), "CosineEmbeddingLoss", (1, 2)),
    "cross_entropy": ((3, 5), "CrossEntropyLoss", (1, 3)),
    "hinge_embedding_loss": ((3, 4), "HingeEmbeddingLoss", (1, 2)),
    "kl_div": ((2, 3), "KLDivLoss", (0, 1)),
    "l1_loss": ((2, 3), "L1Loss", (0, 1)),
    "margin_ranking_loss": ((4, 5), "MarginRankingLoss", (1, 2)),
    "mse_loss": ((2, 3), "MSELoss", (0, 1)),
    "multi_margin_loss": ((5, 6), "MultiMarginLoss", (3, 4)),
    "multilabel_margin_loss": ((2, 3), "MultiLabelMarginLoss", (0, 1)),
    "multilabel_soft_margin_loss": ((3, 4), "MultiLabelSoftMarginLoss", (1, 2)),
    "nll_loss": ((3, 5), "NLLLoss", (1, 3)),
    "poisson_nll_loss": ((4, 6), "PoissonNLLLoss", (2, 4)),
    "smooth_l1_loss": ((2, 3), "SmoothL1Loss", (0, 1)),
    "soft_margin_loss": ((2, 3), "SoftMarginLoss", (0, 1)),
    "triplet_margin_loss": ((7, 8), "TripletMarginLoss", (4, 5)),
}


def _with_older_reduction(function: Callable[..., Any], places: tuple[int, int]) -> Callable[..., Any]:
    """The function, also called with ``size_average`` and ``reduce``, by name or in PyTorch's places, where None or a bool stands."""

    @functools.wraps(function)
    def _call(*args: Any, **kwargs: Any) -> Any:
        first, second = places
        mean, reduce = kwargs.pop("size_average", None), kwargs.pop("reduce", None)
        if len(args) > first and (args[first] is None or isinstance(args[first], bool)):
            mean = args[first]
            reduce = args[second] if len(args) > second else reduce
            args = args[:first] + args[first + 1 : second] + args[second + 1 :]
        if mean is not None or reduce is not None:
            kwargs["reduction"] = "none" if reduce is False else "sum" if mean is False else "mean"
            warnings.warn(
                f"{function.__qualname__}: size_average and reduce are old forms of reduction={kwargs['reduction']!r}",
                stacklevel=2,
            )
        return function(*args, **kwargs)

    return _call


def _with_chosen_dim(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, also called without ``dim``: then it is 0 for 0, 1 and 3 dimensions, and 1 for others, as in PyTorch."""

    @functools.wraps(function)
    def _call(input: Any, dim: int | None = None, *args: Any, **kwargs: Any) -> Any:
        if dim is None:
            dim = 0 if input.ndim in (0, 1, 3) else 1
            warnings.warn(
                f"{function.__name__}: no dim was given, so it is {dim} here; say which with dim=", stacklevel=2
            )
        return function(input, dim, *args, **kwargs)

    return _call


def accept_older_forms(functions: dict[str, Any], modules: dict[str, Any]) -> None:
    """Let the losses and softmax of `nn.functional` and the losses of `nn` be called in these ways, too."""
    for name, (places, module, of_init) in _LOSSES.items():
        functions[name] = _with_older_reduction(functions[name], places)
        kind = modules[module]
        kind.__init__ = _with_older_reduction(kind.__init__, (of_init[0] + 1, of_init[1] + 1))
    for name in ("softmax", "log_softmax", "softmin"):
        functions[name] = _with_chosen_dim(functions[name])
