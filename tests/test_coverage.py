"""docs/pytorch.md is up to date, its list of names is PyTorch's, and enough of them are here."""

from pathlib import Path

import pytest
import pytorch_names

from tinygrad_edu.testing import coverage as cov
from tinygrad_edu.testing.pytorch_names import NAMES, VERSION

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "pytorch.md").read_text() == cov.page(), (
        "python -m tinygrad_edu.testing.coverage > docs/pytorch.md"
    )


@pytest.mark.parametrize("area", pytorch_names.AREAS)
def test_the_names_are_those_of_pytorch(area: str) -> None:
    torch = pytest.importorskip("torch")
    if torch.__version__.partition("+")[0] != VERSION:
        pytest.skip(f"this is PyTorch {torch.__version__}, the list is of {VERSION}")
    assert NAMES[area] == pytorch_names.names(area)


@pytest.mark.parametrize(
    ("area", "share"),
    [
        ("torch", 0.9),
        ("Tensor", 0.95),
        ("nn", 0.95),
        ("nn.functional", 0.95),
        ("nn.init", 1),
        ("optim", 1),
        ("optim.lr_scheduler", 1),
    ],
)
def test_enough_is_here(area: str, share: float) -> None:
    found = cov.coverage(area)
    assert found.of_meant >= share, found.absent
    if area.startswith("nn"):
        assert found.of_all >= 0.9


def test_nothing_is_in_two_lists() -> None:
    for area, names in NAMES.items():
        found = cov.coverage(area)
        assert sorted([*found.present, *found.left_out, *found.absent]) == sorted(names)
        assert all(found.left_out.values())
