"""What the browser draws of the Gaussians."""

import math

import numpy as np
import pytest
import torch

from recon.gaussians import Gaussians
from recon.scene import Cameras
from recon.viewer.frame import DisplayFrame, display_frame
from recon.viewer.paint import rgb_from_eye
from recon.viewer.splats import MAX_SCALE, splats_from_gaussians

EYES = torch.zeros(1, 3)
UNSCALED = DisplayFrame(torch.zeros(3), 1.0, torch.tensor([0.0, -1.0, 0.0]))


def gaussians_at(
    means: torch.Tensor, scales: torch.Tensor | None = None, opacity: torch.Tensor | None = None
) -> Gaussians:
    count = len(means)
    scales = torch.full((count, 3), 0.1) if scales is None else scales
    opacity = torch.full((count,), 0.5) if opacity is None else opacity
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(count, 1)
    sh0 = torch.arange(3.0 * count).reshape(count, 1, 3) / (3 * count)
    return Gaussians(means, quats, scales.log(), opacity.logit(), sh0, torch.zeros(count, 0, 3))


def test_covariance_is_that_of_the_turned_axes():
    """A rod along x, turned by 90 degrees about z, lies along y, however long its quaternion."""
    rod = gaussians_at(torch.tensor([[0.0, 0, 5]]), torch.tensor([[0.5, 0.1, 0.2]]))
    with torch.no_grad():
        rod.quats[0] = 7 * torch.tensor([math.sqrt(0.5), 0, 0, math.sqrt(0.5)])
    splats = splats_from_gaussians(rod, DisplayFrame(torch.zeros(3), 2.0, UNSCALED.up), EYES)
    np.testing.assert_allclose(splats.covariances[0], np.diag([0.04, 1.0, 0.16]), atol=1e-6)
    np.testing.assert_allclose(splats.means, [[0, 0, 10]])
    np.testing.assert_allclose(splats.opacities, [[0.5]])


def test_faint_veiling_and_broken_gaussians_are_left_out():
    means = torch.tensor([[0.0, 0, z] for z in (4, 5, 6, 7, 8)])
    opacity = torch.tensor([0.5, 0.003, 0.5, 0.5, 0.5])
    scales = torch.full((5, 3), 0.1)
    scales[2, 1] = 3.5
    gaussians = gaussians_at(means, scales, opacity)
    with torch.no_grad():
        gaussians.quats[3] = 0
        gaussians.sh0[4, 0, 1] = float("nan")
    splats = splats_from_gaussians(gaussians, UNSCALED, EYES)
    np.testing.assert_allclose(splats.means, [[0, 0, 4]])


def test_the_first_splats_are_the_most_visible():
    means = torch.tensor([[0.0, 0, 10], [0, 0, 5], [0, 0, 10], [0, 0, 10]])
    scales = torch.tensor([0.1, 0.1, 0.1, 0.3])[:, None].expand(4, 3)
    opacity = torch.tensor([0.9, 0.9, 0.1, 0.9])
    gaussians = gaussians_at(means, scales, opacity)
    splats = splats_from_gaussians(gaussians, UNSCALED, EYES)
    expected = rgb_from_eye(gaussians.sh, gaussians.means, EYES[0]).detach()[[3, 1, 0, 2]]
    np.testing.assert_allclose(splats.rgb, expected)
    assert len(splats.first(2)) == 2
    np.testing.assert_array_equal(splats.first(2).rgb, splats.rgb[:2])


def test_nothing_overflows_or_vanishes_in_16_bits():
    far_sky = gaussians_at(torch.tensor([[0.0, 0, 1e4]]), torch.full((1, 3), 3e3))
    splats = splats_from_gaussians(far_sky, UNSCALED, EYES)
    assert np.isfinite(splats.covariances.astype(np.float16)).all()
    assert splats.covariances[0, 0, 0] == pytest.approx(MAX_SCALE**2)

    tiny_unit = 1e-5
    points = tiny_unit * torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    points[:, 2] += 4 * tiny_unit
    small = gaussians_at(points, torch.full((50, 3), 0.002 * tiny_unit))
    camera = Cameras(torch.eye(4)[None], torch.eye(3)[None], ((4, 3),))
    splats = splats_from_gaussians(small, display_frame(small, camera), EYES)
    np.testing.assert_allclose(
        splats.covariances.astype(np.float16), splats.covariances, rtol=0.01, atol=1e-8
    )


def test_colour_is_what_the_eye_sees():
    """Degree 1 in 3DGS's order, y z x: the second coefficient grows along z, so front and back differ."""
    sh = torch.zeros(2, 4, 3)
    sh[:, 2, 0] = 1.0
    means = torch.tensor([[0.0, 0, 3], [0, 0, -3]])
    rgb = rgb_from_eye(sh, means, torch.zeros(3))
    slope = math.sqrt(3 / (4 * math.pi))
    torch.testing.assert_close(rgb, torch.tensor([[0.5 + slope, 0.5, 0.5], [0.5 - slope, 0.5, 0.5]]))
    assert rgb_from_eye(10 * sh, means, torch.zeros(3)).amin() == 0
