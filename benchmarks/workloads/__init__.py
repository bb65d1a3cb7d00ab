"""The workloads. Importing this package registers them; the order here is the order in which they run."""

from benchmarks.workloads import small_graphs, networks, convolutions, language_models, sequences, translation  # isort: skip
from benchmarks.workloads import transformers, word_vectors, optimizers, operations  # isort: skip

__all__ = [
    "convolutions",
    "language_models",
    "networks",
    "operations",
    "optimizers",
    "sequences",
    "small_graphs",
    "transformers",
    "translation",
    "word_vectors",
]
