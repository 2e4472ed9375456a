"""The generator of scenes in SpaRe's layout: its cameras, its splits, and pictures that its reader reads."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recon.benchmark.spare import read_split
from recon.datasets import DataConfig, load
from recon.scene import Views

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import make_spare  # noqa: E402


def test_splits_follow_the_benchmarks_law():
    tracks = make_spare.draw_split([f"s{i}" for i in range(20)], seed=0)
    for scene in tracks[1]:
        one, two = tracks[1][scene], tracks[2][scene]
        assert (len(one["input_views"]), len(two["input_views"])) == (3, 9)
        assert set(one["input_views"]) < set(two["input_views"])
        for entry in (one, two):
            assert len(set(entry["test_views"])) == 10
            assert not set(entry["test_views"]) & set(entry["input_views"])
            assert entry["test_views"] == sorted(entry["test_views"])
            assert max(entry["test_views"] + entry["input_views"]) < 49
    inputs = {tuple(entry["input_views"]) for entry in tracks[1].values()}
    assert len(inputs) == 20  # other views for every scene
    assert make_spare.draw_split(["s0"], seed=1) != make_spare.draw_split(["s0"], seed=0)


def test_all_cameras_differ_and_look_at_the_things():
    centres = np.stack([make_spare.world_from_camera(view)[:3, 3] for view in range(make_spare.VIEWS)])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1) + np.eye(len(centres))
    assert apart.min() > 0.04
    for view in range(make_spare.VIEWS):
        x, y, w = make_spare.projection(view) @ [*make_spare.LOOK_AT, 1]
        assert (x / w, y / w) == pytest.approx((800, 600))
        assert w > 0
        above = make_spare.projection(view) @ [*make_spare.LOOK_AT + (0, 0, 0.05), 1]
        assert above[1] / above[2] < 600  # up in the world is up in the picture


def unproject(pixels: torch.Tensor, depth: torch.Tensor, views: Views, index: int) -> torch.Tensor:
    """The world points (h, w, 3) that pixels (h, w, 2) show at `depth`, by the cameras that were read."""
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    in_camera = depth[..., None] * (homogeneous @ torch.linalg.inv(views.cameras.Ks[index]).T)
    pose = views.cameras.world_from_camera[index]
    return in_camera @ pose[:3, :3].T + pose[:3, 3]


@pytest.mark.slow
def test_a_tiny_set_is_read_back_with_masks_and_depth_that_fit_its_cameras(tmp_path):
    pytest.importorskip("mitsuba")
    wishes = ("--scenes", "1", "--width", "48", "--samples", "2", "--views", "track1")
    make_spare.main([str(tmp_path), *wishes])
    (entry,) = read_split(tmp_path / "Track1_split_development.json")
    folder = tmp_path / entry.scene
    assert len(list(folder.glob("cam_*_3_0000.png"))) == 13
    scene = load(DataConfig(folder, train_ids=entry.ids.train, test_ids=entry.ids.test))
    assert isinstance(scene.test, Views) and isinstance(scene.train, Views)
    assert set(scene.test.sizes) == {(48, 36)}
    assert all(mask is not None and 0.05 < mask.float().mean() < 0.95 for mask in scene.test.masks)
    assert float(scene.train.images[0].std()) > 0.02

    pixels = torch.stack([*torch.meshgrid(torch.arange(48) + 0.5, torch.arange(36) + 0.5, indexing="xy")], -1)
    for index, view in enumerate(entry.ids.test):
        depth = torch.from_numpy(np.load(tmp_path / "depth" / entry.scene / f"{view:03d}.npz")["depth"])
        rays = unproject(pixels, depth, scene.test, index)
        mask = scene.test.masks[index]
        assert mask is not None
        # What is seen and is no thing is the table, whose top is z = 0; things stand on it.
        assert rays[~mask & (depth > 0)][:, 2].abs().max() < 1e-3
        assert rays[mask][:, 2].min() > -1e-3
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    make_spare.main([str(tmp_path), *wishes])
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert json.loads((tmp_path / "Track2_split_development.json").read_text()).keys() == {entry.scene}
