"""Patches of photos whose warp is known exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import texture
from torch import Tensor
from tracked import Tracked, tracked_photos

from recon.geometry import project, unproject
from recon.methods.priors.poses_adjust import Bundle, LensPrior, adjust
from recon.methods.priors.poses_features import Picture
from recon.methods.priors.poses_patches import (
    KEYPOINT_SIGMA,
    LEFT_SIGMA,
    RADIUS,
    _references,
    align,
    blurred,
    with_aligned_keypoints,
)

WARP = torch.tensor([[1.12, 0.1], [-0.06, 0.9]])
SHIFT = torch.tensor([7.3, -4.6])
UV = torch.cartesian_prod(torch.arange(40.0, 170, 26), torch.arange(40.0, 130, 26)) + 0.37


def drawn(width: int, height: int, warp: Tensor, shift: Tensor, gain: float = 1.0) -> np.ndarray:
    """A textured plane; the pixel `warp @ uv + shift` shows what `uv` shows without any."""
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    plane = (torch.stack([u, v], dim=-1) - shift) @ torch.linalg.inv(warp).T
    values = 255 * texture(plane / 100, 3, 3.0).mean(-1)
    return (gain * (values - 128) + 128).round().clamp(0, 255).to(torch.uint8).numpy()


SOURCE = blurred(drawn(200, 160, torch.eye(2), torch.zeros(2)))


@pytest.mark.parametrize("gain", [1.0, 0.6])
def test_a_bent_patch_of_another_contrast_is_found_to_hundredths_of_a_pixel(gain: float) -> None:
    target = blurred(drawn(240, 150, WARP, SHIFT, gain))
    true = UV @ WARP.T + SHIFT
    generator = torch.Generator().manual_seed(0)
    start = true + 2 * torch.rand(true.shape, generator=generator) - 1
    asked = start.clone()
    found = align(SOURCE, target, UV, start)
    assert torch.equal(start, asked)
    assert found.good.float().mean() > 0.8
    assert (found.uv - true)[found.good].norm(dim=1).median() < 0.03
    assert (found.uv - true)[found.good].norm(dim=1).max() < 0.15
    assert (found.shapes - WARP)[found.good].abs().median() < 0.02


def test_other_surfaces_and_borders_are_not_believed() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (160, 200), dtype=np.uint8)
    assert not align(SOURCE, blurred(noise), UV, UV).good.any()
    edge = torch.tensor([[RADIUS - 1.0, 80.0], [100.0, 160 - RADIUS + 1.0]])
    inner = blurred(drawn(260, 220, torch.eye(2), torch.tensor([30.0, 30.0])))
    assert align(SOURCE, inner, UV, UV + 30).good.all()
    assert not align(SOURCE, inner, edge, edge + 30).good.any()
    assert not align(inner, SOURCE, edge + 30, edge).good.any()
    flat = blurred(np.full((160, 200), 90, dtype=np.uint8))
    assert not align(flat, flat, UV, UV + 0.5).good.any()
    assert len(align(SOURCE, SOURCE, UV[:0], UV[:0]).uv) == 0


def noisy_copies(values: np.ndarray, sigma: float, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        (values + sigma * rng.standard_normal(values.shape)).round().clip(0, 255).astype(np.uint8)
        for _ in range(count)
    ]


def test_covariances_are_those_of_many_noisy_photos() -> None:
    values = drawn(200, 160, torch.eye(2), torch.zeros(2))
    source = blurred(values)
    measured, stated = [], []
    for copy in noisy_copies(values, 5.0, 30):
        found = align(source, blurred(copy), UV, UV)
        left = LEFT_SIGMA**2 * torch.eye(2)
        off = (found.uv - UV)[found.good]
        measured.append(off[:, :, None] * off[:, None])
        stated.append((found.covariances - left)[found.good])
    ratio = torch.cat(measured).mean(0).diagonal() / torch.cat(stated).mean(0).diagonal()
    assert (ratio > 0.5).all() and (ratio < 2).all(), ratio


def test_a_patch_on_an_edge_is_certain_across_it_only() -> None:
    v, u = np.mgrid[:80, :80] + 0.5
    across = (u + v - 80) / 2**0.5
    edge = 127 + 100 * np.tanh(across / 3) + 5 * np.sin(u / 3) * np.sin(v / 4)
    first, second = (blurred(copy) for copy in noisy_copies(edge, 3.0, 2))
    middle = torch.tensor([[40.0, 40.0]])
    found = align(first, second, middle, middle)
    variances, axes = torch.linalg.eigh(found.covariances[0] - LEFT_SIGMA**2 * torch.eye(2))
    assert variances[1] > 10 * variances[0] > 0
    assert abs(axes[0, 1] - -axes[1, 1]) < 0.2 * abs(axes[0, 1]), "the edge runs from the lower left"


@pytest.fixture(scope="module")
def noisy() -> tuple[Tracked, Bundle]:
    """Photos of a scene that is known exactly, and tracks whose keypoints are off by some half a pixel."""
    scene = tracked_photos(every=17)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(scene.bundle.uv.shape, generator=generator, dtype=torch.float64)
    return scene, replace(scene.bundle, uv=scene.bundle.uv + 0.4 * noise)


def test_each_point_is_held_by_the_photo_in_the_middle(noisy) -> None:
    _, bundle = noisy
    centres = -(bundle.rotations.mT @ bundle.translations[..., None])[..., 0]
    for row, reference in enumerate(_references(bundle).tolist()):
        same = (bundle.point == bundle.point[row]).nonzero().squeeze(1).tolist()
        sums = [
            sum(float((centres[bundle.view[a]] - centres[bundle.view[b]]).norm()) for b in same) for a in same
        ]
        assert reference in same and sums[same.index(reference)] < min(sums) + 1e-9


def test_keypoints_come_to_lie_on_what_the_photo_in_the_middle_shows(noisy) -> None:
    scene, bundle = noisy
    aligned = with_aligned_keypoints(bundle, scene.pictures)
    reference = _references(bundle)
    held = reference == torch.arange(len(reference))
    assert torch.equal(aligned.uv[held], bundle.uv[held])
    before, after = [], []
    for row in (~held).nonzero().squeeze(1).tolist():
        source, target = int(bundle.view[reference[row]]), int(bundle.view[row])
        column, line = bundle.uv[reference[row]].long().tolist()
        world = unproject(scene.depths[source], scene.K, torch.linalg.inv(scene.poses[source]))[line, column]
        # The surface at the middle of that pixel, moved on to the keypoint: neighbours lie nearly on a plane.
        here, _ = project(world, scene.K, scene.poses[source])
        there, _ = project(world, scene.K, scene.poses[target])
        true = there + (bundle.uv[reference[row]] - here)
        before.append(float((bundle.uv[row] - true).norm()))
        after.append(float((aligned.uv[row] - true).norm()))
    assert np.median(before) > 0.4 and np.median(after) < 0.2 * np.median(before)


def test_what_comes_to_lie_is_surer_than_a_keypoint_that_stays(noisy) -> None:
    scene, bundle = noisy
    aligned = with_aligned_keypoints(bundle, scene.pictures)
    held = _references(bundle) == torch.arange(len(bundle.uv))
    stays = ~held & (aligned.uv == bundle.uv).all(1)
    assert aligned.covariances is not None and 5 < stays.sum() < len(stays) / 2
    variances = torch.linalg.eigvalsh(aligned.covariances)
    torch.testing.assert_close(variances[held], torch.full_like(variances[held], LEFT_SIGMA**2))
    torch.testing.assert_close(variances[stays], torch.full_like(variances[stays], KEYPOINT_SIGMA**2))
    laid = variances[~held & ~stays]
    assert (laid > LEFT_SIGMA**2).all() and laid.median() < (KEYPOINT_SIGMA / 2) ** 2


def test_cameras_that_are_off_come_nearer(noisy) -> None:
    scene, bundle = noisy
    prior = LensPrior(bundle.centres, *torch.tensor([[1.0], [0.05]], dtype=torch.float64))
    rough = adjust(bundle, prior)
    fine = adjust(with_aligned_keypoints(rough, scene.pictures), prior)

    def turned(found: Bundle) -> float:
        relative, true = (b.rotations[1:] @ b.rotations[:1].mT for b in (found, scene.bundle))
        return float((relative - true).norm())

    assert turned(fine) < 0.5 * turned(rough)


def test_photos_that_show_something_else_leave_the_keypoints(noisy) -> None:
    scene, bundle = noisy
    strangers = [
        Picture(np.random.default_rng(seed).integers(0, 256, p.grey.shape, dtype=np.uint8), None)
        for seed, p in enumerate(scene.pictures)
    ]
    assert torch.equal(with_aligned_keypoints(bundle, strangers).uv, bundle.uv)
