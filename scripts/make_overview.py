"""Draws the picture of the README from the demo's run: three input photos, and a view that nobody took.

Usage: make demo && .venv/bin/python scripts/make_overview.py
"""

from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import tyro
from PIL import Image

GAP = 12
"""White pixels between the pictures."""


@dataclass(frozen=True)
class Overview:
    """Three inputs in a column, the scene from a held-out camera beside them."""

    photos: Path = Path("examples/photos/input")
    """Folder of the input photos; the first, the middle and the last are shown."""
    comparison: Path = Path("runs/demo/held_out/test_2.png")
    """What the run drew beside a held-out photo: the left half is the scene."""
    output: Path = Path("docs/images/demo.png")


def draw(settings: Overview) -> None:
    """Write the picture."""
    pair = iio.imread(settings.comparison)
    scene = pair[:, : pair.shape[1] // 2]
    photos = sorted(settings.photos.iterdir())
    chosen = (photos[0], photos[len(photos) // 2], photos[-1])
    height = (scene.shape[0] - 2 * GAP) // 3
    width = round(height * scene.shape[1] / scene.shape[0])
    page = np.full((scene.shape[0], width + GAP + scene.shape[1], 3), 255, np.uint8)
    for row, path in enumerate(chosen):
        with Image.open(path) as photo:
            small = np.asarray(photo.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
        top = row * (height + GAP)
        page[top : top + height, :width] = small
    page[:, width + GAP :] = scene
    settings.output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page).save(settings.output, optimize=True)


if __name__ == "__main__":
    draw(tyro.cli(Overview))
