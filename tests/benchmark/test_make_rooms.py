"""The rendered scenes that priors are measured on: cameras, files that the reader reads, exact depth."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import Truth

from recon.errors import InputError
from recon.geometry import pixel_centres, unproject
from recon.methods.priors.learned.weights import WEIGHTS, load_network
from recon.scene import Cameras

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import encoder_cost  # noqa: E402
import evaluate_rooms  # noqa: E402
import make_rooms  # noqa: E402
import room_priors  # noqa: E402
from stages.scenes import SCENES, cameras  # noqa: E402
from true_depth import TrueDepth  # noqa: E402


def test_there_are_twelve_scenes_of_which_six_are_rooms():
    assert len(SCENES) == 12
    kinds = [scene.stand for scene in SCENES.values()]
    assert sorted(kinds.count(kind) for kind in set(kinds)) == [3, 3, 6]
    assert {scene.train for scene in SCENES.values()} == {3, 4}


@pytest.mark.parametrize("name", SCENES)
def test_held_out_photos_stand_between_or_just_outside_the_train_photos(name: str):
    lens, poses = cameras(name, seed=1)
    assert len(poses) == 2 * SCENES[name].train
    target = SCENES[name].stand.target
    angles = np.degrees([np.arctan2(p[0, 3] - target[0], target[1] - p[1, 3]) for p in poses])
    assert (np.diff(angles) > 0).all()
    assert (np.diff(angles[1::2]) > 3).all() and (np.diff(angles[1::2]) < 24).all()
    assert angles[1] - angles[0] < angles[3] - angles[1]
    for pose in poses:  # right-handed, upright, and what is looked at is in the middle of the picture
        torch.testing.assert_close(pose[:3, :3].T @ pose[:3, :3], np.eye(3))
        assert np.linalg.det(pose[:3, :3]) > 0 and pose[2, 1] < 0
        at = np.linalg.inv(pose) @ [*target, 1]
        assert abs(lens.focal * at[0] / at[2]) < lens.width / 6


def test_the_seed_alone_decides_the_cameras():
    first, again, other = (cameras("hall", seed)[1][0] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_packed_depth_is_within_a_ten_thousandth_and_ends_in_zero_bits():
    depth = np.geomspace(0.3, 30, 1000).astype(np.float32).reshape(20, 50)
    packed = make_rooms.packable(depth)
    assert packed.shape == depth.shape and packed.dtype == np.float32
    assert (np.abs(packed / depth - 1) < 1e-4).all()
    assert not (packed.view(np.uint32) & 1023).any()
    assert make_rooms.packable(np.zeros((2, 2), np.float32)).max() == 0


def test_scores_tell_weak_texture_from_the_rest(small_truth: Truth):
    """The picture is grey and its depth doubled on the left, noise and true on the right."""
    estimates, truth, images = [], [], []
    for depth in small_truth.depths:
        left = (torch.arange(depth.shape[1]) < depth.shape[1] // 2).expand_as(depth)
        image = torch.rand(*depth.shape, 3, generator=torch.Generator().manual_seed(0))
        images.append(torch.where(left[..., None], 0.5, image))
        confidence = torch.where(left, 0.2, 0.8)
        estimates.append(room_priors.Estimate(torch.where(left, 2 * depth, depth), confidence, ~left))
        truth.append(TrueDepth(pixel_centres(*depth.shape, like=depth).reshape(-1, 2), depth.flatten()))
    grey_left = replace(small_truth.views, images=tuple(images))
    scores = evaluate_rooms.score(grey_left, estimates, truth)
    assert scores.covers == scores.trusted == pytest.approx(0.5)
    assert (scores.trusted_right, scores.right) == (1.0, pytest.approx(0.5))
    assert 0.3 < scores.weak_share < 0.5
    assert (scores.weak_median, scores.weak_mean, scores.weak_right) == (1.0, 1.0, 0.0)
    assert scores.rest_median == 0.0 and scores.rest_mean is not None and scores.rest_mean < 0.3


def test_a_prior_that_is_unknown_is_named_with_those_there_are():
    with pytest.raises(InputError, match="no prior guess; choose from classical, learned, auto, network"):
        room_priors.named(("classical", "guess"), None)
    assert list(room_priors.named(("classical",), None)) == ["classical"]


def test_the_encoders_score_is_highest_at_the_plane_of_the_depth():
    """Features that shift by 2 of their pixels from one view to the next: 8 of the photo's."""
    features = torch.nn.functional.normalize(
        torch.randn(1, 16, 8, 16, generator=torch.Generator().manual_seed(0)), dim=1
    )
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = -1.0
    K = torch.tensor([[16.0, 0.0, 32.0], [0.0, 16.0, 16.0], [0.0, 0.0, 1.0]])
    pair = Cameras(poses, K.repeat(2, 1, 1), ((63, 31), (63, 31)))  # not multiples: the padding is cut off
    planes = torch.linspace(0.1, 1.1, 11)
    score = encoder_cost.encoder_score([features, features.roll(-2, dims=3)], pair, 0, 1, planes)
    assert score.shape == (11, 31, 63)
    assert (
        score[:, :, 16:].argmax(0) == 4
    ).float().mean() > 0.9  # the plane of 1 / 2: 16 * 1 * .5 = 8 pixels
    assert score.mean(0).abs().max() < 0.3


def test_the_sweep_by_the_encoder_finds_a_simple_scene(truth: Truth):
    network = load_network(WEIGHTS)
    for share in (1.0, 0.5):
        prior = encoder_cost.encoder_stereo(truth.views, (2.2, 6.0), network, share)
        errors = [(a / b - 1).abs() for a, b in zip(prior.depths, truth.depths, strict=True)]
        assert torch.cat([e[s] for e, s in zip(errors, truth.co_visible, strict=True)]).median() < 0.05


@pytest.mark.slow
def test_a_tiny_scene_is_read_back_with_depth_that_fits_its_cameras(tmp_path: Path, monkeypatch):
    pytest.importorskip("mitsuba")
    pytest.importorskip("pyoidn")
    monkeypatch.setattr("stages.scenes.WIDTH", 64)
    monkeypatch.setattr("stages.scenes.HEIGHT", 48)
    make_rooms.main(make_rooms.Options(tmp_path, ("hall",), samples=2))
    train, truth = evaluate_rooms.load(tmp_path, "hall")
    assert len(train) == 4 and set(train.sizes) == {(64, 48)}
    assert [path.name for path in tmp_path.iterdir()] == ["hall"]
    cameras = train.cameras
    for view, (_, depth) in enumerate(truth):
        assert len(depth) == 64 * 48  # a closed room: something is hit everywhere
        grid = depth.reshape(48, 64)
        world = unproject(grid, cameras.Ks[view], cameras.world_from_camera[view]).reshape(-1, 3)
        # The lens is that of the full size, so these cameras look at the room's middle alone.
        assert world[:, 1].max() < 1.8 + 1e-2 and world[:, 0].abs().max() < 1.6 + 1e-2
    before = (tmp_path / "hall" / "00.jpg").stat().st_mtime_ns
    make_rooms.main(make_rooms.Options(tmp_path, ("hall",), samples=2))
    assert (tmp_path / "hall" / "00.jpg").stat().st_mtime_ns == before
