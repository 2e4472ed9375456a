"""Changed cameras: drawn as stretched poses, they must show what cameras of another focal length do."""

import math

import pytest
import torch
from synthetic import make_truth

from recon.camera_offsets import CameraOffsets, OffsetRates, rotations
from recon.gaussians import Gaussians
from recon.geometry import project
from recon.rendering import Engine, render
from recon.rendering.cpu import rasterize_cpu
from recon.rendering.reference import rasterize_reference
from recon.scene import Cameras


def changed(rates: OffsetRates | None = None) -> CameraOffsets:
    """Three cameras of three lenses, each turned, moved and zoomed."""
    offsets = CameraOffsets(make_truth().views.cameras, rates or OffsetRates(), unit=4.0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter, size in ((offsets.turns, 0.05), (offsets.shifts, 0.02), (offsets.log_zooms, 0.2)):
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return offsets


def cloud(count: int = 40) -> Gaussians:
    generator = torch.Generator().manual_seed(1)
    means = torch.rand(count, 3, generator=generator) * 2 - 1 + torch.tensor([0.0, 0, 3.4])
    return Gaussians(
        means=means,
        quats=torch.randn(count, 4, generator=generator),
        log_scales=torch.randn(count, 3, generator=generator) * 0.4 - 2.2,
        logit_opacities=torch.randn(count, generator=generator),
        sh0=torch.randn(count, 1, 3, generator=generator),
        shN=0.3 * torch.randn(count, 3, 3, generator=generator),
    )


def test_no_change_is_no_change() -> None:
    cameras = make_truth().views.cameras
    offsets = CameraOffsets(cameras, OffsetRates(), unit=1.0)
    for same in (offsets.drawn(), offsets.cameras()):
        torch.testing.assert_close(same.camera_from_world, cameras.camera_from_world)
        assert torch.equal(same.Ks, cameras.Ks)


def test_a_point_is_seen_at_the_same_pixel_through_drawn_and_true_cameras() -> None:
    offsets, xyz = changed(), cloud().means.detach()
    drawn, true = offsets.drawn(), offsets.cameras()
    assert (true.Ks[:, 0, 0] != drawn.Ks[:, 0, 0]).all()
    for index in range(3):
        a, b = (project(xyz, c.Ks[index], c.camera_from_world[index])[0] for c in (drawn, true))
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("engine", [rasterize_reference, rasterize_cpu], ids=["reference", "cpu"])
def test_engines_draw_a_stretched_pose_as_a_longer_focal_length(engine: Engine) -> None:
    offsets, gaussians = changed(), cloud()
    with torch.no_grad():
        pictures = [render(gaussians, c, 1, engine).rgb for c in (offsets.drawn(), offsets.cameras())]
    # Colours of degree 1 depend on where the camera stands, which a stretch leaves alone.
    torch.testing.assert_close(*pictures, atol=2e-4, rtol=0)


@pytest.mark.parametrize("engine", [rasterize_reference, rasterize_cpu], ids=["reference", "cpu"])
def test_gradients_are_the_differences_of_the_loss(engine: Engine) -> None:
    offsets, gaussians = changed(), cloud()
    weights = torch.rand(76, 88, 3, generator=torch.Generator().manual_seed(2))

    def loss() -> torch.Tensor:
        return (weights * render(gaussians, offsets.drawn(), 1, engine, sh_degree=0).rgb).mean()

    loss().backward()
    lens = int(make_truth().views.cameras.Ks[:, 0, 0].argsort().argsort()[1])
    for parameter, place in ((offsets.turns, (1, 1)), (offsets.shifts, (1, 0)), (offsets.log_zooms, (lens,))):
        assert parameter.grad is not None
        values = []
        for step in (2e-3, -2e-3):
            with torch.no_grad():
                parameter[place] += step
                values.append(float(loss()))
                parameter[place] -= step
        # Not closer: what is fainter than 1/255 is cut off.
        assert float(parameter.grad[place]) == pytest.approx((values[0] - values[1]) / 4e-3, rel=0.08)


def test_photos_of_one_focal_length_share_a_zoom() -> None:
    cameras = make_truth().views.cameras
    same = Cameras(cameras.camera_from_world, cameras.Ks[:1].repeat(3, 1, 1), cameras.sizes)
    assert len(CameraOffsets(same, OffsetRates(), 1.0).log_zooms) == 1
    assert len(CameraOffsets(cameras, OffsetRates(), 1.0).log_zooms) == 3


def test_a_rate_of_zero_holds_what_it_is_for() -> None:
    offsets = changed(OffsetRates(turn=0.0, shift=1e-3, focal=0.0))
    before = [p.detach().clone() for p in (offsets.turns, offsets.shifts, offsets.log_zooms)]
    offsets.drawn().camera_from_world.square().sum().backward()
    offsets.step(0.5)
    after = [p.detach() for p in (offsets.turns, offsets.shifts, offsets.log_zooms)]
    assert [torch.equal(a, b) for a, b in zip(after, before, strict=True)] == [True, False, True]
    assert float((after[1] - before[1]).abs().max()) == pytest.approx(5e-4, rel=1e-3), (
        "Adam's first step is the rate"
    )


def test_rotations_turn_by_the_right_hand_rule() -> None:
    turned = rotations(torch.tensor([[0.0, 0.0, math.pi / 2]]))[0] @ torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(turned, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
