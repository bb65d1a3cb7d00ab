"""Training in half precision: `autocast` says what is computed in it, `GradScaler` keeps small gradients from becoming zero."""

from tinygrad_edu.absent import explain_missing
from tinygrad_edu.amp.autocast import autocast
from tinygrad_edu.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast"]
explain_missing(globals(), "amp")
