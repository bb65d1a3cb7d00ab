"""Whole networks built from `tinygrad_edu.nn`, and what is done with them: language models, sequence to sequence, Transformers."""

from tinygrad_edu.models.attention_maps import attention_maps
from tinygrad_edu.models.beam_search import Hypothesis, beam_search
from tinygrad_edu.models.bert import Bert, BertConfig, BertForMaskedLM, BertOutput, mean_pool
from tinygrad_edu.models.causal import CausalLM, Past, SlidingWindow
from tinygrad_edu.models.generation import generate, select_rows, stream
from tinygrad_edu.models.gpt import GPT, GPTConfig
from tinygrad_edu.models.language_model import RNNLanguageModel, perplexity
from tinygrad_edu.models.llama import Llama, LlamaConfig
from tinygrad_edu.models.pointer_sentinel import PointerSentinelLM
from tinygrad_edu.models.pretrained import load_pretrained
from tinygrad_edu.models.recurrent_seq2seq import (
    BahdanauDecoder,
    DecoderState,
    LuongDecoder,
    RecurrentDecoder,
    RecurrentEncoder,
)
from tinygrad_edu.models.sampling import sample
from tinygrad_edu.models.seq2seq import (
    Decoder,
    Encoded,
    Encoder,
    Seq2Seq,
    inverse_sigmoid_schedule,
    linear_schedule,
)
from tinygrad_edu.models.transformer_seq2seq import AttentionDecoder, AttentionEncoder, AttentionState
from tinygrad_edu.models.word2vec import (
    CBOW,
    AdaptiveSoftmax,
    FullSoftmax,
    HierarchicalSoftmax,
    NegativeSampling,
    SkipGram,
)

__all__ = [
    "CBOW",
    "GPT",
    "AdaptiveSoftmax",
    "AttentionDecoder",
    "AttentionEncoder",
    "AttentionState",
    "BahdanauDecoder",
    "Bert",
    "BertConfig",
    "BertForMaskedLM",
    "BertOutput",
    "CausalLM",
    "Decoder",
    "DecoderState",
    "Encoded",
    "Encoder",
    "FullSoftmax",
    "GPTConfig",
    "HierarchicalSoftmax",
    "Hypothesis",
    "Llama",
    "LlamaConfig",
    "LuongDecoder",
    "NegativeSampling",
    "Past",
    "PointerSentinelLM",
    "RNNLanguageModel",
    "RecurrentDecoder",
    "RecurrentEncoder",
    "Seq2Seq",
    "SkipGram",
    "SlidingWindow",
    "attention_maps",
    "beam_search",
    "generate",
    "inverse_sigmoid_schedule",
    "linear_schedule",
    "load_pretrained",
    "mean_pool",
    "perplexity",
    "sample",
    "select_rows",
    "stream",
]
