"""README.md and ARCHITECTURE.md: the code runs and prints what the comments say, and the files that they name exist."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(title: str) -> list[str]:
    """The Python blocks of a section."""
    section = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert section, title
    return re.findall(r"^```python\n(.*?)^```$", section[1], re.M | re.S)


def printed(*code: str) -> str:
    out = io.StringIO()
    names = {"__name__": "readme"}
    with contextlib.redirect_stdout(out):
        for block in code:
            exec(compile(block, "README.md", "exec"), names)
    return out.getvalue()


def test_the_twenty_lines_learn_a_sine_and_its_derivatives() -> None:
    (code,) = blocks("Twenty lines")
    text = printed(code)
    loss, slope, curvature = (float(n) for n in re.findall(r"-?\d+\.\d+", text))
    assert loss < 0.02
    assert slope == pytest.approx(0.88, abs=0.15) and curvature == pytest.approx(-0.48, abs=0.35)


def test_ones_own_operation_prints_what_the_comment_says() -> None:
    code = blocks("Your own operation")
    assert "tensor([0.1111, 0.4444])" in printed(code[0])
    printed(*code)


def test_every_example_is_listed_and_every_listed_one_is_there() -> None:
    text = (ROOT / "README.md").read_text().split("## Examples")[1].split("\n## ")[0]
    listed = set(re.findall(r"(\w+\.py)", text))
    programs = {path.name for path in (ROOT / "examples").glob("*.py") if "__main__" in path.read_text()}
    assert programs <= listed, programs - listed
    assert listed <= {path.name for path in (ROOT / "examples").glob("*.py")}


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert (ROOT / target).exists(), target


def test_the_map_names_files_that_exist_and_every_file_of_the_engine() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = re.search(r"^```\ntinygrad_edu/(.*?)^```$", text, re.M | re.S)
    assert rooms
    named = set(re.findall(r"\b(\w+\.py)\b", rooms[1]))
    engine = {path.name for path in (ROOT / "tinygrad_edu").glob("*.py")} - {"__init__.py"}
    assert engine <= named, sorted(engine - named)
    everywhere = {path.name for folder in ("tinygrad_edu", "backends", "nn") for path in (ROOT / folder).rglob("*.py")}
    assert named <= everywhere, sorted(named - everywhere)
