"""What data sets of images have in common: all images as one tensor of bytes, labels, class names, transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.utils.data.dataset import Dataset

__all__ = ["ImageDataset"]

Function = Callable[[Any], Any]


class ImageDataset(Dataset[tuple[Any, Any]]):
    """Images with labels, in memory: sample ``i`` is ``(transform(data[i]), target_transform(targets[i]))``.

    Parameters
    ----------
    images : array (N, C, H, W)
    labels : array (N,) of integers
        Each from 0 to below the number of classes.
    classes : sequence of str
        The names of the classes.
    transform : callable, optional
        Called with an image, a tensor (C, H, W); without it the image comes as it is. `transforms.ToTensor` makes
        numbers in [0, 1] of bytes.
    target_transform : callable, optional
        Called with a label, an int.

    Attributes
    ----------
    data : Tensor (N, C, H, W)
    targets : Tensor (N,) of int64
    classes : list of str
    class_to_idx : dict
        The number of each class.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.datasets import ImageDataset
    >>> data = ImageDataset(np.zeros((2, 1, 8, 8), np.uint8), [0, 1], ["cat", "dog"])
    >>> image, label = data[1]
    >>> image.shape, data.classes[label]
    (Size([1, 8, 8]), 'dog')
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        classes: Sequence[str],
        transform: Function | None = None,
        target_transform: Function | None = None,
    ) -> None:
        name = type(self).__name__
        images, labels = np.ascontiguousarray(images), np.asarray(labels).astype(np.int64)
        if images.ndim != 4:
            raise ValueError(f"{name}: images must have the shape (N, C, H, W), got {images.shape}")
        if labels.shape != images.shape[:1]:
            raise ValueError(f"{name}: there are {len(images)} images, and labels of the shape {labels.shape}")
        if len(labels) and not (labels.min() >= 0 and labels.max() < len(classes)):
            raise ValueError(
                f"{name}: labels go from {labels.min()} to {labels.max()}, the {len(classes)} classes are numbered from 0"
            )
        self.data: Tensor = from_numpy(images)
        self.targets: Tensor = from_numpy(labels)
        self.classes = list(classes)
        self.class_to_idx = {c: i for i, c in enumerate(self.classes)}
        self.transform = transform
        self.target_transform = target_transform
        self._images, self._labels = images, labels

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = from_numpy(self._images[index])
        label: Any = int(self._labels[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __len__(self) -> int:
        return len(self._labels)

    def __repr__(self) -> str:
        size = "×".join(map(str, self._images.shape[1:]))
        lines = [f"Dataset {type(self).__name__}", f"    {len(self)} images of {size}, {len(self.classes)} classes"]
        if self.transform is not None:
            lines.append(f"    transform: {self.transform}")
        return "\n".join(lines)
