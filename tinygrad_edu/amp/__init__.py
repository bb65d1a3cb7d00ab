"""Training in half precision: `GradScaler` keeps gradients that are too small for it from becoming zero."""

from tinygrad_edu.amp.grad_scaler import GradScaler

__all__ = ["GradScaler"]
