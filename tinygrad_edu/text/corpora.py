"""Texts that every Python installation carries, and the user's own files. Nothing is downloaded, nothing is cached on disk."""

from __future__ import annotations

import ast
import os
import re
import sysconfig
from collections.abc import Iterator
from functools import cache
from pydoc_data.topics import topics

from tinygrad_edu.text.tokenize import sentences, words

__all__ = ["bundled_text", "comments", "docstrings", "drop_repeats", "help_topics", "read_text", "split_sentences"]

# Folders of the standard library that are no prose about it: packages of others, tests, generated tables, programs.
_SKIPPED = frozenset(
    "site-packages dist-packages test tests __pycache__ idlelib lib2to3 encodings pydoc_data ensurepip turtledemo".split()
)
_BLOCK = re.compile(r"(?:^[ \t]*#(?:[ \t].*)?\n)+", re.M)
_MARK = re.compile(r"^[ \t]*# ?", re.M)


@cache
def help_topics() -> str:
    """The reference that Python's ``help()`` prints: some 465,000 characters about the language.

    Examples
    --------
    >>> "list comprehension" in help_topics()
    True
    """
    return "\n\n".join(topics[name] for name in sorted(topics))


@cache
def docstrings() -> str:
    """The docstrings of the standard library's Python modules, in the order of the files: about 1.7 million characters.

    The sources are read and parsed, not imported. Where Python came without them, the text is empty.
    """
    return "\n\n".join(doc for _, source in _sources() for doc in _documentation(ast.parse(source)))


@cache
def comments() -> str:
    """The comments of the standard library's Python modules that stand on lines of their own: about a million characters."""
    return "\n\n".join(
        _MARK.sub("", block[0]).strip("\n") for _, source in _sources() for block in _BLOCK.finditer(source)
    )


@cache
def bundled_text() -> str:
    """English prose about Python, some 400,000 words: `help_topics`, `docstrings` and `comments`.

    Paragraphs that repeat an earlier one are left out, and those that are examples of the interactive prompt. It is the
    same on every machine with the same release of Python.

    Examples
    --------
    >>> len(bundled_text().split()) > 50_000
    True
    """
    text = drop_repeats("\n\n".join([help_topics(), docstrings(), comments()]))
    return "\n\n".join(part for part in text.split("\n\n") if ">>>" not in part)


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file, with ``\\n`` between lines whatever the file has.

    Raises
    ------
    OSError
        If it can't be read.
    ValueError
        If it is not UTF-8 (the message has the line), or holds nothing but white space.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"read_text: {name!r} is not UTF-8 text: byte {content[error.start]:#04x} in line {line}"
        ) from None
    if not text.strip():
        raise ValueError(f"read_text: {name!r} has no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def drop_repeats(text: str) -> str:
    """Keep only the first of paragraphs that are equal but for white space.

    Examples
    --------
    >>> drop_repeats("one\\n\\ntwo\\n\\n  one")
    'one\\n\\ntwo'
    """
    kept: dict[str, str] = {}
    for paragraph in re.split(r"\n\n+", text):
        kept.setdefault(" ".join(paragraph.split()), paragraph)
    return "\n\n".join(kept.values())


def split_sentences(text: str, *, lower: bool = True, punctuation: bool = False) -> list[list[str]]:
    """The words of each sentence of a text, as models of words and their neighbours want it; empty ones are left out.

    Examples
    --------
    >>> split_sentences("You say goodbye. I say hello!")
    [['you', 'say', 'goodbye'], ['i', 'say', 'hello']]
    """
    cut = (words(sentence, lower=lower, punctuation=punctuation) for sentence in sentences(text))
    return [tokens for tokens in cut if tokens]


def _sources() -> Iterator[tuple[str, str]]:
    """Yield the files of the standard library in a fixed order, with their sources."""
    root = sysconfig.get_paths()["stdlib"]
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("config-"))
        for name in sorted(files):
            if name.endswith(".py"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    yield name, file.read()


def _documentation(tree: ast.Module) -> Iterator[str]:
    """Yield the docstrings of a module, its classes and functions, in the order of the source."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            doc = ast.get_docstring(node)
            if doc:
                yield doc
        for statements in ("finalbody", "orelse", "handlers", "body"):  # expressions hold no definitions
            stack.extend(reversed(getattr(node, statements, ())))
