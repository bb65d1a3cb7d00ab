"""Learning rates that change from epoch to epoch.

Most schedulers compute a rate from the one before, so that several of them, or the user, can change the rates of one
optimizer together.
"""

from __future__ import annotations

from tinygrad_edu.absent import explain_missing
from tinygrad_edu.optim.lr_scheduler.base import LRScheduler, _LRScheduler
from tinygrad_edu.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from tinygrad_edu.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from tinygrad_edu.optim.lr_scheduler.cyclic import CyclicLR, OneCycleLR
from tinygrad_edu.optim.lr_scheduler.decay import ConstantLR, ExponentialLR, LinearLR, MultiStepLR, PolynomialLR, StepLR
from tinygrad_edu.optim.lr_scheduler.functions import LambdaLR, MultiplicativeLR, noam, warmup, warmup_cosine
from tinygrad_edu.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "_LRScheduler",
    "noam",
    "warmup",
    "warmup_cosine",
]

explain_missing(globals(), "optim.lr_scheduler")
