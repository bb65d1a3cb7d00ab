"""Checkpoints: nested containers of tensors in one safetensors file, written whole or not at all; PyTorch's files are read.

The tensors stand in the file under readable names: a state_dict is saved under its own keys, and any program that knows
the format can read it. What safetensors can't express (nesting, numbers, strings, the order of keys) is JSON in the
file's metadata, which other programs pass over. Reading never runs code that stands in the file,
unless it is a whole object and the caller passes ``weights_only=False``.
"""

from tinygrad_edu.serialization._errors import CheckpointError
from tinygrad_edu.serialization._loading import load
from tinygrad_edu.serialization._objects import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from tinygrad_edu.serialization._writing import save

__all__ = [
    "CheckpointError",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]
