"""Text on its way to tensors: tokens, vocabularies, corpora, and what counting words tells.

>>> from tinygrad_edu.text import Vocabulary, words
>>> text = words("You say goodbye, and I say hello.")
>>> vocabulary = Vocabulary.build(text, specials=("<unk>",))
>>> vocabulary.encode(words("I say hi."))
array([7, 1, 0, 3])
"""

from tinygrad_edu.text.alias import AliasTable
from tinygrad_edu.text.bleu import bleu
from tinygrad_edu.text.corpora import (
    bundled_text,
    comments,
    docstrings,
    drop_repeats,
    help_topics,
    read_text,
    split_sentences,
)
from tinygrad_edu.text.counts import SparseMatrix, cooccurrence, pmi, positive_pmi
from tinygrad_edu.text.huffman import Huffman
from tinygrad_edu.text.labels import SpanScores, allowed_bio, broken_bio, read_conll, span_scores, spans
from tinygrad_edu.text.neighbours import WordVectors
from tinygrad_edu.text.streaming import TextStream, TokenWindows, read_pieces, write_tokens
from tinygrad_edu.text.subwords import SubwordTokenizer
from tinygrad_edu.text.svd import truncated_svd
from tinygrad_edu.text.tokenize import characters, join_words, sentences, words
from tinygrad_edu.text.translation import EncodedPairs, PairBatch, pad_tokens, read_pairs
from tinygrad_edu.text.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from tinygrad_edu.text.windows import contexts, pairs, subsample
from tinygrad_edu.text.word_corpus import WordCorpus, read_penn_treebank, split_words

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "UNK",
    "AliasTable",
    "EncodedPairs",
    "Huffman",
    "PairBatch",
    "SpanScores",
    "SparseMatrix",
    "SubwordTokenizer",
    "TextStream",
    "TokenWindows",
    "Vocabulary",
    "WordCorpus",
    "WordVectors",
    "allowed_bio",
    "bleu",
    "broken_bio",
    "bundled_text",
    "characters",
    "comments",
    "contexts",
    "cooccurrence",
    "docstrings",
    "drop_repeats",
    "help_topics",
    "join_words",
    "pad_tokens",
    "pairs",
    "pmi",
    "positive_pmi",
    "read_conll",
    "read_pairs",
    "read_penn_treebank",
    "read_pieces",
    "read_text",
    "sentences",
    "span_scores",
    "spans",
    "split_sentences",
    "split_words",
    "subsample",
    "truncated_svd",
    "words",
    "write_tokens",
]
