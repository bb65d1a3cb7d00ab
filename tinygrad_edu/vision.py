"""What this library has under torchvision's names: data sets and transforms; scripts know it as ``torchvision``."""

from tinygrad_edu import datasets, transforms
from tinygrad_edu.absent import explain_missing

__all__ = ["datasets", "transforms"]
explain_missing(globals(), "torchvision")
