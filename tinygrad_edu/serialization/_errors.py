"""What a file that can't be read raises."""

from __future__ import annotations


class CheckpointError(RuntimeError):
    """A file is not a readable checkpoint; the message says what was found and what was expected."""


# What reading data that aren't as they should be can raise.
MALFORMED = (ValueError, TypeError, AttributeError, LookupError, RecursionError, OverflowError, EOFError)
