"""From a string to tokens: sentences, words and punctuation, characters; and back.

Nothing here learns from data. What cuts words into pieces (byte pairs and the like) must be trained, and stands elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["characters", "join_words", "sentences", "words"]

# A number with its separators, a word with inner apostrophes or hyphens, or one mark.
_PIECE = re.compile(r"\d+(?:[.,:]\d+)+|<\w+>|\w+(?:[-'’]\w+)*|[^\w\s]")
_WORD = re.compile(r"\w")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_END = re.compile(r"[.!?…]+[\"'’”)\]]*(?=\s)")
# What ends in a point and rarely ends a sentence; single letters (initials) do not, either.
_ABBREVIATIONS = frozenset("mr mrs ms dr prof st vs etc e.g i.e cf al fig no vol ch sec eq pp ca approx jr sr".split())


def words(text: str, *, lower: bool = True, punctuation: bool = True) -> list[str]:
    """Cut a text into words, numbers and marks.

    Letters, digits and underscores that stand together make a word, also with apostrophes and hyphens between them
    ("don't", "well-known", "__init__"); numbers keep their points and commas ("3.14"), and marks such as ``<unk>`` stay
    whole. Every other character that is not white space is a token of its own.

    Parameters
    ----------
    text : str
    lower : bool, default True
        Whether "The" and "the" are one word.
    punctuation : bool, default True
        Whether marks are tokens, too, or left out.

    Returns
    -------
    list of str

    Examples
    --------
    >>> words("Don't panic: pi is 3.14, roughly.")
    ["don't", 'panic', ':', 'pi', 'is', '3.14', ',', 'roughly', '.']
    >>> words("You say goodbye, and I say hello.", lower=False, punctuation=False)
    ['You', 'say', 'goodbye', 'and', 'I', 'say', 'hello']
    """
    _check(text, "words")
    pieces = _PIECE.findall(text.lower() if lower else text)
    return pieces if punctuation else [piece for piece in pieces if _WORD.search(piece)]


def sentences(text: str) -> list[str]:
    """Cut a text into sentences: at points, question and exclamation marks that end one, and at empty lines.

    A point after a common abbreviation or an initial ends none, and no mark before a small letter does. White space within
    a sentence becomes one space.

    Examples
    --------
    >>> sentences("Dr. Ada wrote it, e.g. in 1843. Did it run?\\n\\nYes")
    ['Dr. Ada wrote it, e.g. in 1843.', 'Did it run?', 'Yes']
    """
    _check(text, "sentences")
    found = []
    for paragraph in _PARAGRAPH.split(text):
        paragraph = " ".join(paragraph.split())
        begin = 0
        for match in _END.finditer(paragraph):
            last = paragraph[begin : match.start()].rsplit(" ", 1)[-1].lstrip("(\"'[").lower()
            following = paragraph[match.end() : match.end() + 2].strip()
            initial = len(last) == 1 and last.isalpha()
            if following.islower() or (match[0] == "." and (initial or last in _ABBREVIATIONS)):
                continue
            found.append(paragraph[begin : match.end()])
            begin = match.end() + 1
        if paragraph[begin:]:
            found.append(paragraph[begin:])
    return found


def characters(text: str) -> list[str]:
    """The characters of a text, one by one.

    Examples
    --------
    >>> characters("57+5")
    ['5', '7', '+', '5']
    """
    _check(text, "characters")
    return list(text)


_TIGHT_LEFT = frozenset(".,;:!?…%)]}’”")  # no space before these
_TIGHT_RIGHT = frozenset("([{$#‘“")  # none after these


def join_words(tokens: Iterable[str]) -> str:
    """Write tokens as a reader expects them: with spaces between words, none before a comma.

    What `words` has cut apart comes back but for white space, capital letters and straight quotation marks, which open at
    the first, close at the second and so on.

    Examples
    --------
    >>> join_words(["no", "(", "or", '"', "nearly", '"', "no", ")", "space", ",", "here", "."])
    'no (or "nearly" no) space, here.'
    """
    parts: list[str] = []
    open_quotes: set[str] = set()
    tight = True
    for token in tokens:
        closes = token in open_quotes
        if not (tight or token in _TIGHT_LEFT or closes):
            parts.append(" ")
        parts.append(token)
        tight = token in _TIGHT_RIGHT
        if token in ('"', "'", "`"):
            open_quotes ^= {token}
            tight = not closes
    return "".join(parts)


def _check(text: object, name: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected a str, got {type(text).__name__}")
