"""CUDA kernels on the CPU: their C++ source compiled by the machine's compiler, and run thread by thread.

The threads of a block are coroutines that pass the barriers together, so that shared memory, shuffles and reductions do
what they do on a card; blocks come one after the other, last one first. A barrier that some threads never reach is an error, and so
are arguments that do not have the types of the kernel's parameters.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CTYPES = {
    "bool": "bool",
    "unsigned char": "uint8",
    "int": "int32",
    "unsigned int": "uint32",
    "long long": "int64",
    "unsigned long long": "uint64",
    "__half": "float16",
    "float": "float32",
    "double": "float64",
}
NAMES = {numpy: c for c, numpy in CTYPES.items()}

# What CUDA has and C++ lacks. A thread that waits gives way to the others; when none can go on, the kernel is wrong.
CUDA = """
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>
using namespace std;
typedef _Float16 __half;
typedef _Float16 float16;
struct Three { unsigned x, y, z; };
static Three threadIdx, blockIdx, blockDim, gridDim;
static const int warpSize = 32;
static const int STACK = 1 << 16;
#define __global__
#define __device__ inline
#define __forceinline__
#define __shared__ static
#define __restrict__
#define __launch_bounds__(...)
#define M_SQRT1_2 0.70710678118654752440
template <class V> V erfinv(V x) { /* Newton's steps from Winitzki's approximation */
    if (!(x > -1 && x < 1)) return x == 1 ? (V)INFINITY : x == -1 ? (V)-INFINITY : (V)NAN;
    double l = std::log1p(-(double)x * x), t = 2 / (M_PI * 0.147) + l / 2,
        y = std::copysign(std::sqrt(std::sqrt(t * t - l / 0.147) - t), (double)x);
    for (int k = 0; k < 4; k++) y -= (std::erf(y) - x) / (M_2_SQRTPI * std::exp(-y * y));
    return (V)y;
}
struct Group { long arrived = 0, size = 0; };
static Group block_group, warps[32];
static bool moved;
static ucontext_t scheduler;
static ucontext_t* running;
static double lanes[32][32];
inline int linear() { return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x; }
inline void wait_for(Group& group) {
    long target = (group.arrived / group.size + 1) * group.size;
    group.arrived++;
    moved = true;
    Three me = threadIdx;
    ucontext_t* self = running;
    while (group.arrived < target) swapcontext(self, &scheduler);
    threadIdx = me;
    running = self;
}
inline void __syncthreads() { wait_for(block_group); }
inline void __syncwarp(unsigned = ~0u) { wait_for(warps[linear() / 32]); }
template <class V> V __shfl_xor_sync(unsigned, V x, int k) {
    int warp = linear() / 32, lane = linear() % 32;
    static_assert(sizeof(V) <= sizeof(double), "a lane holds eight bytes");
    memcpy(&lanes[warp][lane], &x, sizeof(V));
    wait_for(warps[warp]);
    memcpy(&x, &lanes[warp][lane ^ k], sizeof(V));
    wait_for(warps[warp]);
    return x;
}
template <class V, class W> V atomicAdd(V* at, W x) { V old = *at; *at = old + (V)x; return old; }
template <class V, class W, class X> V atomicCAS(V* at, W is, X to) { V old = *at; if (old == (V)is) *at = (V)to; return old; }
template <class V, class W> V atomicExch(V* at, W to) { V old = *at; *at = (V)to; return old; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
"""

# Below the kernels: how a launch runs the threads of all blocks.
CUDA += """
static void** arguments;
static void (*thread)();
static void coroutine() {
    thread();
    moved = true;
    running = nullptr;
}
static int launch(void (*kernel)(), bool waits, void** args, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                  unsigned bz) {
    thread = kernel;
    arguments = args;
    gridDim = {gx, gy, gz};
    blockDim = {bx, by, bz};
    unsigned threads = bx * by * bz;
    static std::vector<void*> stacks;
    while (waits && stacks.size() < threads) stacks.push_back(malloc(STACK));
    std::vector<ucontext_t> contexts(threads);
    for (long b = (long)gx * gy * gz - 1; b >= 0; b--) {
        blockIdx = {(unsigned)(b % gx), (unsigned)(b / gx % gy), (unsigned)(b / gx / gy)};
        if (!waits) {
            for (unsigned t = 0; t < threads; t++) {
                threadIdx = {t % bx, t / bx % by, t / bx / by};
                thread();
            }
            continue;
        }
        block_group.arrived = 0;
        block_group.size = threads;
        for (unsigned w = 0; w < (threads + 31) / 32; w++) {
            warps[w].arrived = 0;
            warps[w].size = std::min(32u, threads - 32 * w);
        }
        std::vector<bool> done(threads, false);
        for (unsigned t = 0; t < threads; t++) {
            getcontext(&contexts[t]);
            contexts[t].uc_stack.ss_sp = stacks[t];
            contexts[t].uc_stack.ss_size = STACK;
            contexts[t].uc_link = &scheduler;
            makecontext(&contexts[t], coroutine, 0);
        }
        unsigned left = threads;
        while (left) {
            moved = false;
            for (unsigned t = 0; t < threads; t++) {
                if (done[t]) continue;
                threadIdx = {t % bx, t / bx % by, t / bx / by};
                running = &contexts[t];
                swapcontext(&scheduler, &contexts[t]);
                if (running == nullptr) { done[t] = true; left--; }
            }
            if (!moved) return 1;
        }
    }
    return 0;
}
"""

LAUNCHER = """
static void thread_of_%(name)s() { %(name)s(%(arguments)s); }
extern "C" int launch_%(name)s(void** args, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz) {
    return launch(thread_of_%(name)s, %(waits)d, args, gx, gy, gz, bx, by, bz);
}
"""

FOLDER = (
    tempfile.TemporaryDirectory()
)  # kept to the end: a loader may take a new file in a removed one's place for the old


def _run(*command: Any) -> None:
    compiler = shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler to try the kernels with")
    flags = ["-O1", "-fPIC", "-ffp-contract=off", "-w", f"-I{FOLDER.name}"]
    done = subprocess.run([compiler, *flags, *command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the kernel does not compile:\n{done.stderr[:4000]}")


@functools.cache
def _prepare() -> None:
    """What all programs begin with, compiled once."""
    Path(FOLDER.name, "cuda_fp16.h").write_text("")
    header = Path(FOLDER.name, "cuda.hpp")
    header.write_text(CUDA)
    _run("-x", "c++-header", header, "-o", f"{header}.gch")


@functools.cache
def compiled(source: str) -> Any:
    """The program as a loaded library."""
    _prepare()
    program = Path(FOLDER.name) / f"{hashlib.sha256(source.encode()).hexdigest()}.cpp"
    library = program.with_suffix(".so")
    program.write_text('#include "cuda.hpp"\n' + source)
    _run("-shared", "-o", library, program)
    return ctypes.CDLL(str(library))


class RawKernel:
    """CuPy's raw kernel: a launch gives each argument to the parameter in its place."""

    def __init__(self, code: str, name: str, options: tuple[str, ...] = ()) -> None:
        self.code, self.name, self.options = code, name, options
        types = {new: old for old, new in re.findall(r"typedef\s+([\w ]+?)\s+(\w+);", code)}
        kernels = re.findall(r'extern "C" __global__\s+void\s+(\w+)\s*\(([^)]*)\)', code)
        self.kernels = {kernel: [_parameter(p, types) for p in params.split(",")] for kernel, params in kernels}
        self.params = self.kernels[name]

    def __call__(self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], *, shared_mem: int = 0) -> None:
        assert len(args) == len(self.params), f"{self.name}: {len(args)} arguments for {len(self.params)} parameters"
        grid, block = ((*given, 1, 1)[:3] for given in (grid, block))
        threads = block[0] * block[1] * block[2]
        assert 0 < threads <= 1024 and all(0 < g for g in grid) and max(grid[1:]) < 65536, (self.name, grid, block)
        held = [_argument(self.name, a, kind, pointer) for a, (kind, pointer) in zip(args, self.params, strict=True)]
        packed = (ctypes.c_void_p * len(held))(*(h if isinstance(h, int) else h.ctypes.data for h in held))
        launch = getattr(compiled(self.source()), f"launch_{self.name}")
        stuck = launch(packed, *map(ctypes.c_uint, (*grid, *block)))
        assert not stuck, f"{self.name}: a barrier that not all threads reach"

    def source(self) -> str:
        """A C++ program with all kernels of the code, and for each a function that runs all of its threads."""
        waits = int("__sync" in self.code or "__shfl" in self.code)
        launchers = ""
        for name, params in self.kernels.items():
            parts = [
                f"({kind}*)arguments[{i}]" if pointer else f"*({kind}*)arguments[{i}]"
                for i, (kind, pointer) in enumerate(params)
            ]
            launchers += LAUNCHER % {"name": name, "arguments": ", ".join(parts), "waits": waits}
        return self.code + launchers


