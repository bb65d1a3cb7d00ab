"""Which names of PyTorch this library leaves out, and why: errors say it, and docs/pytorch.md lists it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, NoReturn

__all__ = ["AbsentAttribute", "explain_missing", "message", "no_module", "reason"]

_COMPLEX = "there are no complex numbers"
_SPARSE = "tensors are dense; only gradients of rows are sparse, by themselves"
_QUANTISED = "there are no quantised types"
_STORAGE = "an array's memory belongs to its array library: there is no storage object to look at, share or resize"
_BFLOAT16 = "the array libraries have no type of this form"
_COMPILER = "it belongs to PyTorch's compiler and its C++ runtime, which do not exist here"
_VENDOR = "it is one kernel under PyTorch's dispatcher; its operation has a name of its own in nn.functional"
_IN_PLACE = "what works in place is a method of the tensor"
_RAW = "it is the raw form under a function of nn.functional or a layer of nn, which is what to use"
_COPY = "it is the copying twin of a view, made for PyTorch's compiler; clone() the view"
_PROCESSES = "training runs in one process"
_DEVICES = "there is no such device"
_LINALG = "the functions of tinygrad_edu.linalg do it"
_LAYOUT = "kernels choose the layout of their memory themselves"
_OLD = "PyTorch itself has given it up"
_SYMBOLIC = "sizes are plain numbers, never symbols"
_FUNCTIONAL = "functions of functions (vmap, grad of a function) are not part of this library; see autograd.functional"

# Of each area the names with the reason, as regular expressions that must match a whole name.
_REASONS: dict[str, list[tuple[str, str]]] = {
    "torch": [
        (r"view_as_(complex|real)(_copy)?|complex\w*|c(double|float|half)|chalf|imag|polar|i?stft", _COMPLEX),
        (r"Complex\w*", _COMPLEX),
        (r"sparse_\w+|\w+_indices_copy|indices_copy|values_copy|s?add?mm|sspaddmm|smm|spmm|hs[p]?mm|dsmm|saddmm", _SPARSE),
        (r"resize_as_sparse_|jagged", _SPARSE),
        (r"\w*quant\w*|\w*Quant\w*|q_\w+|qu?int\d\w*|Q\w*Storage|q?scheme|qscheme|per_(tensor|channel)_\w+|int_repr", _QUANTISED),
        (r"fake_quant\w+|fused_moving_avg\w+|choose_qparams\w*|fbgemm_\w+|u?int[1-7]|bits?\w*", _QUANTISED),
        (r"\w*Storage(Base)?|StorageBase|is_storage|from_file", _STORAGE),
        (r"BFloat16Tensor|float8\w*|float4\w*", _BFLOAT16),
        (r"(cudnn|miopen|mkldnn)_\w+|is_vulkan_available", _VENDOR),
        (r"native_\w+|convolution|batch_norm_\w+|affine_grid_generator|grid_sampler\w*|max_pool1d_with_indices", _VENDOR),
        (r"(embedding_renorm|constant_pad_nd|norm_except_dim|embedding|embedding_bag)_?|feature_\w*dropout_?", _RAW),
        (r"(batch|instance)_norm|\w+_loss|kl_div|binary_cross_entropy_with_logits|alpha_dropout", _RAW),
        (r"(lstm|gru|rnn_tanh|rnn_relu)(_cell)?|adaptive_max_pool1d", _RAW),
        (r"\w+_copy", _COPY),
        (r"[a-z]\w*_", _IN_PLACE),
        (r"sym_\w+|Sym\w+", _SYMBOLIC),
        (r"vmap|cond|while_loop", _FUNCTIONAL),
        (r"(symeig|eig|lstsq|solve|matrix_rank|triangular_solve|range_)", _OLD),
        (r"PyTorchFile\w+|Script\w*|\w*Type|\w*Tag|\w*(Graph|Future|Dispatch|Argument|Code|Capsule|Logger|Module)\w*", _COMPILER),
        (r"(import_ir|parse_|get_file_path|merge_type|unify_type|fork|wait|init_num|prepare_multi|profiler)\w*", _COMPILER),
        (r"(set|get|is|clear)_autocast\w*|autocast_\w+|Disable\w+|Exclude\w+|has_(mkl|openmp|spectral|lapack)", _COMPILER),
        (r"AVG|SUM|PRIVATE_OPS|USE_\w+|AliasDb|AggregationType|Benchmark\w+|Block|CallStack|CompilationUnit", _COMPILER),
        (r"DeepCopyMemoTable|\w*SerializationStorageContext|ErrorReport|ExecutionPlan|FatalError|FileCheck", _COMPILER),
        (r"FunctionSchema|Gradient|IODescriptor|JITException|Node|OperatorInfo|ThroughputBenchmark|TracingState", _COMPILER),
        (r"Use|Value|Type|classproperty|compiled_with\w+|hash_tensor|thread_safe_generator|read_vitals|set_vital", _COMPILER),
        (r"is_distributed", _PROCESSES),
        (r"empty_permuted|empty_strided|memory_format|legacy_contiguous_format|as_strided_scatter", _LAYOUT),
        (r"(get|set)_deterministic_debug_mode|is_deterministic_algorithms_warn_only_enabled|set_flush_denormal", _COMPILER),
        (r"(get|set)_num_interop_threads|(is|set)_warn_always\w*|get_device_module|to_dlpack|AcceleratorError", _COMPILER),
        (r"BufferDict|ParameterDict|DeserializationStorageContext|nonzero_static|slice_inverse|segment_reduce", _COMPILER),
        (r"geqrf|orgqr|ormqr|lu|lu_solve|lu_unpack|frobenius_norm|nuclear_norm|lobpcg", _LINALG),
    ],
    "Tensor": [
        (r"cdouble|cfloat|chalf|imag|istft|stft", _COMPLEX),
        (r"crow_indices|ccol_indices|col_indices|row_indices|indices|values|coalesce|is_coalesced|sparse_dim", _SPARSE),
        (r"dense_dim|sparse_mask|sparse_resize_|sparse_resize_and_clear_|to_sparse|to_sparse_bsc|to_sparse_bsr", _SPARSE),
        (r"to_sparse_coo|to_sparse_csc|to_sparse_csr|resize_as_sparse_|smm|sspaddmm|slice_inverse", _SPARSE),
        (r"to_padded_tensor", _SPARSE),
        (r"q_per_channel_axis|q_per_channel_scales|q_per_channel_zero_points|q_scale|q_zero_point|qscheme", _QUANTISED),
        (r"int_repr|dequantize", _QUANTISED),
        (r"storage|untyped_storage|storage_type|storage_offset|set_|resize|resize_as|is_set_to|module_load", _STORAGE),
        (r"share_memory_|dim_order|new_empty_strided|as_strided_", _STORAGE),
        (r"bfloat16", _BFLOAT16),
        (r"ipu|xpu|mtia|to_mkldnn|record_stream", _DEVICES),
        (r"output_nr|name|as_subclass|index|nonzero_static|hash_tensor|grad_dtype|reinforce", _COMPILER),
        (r"symeig|eig|lstsq|solve|triangular_solve|volatile", _OLD),
        (r"lu|lu_solve|geqrf|orgqr|ormqr", _LINALG),
    ],
    "nn": [
        (r"SyncBatchNorm", _PROCESSES),
        (r"Container", _OLD),
        (r"CrossMapLRN2d", "LocalResponseNorm computes what it means to compute"),
        (r"factory_kwargs", _COMPILER),
    ],
    "nn.functional": [
        (r"(scaled_)?grouped_mm|scaled_mm|ScalingType|SwizzleType", _BFLOAT16),
        (r"native_channel_shuffle", _VENDOR),
    ],
    "nn.utils": [(r"convert_conv[23]d_weight_memory_format", _LAYOUT)],
    "optim": [(r"swap_in_optimizer_params_and_state", _COMPILER)],
    "utils.data": [
        (r"\w*DataPipe|DataChunk|functional_datapipe|\w*datapipes?\w*|non_deterministic|\w+_validation\w*",
         "PyTorch itself no longer develops data pipes; a Dataset or an IterableDataset does their work"),
    ],
    "nn.parallel": [(r"DistributedDataParallel|\w+", _PROCESSES)],
    "jit": [(r"save|load", "nothing is compiled, so there is no compiled file; save a state_dict with torch.save"),
            (r"\w+", _COMPILER)],
}  # fmt: skip

_MODULES = {
    "torch.distributed": _PROCESSES,
    "torch.multiprocessing": "Python's own multiprocessing does it",
    "torch.onnx": "graphs are made anew in each call and cannot be exported",
    "torch.utils.tensorboard": "tinygrad_edu.plots draws histories of training, and nothing writes TensorBoard's files",
    "torch.profiler": "Python's cProfile shows where time goes",
    "torch.quantization": _QUANTISED,
    "torch.ao": _QUANTISED,
    "torch.sparse": _SPARSE,
    "torch.fft": _COMPLEX,
    "torch.hub": "nothing is downloaded",
    "torch.utils.model_zoo": "nothing is downloaded",
    "torch.fx": _COMPILER,
    "torch._dynamo": _COMPILER,
    "torch._inductor": _COMPILER,
    "torch._C": _COMPILER,
    "torchvision.models": "there are no trained weights here; write the network with nn",
    "torchvision.ops": "boxes of detectors are not part of this library",
}


TENSOR_NAMES = [name for pattern, _ in _REASONS["Tensor"] for name in pattern.split("|")]


def reason(area: str, name: str) -> str | None:
    """Why a name of PyTorch is left out on purpose; None where it is simply not there (yet).

    Examples
    --------
    >>> reason("torch", "view_as_complex")
    'there are no complex numbers'
    """
    return next((why for pattern, why in _REASONS.get(area, ()) if re.fullmatch(pattern, name)), None)


def message(area: str, name: str, present: Iterable[str]) -> str:
    """What to say when a name is asked for that is not there: the reason, and the nearest name that is.

    Examples
    --------
    >>> message("nn", "Liner", ["Linear", "Conv2d"])
    'there is no nn.Liner here; the nearest name is Linear'
    """
    why = reason(area, name)
    said = f"there is no {area}.{name} here" + (f", since {why}" if why else "")
    near = difflib.get_close_matches(name, (n for n in present if n != name and not n.startswith("_")), 1, 0.74)
    return said + (f"; the nearest name is {near[0]}" if near else "")


def no_module(fullname: str) -> str:
    """What to say when a module of PyTorch is imported that has no counterpart."""
    parts = fullname.split(".")
    for n in range(len(parts), 1, -1):
        why = _MODULES.get(".".join(parts[:n]))
        if why is not None:
            return f"there is no module {fullname} here, since {why}"
    return f"there is no module {fullname} here"


def explain_missing(namespace: dict[str, Any], area: str) -> None:
    """Give a module a ``__getattr__`` whose AttributeError says what is missing; `hasattr` stays False."""

    def __getattr__(name: str) -> NoReturn:
        shown = namespace["__name__"]
        if name.startswith("__"):
            raise AttributeError(f"module {shown!r} has no attribute {name!r}", name=name)
        raise AttributeError(f"module {shown!r}: {message(area, name, list(namespace))}", name=name)

    namespace["__getattr__"] = __getattr__


class _Absent(AttributeError):
    """Looks for the nearest name when it is shown, so that `hasattr` doesn't wait for it."""

    def __str__(self) -> str:
        name, owner = self.args
        return f"{owner.__name__}: {message('Tensor', name, dir(owner))}"


class AbsentAttribute:
    """In the place of an attribute that PyTorch's tensors have and these don't: reading it says why.

    Of ordinary attributes a class with a ``__getattr__`` would be slower to read; `hasattr` is False, as it would be then.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise _Absent(self.name, owner)
