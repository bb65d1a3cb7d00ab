"""Pairs of texts that are made up: sums, dates, numbers in words. What one says, the other says in another form.

Each function returns a list of distinct pairs (source, target) of str, in random order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from tinygrad_edu.generator import Generator
from tinygrad_edu.random import randint

__all__ = ["additions", "dates", "english_number", "german_number", "number_words"]

Pairs = list[tuple[str, str]]


def _distinct(
    name: str, n_samples: int, most: int, draw: Callable[[random.Random], tuple[str, str]], generator: Generator | None
) -> Pairs:
    """So many pairs with different sources, of which there are at least `most`."""
    if isinstance(n_samples, bool) or not isinstance(n_samples, int) or not 1 <= n_samples <= most:
        raise ValueError(f"{name}: n_samples must be an integer from 1 to {most}, got {n_samples!r}")
    rng = random.Random(int(randint(0, 2**62, (), generator=generator, device="cpu").item()))
    found: dict[str, str] = {}
    while len(found) < n_samples:
        source, target = draw(rng)
        found[source] = target
    return list(found.items())


def additions(n_samples: int, digits: int = 3, *, generator: Generator | None = None) -> Pairs:
    """Sums and their results: "57+5" and "62".

    Numbers with one, two, … digits are equally frequent.

    Parameters
    ----------
    n_samples : int
        At most half of all sums that there are.
    digits : int, default 3
        Of the longest numbers.
    generator : Generator, optional
        Where randomness comes from; the default generator where it is left out.

    Examples
    --------
    >>> from tinygrad_edu.datasets import additions
    >>> all(int(a) + int(b) == int(result) for sum_, result in additions(50) for a, b in [sum_.split("+")])
    True
    """
    if isinstance(digits, bool) or not isinstance(digits, int) or digits < 1:
        raise ValueError(f"additions: digits must be a positive integer, got {digits!r}")

    def number(rng: random.Random) -> int:
        size = rng.randint(1, digits)
        return rng.randrange(10 ** (size - 1) if size > 1 else 0, 10**size)

    def draw(rng: random.Random) -> tuple[str, str]:
        a, b = number(rng), number(rng)
        return f"{a}+{b}", str(a + b)

    return _distinct("additions", n_samples, 10 ** (2 * digits) // 2, draw, generator)


# Written out here, as the calendar's own names follow the computer's language.
_MONTHS = "january february march april may june july august september october november december".split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_FIRST, _LAST = date(1970, 1, 1), date(2069, 12, 31)  # a hundred years, so two digits of a year say which it is
_CASES: Sequence[Callable[[str], str]] = (str.lower, str.upper, str.title)


def dates(n_samples: int, *, generator: Generator | None = None) -> Pairs:
    """Dates from 1970 to 2069 as people write them, and as ISO 8601 does: "September 27, 1994" and "1994-09-27".

    There are ten forms, in which the month stands before the day where it is a number: "08/10/93", "8/10/1993", "10 aug 1993",
    "aug 10, 1993", "august 10 1993", "10 august, 1993", "tuesday, august 10 1993", "august 10, '93", "10.08.1993" (the day first,
    where points stand between) and "1993 august 10"; words come in small letters, capital letters, or with a capital.

    Parameters
    ----------
    n_samples : int
        At most 100,000.
    generator : Generator, optional
        Where randomness comes from; the default generator where it is left out.

    Examples
    --------
    >>> from tinygrad_edu.datasets import dates
    >>> pairs = dates(5)
    >>> len(pairs), all(len(target) == 10 for _, target in pairs)
    (5, True)
    """
    days = (_LAST - _FIRST).days + 1

    def draw(rng: random.Random) -> tuple[str, str]:
        day = _FIRST + timedelta(rng.randrange(days))
        text = rng.choice(_FORMS)(day)
        return rng.choice(_CASES)(text), day.isoformat()

    return _distinct("dates", n_samples, 100_000, draw, generator)


def _month(day: date) -> str:
    return _MONTHS[day.month - 1]


_FORMS: Sequence[Callable[[date], str]] = (
    lambda d: f"{d.month:02}/{d.day:02}/{d.year % 100:02}",
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: f"{d.day} {_month(d)[:3]} {d.year}",
    lambda d: f"{_month(d)[:3]} {d.day}, {d.year}",
    lambda d: f"{_month(d)} {d.day} {d.year}",
    lambda d: f"{d.day} {_month(d)}, {d.year}",
    lambda d: f"{_DAYS[d.weekday()]}, {_month(d)} {d.day} {d.year}",
    lambda d: f"{_month(d)} {d.day}, '{d.year % 100:02}",
    lambda d: f"{d.day:02}.{d.month:02}.{d.year}",
    lambda d: f"{d.year} {_month(d)} {d.day}",
)

_ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_GERMAN = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
).split()
_GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def english_number(n: int) -> str:
    """A number below a million in English, part by part.

    Examples
    --------
    >>> english_number(345_021)
    'three hundred and forty five thousand and twenty one'
    """
    _check_number("english_number", n)
    thousands, below = divmod(n, 1000)
    hundreds, rest = divmod(below, 100)
    words: list[str] = []
    if thousands:
        words += [english_number(thousands), "thousand"]
    if hundreds:
        words += [_ENGLISH[hundreds], "hundred"]
    if rest or n == 0:
        words += ["and"] * bool(words)
        words += (
            [_ENGLISH[rest]] if rest < 20 else [_ENGLISH_TENS[rest // 10 - 2]] + [_ENGLISH[rest % 10]] * (rest % 10 > 0)
        )
    return " ".join(words)


def german_number(n: int) -> str:
    """A number below a million in German, whose long words are cut into parts. The ones stand before the tens.

    Examples
    --------
    >>> german_number(345_021)
    'drei hundert fünf und vierzig tausend ein und zwanzig'
    """
    _check_number("german_number", n)
    thousands, below = divmod(n, 1000)
    hundreds, rest = divmod(below, 100)
    words: list[str] = []
    if thousands:
        words += [_before_a_word(german_number(thousands)), "tausend"]
    if hundreds:
        words += [_before_a_word(_GERMAN[hundreds]), "hundert"]
    if rest or n == 0:
        tens, ones = divmod(rest, 10)
        if rest < 20:
            words.append(_GERMAN[rest])
        else:
            words += [_before_a_word(_GERMAN[ones]), "und"] if ones else []
            words.append(_GERMAN_TENS[tens - 2])
    return " ".join(words)


def _before_a_word(words: str) -> str:
    """ "eins" loses its end where the word goes on."""
    return words.removesuffix("s") if words.endswith("eins") else words


def _check_number(name: str, n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 1_000_000:
        raise ValueError(f"{name}: expected an integer from 0 to 999999, got {n!r}")


def number_words(n_samples: int, limit: int = 1_000_000, *, generator: Generator | None = None) -> Pairs:
    """Numbers in English and in German: "forty two" and "zwei und vierzig". The order of the words is not the same.

    Numbers with few digits are as frequent as such with many, until they are used up.

    Parameters
    ----------
    n_samples : int
        At most half of `limit`.
    limit : int, default 1,000,000
        Numbers are below it.
    generator : Generator, optional
        Where randomness comes from; the default generator where it is left out.

    Examples
    --------
    >>> from tinygrad_edu.datasets import number_words
    >>> len(number_words(20, limit=100))
    20
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 2 <= limit <= 1_000_000:
        raise ValueError(f"number_words: limit must be an integer from 2 to 1000000, got {limit!r}")

    def draw(rng: random.Random) -> tuple[str, str]:
        n = rng.randrange(min(limit, 10 ** rng.randint(1, len(str(limit - 1)))))
        return english_number(n), german_number(n)

    return _distinct("number_words", n_samples, limit // 2, draw, generator)
