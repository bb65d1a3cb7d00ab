"""PyTorch's arrays through array-api-compat: its kernels on CPU and GPU, under the gradients of this library.

``"torch"`` (or ``"torch:0"``) is PyTorch's CPU, ``"torch:1"`` its first CUDA card.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends.base import Array, Backend, load


class TorchBackend(Backend):
    """Arrays are ``torch.Tensor`` without gradient; they have views and can be written to."""

    name = "torch"
    several = True

    def __init__(self, index: int = 0) -> None:
        self._torch = torch = load("torch", "torch", "torch-backend")
        self.namespace = load("torch", "array_api_compat.torch", "torch-backend")
        self.array_types = (torch.Tensor,)
        self.linalg_errors = (torch.linalg.LinAlgError,)
        self._device = torch.device("cuda", index - 1) if index else torch.device("cpu")
        super().__init__(index)

    def device_count(self) -> int:
        return 1 + int(self._torch.cuda.device_count())

    def place(self, x: Array) -> int:
        return 0 if x.device.index is None else int(x.device.index) + 1

    def placed(self, create: Callable[..., Array]) -> Callable[..., Array]:
        return functools.partial(create, device=self._device)

    def from_host(self, x: Any, index: int) -> Array:
        return self._torch.from_numpy(np.array(x)).to(self.at(index)._device)

    def to_host(self, x: Array) -> Any:
        return x.numpy(force=True).copy()

    def synchronize(self) -> None:
        if self.index:
            self._torch.cuda.synchronize(self._device)

    # Memory ----------------------------------------------------------------------------------------------------------

    def root(self, x: Array) -> Any:
        return x.untyped_storage()

    def owns(self, x: Array) -> bool:
        return not x._is_view() and bool(x.untyped_storage().nbytes() == x.nbytes)

    def is_view(self, view: Array, of: Array) -> bool:
        return bool(view.untyped_storage().data_ptr() == of.untyped_storage().data_ptr()) and view.numel() > 0

    def is_contiguous(self, x: Array) -> bool:
        return bool(x.is_contiguous())

    def strides(self, x: Array) -> tuple[int, ...]:
        return tuple(x.stride())

    def contiguous(self, x: Array) -> Array:
        return x.clone(memory_format=self._torch.contiguous_format)

    def alias(self, x: Array) -> Array:
        return x.view_as(x)  # a view, unlike detach(), and told as one by owns()

    def copy(self, x: Array) -> Array:
        return x.clone()

    def is_writable(self, x: Array) -> bool:
        return x.numel() < 2 or all(stride or n < 2 for stride, n in zip(x.stride(), x.shape, strict=True))

    def diagonal(self, x: Array, offset: int) -> Array:
        return x.diagonal(offset, -2, -1)

    # Indexing --------------------------------------------------------------------------------------------------------

    def getitem(self, x: Array, index: Any) -> Array:
        return x[index]

    def setitem(self, x: Array, index: Any, value: Any) -> Array:
        x[index] = value
        return x

    def index_add(self, x: Array, index: Any, value: Any) -> Array:
        if isinstance(index, self._torch.Tensor) and index.dtype != self._torch.bool and x.itemsize > 2:
            return x.index_put_((index,), value, accumulate=True)
        return super().index_add(x, index, value)
