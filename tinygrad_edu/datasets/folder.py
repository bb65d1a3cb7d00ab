"""Pictures in folders, one folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.datasets.files import Path
from tinygrad_edu.datasets.images import Function
from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.utils.data.dataset import Dataset

__all__ = ["IMG_EXTENSIONS", "ImageFolder", "read_image"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def read_image(path: Path) -> Tensor:
    """Read a picture with Pillow (the optional extra ``data``): bytes (3, H, W), red, green and blue.

    Raises
    ------
    ModuleNotFoundError
        If Pillow isn't installed.
    ValueError
        If the file is no picture, or cut off.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "pictures are read with Pillow, which isn't installed; pip install 'tinygrad_edu[data]'"
        ) from None
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no picture {os.fspath(path)!r}")
    try:
        with Image.open(path) as picture:
            values = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{os.fspath(path)!r} is not a whole picture: {error}") from None
    return from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


class ImageFolder(Dataset[tuple[Any, int]]):
    """Pictures under ``root/CLASS/…``: sample ``i`` is (image, number of its class).

    Pictures are read when they are asked for; `DataLoader` with `num_workers` reads them ahead. They are bytes
    (3, H, W), which `transforms.Resize` or `transforms.CenterCrop` bring to one size and `transforms.ToTensor` to [0, 1].

    Parameters
    ----------
    root : path
        A folder with one folder for each class; pictures may lie deeper.
    transform, target_transform : callable, optional
        Called with the image, and with the number of the class.
    loader : callable, optional
        Reads a file by its path; :func:`read_image` where it is left out.
    is_valid_file : callable, optional
        Tells of a path whether it is a picture; by default its ending does.
    allow_empty : bool, default False
        Whether classes may have no pictures.

    Attributes
    ----------
    classes : list of str
        The names of the folders, sorted.
    class_to_idx : dict
    samples, imgs : list of (str, int)
        Paths and numbers of classes.
    targets : list of int

    Raises
    ------
    FileNotFoundError
        If there are no folders, or no pictures in one of them; the message says what was looked for.
    """

    def __init__(
        self,
        root: Path,
        transform: Function | None = None,
        target_transform: Function | None = None,
        loader: Callable[[str], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        self.root = os.fspath(root)
        if not os.path.isdir(self.root):
            raise FileNotFoundError(f"ImageFolder: there is no folder {self.root!r}")
        self.classes = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"ImageFolder: {self.root!r} has no folders in it; expected one for each class")
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        valid = is_valid_file or (lambda path: path.lower().endswith(IMG_EXTENSIONS))
        self.samples = [(path, i) for name, i in self.class_to_idx.items() for path in self._pictures(name, valid)]
        self.imgs = self.samples
        self.targets = [i for _, i in self.samples]
        empty = sorted(set(self.classes) - {self.classes[i] for i in self.targets})
        if empty and not allow_empty:
            endings = "" if is_valid_file else f" (files that end in {', '.join(IMG_EXTENSIONS)})"
            raise FileNotFoundError(
                f"ImageFolder: {self.root!r} has no pictures{endings} in {', '.join(map(repr, empty))}; "
                "pass allow_empty=True where that is meant"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.loader = loader or read_image

    def _pictures(self, name: str, valid: Callable[[str], bool]) -> list[str]:
        found = []
        for folder, _, files in sorted(os.walk(os.path.join(self.root, name), followlinks=True)):
            found += [path for file in sorted(files) if valid(path := os.path.join(folder, file))]
        return found

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, label = self.samples[index]
        image = self.loader(path)
        if self.transform is not None:
            image = self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)

    def __len__(self) -> int:
        return len(self.samples)
