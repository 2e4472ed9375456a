"""Held-out cameras aligned to a scene that is known exactly."""

from dataclasses import replace

import pytest
import torch
from synthetic import make_truth

from recon.alignment import AlignmentConfig, align_to_scene
from recon.camera_offsets import OffsetRates, rotations
from recon.gaussians import Gaussians
from recon.geometry import rotation_angle
from recon.initialise import InitialiseConfig, initialise
from recon.metrics import evaluate
from recon.rendering.cpu import rasterize_cpu
from recon.scene import Views

NEAR = 0.5


@pytest.fixture(scope="module")
def scene() -> Gaussians:
    truth = make_truth()
    return initialise(truth.views, truth.stereo, InitialiseConfig(opacity=0.2, border=0.0))


def turned(views: Views, degrees: float) -> Views:
    axes = torch.nn.functional.normalize(
        torch.randn(len(views), 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    poses = views.cameras.camera_from_world.clone()
    poses[:, :3, :3] = rotations(torch.deg2rad(torch.tensor(degrees)) * axes) @ poses[:, :3, :3]
    return views.with_cameras(replace(views.cameras, camera_from_world=poses))


def test_turned_cameras_are_found_again_and_the_scene_stays(scene: Gaussians) -> None:
    truth = make_truth().views
    given = turned(truth, 1.0)
    before = [p.detach().clone() for p in scene.parameters()]
    config = AlignmentConfig(steps=60, rates=OffsetRates(turn=2e-3, shift=0.0))
    found = align_to_scene(given, scene, config, rasterize_cpu, NEAR, unit=4.0)
    true = truth.cameras.camera_from_world[:, :3, :3]
    errors = [
        rotation_angle(views.cameras.camera_from_world[:, :3, :3].double(), true.double())
        for views in (given, found)
    ]
    assert (errors[1] < 0.3 * errors[0]).all()
    assert torch.equal(found.cameras.Ks, truth.cameras.Ks)
    assert all(torch.equal(a, b) for a, b in zip(scene.parameters(), before, strict=True))
    assert all(p.grad is None for p in scene.parameters())
    psnr = [min(s.psnr for s in evaluate(scene, v, rasterize_cpu, NEAR).values()) for v in (given, found)]
    assert psnr[1] > psnr[0]


def test_each_camera_is_aligned_by_itself(scene: Gaussians) -> None:
    given = turned(make_truth().views, 1.0)
    config = AlignmentConfig(steps=5)
    together = align_to_scene(given, scene, config, rasterize_cpu, NEAR, unit=4.0)
    alone = align_to_scene(given.select([1]), scene, config, rasterize_cpu, NEAR, unit=4.0)
    torch.testing.assert_close(
        alone.cameras.camera_from_world[0], together.cameras.camera_from_world[1], atol=1e-6, rtol=0
    )


def test_no_steps_are_no_change(scene: Gaussians) -> None:
    given = make_truth().views
    found = align_to_scene(given, scene, AlignmentConfig(), rasterize_cpu, NEAR, unit=4.0)
    torch.testing.assert_close(found.cameras.camera_from_world, given.cameras.camera_from_world)
