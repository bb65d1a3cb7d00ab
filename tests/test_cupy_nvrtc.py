"""Every kernel of the CuPy backend goes through CUDA's own compiler, which needs no card; skipped where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import cupy_stub
import numpy as np
import pytest

from tinygrad_edu import backends
from tinygrad_edu.backends import _cupy_source

cupy = pytest.importorskip("cupy")
nvrtc = pytest.importorskip("cupy.cuda.compiler")


def _include_options() -> tuple[str, ...]:
    """Where the headers of CUDA and CuPy are."""
    core = pytest.importorskip("cupy._core.core")
    options = tuple(core.assemble_cupy_compiler_options(()))
    for package in ("nvidia.cu13", "nvidia.cuda_runtime"):
        spec = importlib.util.find_spec(package) if importlib.util.find_spec("nvidia") else None
        for place in spec.submodule_search_locations or () if spec else ():
            options += (f"-I{Path(place) / 'include'}",)
    return options


def _compile(source: str) -> None:
    program = nvrtc._NVRTCProgram(source, "kernel.cu", (), (), method="ptx")
    options = (*_include_options(), "-arch=compute_80", "-std=c++17")
    program.compile(options)


@pytest.fixture(scope="module")
def sources() -> dict[str, Any]:
    """All raw sources and elementwise kernels that the backend has, by name."""
    found: dict[str, Any] = {}

    class Recorder(_cupy_source.Kernels):
        def __init__(self, cupy: Any, source: str) -> None:
            super().__init__(cupy, source)
            found[source.split("tinygrad_edu_", 1)[1].split("(")[0]] = source

    class Elementwise(cupy_stub.ElementwiseKernel):
        def __init__(self, inputs: str, outputs: str, operation: str, name: str, **settings: Any) -> None:
            super().__init__(inputs, outputs, operation, name, **settings)
            found[name] = self

    with pytest.MonkeyPatch.context() as patch:
        modules = cupy_stub.modules()
        modules["cupy"].ElementwiseKernel = Elementwise  # type: ignore[attr-defined]
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        for name, module in list(sys.modules.items()):
            if name.startswith("tinygrad_edu.backends._cupy_") and hasattr(module, "Kernels"):
                patch.setattr(module, "Kernels", Recorder)
        patch.setattr(backends, "_loaded", {"cpu": backends.get("cpu")})
        backends.get("cuda").alarm(modules["cupy"].zeros((1,)))
        backends._of_several.pop(cupy_stub.ndarray, None)
    return found


def test_raw_kernels_compile(sources: dict[str, Any]) -> None:
    for source in [s for s in sources.values() if isinstance(s, str)]:
        for kind in _cupy_source.TYPES:
            _compile(_cupy_source.source_for(source, kind))


def test_elementwise_kernels_compile(sources: dict[str, Any]) -> None:
    kernels = [k for k in sources.values() if not isinstance(k, str)]
    assert kernels
    text = "#include <cupy/complex.cuh>\n#include <cupy/carray.cuh>\n#include <cupy/float16.cuh>\n"
    for kernel in kernels:
        for kind in ("float16", "float", "double"):
            lines = []
            for i, (t, name) in enumerate(kernel.inputs + kernel.outputs):
                held = kind if t == "T" else _c_type(t)
                lines.append(f"{'const ' if i < len(kernel.inputs) else ''}{held}& {name} = (({held}*)at)[i];")
            body = f"{{ {' '.join(lines)} typedef {kind} T; {kernel.operation} }}"
            text += f"namespace {kernel.name}_{kind} {{ {kernel.preamble}\n"
            text += f"__global__ void f(void* at, long long i) {body} }}\n"
    _compile(text)


def _c_type(name: str) -> str:
    return {"float64": "double", "bool": "bool", "int64": "long long", "float32": "float"}[np.dtype(name).name]
