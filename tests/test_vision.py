"""Grids of images under torchvision's names."""

from pathlib import Path

import pytest

import tinygrad_edu as tg
from tinygrad_edu.vision.utils import make_grid, save_image


def test_images_stand_in_rows() -> None:
    images = tg.arange(5.0).reshape(5, 1, 1, 1).expand(5, 3, 2, 3)
    grid = make_grid(images, nrow=2, padding=1, pad_value=9.0)
    assert grid.shape == (3, 3 * 3 + 1, 2 * 4 + 1)
    assert grid[0].tolist()[1] == [9, 0, 0, 0, 9, 1, 1, 1, 9] and grid[0].tolist()[0] == [9] * 9
    assert grid[2].tolist()[7] == [9, 4, 4, 4, 9, 9, 9, 9, 9]
    assert make_grid(images[:1]).shape == (3, 2, 3) and make_grid(tg.ones(2, 3)).shape == (3, 2, 3)
    assert make_grid(list(images), nrow=2, padding=1, pad_value=9.0).tolist() == grid.tolist()


def test_values_are_scaled_together_or_each() -> None:
    images = tg.tensor([0.0, 2.0, 4.0, 8.0]).reshape(2, 1, 1, 2)
    assert make_grid(images, padding=0, normalize=True)[0].tolist() == [[0.0, 0.25, 0.5, 1.0]]
    assert make_grid(images, padding=0, normalize=True, scale_each=True)[0].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    assert make_grid(images, padding=0, normalize=True, value_range=(0, 4))[0].tolist() == [[0.0, 0.5, 1.0, 1.0]]
    with pytest.raises(
        ValueError, match=r"expected images \(N, C, H, W\) with 1 or 3 channels, got shape \(2, 2, 4, 4\)"
    ):
        make_grid(tg.ones(2, 2, 4, 4))


def test_a_file_holds_the_grid(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    from tinygrad_edu.datasets import read_image

    images = tg.tensor([0.0, 0.5, 1.0, 2.0]).reshape(4, 1, 1, 1)
    save_image(images, tmp_path / "grid.png", nrow=4, padding=0)
    assert read_image(tmp_path / "grid.png")[1].tolist() == [[0, 128, 255, 255]]
