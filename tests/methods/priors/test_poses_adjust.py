"""The adjustment against cameras and points that are known exactly."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recon.geometry import rotation_angle
from recon.methods.priors.poses_accuracy import similarity_residuals
from recon.methods.priors.poses_adjust import Bundle, CentrePrior, _jacobians, adjust

PHOTOS, POINTS, FOCAL = 4, 200, 800.0
MIDDLE = torch.tensor([[400.0, 300.0]], dtype=torch.float64)


def rotation(turn: Tensor) -> Tensor:
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*turn.shape[:-1], 3, 3)
    return torch.linalg.matrix_exp(cross)


def exact(centre: Tensor = MIDDLE) -> Bundle:
    """Four photos around a cloud, whose keypoints are where `centre` puts them."""
    generator = torch.Generator().manual_seed(0)
    xyz = torch.rand(POINTS, 3, generator=generator, dtype=torch.float64) * 2 - 1
    angles = torch.linspace(-0.5, 0.5, PHOTOS, dtype=torch.float64)
    tilt = torch.tensor([0.1, -0.1, 0.05, 0.0], dtype=torch.float64)
    rotations = rotation(torch.stack([tilt, angles, tilt.flip(0)], dim=1))
    bundle = Bundle(
        rotations=rotations,
        translations=torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64).repeat(PHOTOS, 1),
        focals=torch.tensor([FOCAL], dtype=torch.float64),
        centres=centre,
        lens=torch.zeros(PHOTOS, dtype=torch.long),
        xyz=xyz,
        view=torch.arange(PHOTOS).repeat_interleave(POINTS),
        point=torch.arange(POINTS).repeat(PHOTOS),
        uv=torch.zeros(PHOTOS * POINTS, 2, dtype=torch.float64),
    )
    return replace(bundle, uv=bundle.residuals())


def disturbed(bundle: Bundle) -> Bundle:
    """The same keypoints, the rest off by a few per cent, the principal point in the middle."""
    generator = torch.Generator().manual_seed(1)

    def noise(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64)

    return replace(
        bundle,
        rotations=rotation(0.01 * noise(bundle.translations)) @ bundle.rotations,
        translations=bundle.translations + 0.03 * noise(bundle.translations),
        focals=bundle.focals * 1.04,
        centres=MIDDLE,
        xyz=bundle.xyz + 0.03 * noise(bundle.xyz),
    )


def prior(sigma: float) -> CentrePrior:
    return CentrePrior(MIDDLE, torch.tensor([sigma], dtype=torch.float64))


def centres(bundle: Bundle) -> Tensor:
    return -(bundle.rotations.mT @ bundle.translations[..., None])[..., 0]


def test_disturbed_cameras_come_back_with_an_off_principal_point() -> None:
    truth = exact(torch.tensor([[404.0, 297.0]], dtype=torch.float64))
    found = adjust(disturbed(truth), prior(60.0))
    assert found.residuals().abs().max() < 0.05
    torch.testing.assert_close(found.centres, truth.centres, atol=0.3, rtol=0)
    assert abs(found.focals.item() / FOCAL - 1) < 1e-3
    ours, theirs = (b.rotations[:, None] @ b.rotations[None].mT for b in (found, truth))
    assert rotation_angle(ours, theirs).max() < 0.02
    assert similarity_residuals(centres(found), centres(truth)).max() < 0.005


def test_a_sharp_prior_holds_the_principal_point() -> None:
    truth = exact(torch.tensor([[404.0, 297.0]], dtype=torch.float64))
    found = adjust(disturbed(truth), prior(1e-3))
    torch.testing.assert_close(found.centres, MIDDLE, atol=0.01, rtol=0)


def test_wrong_keypoints_do_not_bend_the_cameras() -> None:
    truth = exact()
    uv = truth.uv.clone()
    uv[::17] += torch.tensor([40.0, -25.0], dtype=torch.float64)
    found = adjust(disturbed(replace(truth, uv=uv)), prior(6.0))
    assert similarity_residuals(centres(found), centres(truth)).max() < 0.01
    assert abs(found.focals.item() / FOCAL - 1) < 2e-3


def test_a_point_behind_a_camera_leaves_all_as_it_was() -> None:
    bundle = exact()
    xyz = bundle.xyz.clone()
    xyz[0, 2] = -50.0
    behind = replace(bundle, xyz=xyz)
    assert torch.equal(adjust(behind, prior(6.0)).xyz, xyz)


@pytest.mark.parametrize("parameter", range(9))
def test_jacobians_are_the_differences_of_the_residuals(parameter: int) -> None:
    bundle, step = disturbed(exact()), 1e-6
    moved = torch.zeros(9, dtype=torch.float64)
    moved[parameter] = step
    nudged = replace(
        bundle,
        rotations=rotation(moved[:3]) @ bundle.rotations,
        translations=bundle.translations + moved[3:6],
        focals=bundle.focals * moved[6].exp(),
        centres=bundle.centres + moved[7:],
    )
    numeric = (nudged.residuals() - bundle.residuals()) / step
    torch.testing.assert_close(_jacobians(bundle)[0][..., parameter], numeric, atol=2e-2, rtol=1e-4)
