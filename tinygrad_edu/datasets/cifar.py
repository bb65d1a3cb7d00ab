"""CIFAR-10 and CIFAR-100 from their binary version, or from an npz file; never from pickles."""

from __future__ import annotations

import os
import zipfile
import zlib
from typing import Any

import numpy as np

from tinygrad_edu.datasets.files import Path, find
from tinygrad_edu.datasets.images import Function, ImageDataset

__all__ = ["CIFAR10", "CIFAR100", "read_npz"]

_PIXELS = 3 * 32 * 32


class CIFAR10(ImageDataset):
    """Small colour photographs of 10 kinds of things, 3×32×32 bytes, 50000 to train and 10000 to test.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.

    Parameters
    ----------
    root : path
        The folder ``cifar-10-batches-bin`` with ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``, the
        folder above it, or a folder with ``cifar10.npz`` (see :func:`read_npz`).
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
        If a file is something else or cut off.
    """

    _folder = "cifar-10-batches-bin"
    _pickled = "cifar-10-batches-py"
    _packed = "cifar-10-binary.tar.gz"
    _npz = "cifar10.npz"
    _files = {True: [f"data_batch_{i}.bin" for i in range(1, 6)], False: ["test_batch.bin"]}
    _label_bytes = 1  # the last of them is the class
    _classes = "airplane automobile bird cat deer dog frog horse ship truck".split()

    def __init__(
        self,
        root: Path,
        train: bool = True,
        transform: Function | None = None,
        target_transform: Function | None = None,
        download: bool = False,
    ) -> None:
        archive = os.path.join(root, self._npz)
        images, labels = read_npz(archive, train) if os.path.isfile(archive) else self._binary(root, train)
        super().__init__(images, labels, self._classes, transform, target_transform)

    def _binary(self, root: Path, train: bool) -> tuple[Any, Any]:
        name = type(self).__name__
        source = (
            f"get {self._packed} from https://www.cs.toronto.edu/~kriz/cifar.html, unpack it with tar xzf, and give the "
            "folder that this makes"
        )
        if (
            os.path.isdir(os.path.join(root, self._pickled))
            or os.path.basename(os.path.normpath(root)) == self._pickled
        ):
            source = (
                f"the version of {self._pickled!r} is pickled, which is not read because pickles can run code; {source}"
            )
        parts = []
        for file in self._files[train]:
            path = find(name, root, ["", self._folder], [file], source)
            data = np.fromfile(path, np.uint8)
            row = self._label_bytes + _PIXELS
            if not len(data) or len(data) % row:
                raise ValueError(
                    f"{path!r} has {len(data)} bytes, which are not whole images of {row} bytes ({self._label_bytes} for "
                    f"the label and 3×32×32): it is cut off or not of {name}'s binary version; {source}"
                )
            parts.append(data.reshape(-1, row))
            worst = parts[-1][:, self._label_bytes - 1].max()
            if worst >= len(self._classes):
                raise ValueError(
                    f"{path!r} has the label {worst}, {name} has labels below {len(self._classes)}: it is another file; {source}"
                )
        rows = np.concatenate(parts)
        return rows[:, self._label_bytes :].reshape(-1, 3, 32, 32), rows[:, self._label_bytes - 1]


class CIFAR100(CIFAR10):
    """Small colour photographs of 100 kinds of things, in the form of :class:`CIFAR10`.

    The binary version lies in ``cifar-100-binary`` (``train.bin`` and ``test.bin``), the npz file is ``cifar100.npz``.
    """

    _folder = "cifar-100-binary"
    _pickled = "cifar-100-python"
    _packed = "cifar-100-binary.tar.gz"
    _npz = "cifar100.npz"
    _files = {True: ["train.bin"], False: ["test.bin"]}
    _label_bytes = 2  # the kind's larger group, and the kind
    _classes = (
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle "
        "caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant "
        "flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree "
        "motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate "
        "poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider "
        "squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle "
        "wardrobe whale willow_tree wolf woman worm"
    ).split()


def read_npz(path: Path, train: bool = True) -> tuple[Any, Any]:
    """Read images and labels from an npz file, without pickles.

    Parameters
    ----------
    path : path
        A file with the arrays ``x_train``, ``y_train``, ``x_test`` and ``y_test``; images are bytes, (N, H, W), (N, H, W, C)
        or (N, C, H, W), and labels integers, (N,) or (N, 1).
    train : bool, default True

    Returns
    -------
    (array (N, C, H, W), array (N,))

    Raises
    ------
    ValueError
        If the file is something else, or its arrays are.
    """
    path, part = os.fspath(path), "train" if train else "test"
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = {f"x_{part}", f"y_{part}"} - set(archive.files)
            if missing:
                raise ValueError(f"it has the arrays {archive.files} and lacks {sorted(missing)}")
            images, labels = archive[f"x_{part}"], archive[f"y_{part}"]
    except (ValueError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        raise ValueError(f"{path!r} is not an npz file of images: {error}") from None
    labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    images = images[:, None] if images.ndim == 3 else images
    if images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if (
        images.ndim != 4
        or images.dtype != np.uint8
        or labels.dtype.kind not in "iu"
        or labels.shape != images.shape[:1]
    ):
        raise ValueError(
            f"{path!r}: expected images of bytes and one integer label for each, got x_{part} {images.dtype} "
            f"{images.shape} and y_{part} {labels.dtype} {labels.shape}"
        )
    return images, labels
