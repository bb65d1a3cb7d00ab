"""Text on its way to tensors: tokens, vocabularies, corpora, and what counting words tells.

>>> from tinygrad_edu.text import Vocabulary, words
>>> text = words("You say goodbye, and I say hello.")
>>> vocabulary = Vocabulary.build(text, specials=("<unk>",))
>>> vocabulary.encode(words("I say hi."))
array([7, 1, 0, 3])
"""

from tinygrad_edu.text.tokenize import characters, join_words, sentences, words
from tinygrad_edu.text.vocabulary import BOS, EOS, PAD, UNK, Vocabulary

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "UNK",
    "Vocabulary",
    "characters",
    "join_words",
    "sentences",
    "words",
]
