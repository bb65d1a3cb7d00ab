"""Helpers around training: `tinygrad_edu.utils.data` and `tinygrad_edu.utils.checkpoint`."""

from tinygrad_edu.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
