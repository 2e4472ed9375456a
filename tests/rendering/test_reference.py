"""The specification against hand calculation, finite differences and gsplat's own torch code."""

from math import exp, pi, sqrt

import pytest
import torch
from render_scenes import RenderScene, random_scene

from recon.rendering.reference import project, rasterize_reference, sh_basis


def single_gaussian() -> RenderScene:
    """Red, of deviation 0.1, at (0.2, -0.1, 2) before a camera at the origin that looks along z."""
    return RenderScene(
        means=torch.tensor([[0.2, -0.1, 2.0]]),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        scales=torch.full((1, 3), 0.1),
        opacities=torch.tensor([0.8]),
        sh=torch.tensor([[[0.5, -0.5, -0.5]]]) / (0.5 / sqrt(pi)),  # colour = C0 sh + 1/2 = (1, 0, 0)
        camera_from_world=torch.eye(4),
        K=torch.tensor([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]]),
        width=64,
        height=48,
        sh_degree=0,
    )


def test_a_gaussian_lands_where_the_pinhole_equation_says():
    # u = 100 * 0.2 / 2 + 32 = 42, v = 100 * -0.1 / 2 + 24 = 19.
    rendering = single_gaussian().draw(rasterize_reference)
    torch.testing.assert_close(rendering.means2d, torch.tensor([[42.0, 19.0]]))
    # Pixel centres are at +0.5, so the four pixels around (42, 19) share the maximum.
    brightest = rendering.alpha[18:20, 41:43]
    torch.testing.assert_close(brightest, brightest.max().expand(2, 2), rtol=1e-3, atol=0)
    assert brightest.max() == rendering.alpha.max()


def test_a_gaussian_has_the_width_and_colour_of_a_hand_calculation():
    # J = [[50, 0, -100 * 0.2 / 4], [0, 50, 100 * 0.1 / 4]]; covariance = 0.01 J J^T + 0.3.
    xx, xy, yy = 0.01 * (2500 + 25) + 0.3, 0.01 * -12.5, 0.01 * (2500 + 6.25) + 0.3
    determinant = xx * yy - xy**2
    dx, dy = 45.5 - 42, 16.5 - 19
    power = 0.5 * (yy * dx**2 - 2 * xy * dx * dy + xx * dy**2) / determinant
    rendering = single_gaussian().draw(rasterize_reference)
    assert rendering.alpha[16, 45].item() == pytest.approx(0.8 * exp(-power), rel=1e-5)
    torch.testing.assert_close(rendering.rgb[16, 45], rendering.alpha[16, 45] * torch.tensor([1.0, 0, 0]))
    assert rendering.depth[16, 45].item() == pytest.approx(2.0, rel=1e-5)
    # radius = ceil(sqrt(2 log(255 * 0.8)) * sqrt(25.55)) = ceil(3.26 * 5.05) = 17.
    assert rendering.radii.tolist() == [[17, 17]]


def test_alpha_stops_at_one_part_in_255():
    rendering = single_gaussian().draw(rasterize_reference)
    assert rendering.alpha[rendering.alpha > 0].min() >= 1 / 255
    assert (rendering.alpha == 0).any()


def test_nearer_gaussians_hide_farther_ones():
    scene = single_gaussian()
    for name in ("means", "quats", "scales", "opacities", "sh"):
        setattr(scene, name, getattr(scene, name).repeat(2, *[1] * (getattr(scene, name).dim() - 1)))
    scene.means[0] *= 2  # on the same ray, behind, twice as large: the same picture
    scene.scales[0] *= 2
    scene.opacities[:] = 0.5
    rendering = scene.draw(rasterize_reference)
    alpha = rendering.alpha[19, 42].item()
    front = 1 - sqrt(1 - alpha)  # both have nearly the same alpha there
    expected = (front * 2 + (1 - front) * front * 4) / alpha
    assert rendering.depth[19, 42].item() == pytest.approx(expected, rel=1e-2)


def test_gradients_agree_with_finite_differences():
    # Large, faint, few: away from the cut at 1/255, from the clamp and from the end of rays.
    scene = random_scene(30, count=4, width=6, height=5, sh_degree=3)
    scene.means = scene.means * 0.1 + torch.tensor([0, 0, 3.5])
    scene.scales = scene.scales + 2
    scene.opacities = 0.2 + 0.3 * scene.opacities
    scene.sh *= 0.2
    scene.K = torch.tensor([[6, 0, 3], [0, 6, 2.5], [0, 0, 1]], dtype=torch.float64)
    scene = scene.to(torch.float64)

    def draw(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rendering = rasterize_reference(*tensors, scene.K, 6, 5, sh_degree=3, near=0.01)
        return rendering.rgb, rendering.depth, rendering.alpha

    assert torch.autograd.gradcheck(draw, tuple(scene.leaves.values()), fast_mode=True)


def test_projection_agrees_with_gsplats_torch_code():
    from gsplat.cuda._torch_impl import _fully_fused_projection, _quat_scale_to_covar_preci

    scene = random_scene(31)
    scene.means[:, :2] *= 3  # some beyond the margin of linearisation
    covariances, _ = _quat_scale_to_covar_preci(scene.quats, scene.scales, True, False)
    camera = (scene.camera_from_world, scene.K)
    _, means2d, depths, conics, _ = _fully_fused_projection(
        scene.means, covariances, *(matrix[None] for matrix in camera), scene.width, scene.height
    )
    found = project(scene.means, scene.quats, scene.scales, scene.sh, *camera, scene.width, scene.height, 1)
    front = found.depths > scene.near
    torch.testing.assert_close(found.depths, depths[0])
    torch.testing.assert_close(found.means2d[front], means2d[0][front])
    inverse = torch.linalg.inv(found.covs2d)[front]
    upper = torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], -1)
    torch.testing.assert_close(upper, conics[0][front])


def test_harmonics_are_orthonormal_on_the_sphere():
    # Gauss-Legendre in z, even steps in azimuth: exact for products of two degree-3 functions.
    steps = torch.arange(8, dtype=torch.float64) * (2 * pi / 8)
    nodes = torch.tensor([-0.8611363115940526, -0.3399810435848563, 0.3399810435848563, 0.8611363115940526])
    weights = torch.tensor([0.3478548451374538, 0.6521451548625461, 0.6521451548625461, 0.3478548451374538])
    z, azimuth = torch.meshgrid(nodes.double(), steps, indexing="ij")
    radius = (1 - z**2).sqrt()
    directions = torch.stack([radius * azimuth.cos(), radius * azimuth.sin(), z], -1).reshape(-1, 3)
    area = (weights.double()[:, None] * (2 * pi / 8)).expand(4, 8).reshape(-1)
    basis = sh_basis(directions, 3)
    torch.testing.assert_close(
        basis.T @ (area[:, None] * basis), torch.eye(16, dtype=torch.float64), atol=1e-6, rtol=0
    )


def test_harmonics_have_the_order_and_signs_of_3dgs():
    from gsplat.cuda._torch_impl import _spherical_harmonics

    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(
        torch.randn(50, 3, generator=generator, dtype=torch.float64), dim=-1
    )
    sh = torch.randn(50, 16, 3, generator=generator, dtype=torch.float64)
    expected = _spherical_harmonics(3, directions, sh)
    torch.testing.assert_close(torch.einsum("dk,dkc->dc", sh_basis(directions, 3), sh), expected)
