"""The coarse sweep brackets the scene, and tells when cameras and photos do not belong together."""

from dataclasses import replace

import pytest
import torch
from synthetic import Truth, as_views, make_truth

from recon.errors import InputError
from recon.methods.priors.depth_range import DepthRangeConfig, find_depth_range
from recon.methods.priors.stereo_types import StereoConfig


def find(truth: Truth) -> tuple[float, float]:
    return find_depth_range(truth.views, StereoConfig(), DepthRangeConfig())


@pytest.fixture(scope="module")
def found(truth: Truth) -> tuple[float, float]:
    return find(truth)


def test_the_range_holds_the_scene_and_not_much_more(truth: Truth, found: tuple[float, float]):
    near, far = found
    seen = torch.cat([d[c] for d, c in zip(truth.depths, truth.co_visible, strict=True)])
    assert near < torch.quantile(seen, 0.01).item()
    assert far > torch.quantile(seen, 0.99).item()
    # Everything from the first plane to infinity was searched.
    assert near > 0.6 * seen.min().item()
    assert 1 / far > 0.4 / seen.max().item()


def test_the_range_scales_with_the_world(found: tuple[float, float]):
    near, far = found
    scaled = find(make_truth(unit=16.0))
    assert scaled == pytest.approx((16 * near, 16 * far), rel=1e-3)


def test_cameras_that_do_not_fit_the_photos_are_refused(truth: Truth):
    noise = torch.Generator().manual_seed(0)
    images = tuple(torch.rand(image.shape, generator=noise) for image in truth.views.images)
    strangers = as_views(images, truth.views.cameras)
    sentence = r"^The cameras do not fit the photos: .* 0\.png, 1\.png, 2\.png .*\.$"
    with pytest.raises(InputError, match=sentence):
        find_depth_range(strangers, StereoConfig(), DepthRangeConfig())


def test_cameras_turned_away_from_each_other_are_refused(truth: Truth):
    poses = truth.views.cameras.camera_from_world.clone()
    turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    poses[1] = turn @ poses[1]
    pair = truth.views.select([0, 1])
    apart = replace(pair, cameras=replace(pair.cameras, camera_from_world=poses[:2]))
    with pytest.raises(InputError, match="do not fit"):
        find_depth_range(apart, StereoConfig(), DepthRangeConfig())


def test_photos_from_one_place_are_refused(truth: Truth):
    same = truth.views.select([0, 0])
    with pytest.raises(InputError, match="one place"):
        find_depth_range(same, StereoConfig(), DepthRangeConfig())


def test_a_pair_from_one_place_among_others_does_not_matter(truth: Truth, found: tuple[float, float]):
    again = truth.views.select([0, 0, 1, 2])
    assert find_depth_range(again, StereoConfig(), DepthRangeConfig()) == pytest.approx(found, rel=0.25)
