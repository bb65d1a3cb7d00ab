"""The pages under docs/: their code runs, and prints what they show."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from tinygrad_edu.testing.checks import CHECKS
from tinygrad_edu.testing.profiles import EXAMPLES
from tinygrad_edu.testing.runner import SHARE
from tinygrad_edu.testing.specs.__main__ import table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "testing.md"
NAMES = ("data", "optimizers", "transformers", "language_models", "words", "seq2seq")
PAGES = [PAGE, *(ROOT / "docs" / f"{name}.md" for name in NAMES)]  # whose code runs, and prints what they show


def outcome(page, code, line, names):
    """What a block prints, or the error that it ends with; its functions know the line of the page on which they stand."""
    out = io.StringIO()
    compiled = compile("\n" * (line - 1) + code, str(page.relative_to(ROOT)), "exec")
    with contextlib.redirect_stdout(out):
        try:
            exec(compiled, names)
        except Exception as error:
            name = type(error).__qualname__
            return f"{name}: {error}\n" if type(error).__module__ != "builtins" else traceback.format_exc()
    return out.getvalue()


def written(page):
    """A page with what its code prints in the blocks of text that follow it."""
    text = page.read_text()
    names, last, parts, at = {"__name__": "page"}, "", [], 0
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        line = "".join([*parts, text[at : match.start()]]).count("\n") + 2
        parts.append(text[at : match.start()])
        body = match[2]
        if match[1] == "python":
            last = outcome(page, body, line, names)
        elif match[1] == "text":
            body, last = last, ""
        parts.append(f"```{match[1]}\n{body}```")
        at = match.end()
        assert match[1] != "python" or not last or text[at:].lstrip().startswith("```text"), (
            f"line {line} printed {last}"
        )
    return "".join([*parts, text[at:]])


@pytest.mark.parametrize(
    "page", [pytest.param(p, marks=[pytest.mark.slow] * (p.name == "words.md"), id=p.name) for p in PAGES]
)
def test_a_page_shows_what_its_code_prints(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert without_lines(written(page)) == without_lines(page.read_text())


def without_lines(text):
    """The page without the numbers of lines in the library's own files, which move."""
    return re.sub(r"(\w+\.py):\d+", r"\1", text)


def test_the_page_names_every_check_and_profile():
    text = PAGE.read_text()
    assert [name for name in [*CHECKS, "errors"] if f"`{name}`" not in text] == []
    for name, count in EXAMPLES.items():
        assert f"| `{name}` | {count} | {count // SHARE} |" in text


def test_the_table_of_operations_is_up_to_date():
    shown = (ROOT / "docs" / "operations.md").read_text()
    assert shown == table() + "\n", "python -m tinygrad_edu.testing.specs > docs/operations.md brings it up to date"


def test_links_lead_somewhere():
    for page in PAGE.parent.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.slow
def test_the_example_of_an_own_function_passes():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/test_your_own_function.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout + done.stderr


if __name__ == "__main__":  # bring the pages up to date; what changes is then there to be read
    for page in PAGES:
        page.write_text(written(page))
