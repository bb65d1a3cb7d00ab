"""Names by kind: Unicode's own names of syllables and signs, as every Python knows them, or a folder of lists."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

__all__ = ["SCRIPTS", "plain", "read_folder", "unicode_names"]

SCRIPTS = {
    "Hangul": "HANGUL SYLLABLE",
    "Yi": "YI SYLLABLE",
    "Bamum": "BAMUM LETTER",
    "Ethiopic": "ETHIOPIC SYLLABLE",
    "Vai": "VAI SYLLABLE",
    "Mende": "MENDE KIKAKUI SYLLABLE",
    "Cuneiform": "CUNEIFORM SIGN",
    "Radicals": "KANGXI RADICAL",
}
"""Korean, Nuosu (Sichuan), Bamum (Cameroon), Ethiopian, Vai (Liberia) and Mende (Sierra Leone) syllables, Sumerian signs, and the
English names of the radicals of Chinese characters."""


def unicode_names() -> dict[str, list[str]]:
    """The names of the syllables and signs of each script, of three letters at least; those that two scripts share are left out.

    "HANGUL SYLLABLE GYAEL" becomes "gyael", and "CUNEIFORM SIGN LUGAL OVER LUGAL" is "lugal".
    """
    found: dict[str, set[str]] = {script: set() for script in SCRIPTS}
    for point in range(0x20000):
        name = unicodedata.name(chr(point), "")
        for script, beginning in SCRIPTS.items():
            if name.startswith(beginning + " "):
                words = re.sub(r"PHASE-\w+", "", name[len(beginning) :]).split()
                words = [word for word in words if word.isalpha()]
                if words and len(words[0]) > 2:
                    found[script].add(words[0].lower())
    shared = Counter(name for names in found.values() for name in names)
    return {script: sorted(name for name in names if shared[name] == 1) for script, names in found.items()}


def plain(name: str) -> str:
    """Letters without their accents, and what else is ASCII.

    Examples
    --------
    >>> plain("Ślusàrski")
    'Slusarski'
    """
    return "".join(c for c in unicodedata.normalize("NFD", name) if c.isascii())


def read_folder(folder: str | Path) -> dict[str, list[str]]:
    """Read a list of names from each file ``KIND.txt`` of a folder, a name on each line.

    Raises
    ------
    OSError, ValueError
        If there is no such folder, or less than two lists.
    """
    files = sorted(Path(folder).glob("*.txt"))
    if not Path(folder).is_dir() or len(files) < 2:
        raise ValueError(f"{folder}: expected a folder with a file KIND.txt for each of two kinds of names at least")
    found = {}
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{file} is not UTF-8 text: {error}") from None
        found[file.stem] = sorted({name for name in (plain(line.strip()) for line in lines) if name})
        if len(found[file.stem]) < 10:
            raise ValueError(f"{file}: expected ten names at least, a name on each line, got {len(found[file.stem])}")
    return found
