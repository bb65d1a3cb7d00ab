"""The idx format, and the data sets that come in it: MNIST and those of the same form."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from tinygrad_edu.datasets.files import Path, expect_end, find, open_plain_or_gz, read_exactly
from tinygrad_edu.datasets.images import Function, ImageDataset

__all__ = ["KMNIST", "MNIST", "FashionMNIST", "read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> np.ndarray[Any, Any]:
    """Read an idx file, plain or packed by gzip.

    The format: two bytes 0, the type of the elements, the number of dimensions, the sizes as 32-bit numbers with the
    highest byte first, and the elements.

    Parameters
    ----------
    path : path

    Returns
    -------
    array
        In the machine's byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is something else, cut off or too long.
    """
    path = os.fspath(path)
    with open_plain_or_gz(path) as file:
        head = read_exactly(file, 4, path, "the first words of an idx file")
        if head[:2] != b"\0\0" or head[2] not in _TYPES or not head[3]:
            raise ValueError(
                f"{path!r} is not an idx file: it begins with the bytes {head.hex(' ')}, expected 00 00, a type "
                "(08 for bytes) and the number of dimensions"
            )
        sizes = np.frombuffer(read_exactly(file, 4 * head[3], path, f"the sizes of {head[3]} dimensions"), ">u4")
        shape = [int(n) for n in sizes]
        dtype = np.dtype(_TYPES[head[2]])
        what = f"the elements of an array {'×'.join(map(str, shape))}"
        data = read_exactly(file, math.prod(shape) * dtype.itemsize, path, what)
        expect_end(file, path, what)
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


class MNIST(ImageDataset):
    """Handwritten digits, 28×28 bytes, 60000 to train and 10000 to test, from files on the user's disk.

    Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998.

    Parameters
    ----------
    root : path
        The folder with the four files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``
        and ``t10k-labels-idx1-ubyte``, each plain or with ``.gz``; or the folder above, as torchvision lays it out.
    train : bool, default True
        The images to train, or those to test.
    transform, target_transform : callable, optional
        See :class:`ImageDataset`.
    download : bool, default False
        Nothing is ever downloaded: with True, missing files are an error all the same.

    Raises
    ------
    FileNotFoundError
        Which file is missing, and where to get it.
    ValueError
        If a file is something else, cut off, or doesn't fit the other.
    """

    _source = (
        "get the four files from https://ossci-datasets.s3.amazonaws.com/mnist/ (train-images-idx3-ubyte.gz, "
        "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz) and put them there"
    )
    _classes = [str(i) for i in range(10)]

    def __init__(
        self,
        root: Path,
        train: bool = True,
        transform: Function | None = None,
        target_transform: Function | None = None,
        download: bool = False,
    ) -> None:
        name, part = type(self).__name__, "train" if train else "t10k"
        folders = ["", f"{name}/raw", "raw", name]
        paths = []
        for kind in ("images-idx3", "labels-idx1"):
            file = f"{part}-{kind}-ubyte"
            names = [file, f"{file}.gz", file.replace("-idx", ".idx"), f"{file.replace('-idx', '.idx')}.gz"]
            paths.append(find(name, root, folders, names, self._source))
        images, labels = map(read_idx, paths)
        for path, array, dims in zip(paths, (images, labels), (3, 1), strict=True):
            if array.ndim != dims or array.dtype != np.uint8:
                what = "images, bytes with 3 dimensions" if dims == 3 else "labels, bytes with 1 dimension"
                raise ValueError(f"{path!r} should hold {what}; it has {array.dtype} with {array.ndim} dimensions")
        if len(images) != len(labels):
            raise ValueError(f"{paths[0]!r} has {len(images)} images, {paths[1]!r} has {len(labels)} labels")
        super().__init__(images[:, None], labels, self._classes, transform, target_transform)


class FashionMNIST(MNIST):
    """Pieces of clothing in the form of :class:`MNIST`: as small, but harder.

    Source: Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017.
    """

    _source = "get the four files from https://github.com/zalandoresearch/fashion-mnist and put them there"
    _classes = "T-shirt/top;Trouser;Pullover;Dress;Coat;Sandal;Shirt;Sneaker;Bag;Ankle boot".split(";")


class KMNIST(MNIST):
    """Handwritten syllables of old Japanese in the form of :class:`MNIST`.

    Source: Clanuwat et al., Deep learning for classical Japanese literature, 2018.
    """

    _source = "get the four files from https://github.com/rois-codh/kmnist and put them there"
    _classes = "o ki su tsu na ha ma ya re wo".split()
