"""Whole networks built from `tinygrad_edu.nn`, and what is done with them: language models, sequence to sequence, Transformers."""

from tinygrad_edu.models.generation import generate, select_rows, stream
from tinygrad_edu.models.language_model import RNNLanguageModel, perplexity
from tinygrad_edu.models.pointer_sentinel import PointerSentinelLM
from tinygrad_edu.models.sampling import sample

__all__ = ["PointerSentinelLM", "RNNLanguageModel", "generate", "perplexity", "sample", "select_rows", "stream"]
