"""Names of the ways to compute pixels between pixels."""

from enum import StrEnum

__all__ = ["InterpolationMode"]


class InterpolationMode(StrEnum):
    """torchvision's names; each equals the word that transforms take.

    Examples
    --------
    >>> from tinygrad_edu import transforms
    >>> transforms.InterpolationMode.BILINEAR == "bilinear"
    True
    """

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    NEAREST_EXACT = "nearest-exact"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"
