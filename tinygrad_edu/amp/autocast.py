"""autocast: inside of it, products of matrices are computed in half precision, and what needs single precision is computed in that.

Functions ask :func:`~tinygrad_edu.ops._casting.lowered` and :func:`~tinygrad_edu.ops._casting.single` whether their arguments
are to be converted; the conversions are operations of the graph, so that gradients arrive in the type of the parameters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tinygrad_edu._state import modes, swap
from tinygrad_edu.dtypes import float16, to_dtype

__all__ = ["autocast"]


class autocast:
    """A region, or with ``@autocast(...)`` a function, in which float32 tensors enter products of matrices as float16.

    What is converted is what PyTorch converts on GPUs, here on every device. Lowered are ``linear``, ``matmul`` and its relatives
    (``addmm``, ``baddbmm``, ``vecdot``, …), ``einsum``, convolutions, ``prelu`` and ``scaled_dot_product_attention``. Computed in
    single precision, also from half precision, are softmax, cross entropy and the other losses, normalisations, exponentials,
    logarithms, powers, sums, products, norms and distances, and, other than in PyTorch, recurrent layers. Everything else,
    ``bilinear`` and ``dot`` too, computes in the type of what it gets; of two types it takes the wider one.
    float64 is left alone. Use it around the forward pass and the loss, not around ``backward()``.

    Parameters
    ----------
    device_type : str
        Tensors of devices of this type are converted: "cuda", "cpu", or a plug-in's name.
    dtype : optional
        float16 by default. There is no bfloat16 in NumPy and CuPy.
    enabled : bool, default True
        Whether to convert; False makes an exception inside of a region.
    cache_enabled : bool, optional
        Accepted for PyTorch's sake, and without effect: nothing is cached, so nothing can be out of date.

    Raises
    ------
    ValueError
        For types that are not half precision, and for bfloat16, which the array libraries lack.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.Linear(3, 2)
    >>> with tg.autocast("cpu", dtype=tg.float16):
    ...     y = layer(tg.ones(1, 3))
    ...     loss = nn.functional.mse_loss(y, tg.zeros(1, 2))
    >>> loss.backward()
    >>> y.dtype, loss.dtype, layer.weight.grad.dtype
    (tg.float16, tg.float32, tg.float32)
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"autocast: device_type must be a str such as 'cuda', got {device_type!r}")
        self.device_type = device_type.split(":")[0]
        self.dtype = float16 if dtype is None else to_dtype(dtype)
        if enabled and self.dtype is not float16:
            lacks = "which NumPy and CuPy do not have" if self.dtype.name == "bfloat16" else "which is not lower"
            raise ValueError(f"autocast: products are lowered to float16, not to {self.dtype}, {lacks}")
        self.enabled = enabled
        self._before: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        casts = {kind: dtype for kind, dtype in modes.casts.items() if kind != self.device_type}
        if self.enabled:
            casts[self.device_type] = self.dtype
        self._before.append(swap({"casts": casts}))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        swap(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return run
