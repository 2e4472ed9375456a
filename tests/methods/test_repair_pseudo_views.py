"""Cameras for repair lie between the photos or little outside, and where support lacks."""

import pytest
import torch
from synthetic import Truth
from torch import Tensor

from recon.methods.repair.pseudo_views import (
    PseudoViewsConfig,
    candidate_cameras,
    choose_cameras,
    moved_beside,
    nearness,
    photo_spacing,
    widened,
)
from recon.scene import Cameras

FOCUS = 3.4


def cameras_at(*xs: float) -> Cameras:
    """Cameras beside one another that look along z."""
    poses = torch.eye(4).repeat(len(xs), 1, 1)
    poses[:, 0, 3] = -torch.tensor(xs)
    return Cameras(poses, torch.eye(3).repeat(len(xs), 1, 1), ((8, 8),) * len(xs))


def drawn(photos: Cameras, outside: float, seed: int = 0, count: int = 40) -> Cameras:
    return candidate_cameras(photos, FOCUS, outside, count, torch.Generator().manual_seed(seed))


def distance_to_ways(cameras: Cameras, photos: Cameras) -> Tensor:
    """Of each camera from the nearest straight way between two photos."""
    ways = []
    for a in photos.centres:
        for b in photos.centres:
            share = ((cameras.centres - a) @ (b - a) / (b - a).square().sum().clamp_min(1e-9)).clamp(0, 1)
            ways.append((a + share[:, None] * (b - a) - cameras.centres).norm(dim=-1))
    return torch.stack(ways).amin(0)


def test_cameras_lie_on_the_ways_and_no_further_outside_than_asked(truth: Truth):
    photos = truth.views.cameras
    longest = torch.cdist(photos.centres, photos.centres).max()
    assert distance_to_ways(drawn(photos, 0.0), photos).max() < 1e-5
    far = distance_to_ways(drawn(photos, 0.4), photos)
    # Along the way, to the right and downwards: at most 0.4 of a way each.
    assert 0.1 * longest < far.max() <= 3**0.5 * 0.4 * longest


def test_cameras_depend_on_the_seed_alone_and_are_rigid(truth: Truth):
    photos = truth.views.cameras
    a, b, c = drawn(photos, 0.3), drawn(photos, 0.3), drawn(photos, 0.3, seed=1)
    assert torch.equal(a.camera_from_world, b.camera_from_world)
    assert not torch.equal(a.camera_from_world, c.camera_from_world)
    rotation = a.camera_from_world[:, :3, :3]
    eye = torch.eye(3).expand_as(rotation)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), eye, atol=1e-5, rtol=0)
    assert (torch.linalg.det(rotation) > 0).all()
    sizes = {tuple(K.flatten().tolist()): size for K, size in zip(photos.Ks, photos.sizes, strict=True)}
    assert all(sizes[tuple(K.flatten().tolist())] == size for K, size in zip(a.Ks, a.sizes, strict=True))


def test_a_camera_moved_aside_keeps_its_point_in_the_middle(truth: Truth):
    pose = truth.views.cameras.camera_from_world[1]
    point = torch.linalg.inv(pose) @ torch.tensor([0.0, 0.0, FOCUS, 1.0])
    moved = moved_beside(pose, torch.tensor([0.5, -0.3]), FOCUS)
    seen = moved @ point
    torch.testing.assert_close(seen[:2], torch.zeros(2), atol=1e-5, rtol=0)
    assert seen[2].item() == pytest.approx((FOCUS**2 + 0.34) ** 0.5, rel=1e-5)
    centre = pose @ torch.linalg.inv(moved)[:, 3]
    torch.testing.assert_close(centre[:3], torch.tensor([0.5, -0.3, 0.0]), atol=1e-5, rtol=0)


def test_a_camera_counts_less_the_further_it_is_from_all_photos():
    photos = cameras_at(0.0, 2.0, 5.0)
    assert photo_spacing(photos) == 2.0
    near = nearness(cameras_at(0.0, 1.0, 9.0), photos, reach=0.5)
    torch.testing.assert_close(near, torch.exp(-torch.tensor([0.0, 1.0, 4.0])))


def test_chosen_is_what_lacks_support_near_photos_and_apart():
    photos = cameras_at(0.0, 1.0)
    candidates = cameras_at(0.4, 0.41, 0.6, 0.8, 9.0)
    lack = torch.tensor([0.9, 0.89, 0.5, 0.1, 1.0])
    config = PseudoViewsConfig(count=3, reach=1.0, spacing=0.3)
    chosen = choose_cameras(candidates, photos, lack, config).centres[:, 0]
    torch.testing.assert_close(chosen, torch.tensor([0.4, 0.6, 0.8]))


def test_no_camera_is_chosen_twice_even_where_all_are_supported():
    candidates = cameras_at(0.1, 0.2, 0.3)
    chosen = choose_cameras(candidates, cameras_at(0.0, 1.0), torch.zeros(3), PseudoViewsConfig(count=8))
    assert sorted(chosen.centres[:, 0].tolist()) == pytest.approx([0.1, 0.2, 0.3])


def test_wider_pictures_show_the_photo_in_their_middle(truth: Truth):
    photos = truth.views.cameras
    wide = widened(photos, 0.25)
    for index, (width, height) in enumerate(photos.sizes):
        aside, above = round(0.25 * width), round(0.25 * height)
        assert wide.sizes[index] == (width + 2 * aside, height + 2 * above)
        point = torch.tensor([0.3, -0.2, 2.0])
        before, after = ((K @ point)[:2] / 2.0 for K in (photos.Ks[index], wide.Ks[index]))
        torch.testing.assert_close(after - before, torch.tensor([aside, above]).float())
    assert torch.equal(wide.camera_from_world, photos.camera_from_world)
