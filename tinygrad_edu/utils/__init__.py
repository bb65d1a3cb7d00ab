"""Helpers around training: `tinygrad_edu.utils.data`, `tinygrad_edu.utils.checkpoint` and `tinygrad_edu.utils.bptt`."""

from tinygrad_edu.absent import explain_missing
from tinygrad_edu.utils import bptt, checkpoint, data

__all__ = ["bptt", "checkpoint", "data"]

explain_missing(globals(), "utils")
