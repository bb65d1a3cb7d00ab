"""What layers put out and what gradients come back to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np

from tinygrad_edu.plots._axes import host, new_axes
from tinygrad_edu.tensor import Tensor

__all__ = ["LayerRecorder", "plot_histograms"]


class LayerRecorder:
    """Record the outputs of layers and the gradients that arrive at them, in a ``with`` block.

    Parameters
    ----------
    model : nn.Module
    layers : iterable of str, optional
        Names as in ``named_modules``; by default the layers that hold no others.

    Attributes
    ----------
    activations : dict of arrays
        The last output of each layer.
    gradients : dict of arrays
        The gradient of the loss with respect to that output, after a ``backward()`` in the block; after it in the
        order of the layers.

    Raises
    ------
    ValueError
        When the model has no layer of a given name.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn, plots
    >>> model = nn.Sequential(nn.Linear(3, 5), nn.Tanh())
    >>> with plots.LayerRecorder(model) as recorder:
    ...     model(tg.ones(2, 3)).sum().backward()
    >>> {name: a.shape for name, a in recorder.activations.items()}
    {'0': (2, 5), '1': (2, 5)}
    >>> recorder.gradients["1"].tolist()[0]
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, model: Any, layers: Iterable[str] | None = None) -> None:
        modules = dict(model.named_modules())
        names = list(layers) if layers is not None else [n for n, m in modules.items() if not list(m.children())]
        for name in names:
            if name not in modules:
                raise ValueError(
                    f"LayerRecorder: the model has no layer {name!r}; it has {', '.join(filter(None, modules))}"
                )
        self._modules = {name: modules[name] for name in names}
        self._handles: list[Any] = []
        self.activations: dict[str, np.ndarray[Any, Any]] = {}
        self.gradients: dict[str, np.ndarray[Any, Any]] = {}

    def __enter__(self) -> Self:
        for name, module in self._modules.items():
            self._handles.append(module.register_forward_hook(self._hook(name)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.gradients = {name: self.gradients[name] for name in self.activations if name in self.gradients}

    def _hook(self, name: str) -> Callable[[Any, Any, Any], None]:
        def record_gradient(gradient: Any) -> None:
            self.gradients[name] = host(gradient).copy()

        def record(module: Any, args: Any, out: Any) -> None:
            value = out[0] if isinstance(out, tuple) else out
            if isinstance(value, Tensor):
                self.activations[name] = host(value).copy()
                if value.requires_grad:
                    self._handles.append(value.register_hook(record_gradient))

        return record


def plot_histograms(values: Mapping[str, Any], *, bins: int = 50, log: bool = False, xlabel: str = "") -> list[Any]:
    """Draw how the numbers of each array are distributed, one panel an array, with its mean and standard deviation.

    Parameters
    ----------
    values : dict of arrays or tensors
        For instance the ``activations`` of a :class:`LayerRecorder`, or ``dict(model.named_parameters())``.
    bins : int
    log : bool
        Whether counts are drawn logarithmically.
    xlabel : str

    Returns
    -------
    list of Axes
    """
    if not values:
        raise ValueError("plot_histograms: there is nothing to draw")
    axes = new_axes(1, len(values), (3.0, 3.0))
    for ax, (name, value) in zip(axes, values.items(), strict=True):
        flat = host(value).astype(float).ravel()
        finite = flat[np.isfinite(flat)]
        ax.hist(finite, bins=bins)
        note = f"mean {finite.mean():.2g}, std {finite.std():.2g}" if len(finite) else "no finite values"
        if len(finite) < len(flat):
            note += f"\n{len(flat) - len(finite)} are not finite"
        ax.set_title(f"{name}\n{note}", fontsize=9)
        ax.set(xlabel=xlabel, yscale="log" if log else "linear")
    return axes
