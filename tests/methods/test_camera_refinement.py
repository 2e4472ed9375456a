"""Free cameras on a scene that is known exactly."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth, make_truth

from recon.camera_offsets import OffsetRates, rotations
from recon.geometry import rotation_angle
from recon.methods.camera_refinement import CameraRefinementConfig, agreement, free_fit, refine_by_photos
from recon.methods.priors.poses_accuracy import pose_accuracy
from recon.methods.priors.stereo_types import StereoPrior
from recon.rendering.cpu import rasterize_cpu
from recon.scene import Views
from recon.trainer import FitConfig

CONFIG = CameraRefinementConfig(rounds=1, steps=60, rates=OffsetRates(turn=2e-3, shift=0.0, focal=0.0))
"""Turns alone: in so narrow and flat a scene a shift looks like a turn."""


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Three photos of one lens."""
    return make_truth(((96, 72),) * 3)


def turned(views: Views, degrees: float) -> Views:
    """Each camera turned by so much about an axis of its own."""
    axes = torch.randn(len(views), 3, generator=torch.Generator().manual_seed(0))
    turns = torch.deg2rad(torch.tensor(degrees)) * torch.nn.functional.normalize(axes, dim=-1)
    poses = views.cameras.camera_from_world.clone()
    poses[:, :3] = rotations(turns) @ poses[:, :3]
    return views.with_cameras(replace(views.cameras, camera_from_world=poses))


def error(views: Views, truth: Truth) -> float:
    """Mean rotation error of the pairs in degrees."""
    poses, true = views.cameras.camera_from_world, truth.views.cameras.camera_from_world
    return float(pose_accuracy(poses, true, range(3)).rotation.mean())


@pytest.mark.parametrize("degrees", [0.3, 1.2])
def test_turned_cameras_come_back(truth: Truth, degrees: float) -> None:
    given = turned(truth.views, degrees)
    found = free_fit(given, truth.stereo, CONFIG, FitConfig(), rasterize_cpu)
    assert error(given.with_cameras(found), truth) < 0.4 * error(given, truth)
    rotation = found.camera_from_world[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(3, 3, 3))
    assert torch.equal(found.Ks, given.cameras.Ks)


def test_rates_of_zero_leave_the_cameras(truth: Truth) -> None:
    still = replace(CONFIG, steps=3, rates=OffsetRates(0.0, 0.0, 0.0))
    found = free_fit(truth.views, truth.stereo, still, FitConfig(), rasterize_cpu)
    assert (
        rotation_angle(
            found.camera_from_world[:, :3, :3], truth.views.cameras.camera_from_world[:, :3, :3]
        ).max()
        < 0.1
    )
    torch.testing.assert_close(found.Ks, truth.views.cameras.Ks)


def with_agreement(truth: Truth, share: float) -> StereoPrior:
    """The exact stereo, trusted on this share of every photo's columns."""
    trusted = [torch.arange(d.shape[1]).expand(d.shape) < share * d.shape[1] for d in truth.depths]
    return replace(truth.stereo, consistent=tuple(trusted))


@pytest.mark.parametrize(("shares", "kept"), [((0.5, 0.75), 1), ((0.5, 0.5), 0), ((0.75, 0.5), 0)])
def test_cameras_stay_unless_more_pixels_agree(truth: Truth, shares: tuple[float, float], kept: int) -> None:
    priors = iter(with_agreement(truth, share) for share in shares)
    quick = replace(CONFIG, steps=2)
    refined = refine_by_photos(truth.views, lambda views: next(priors), quick, FitConfig(), rasterize_cpu)
    assert (refined.rounds, refined.before, refined.after) == (kept, *map(pytest.approx, shares))
    changed = not torch.equal(refined.cameras.camera_from_world, truth.views.cameras.camera_from_world)
    assert changed == bool(kept)


def test_each_round_starts_from_the_stereo_of_the_last_ones_cameras(truth: Truth) -> None:
    seen: list[Views] = []

    def stereo_of(views: Views) -> StereoPrior:
        seen.append(views)
        return with_agreement(truth, 0.25 * len(seen))

    quick = replace(CONFIG, rounds=2, steps=2)
    refined = refine_by_photos(truth.views, stereo_of, quick, FitConfig(), rasterize_cpu)
    assert refined.rounds == 2 and len(seen) == 3
    assert torch.equal(refined.cameras.camera_from_world, seen[2].cameras.camera_from_world)
    assert not torch.equal(seen[1].cameras.camera_from_world, seen[2].cameras.camera_from_world)


def test_agreement_is_the_share_of_confirmed_pixels(truth: Truth) -> None:
    assert agreement(with_agreement(truth, 0.25)) == pytest.approx(0.25)
