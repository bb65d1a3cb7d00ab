"""Changes of images, for data augmentation and for networks that want their input in a certain form.

>>> import tinygrad_edu as tg
>>> from tinygrad_edu import transforms
>>> augment = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()])
>>> augment(tg.rand(3, 32, 32)).shape
Size([3, 32, 32])
"""

from tinygrad_edu.transforms import functional
from tinygrad_edu.transforms.compose import Compose, Lambda, RandomApply, RandomChoice, Transform
from tinygrad_edu.transforms.geometry import (
    CenterCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from tinygrad_edu.transforms.interpolation import InterpolationMode
from tinygrad_edu.transforms.values import ColorJitter, GaussianNoise, Grayscale, Normalize, RandomErasing, ToTensor

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "GaussianNoise",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToTensor",
    "Transform",
    "functional",
]
