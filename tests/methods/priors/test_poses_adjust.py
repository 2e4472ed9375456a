"""The adjustment against cameras and points that are known exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from recon.geometry import rotation_angle
from recon.methods.priors.poses_accuracy import similarity_residuals
from recon.methods.priors.poses_adjust import (
    LOSS_SCALE,
    Bundle,
    LensPrior,
    _jacobians,
    adjust,
    radial_deviations,
)

PHOTOS, POINTS, FOCAL = 4, 200, 800.0
MIDDLE = torch.tensor([[400.0, 300.0]], dtype=torch.float64)


def rotation(turn: Tensor) -> Tensor:
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*turn.shape[:-1], 3, 3)
    return torch.linalg.matrix_exp(cross)


def exact(centre: Tensor = MIDDLE, k: float = 0.0) -> Bundle:
    """Four photos around a cloud, whose keypoints are where `centre` and the distortion `k` put them."""
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
        radial=torch.tensor([k], dtype=torch.float64),
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
        radial=torch.zeros_like(bundle.radial),
        xyz=bundle.xyz + 0.03 * noise(bundle.xyz),
    )


def prior(sigma: float, radial_sigma: float = 0.05) -> LensPrior:
    return LensPrior(MIDDLE, *torch.tensor([[sigma], [radial_sigma]], dtype=torch.float64))


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


@pytest.mark.parametrize("k", [-0.1, 0.05])
def test_disturbed_cameras_come_back_with_a_distortion(k: float) -> None:
    found = adjust(disturbed(exact(k=k)), prior(6.0, radial_sigma=1.0))
    assert found.radial.item() == pytest.approx(k, rel=0.05)
    assert abs(found.focals.item() / FOCAL - 1) < 2e-3


def test_a_prior_of_deviation_0_holds_the_distortion() -> None:
    found = adjust(disturbed(exact(k=0.05)), prior(6.0, 0.0))
    assert found.radial.item() == 0 and radial_deviations(found, prior(6.0, 0.0)).item() == 0
    assert abs(found.focals.item() / FOCAL - 1) > 2e-3, "the focal length makes up for it"


def test_of_two_lenses_one_may_be_held() -> None:
    one = exact()
    truth = replace(
        one,
        focals=one.focals.repeat(2),
        centres=MIDDLE.repeat(2, 1),
        radial=torch.tensor([0.0, 0.05], dtype=torch.float64),
        lens=torch.tensor([0, 0, 1, 1]),
        uv=torch.zeros_like(one.uv),
    )
    truth = replace(truth, uv=truth.residuals())
    moved = replace(truth, focals=1.02 * truth.focals, radial=torch.zeros_like(truth.radial))
    sigmas = torch.tensor([[6.0, 6.0], [0.0, 1.0]], dtype=torch.float64)
    believed = LensPrior(MIDDLE.repeat(2, 1), *sigmas)
    found, deviations = adjust(moved, believed), radial_deviations(truth, believed)
    assert found.radial[0] == 0 and found.radial[1].item() == pytest.approx(0.05, rel=0.05)
    assert deviations[0] == 0 and 0 < deviations[1] < 0.05


def test_the_deviation_of_a_distortion_is_that_of_many_noisy_photos() -> None:
    truth, generator = exact(), torch.Generator().manual_seed(2)
    found, stated = [], []
    for _ in range(24):
        noise = 0.2 * torch.randn(truth.uv.shape, generator=generator, dtype=torch.float64)
        adjusted = adjust(replace(truth, uv=truth.uv + noise), prior(6.0))
        found.append(adjusted.radial.item())
        stated.append(radial_deviations(adjusted, prior(6.0)).item())
    # Keypoints are taken to be off by LOSS_SCALE or more: what is stated errs on the safe side.
    expected = float(np.std(found)) * LOSS_SCALE / 0.2
    assert expected / 1.4 < float(np.mean(stated)) < 1.4 * expected


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


def test_keypoints_count_by_the_covariances_that_they_come_with() -> None:
    truth, generator = exact(), torch.Generator().manual_seed(3)
    along = 2 * torch.pi * torch.rand(len(truth.uv), 1, generator=generator, dtype=torch.float64)
    cos, sin = along.cos(), along.sin()
    axes = torch.stack([torch.cat([cos, sin], 1), torch.cat([-sin, cos], 1)], 2)
    sigmas = torch.tensor([0.6, 0.05], dtype=torch.float64)
    noise = sigmas * torch.randn(truth.uv.shape, generator=generator, dtype=torch.float64)
    blind = replace(truth, uv=truth.uv + (axes @ noise[..., None])[..., 0])
    told = replace(blind, covariances=axes @ torch.diag(sigmas**2) @ axes.mT)
    off = [
        similarity_residuals(centres(adjust(bundle, prior(6.0))), centres(truth)).max()
        for bundle in (told, blind)
    ]
    assert off[0] < 0.5 * off[1]


def test_whitened_residuals_are_those_of_the_typical_keypoint() -> None:
    bundle, generator = disturbed(exact()), torch.Generator().manual_seed(4)
    half = torch.randn(len(bundle.uv), 2, 2, generator=generator, dtype=torch.float64)
    covariances = half @ half.mT + 0.1 * torch.eye(2)
    residuals = bundle.residuals()
    whitened = (replace(bundle, covariances=covariances).whitening() @ residuals[..., None])[..., 0]
    mahalanobis = (residuals * torch.linalg.solve(covariances, residuals)).sum(1)
    typical = torch.linalg.det(covariances).sqrt().median()
    torch.testing.assert_close(whitened.square().sum(1), typical * mahalanobis)
    same = replace(bundle, covariances=covariances[:1].expand_as(covariances) * 0 + 0.04 * torch.eye(2))
    torch.testing.assert_close(same.whitening(), bundle.whitening())


def test_a_point_behind_a_camera_leaves_all_as_it_was() -> None:
    bundle = exact()
    xyz = bundle.xyz.clone()
    xyz[0, 2] = -50.0
    behind = replace(bundle, xyz=xyz)
    assert torch.equal(adjust(behind, prior(6.0)).xyz, xyz)


@pytest.mark.parametrize("parameter", range(10))
def test_jacobians_are_the_differences_of_the_residuals(parameter: int) -> None:
    bundle, step = disturbed(exact()), 1e-6
    moved = torch.zeros(10, dtype=torch.float64)
    moved[parameter] = step
    nudged = replace(
        bundle,
        rotations=rotation(moved[:3]) @ bundle.rotations,
        translations=bundle.translations + moved[3:6],
        focals=bundle.focals * moved[6].exp(),
        centres=bundle.centres + moved[7:9],
        radial=bundle.radial + moved[9:],
    )
    numeric = (nudged.residuals() - bundle.residuals()) / step
    torch.testing.assert_close(_jacobians(bundle)[0][..., parameter], numeric, atol=2e-2, rtol=1e-4)
