"""The rules of ARCHITECTURE.md that a program can check: who imports whom, what the wheel holds, the core's length."""

import ast
import io
import shutil
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"tinygrad_edu": "tinygrad_edu", "backends": "tinygrad_edu/backends", "nn": "tinygrad_edu/nn"}
# Host-side code: it reads files and makes pictures, never tensors' values, so it may know NumPy.
HOST_SIDE = ("serialization", "utils/data/", "transforms/", "datasets/", "testing", "plots", "text/")
CORE = ("_state.py", "grad_mode.py", "node.py", "function.py", "autograd/walk.py")  # modes, node, apply, backward, grad
ARRAY_LIBRARIES = {"numpy", "cupy", "cupyx", "scipy", "torch", "jax", "array_api_strict"}


def sources():
    """Yield every source file with its place in the installed package."""
    for folder, place in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, f"{place}/{path.relative_to(ROOT / folder).as_posix()}"


FILES = list(sources())


def imports(text, place):
    """Return the full names of everything that a file imports, wherever in the file it does."""
    package = place.removesuffix(".py").split("/")[:-1]
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def room(place):
    """Return the room of a file: backends, nn, or engine; the front door, the specs of all operations and averages of models see
    every room."""
    doors = ("tinygrad_edu/__init__.py", "tinygrad_edu/testing/specs/", "tinygrad_edu/optim/swa_utils.py")
    if place.startswith(doors):
        return "door"
    return {"backends": "backends", "nn": "nn", "models": "models"}.get(place.split("/")[1], "engine")


def inside(name, package):
    return name == package or name.startswith(package + ".")


def complaints(text, place):
    """Return what is wrong with the imports of one file."""
    where = room(place)
    bad = set()
    for name in imports(text, place):
        if where == "backends" and inside(name, "tinygrad_edu") and not inside(name, "tinygrad_edu.backends"):
            bad.add(f"a backend imports {name}")
        if where == "engine" and inside(name, "tinygrad_edu.nn"):
            bad.add(f"the engine imports {name}")
        if where in ("engine", "nn") and inside(name, "tinygrad_edu.models"):
            bad.add(f"{name} is imported below the models")
        free = where == "backends" or place.removeprefix("tinygrad_edu/").startswith(HOST_SIDE)
        if not free and name.split(".")[0] in ARRAY_LIBRARIES:
            bad.add(f"{name} is imported outside of backends")
    return bad


@pytest.mark.parametrize(("path", "place"), FILES, ids=[place for _, place in FILES])
def test_imports_point_one_way(path, place):
    assert not complaints(path.read_text(), place)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("from tinygrad_edu.tensor import Tensor", "tinygrad_edu/backends/x.py"),
        ("import tinygrad_edu", "tinygrad_edu/backends/x.py"),
        ("from .. import tensor", "tinygrad_edu/backends/x.py"),
        ("def f():\n    from tinygrad_edu import nn", "tinygrad_edu/tensor.py"),
        ("import tinygrad_edu.nn.module as m", "tinygrad_edu/optim/sgd.py"),
        ("from ..nn import Linear", "tinygrad_edu/ops/x.py"),
        ("import importlib\nimportlib.import_module('tinygrad_edu.nn')", "tinygrad_edu/x.py"),
        ("from ..models import beam_search", "tinygrad_edu/nn/rnn.py"),
        ("from ..models import beam_search", "tinygrad_edu/text/vocabulary.py"),
        ("import numpy as np", "tinygrad_edu/tensor.py"),
        ("def f():\n    import cupy", "tinygrad_edu/nn/linear.py"),
        ("from numpy.linalg import norm", "tinygrad_edu/nn/linear.py"),
    ],
)
def test_a_forbidden_import_is_noticed(text, place):
    assert complaints(text, place)


def test_every_folder_with_sources_is_a_package_of_the_wheel():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted({place.rpartition("/")[0].replace("/", ".") for _, place in FILES})


@pytest.mark.slow
def test_the_wheel_holds_exactly_the_package(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    source, target = tmp_path / "source", tmp_path / "wheel"
    source.mkdir()
    target.mkdir()
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(target)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = target.iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    code = {name for name in names if ".dist-info/" not in name}
    assert code == {place for _, place in FILES} | {"tinygrad_edu/py.typed"}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tinygrad_edu"}


def code_lines(text):
    """Count the lines that hold code: no blank lines, comments or docstrings."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if documented and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_code_lines_are_counted_right():
    start = '"""Module\n\ntext."""\n\n# comment\n'
    text = start + 'def f(x):\n    """Doc."""\n    y = """a\n    b"""  # text\n\n    return y\n'
    assert code_lines(text) == 4


def test_the_core_can_be_read_in_one_sitting():
    core = {name: code_lines((ROOT / "tinygrad_edu" / name).read_text()) for name in CORE}
    assert sum(core.values()) <= 600, core
    assert code_lines((ROOT / "tinygrad_edu" / "tensor.py").read_text()) <= 150
