"""The names under which nodes are shown: those that PyTorch has for the same operations."""

from __future__ import annotations

from tinygrad_edu.node import LEAF, USER, Node

# Where one of our operations is another one of PyTorch's; the others have the same name.
_NAMES = {
    "BatchNorm": "NativeBatchNorm",
    "Cast": "ToCopy",
    "Cholesky": "LinalgCholeskyEx",
    "Contiguous": "Clone",
    "CrossEntropy": "NllLoss",
    "Det": "LinalgDet",
    "ErfInv": "Erfinv",
    "GetItem": "Index",
    "HardSigmoid": "Hardsigmoid",
    "HardSwish": "Hardswish",
    "HardTanh": "Hardtanh",
    "Inverse": "LinalgInvEx",
    "LayerNorm": "NativeLayerNorm",
    "Log1p": "Log1P",
    "LogCumSumExp": "Logcumsumexp",
    "LogSumExp": "Logsumexp",
    "NegativeLogLikelihood": "NllLoss",
    "Norm2": "LinalgVectorNorm",
    "PRelu": "PreluKernel",
    "Pad": "ConstantPadNd",
    "Reshape": "View",
    "SLogDet": "LinalgSlogdet",
    "SVD": "LinalgSvd",
    "Scale": "Mul",
    "Shift": "Add",
    "ShiftDown": "Sub",
    "SoftShrink": "Softshrink",
    "Square": "Pow",
}
_NUMBERED = {"Clamp": "ClampBackward1", "ShiftNegative": "RsubBackward1"}


def shown(node: Node) -> str:
    """``AddBackward0`` for an operation of the library, ``MyFunctionBackward`` for one of a user, ``AccumulateGrad`` for a leaf.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.ones(1, requires_grad=True) + 1
    tensor([2.], grad_fn=<AddBackward0>)
    """
    if node.kind == LEAF:
        return node.name
    name = type(node).__name__
    if node.kind == USER:
        return f"{name}Backward"
    return _NUMBERED.get(name) or f"{_NAMES.get(name, name)}Backward0"
