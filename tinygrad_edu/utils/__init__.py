"""Helpers around training: `tinygrad_edu.utils.data`."""

from tinygrad_edu.utils import data

__all__ = ["data"]
