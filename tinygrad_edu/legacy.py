"""What scripts from PyTorch's first years use: constructors with the type in their name, and Variable."""

from __future__ import annotations

import warnings
from typing import Any

from tinygrad_edu import backends, dtypes
from tinygrad_edu._state import modes, set_default_dtype
from tinygrad_edu.backends import BackendError
from tinygrad_edu.creation import empty, tensor
from tinygrad_edu.dtypes import DType
from tinygrad_edu.errors import describe
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.values import Size

_WORDS = {
    "Float": dtypes.float32,
    "Double": dtypes.float64,
    "Half": dtypes.float16,
    "Byte": dtypes.uint8,
    "Char": dtypes.int8,
    "Short": dtypes.int16,
    "Int": dtypes.int32,
    "Long": dtypes.int64,
    "Bool": dtypes.bool_,
}
_WORD_OF = {dtype: word for word, dtype in _WORDS.items()}


class TensorType(type):
    """The class of ``FloatTensor`` and its relatives: called, one makes a plain tensor; ``isinstance`` asks for type and device."""

    dtype: DType
    family: str

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        if cls.family == "cuda":
            try:
                backends.get("cuda")
            except BackendError as error:
                raise TypeError(f"{cls.__name__}: this type is not available: {error}") from None
        if device is not None and str(device).partition(":")[0] != cls.family:
            raise RuntimeError(f"{cls.__name__}: makes tensors on {cls.family}, not on {device}")
        return construct(cls.__name__, data, cls.dtype, device or cls.family)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype and instance.device.type == cls.family

    def __repr__(cls) -> str:
        return f"<class 'torch.{'cuda.' if cls.family == 'cuda' else ''}{cls.__name__}'>"


def construct(name: str, data: tuple[Any, ...], dtype: DType, device: Any) -> Tensor:
    """A tensor of sizes, whose elements nobody has set, or of one sequence, array or tensor of the same type.

    Raises
    ------
    TypeError
        For a single number that is no size, and for a tensor of another type.
    """
    if len(data) == 1:
        (source,) = data
        if isinstance(source, Tensor):
            if source.dtype is not dtype:
                raise TypeError(f"{name}: got a tensor of {source.dtype}; convert it with .to({dtype})")
            return source.detach() if device is None else source.detach().to(device)
        if hasattr(source, "__len__") and not isinstance(source, Size):
            return tensor(source, dtype=dtype, device=device)
        if not isinstance(source, Size) and not hasattr(source, "__index__"):
            raise TypeError(
                f"{name}: expected sizes or a sequence, got {describe(source)}; a number is tensor({source})"
            )
    return empty(*(data or (0,)), dtype=dtype, device=device)


def _kind(word: str, family: str) -> TensorType:
    doc = (
        f"Tensors of {_WORDS[word].name} on {family}, of sizes or of a sequence, as PyTorch's first versions made them."
    )
    found = TensorType(f"{word}Tensor", (), {"__doc__": doc, "dtype": _WORDS[word], "family": family})
    found.__module__ = "tinygrad_edu" if family == "cpu" else "tinygrad_edu.cuda"
    return found


FloatTensor, DoubleTensor, HalfTensor = _kind("Float", "cpu"), _kind("Double", "cpu"), _kind("Half", "cpu")
ByteTensor, CharTensor, ShortTensor = _kind("Byte", "cpu"), _kind("Char", "cpu"), _kind("Short", "cpu")
IntTensor, LongTensor, BoolTensor = _kind("Int", "cpu"), _kind("Long", "cpu"), _kind("Bool", "cpu")

on_cuda = tuple(_kind(word, "cuda") for word in _WORDS)


def name_of(t: Tensor) -> str:
    """The name that PyTorch gives the type and the device of a tensor: ``'torch.FloatTensor'``, ``'torch.cuda.LongTensor'``."""
    word = _WORD_OF.get(t.dtype) or t.dtype.name.capitalize().replace("Uint", "UInt").replace("Bfloat", "BFloat")
    family = t.device.type
    return f"torch.{'' if family == 'cpu' else family + '.'}{word}Tensor"


def meant_by(kind: Any) -> tuple[DType, str | None]:
    """The dtype, and the device if one is named, of a dtype, a :class:`TensorType` or its name.

    Raises
    ------
    TypeError
        When there is no such type.
    """
    if isinstance(kind, TensorType):
        return kind.dtype, kind.family
    if isinstance(kind, str) and kind.endswith("Tensor"):
        *place, word = kind.removesuffix("Tensor").split(".")
        if word in _WORDS:
            return _WORDS[word], "cuda" if place[-1:] == ["cuda"] else "cpu"
        if not word:
            return modes.dtype, None
    return dtypes.to_dtype(kind), None


def set_default_tensor_type(t: Any) -> None:
    """Set the floating-point type of new tensors by one of the old type names; :func:`set_default_dtype` does the same.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.set_default_tensor_type(tg.DoubleTensor)
    >>> tg.zeros(1).dtype
    tg.float64
    >>> tg.set_default_tensor_type("torch.FloatTensor")
    """
    dtype, family = meant_by(t)
    if family == "cuda":
        raise TypeError("set_default_tensor_type: a type on cuda sets the device, too; use set_default_device('cuda')")
    set_default_dtype(dtype)


class _AnyTensor(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_AnyTensor):
    """A tensor on the memory of ``data``, with a gradient if wanted: before PyTorch 0.4 only these had one.

    Every tensor is a ``Variable``, as ``isinstance`` says.

    Raises
    ------
    TypeError
        When ``data`` is no tensor.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.autograd.Variable(tg.ones(2), requires_grad=True)
    >>> (3 * x).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool | None = None) -> Tensor:  # type: ignore[misc]
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable: expected a Tensor, got {describe(data)}")
        if volatile is not None:
            warnings.warn("Variable: volatile has no effect any more; compute under no_grad()", stacklevel=2)
        return data.detach().requires_grad_(requires_grad)
