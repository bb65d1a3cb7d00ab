"""Data sets: readers for files on the user's disk, scikit-learn's digits, and problems that are made up. Nothing is downloaded.

>>> from tinygrad_edu.datasets import two_moons
>>> x, y = two_moons(100)
>>> x.shape, y.shape
(Size([100, 2]), Size([100]))
"""

from tinygrad_edu.datasets.cifar import CIFAR10, CIFAR100, read_npz
from tinygrad_edu.datasets.digits import Digits
from tinygrad_edu.datasets.folder import ImageFolder, read_image
from tinygrad_edu.datasets.generated import blobs, noisy_sine, spiral, two_moons, xor
from tinygrad_edu.datasets.images import ImageDataset
from tinygrad_edu.datasets.mnist import KMNIST, MNIST, FashionMNIST, read_idx
from tinygrad_edu.datasets.sequences import additions, dates, english_number, german_number, number_words
from tinygrad_edu.datasets.shapes import Shapes
from tinygrad_edu.datasets.table import CSVDataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "KMNIST",
    "MNIST",
    "CSVDataset",
    "Digits",
    "FashionMNIST",
    "ImageDataset",
    "ImageFolder",
    "Shapes",
    "additions",
    "blobs",
    "dates",
    "english_number",
    "german_number",
    "noisy_sine",
    "number_words",
    "read_idx",
    "read_image",
    "read_npz",
    "spiral",
    "two_moons",
    "xor",
]
