"""Small photos and data sets, made by the tests themselves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SavePhoto = Callable[..., Path]


@pytest.fixture
def pixels() -> Callable[..., np.ndarray]:
    """Smooth random colours (h, w, 3) uint8, another picture for every seed."""

    def make(seed: int = 0, width: int = 64, height: int = 48) -> np.ndarray:
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))

    return make


@pytest.fixture
def save_photo(pixels: Callable[..., np.ndarray]) -> SavePhoto:
    """Write a photo of random colours; keywords go to Pillow's `save`."""

    def save(path: Path, seed: int = 0, width: int = 64, height: int = 48, **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed, width, height)).save(path, **options)
        return path

    return save


@pytest.fixture
def photo_folder(tmp_path: Path, save_photo: SavePhoto) -> Path:
    """Four different photos a.png, b.png, c.png, d.png."""
    for seed, name in enumerate("abcd"):
        save_photo(tmp_path / "photos" / f"{name}.png", seed)
    return tmp_path / "photos"


@pytest.fixture
def captures(request: pytest.FixtureRequest) -> Path:
    """Real captures with published cameras, which are not part of the repository."""
    folder = request.config.rootpath.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real captures are not at {folder}")
    return folder
