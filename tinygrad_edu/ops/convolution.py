"""Convolutions and their transposes over one to three dimensions, as they are called; `_convolution.py` has what they compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops._convolution import convolve, transpose_convolve

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of signals: a window slides over the input, and its content is multiplied with the weight and summed.

    y[n, o, i] = b[o] + Σ w[o, c, k] · x[n, c, i · stride + k · dilation - padding], summed over c and k.

    Parameters
    ----------
    input : Tensor, (N, C, L) or (C, L)
    weight : Tensor, (O, C / groups, K)
    bias : Tensor, (O,), optional
    stride : int
        Distance of the windows.
    padding : int, "same" or "valid"
        Zeros at each end of length; "same" keeps the size (with stride 1 only), "valid" adds none.
    dilation : int
        Distance of the elements of a window.
    groups : int
        Into how many groups the channels are divided; outputs of a group see the inputs of the same group alone.

    Raises
    ------
    ValueError
        When the sizes do not fit, or no window fits into the input.
    TypeError
        When the types differ.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.conv1d(tg.ones(1, 1, 5), tg.ones(2, 1, 3)).shape
    Size([1, 2, 3])
    """
    return convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of pictures: a window slides over the input, and its content is multiplied with the weight and summed.

    y[n, o, i] = b[o] + Σ w[o, c, k] · x[n, c, i · stride + k · dilation - padding], summed over c and k.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
    weight : Tensor, (O, C / groups, KH, KW)
    bias : Tensor, (O,), optional
    stride : int or two of them
        Distance of the windows.
    padding : int or two of them, "same" or "valid"
        Zeros at each end of height and width; "same" keeps the size (with stride 1 only), "valid" adds none.
    dilation : int or two of them
        Distance of the elements of a window.
    groups : int
        Into how many groups the channels are divided; outputs of a group see the inputs of the same group alone.

    Raises
    ------
    ValueError
        When the sizes do not fit, or no window fits into the input.
    TypeError
        When the types differ.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.conv2d(tg.ones(1, 1, 5, 5), tg.ones(2, 1, 3, 3)).shape
    Size([1, 2, 3, 3])
    """
    return convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of volumes: a window slides over the input, and its content is multiplied with the weight and summed.

    y[n, o, i] = b[o] + Σ w[o, c, k] · x[n, c, i · stride + k · dilation - padding], summed over c and k.

    Parameters
    ----------
    input : Tensor, (N, C, D, H, W) or (C, D, H, W)
    weight : Tensor, (O, C / groups, KD, KH, KW)
    bias : Tensor, (O,), optional
    stride : int or three of them
        Distance of the windows.
    padding : int or three of them, "same" or "valid"
        Zeros at each end of depth, height and width; "same" keeps the size (with stride 1 only), "valid" adds none.
    dilation : int or three of them
        Distance of the elements of a window.
    groups : int
        Into how many groups the channels are divided; outputs of a group see the inputs of the same group alone.

    Raises
    ------
    ValueError
        When the sizes do not fit, or no window fits into the input.
    TypeError
        When the types differ.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.conv3d(tg.ones(1, 1, 5, 5, 5), tg.ones(2, 1, 3, 3, 3)).shape
    Size([1, 2, 3, 3, 3])
    """
    return convolve(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of signals: each element of the input adds its multiple of the weight to a window of the output.

    It is the gradient of :func:`conv1d` by its input, with the same stride, padding, dilation and groups.

    Parameters
    ----------
    input : Tensor, (N, C, L) or (C, L)
    weight : Tensor, (C, O / groups, K)
    bias : Tensor, (O,), optional
    stride, padding, dilation : int
        Those of the convolution: sizes become (n - 1) · stride - 2 padding + dilation · (k - 1) + output_padding + 1.
    output_padding : int
        More elements at the end; smaller than the stride or the dilation.
    groups : int
        Into how many groups the channels are divided.

    Raises
    ------
    ValueError
        When the sizes do not fit.
    TypeError
        When the types differ.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.conv_transpose1d(tg.ones(1, 2, 3), tg.ones(2, 1, 3), stride=2).shape
    Size([1, 1, 7])
    """
    return transpose_convolve(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of pictures: each element of the input adds its multiple of the weight to a window of the output.

    It is the gradient of :func:`conv2d` by its input, with the same stride, padding, dilation and groups.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
    weight : Tensor, (C, O / groups, KH, KW)
    bias : Tensor, (O,), optional
    stride, padding, dilation : int or two of them
        Those of the convolution: sizes become (n - 1) · stride - 2 padding + dilation · (k - 1) + output_padding + 1.
    output_padding : int or two of them
        More elements at the end; smaller than the stride or the dilation.
    groups : int
        Into how many groups the channels are divided.

    Raises
    ------
    ValueError
        When the sizes do not fit.
    TypeError
        When the types differ.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.conv_transpose2d(tg.ones(1, 2, 3, 3), tg.ones(2, 1, 3, 3), stride=2).shape
    Size([1, 1, 7, 7])
    """
    return transpose_convolve(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of volumes: each element of the input adds its multiple of the weight to a window of the output.

    It is the gradient of :func:`conv3d` by its input, with the same stride, padding, dilation and groups.

    Parameters
    ----------
    input : Tensor, (N, C, D, H, W) or (C, D, H, W)
    weight : Tensor, (C, O / groups, KD, KH, KW)
    bias : Tensor, (O,), optional
    stride, padding, dilation : int or three of them
        Those of the convolution: sizes become (n - 1) · stride - 2 padding + dilation · (k - 1) + output_padding + 1.
    output_padding : int or three of them
        More elements at the end; smaller than the stride or the dilation.
    groups : int
        Into how many groups the channels are divided.

    Raises
    ------
    ValueError
        When the sizes do not fit.
    TypeError
        When the types differ.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.conv_transpose3d(tg.ones(1, 2, 3, 3, 3), tg.ones(2, 1, 3, 3, 3), stride=2).shape
    Size([1, 1, 7, 7, 7])
    """
    return transpose_convolve(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolution of sequences whose times come first and whose channels come last.

    y[t, n, o] = b[o] + Σ w[k, c, o] · x[t + k - pad, n, c], summed over k and c.

    Parameters
    ----------
    input : Tensor, (T, N, C)
    weight : Tensor, (K, C, O)
    bias : Tensor, (O,)
    pad : int
        How many zeros are put at each end of time.

    Raises
    ------
    ValueError
        When the sizes do not fit, or the window does not fit into the input.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.conv_tbc(tg.ones(5, 1, 2), tg.ones(3, 2, 4), tg.zeros(4)).shape
    Size([3, 1, 4])
    """
    check_tensors("conv_tbc", input=input, weight=weight, bias=bias)
    if input.ndim != 3 or weight.ndim != 3 or input.shape[2] != weight.shape[1]:
        raise ValueError(
            "conv_tbc: expected an input (T, N, C) and a weight (K, C, O), "
            f"got {tuple(input.shape)} and {tuple(weight.shape)}"
        )
    return conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)
