"""What this library has under torchvision's names: data sets, transforms and grids of images."""

from tinygrad_edu import datasets, transforms
from tinygrad_edu.absent import explain_missing
from tinygrad_edu.vision import utils

__all__ = ["datasets", "transforms", "utils"]
explain_missing(globals(), "torchvision")
