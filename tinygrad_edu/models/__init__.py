"""Whole networks built from `tinygrad_edu.nn`, and what is done with them: language models, sequence to sequence, Transformers."""

from tinygrad_edu.models.bert import Bert, BertConfig, BertForMaskedLM, BertOutput, mean_pool
from tinygrad_edu.models.causal import CausalLM, Past, SlidingWindow
from tinygrad_edu.models.generation import generate, select_rows, stream
from tinygrad_edu.models.gpt import GPT, GPTConfig
from tinygrad_edu.models.language_model import RNNLanguageModel, perplexity
from tinygrad_edu.models.llama import Llama, LlamaConfig
from tinygrad_edu.models.pointer_sentinel import PointerSentinelLM
from tinygrad_edu.models.pretrained import load_pretrained
from tinygrad_edu.models.sampling import sample

__all__ = [
    "GPT",
    "Bert",
    "BertConfig",
    "BertForMaskedLM",
    "BertOutput",
    "CausalLM",
    "GPTConfig",
    "Llama",
    "LlamaConfig",
    "Past",
    "PointerSentinelLM",
    "RNNLanguageModel",
    "SlidingWindow",
    "generate",
    "load_pretrained",
    "mean_pool",
    "perplexity",
    "sample",
    "select_rows",
    "stream",
]
