"""The compiled plane sweep and aggregation against torch in double precision."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recon.methods.priors import plane_sweep
from recon.methods.priors.aggregation import semi_global_aggregation
from recon.methods.priors.plane_sweep import UNSEEN_SCORE, plane_homography, source_score
from recon.methods.priors.stereo_types import StereoConfig
from recon.rendering.core import runnable_builds
from recon.scene import Cameras, Photos, Views

CONFIG = StereoConfig()


@pytest.fixture(autouse=True, params=runnable_builds())
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Every test, in each build that this processor runs."""
    monkeypatch.setenv("RECON_CORE_ISA", request.param)


def two_views(size: tuple[int, int], source_size: tuple[int, int], forward: float = 0.0) -> Views:
    """Random pictures of (height, width); the second camera stands to the right, turned a little, and
    `forward` units ahead."""
    generator = torch.Generator().manual_seed(size[1])
    images = tuple(torch.rand(*s, 3, generator=generator) for s in (size, source_size))
    turn = torch.tensor(0.1)
    pose = torch.eye(4)
    pose[0, 0], pose[0, 2], pose[2, 0], pose[2, 2] = turn.cos(), turn.sin(), -turn.sin(), turn.cos()
    pose[:3, 3] = torch.tensor([-0.3, 0.05, -forward])
    focal = max(size)
    Ks = [[[focal, 0.0, w / 2], [0.0, focal, h / 2], [0.0, 0.0, 1.0]] for h, w in (size, source_size)]
    sizes = tuple((w, h) for h, w in (size, source_size))
    cameras = Cameras(torch.stack([torch.eye(4), pose]), torch.tensor(Ks), sizes)
    photos = Photos(images, ("a", "b"), (None, None), paths=(Path("a"), Path("b")), focal_priors=(None, None))
    return photos.with_cameras(cameras)


def in_double(views: Views) -> Views:
    cameras = views.cameras
    cameras = Cameras(cameras.camera_from_world.double(), cameras.Ks.double(), cameras.sizes)
    return replace(views, images=tuple(image.double() for image in views.images), cameras=cameras)


def disagreement(views: Views, inverse_depths: Tensor) -> Tensor:
    found = source_score(views, 0, 1, inverse_depths, CONFIG)
    return (found - source_score(in_double(views), 0, 1, inverse_depths.double(), CONFIG)).abs()


# Not a column that looks at a row: flat windows hold rounding alone, in either precision.
@pytest.mark.parametrize("size", [(2, 3), (1, 40), (3, 5), (17, 16), (23, 37), (40, 70)])
@pytest.mark.parametrize("source_size", [(29, 41), (1, 30), (30, 1)])
def test_scores_are_those_of_torch(size: tuple[int, int], source_size: tuple[int, int]):
    difference = disagreement(two_views(size, source_size), torch.linspace(0.05, 1.5, 7))
    assert difference.max().item() < 1e-4


def test_a_column_is_scored_as_by_torch():
    assert disagreement(two_views((33, 1), (29, 41)), torch.linspace(0.05, 1.5, 7)).max().item() < 1e-4


def test_planes_behind_the_source_are_unseen_as_in_torch():
    views = two_views((23, 37), (29, 41), forward=2.0)
    inverse_depths = torch.linspace(0.1, 2.0, 9)  # the source stands before the planes above 0.5
    assert disagreement(views, inverse_depths).max().item() < 1e-4
    score = source_score(views, 0, 1, inverse_depths, CONFIG)
    assert (score[-1] == UNSEEN_SCORE).all() and not (score[0] == UNSEEN_SCORE).all()


def test_the_small_window_may_be_the_larger_one():
    views, inverse_depths = two_views((23, 37), (29, 41)), torch.linspace(0.05, 1.5, 3)
    config = StereoConfig(small_window=7, large_window=3)
    expected = source_score(in_double(views), 0, 1, inverse_depths.double(), config)
    found = source_score(views, 0, 1, inverse_depths, config)
    assert (found - expected).abs().max().item() < 1e-4


def test_a_pose_that_is_not_a_number_stays_within_the_pictures():
    views = two_views((9, 20), (12, 15))
    views.cameras.camera_from_world[1] = torch.nan  # in place: no camera is made of it knowingly
    assert (source_score(views, 0, 1, torch.ones(2), CONFIG) == UNSEEN_SCORE).all()


def test_the_homography_is_the_projection_of_the_point_at_that_depth():
    cameras = two_views((23, 37), (29, 41)).cameras
    depth, pixel = 2.5, torch.tensor([11.5, 7.5, 1.0])
    point = torch.linalg.solve(cameras.Ks[0], pixel) * depth
    in_source = cameras.camera_from_world[1, :3, :3] @ point + cameras.camera_from_world[1, :3, 3]
    expected = cameras.Ks[1] @ in_source / depth
    found = plane_homography(cameras, 0, 1) @ torch.cat([pixel, torch.tensor([1 / depth])])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", [(7, 6, 9), (16, 5, 33), (40, 12, 17), (5, 1, 8), (5, 8, 1), (1, 4, 4)])
@pytest.mark.parametrize(("small_step", "large_step"), [(0.08, 0.5), (0.0, 0.0), (5.0, 9.0)])
def test_aggregation_is_that_of_torch(shape: tuple[int, int, int], small_step: float, large_step: float):
    generator = torch.Generator().manual_seed(4)
    cost = 2 * torch.rand(*shape, generator=generator)
    grey = torch.rand(*shape[1:], generator=generator)
    expected = semi_global_aggregation(cost.double(), grey.double(), small_step, large_step)
    found = semi_global_aggregation(cost, grey, small_step, large_step)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=0)


def test_one_and_three_threads_give_the_same_bits():
    views, inverse_depths = two_views((40, 70), (29, 41)), torch.linspace(0.05, 1.5, 9)
    threads = torch.get_num_threads()
    results = []
    for count in (1, 3):
        torch.set_num_threads(count)
        score = source_score(views, 0, 1, inverse_depths, CONFIG)
        results.append((score, semi_global_aggregation(1 - score, views.images[0].mean(-1), 0.08, 0.5)))
    torch.set_num_threads(threads)
    for one, three in zip(*results, strict=True):
        assert torch.equal(one, three)


def test_single_precision_on_a_processor_goes_to_the_core(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_):
        raise AssertionError("the torch code was asked")

    monkeypatch.setattr(plane_sweep, "warp_to_planes", refuse)
    views = two_views((9, 20), (12, 15))
    assert source_score(views, 0, 1, torch.ones(2), CONFIG).shape == (2, 9, 20)
    with pytest.raises(AssertionError, match="torch code"):
        source_score(in_double(views), 0, 1, torch.ones(2, dtype=torch.float64), CONFIG)
