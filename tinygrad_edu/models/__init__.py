"""Whole networks built from `tinygrad_edu.nn`, and what is done with them: language models, sequence to sequence, Transformers."""
