"""How a tensor's memory goes to other array libraries, and theirs comes here: DLPack, the array interfaces, buffers.

Nothing is copied where both sides can use the same memory. What is shared cannot be watched: a write by the other library stamps
nothing, so a gradient that still needs the old value is wrong without a word, as everywhere where libraries share memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import backends
from tinygrad_edu.device import device, resolve

_CPU, _CUDA, _CUDA_HOST = 1, 2, 3  # numbers of kinds of devices in the DLPack standard


class Interchange:
    """The part of :class:`Tensor` by which other libraries get at its memory."""

    __slots__ = ()
    _data: Any
    if TYPE_CHECKING:
        requires_grad: bool

    def numpy(self, *, force: bool = False) -> Any:
        """The values as a NumPy array, sharing memory on the CPU.

        Raises
        ------
        RuntimeError
            When the tensor needs a gradient, which the array would lose; ``detach()`` it first, or pass ``force=True``.
        """
        if self.requires_grad and not force:
            raise RuntimeError("numpy: this tensor requires a gradient; use tensor.detach().numpy()")
        xp, raw = self._memory()
        return xp.to_host(raw)

    def _memory(self) -> tuple[backends.Backend, Any]:
        """The backend and the array, in memory that can be shared."""
        xp = backends.of(self._data)
        self._data = xp.viewable(self._data)
        return xp, self._data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        shared = backends.of(array) is backends.of(self._data)
        converts = dtype is not None and array.dtype != dtype
        if copy is False and (converts or not shared):
            raise ValueError(
                f"__array__: copy=False, but a NumPy array of {dtype or array.dtype} from {self._about()} is a copy"
            )
        return array.astype(dtype) if converts else array.copy() if copy and shared else array

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        """The memory as a DLPack capsule, for ``from_dlpack`` of other libraries.

        Raises
        ------
        BufferError
            When the tensor needs a gradient, which the other library would not see, or its library cannot export it.
        """
        if self.requires_grad:
            raise BufferError("__dlpack__: this tensor requires a gradient; use tensor.detach()")
        xp, raw = self._memory()
        wishes = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return xp.exportable(raw, copy).__dlpack__(**{k: v for k, v in wishes.items() if v is not None})

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, index = self._memory()[1].__dlpack_device__()
        return kind, index

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """NumPy's array interface, where the memory is the CPU's and no gradient is lost."""
        return self._interface("__array_interface__")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The array interface of CUDA, where the memory is a card's and no gradient is lost."""
        return self._interface("__cuda_array_interface__")

    def _interface(self, name: str) -> dict[str, Any]:
        xp, raw = self._memory()
        interface = None if self.requires_grad else xp.array_interface(raw, name)
        if interface is None:  # an AttributeError, so that hasattr() gives an answer
            raise AttributeError(f"{name}: {self._about()} has none")
        return interface

    def _about(self) -> str:
        gradient = " that requires a gradient" if self.requires_grad else ""
        return f"a tensor on {backends.of(self._data).device_of(self._data)}{gradient}"


def borrowed(data: Any, target: device | None = None) -> Any:
    """A raw array on the memory of another library's array or of a buffer, on ``target`` if it can be used from there.

    None where ``data`` is nothing of the kind. Memory that a library takes for immutable is copied into it.
    """
    source = data
    if getattr(source, "requires_grad", False) is True:  # its library would go on without the gradient
        raise BufferError(
            f"an array of {type(source).__module__} that requires a gradient is not taken; use its detach()"
        )
    if not backends.is_array(source):
        if hasattr(source, "__cuda_array_interface__") and not hasattr(source, "__dlpack__"):
            return backends.get("cuda").asarray(source)
        if not hasattr(source, "__dlpack__"):
            source = _on_host(source)
            if source is None:
                return None
    if backends.is_array(source):
        owner = backends.of(source)
        if target is None or target.backend is owner:
            return source
        source = owner.exportable(owner.viewable(source))
    kind, index = map(int, source.__dlpack_device__())
    xp = None if target is None else target.backend
    if xp is None or xp.dlpack_device() != (kind, index):
        xp = resolve(_name(kind, index, source)).backend
    if backends.is_array(source) and backends.of(source) is xp:
        return source
    raw = xp.from_dlpack(source)
    return raw if xp.mutable else xp.copy(raw)


def _on_host(data: Any) -> Any:
    """A host array on the memory of what has NumPy's interface, converts itself, or is a buffer; None for anything else."""
    host = backends.get("cpu")
    if hasattr(data, "__array_interface__") or hasattr(data, "__array__"):
        return host.asarray(data)
    try:
        return host.asarray(memoryview(data))
    except TypeError:
        return None


def _name(kind: int, index: int, source: Any) -> str:
    """The name of the device on which memory of a kind of DLPack can be used."""
    if kind in (_CPU, _CUDA_HOST):
        return "cpu"
    if kind == _CUDA:
        return f"cuda:{index}"
    raise TypeError(
        f"from_dlpack: {type(source).__name__} is on a device of DLPack's kind {kind}, which no backend here can use; "
        "expected the CPU (1) or CUDA (2)"
    )
