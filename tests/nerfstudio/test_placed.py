"""Photos prepared for nerfstudio: solved once, as files, held-out ones apart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import save_pixels, save_posed_scene
from PIL import Image

from recon.api import ignore
from recon.datasets import DataConfig
from recon.errors import InputError
from recon.exporting import write_views
from recon.methods.priors.poses_types import PosesConfig
from recon.nerfstudio import placed
from recon.nerfstudio.placed import place
from recon.scene import Scene, Views


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return save_posed_scene(tmp_path / "photos", photos=4)


def place_in(photos: Path, cache: Path, **options) -> tuple[placed.Placed, placed.Placed]:
    return place(DataConfig(photos, **options), PosesConfig(), cache, ignore)


def test_the_files_show_what_is_fitted_and_held_out_photos_lie_apart(photos, tmp_path):
    train, held_out = place_in(photos, tmp_path / "cache", test_every=4)
    assert train.views.names == ("1.png", "2.png", "3.png") and held_out.views.names == ("0.png",)
    for part in (train, held_out):
        for file, image in zip(part.photos, part.views.images, strict=True):
            shown = torch.from_numpy(np.array(Image.open(file))) / 255
            assert torch.allclose(shown, image, atol=0.51 / 255)
    assert not set(train.photos[0].parent.iterdir()) & set(held_out.photos)


def test_cameras_are_solved_once_for_the_same_photos_and_options(photos, tmp_path, monkeypatch):
    solved: list[tuple[str, ...]] = []

    def solve(scene: Scene, config: PosesConfig, watch: object) -> tuple[Views, Views]:
        solved.append(scene.train.names)
        assert isinstance(scene.train, Views) and isinstance(scene.test, Views)
        return scene.train, scene.test

    monkeypatch.setattr(placed, "posed_views", solve)
    cache = tmp_path / "cache"
    first, again = place_in(photos, cache), place_in(photos, cache)
    assert len(solved) == 1
    poses = [part[0].views.cameras.camera_from_world for part in (first, again)]
    assert torch.equal(*poses) and first[0].photos == again[0].photos
    place(DataConfig(photos), PosesConfig(seed=1), cache, ignore)
    save_pixels(photos / "0.png", np.asarray(Image.open(photos / "0.png"))[:, ::-1])
    place_in(photos, cache)
    assert len(solved) == 3


def test_masks_become_files_white_where_the_photo_counts(photos, tmp_path):
    counts = np.zeros((36, 48), dtype=np.uint8)
    counts[4:20, 6:30] = 255
    save_pixels(photos / "masks" / "1.png", counts)
    train, held_out = place_in(photos, tmp_path / "cache", test_every=4)
    assert train.masks is not None and held_out.masks is None
    read = [np.asarray(Image.open(path)) for path in train.masks]
    assert np.array_equal(read[0], counts) and all((mask == 255).all() for mask in read[1:])


def test_a_run_brings_its_cameras_and_its_held_out_photos(small_truth, tmp_path):
    views, run = small_truth.views, tmp_path / "run"
    (run / "held_out").mkdir(parents=True)
    write_views(run, views.select([1, 2, 3]))
    write_views(run / "held_out", views.select([0]))
    train, held_out = place_in(run, tmp_path / "cache")
    assert train.views.names == ("1.png", "2.png", "3.png") and held_out.views.names == ("0.png",)
    given = views.cameras.camera_from_world
    assert torch.allclose(train.views.cameras.camera_from_world, given[1:], atol=1e-5)
    assert torch.allclose(held_out.views.cameras.camera_from_world, given[:1], atol=1e-5)


def test_a_cache_that_cannot_be_written_is_named(photos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        place_in(photos, tmp_path / "file" / "cache")
