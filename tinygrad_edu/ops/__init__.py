"""Every operation: a :class:`~tinygrad_edu.Function` and, right under it, the function that users call."""
