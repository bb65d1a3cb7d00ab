"""Switches of CUDA's matrix products, under PyTorch's names: ``tg.backends.cuda.matmul.allow_tf32 = True``.

They may be set before a card is used, and without one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["matmul"]


class Matmul:
    """How exact matrix products on a card are.

    Attributes
    ----------
    allow_tf32 : bool, default False
        Multiply float32 with 10 bits of the mantissa and add up in single precision, several times as fast on cards from 2020 on.
    allow_fp16_accumulation : bool, default False
        Add up products of float16 in half precision.
    """

    def __init__(self) -> None:
        self._settings = {"float32": False, "float16": False}
        self._routines: Any = None

    def attach(self, routines: Any) -> None:
        """Take CuPy's functions for the type that products are computed in, and apply what was set."""
        self._routines = routines
        for kind, fast in self._settings.items():
            if fast:  # otherwise CuPy's own settings stay, such as those of its environment variables
                self._apply(kind)

    def _apply(self, kind: str) -> None:
        if self._routines is not None:
            fast = {"float32": "COMPUTE_TYPE_TF32", "float16": "COMPUTE_TYPE_FP16"}[kind]
            name = fast if self._settings[kind] else "COMPUTE_TYPE_DEFAULT"
            self._routines.set_compute_type(np.dtype(kind), getattr(self._routines, name))

    def _set(self, kind: str, value: bool) -> None:
        self._settings[kind] = bool(value)
        self._apply(kind)

    @property
    def allow_tf32(self) -> bool:
        """Whether products of float32 may be computed in TF32."""
        return self._settings["float32"]

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        self._set("float32", value)

    @property
    def allow_fp16_accumulation(self) -> bool:
        """Whether products of float16 are added up in half precision."""
        return self._settings["float16"]

    @allow_fp16_accumulation.setter
    def allow_fp16_accumulation(self, value: bool) -> None:
        self._set("float16", value)


matmul = Matmul()
