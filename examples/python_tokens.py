"""Labelled data that every Python carries: lines of its own library, each character with the kind of token it belongs to."""

from __future__ import annotations

import io
import keyword
import random
import sysconfig
import tokenize
from pathlib import Path

__all__ = ["label_line", "labelled_lines"]

KINDS = {
    tokenize.NAME: "name",
    tokenize.NUMBER: "number",
    tokenize.STRING: "string",
    tokenize.COMMENT: "comment",
    tokenize.OP: "op",
}
MODULES = "argparse ast bdb calendar cmd colorsys configparser copy csv dataclasses datetime difflib dis enum fractions ftplib "
MODULES += "functools heapq imaplib inspect ipaddress locale optparse pdb pickle pprint random shutil statistics textwrap typing"


def label_line(line: str) -> list[str] | None:
    """Label the characters of one line of Python: ``B-`` and ``I-`` with the kind of token, ``O`` for blanks.

    Returns
    -------
    list of str or None
        None for what is no line on its own, such as a part of a longer string.

    Examples
    --------
    >>> label_line("if x1:")
    ['B-keyword', 'I-keyword', 'O', 'B-name', 'I-name', 'B-op']
    """
    labels = ["O"] * len(line)
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            kind = KINDS.get(token.type)
            if token.type == tokenize.ERRORTOKEN or token.start[0] != 1:
                break
            if kind is None:
                continue
            if kind == "name" and keyword.iskeyword(token.string):
                kind = "keyword"
            for i in range(token.start[1], token.end[1]):
                labels[i] = f"{'B' if i == token.start[1] else 'I'}-{kind}"
    except (tokenize.TokenError, SyntaxError):  # an open bracket at the end of the line: all before it has been seen
        pass
    plain = all(label != "O" or c.isspace() for c, label in zip(line, labels, strict=True))
    return labels if plain and any(label != "O" for label in labels) else None


def labelled_lines(count: int, seed: int, longest: int = 60) -> list[tuple[list[str], list[str]]]:
    """Draw distinct lines of code from Python's library, as (characters, labels).

    Lines of words alone are left out: they are documentation more often than not.
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    lines: set[str] = set()
    for name in MODULES.split():
        path = library / f"{name}.py"
        if path.exists():
            lines |= {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}
    code = [
        line
        for line in sorted(lines)
        if 8 <= len(line) <= longest and line.isascii() and any(c in line for c in "()=[]#'\"") and "`" not in line
    ]
    random.Random(seed).shuffle(code)
    found = []
    for line in code:
        labels = label_line(line)
        if labels is not None:
            found.append((list(line), labels))
            if len(found) == count:
                break
    return found