def _parameter(text: str, types: dict[str, str]) -> tuple[str, bool]:
    """The C type of a parameter, and whether it is a pointer."""
    words = text.replace("*", " * ").replace("const", " ").replace("__restrict__", " ").split()
    kind = " ".join(words[: words.index("*")] if "*" in words else words[:-1])
    while kind in types:
        kind = types[kind]
    assert kind in CTYPES, f"unknown type {kind!r}"
    return kind, "*" in words


def _argument(name: str, value: Any, kind: str, pointer: bool) -> Any:
    want = CTYPES[kind]
    if not pointer:
        assert isinstance(value, np.generic) and value.dtype == want, f"{name}: {value!r} ({type(value)}) for {kind}"
        return np.array(value)
    if isinstance(value, np.generic):  # an address, or null
        return int(value)
    host = value.host
    assert host.dtype == want, f"{name}: an array of {host.dtype} for {kind}*"
    return host


ONE_LOOP = """
extern "C" void run(long total, void** at, long* step) {
    for (long i = 0; i < total; i++) {
        %(names)s
        { %(operation)s }
    }
}
"""


class ElementwiseKernel:
    """CuPy's elementwise kernel, run one element after the other."""

    def __init__(self, inputs: str, outputs: str, operation: str, name: str, *, preamble: str = "", **_: Any) -> None:
        self.inputs, self.outputs = ([p.split() for p in part.split(",")] for part in (inputs, outputs))
        assert not {"i", "n"} & {name for _, name in self.inputs + self.outputs}, "CuPy reserves these names"
        self.operation, self.preamble, self.name = operation, preamble, name

    def run(self, hosts: list[Any], kind: str) -> None:
        """Compute on NumPy arrays, the outputs in place."""
        params = self.inputs + self.outputs
        for h, (t, name) in zip(hosts, params, strict=True):
            if h.dtype.name != (kind if t == "T" else t):
                raise TypeError(f"Type is mismatched. {name} {h.dtype.name} {kind if t == 'T' else t}")
        shape = np.broadcast_shapes(*(h.shape for h in hosts))
        flat = [np.ascontiguousarray(np.broadcast_to(h, shape)) if h.shape else h for h in hosts]
        total = int(np.prod(shape))
        at = (ctypes.c_void_p * len(flat))(*(f.ctypes.data for f in flat))
        step = (ctypes.c_long * len(flat))(*(int(f.ndim > 0) for f in flat))
        compiled(self.source(kind)).run(ctypes.c_long(total), at, step)
        for h, f in list(zip(hosts, flat, strict=True))[len(self.inputs) :]:
            if h is not f:
                h[...] = f

    def source(self, kind: str) -> str:
        """A C++ program of the kernel for arrays of a type."""
        lines = []
        for i, (t, name) in enumerate(self.inputs + self.outputs):
            kind_of = "T" if t == "T" else NAMES[t]
            form = f"const {kind_of} {name}" if i < len(self.inputs) else f"{kind_of}& {name}"
            lines.append(f"{form} = (({kind_of}*)at[{i}])[i * step[{i}]];")
        loop = ONE_LOOP % {"names": "\n        ".join(lines), "operation": self.operation}
        return f"typedef {NAMES[kind]} T;\n" + self.preamble + loop
