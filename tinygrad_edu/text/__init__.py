"""Text on its way to tensors: tokens, vocabularies, corpora, and what counting words tells."""
