"""The blend stays between what it blends, leaves alone what is explained, and makes nothing up."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recon.methods.repair.blend import BlendConfig, blend, photo_weights
from recon.methods.repair.warps import Warps

CONFIG = BlendConfig()
SHAPE = (5, 7)


def warps_of(*colours: Tensor | float, error: float = 0.0) -> Warps:
    """Photos from the same place as the picture, in these colours."""
    rgb = torch.stack([torch.ones(*SHAPE, 3) * colour for colour in colours])
    ones = torch.ones(rgb.shape[:3])
    return Warps(rgb, error * ones, ones, ones)


def random_warps(count: int = 3) -> tuple[Tensor, Warps]:
    generator = torch.Generator().manual_seed(0)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, *SHAPE, generator=generator)

    rgb = torch.rand(*SHAPE, 3, generator=generator)
    photos = torch.rand(count, *SHAPE, 3, generator=generator)
    return rgb, Warps(photos, 0.04 * rand(count), 0.8 + 0.2 * rand(count), 2 * rand(count))


def test_every_pixel_lies_between_the_picture_and_the_photos_that_see_it():
    rgb, warps = random_warps()
    repaired = blend(rgb, warps, CONFIG)
    seen = (warps.depth_error < CONFIG.depth_tolerance)[..., None]
    lowest = torch.minimum(rgb, torch.where(seen, warps.rgb, torch.inf).amin(0))
    highest = torch.maximum(rgb, torch.where(seen, warps.rgb, -torch.inf).amax(0))
    assert (repaired.rgb >= lowest - 1e-6).all() and (repaired.rgb <= highest + 1e-6).all()
    assert (repaired.rgb != rgb).any()
    assert (repaired.confidence >= 0).all() and (repaired.confidence <= 1).all()


def test_pixels_that_two_photos_explain_are_copied_through_with_full_confidence():
    rgb = torch.full((*SHAPE, 3), 0.5)
    repaired = blend(rgb, warps_of(0.52, 0.49), CONFIG)
    assert torch.equal(repaired.rgb, rgb) and (repaired.confidence == 1).all()
    # One photo is not enough, nor a second in another colour.
    assert (blend(rgb, warps_of(0.52), CONFIG).rgb > rgb).all()
    assert (blend(rgb, warps_of(0.52, 0.9), CONFIG).rgb > rgb).all()


def test_what_no_photo_sees_stays_and_counts_for_nothing():
    rgb = torch.rand(*SHAPE, 3, generator=torch.Generator().manual_seed(1))
    for error in (CONFIG.depth_tolerance, 0.5, torch.inf):
        repaired = blend(rgb, warps_of(0.2, 0.9, error=error), CONFIG)
        assert torch.equal(repaired.rgb, rgb) and (repaired.confidence == 0).all()


def test_photos_that_agree_against_the_picture_prevail():
    rgb = torch.full((*SHAPE, 3), 0.9)
    repaired = blend(rgb, warps_of(0.3, 0.3), CONFIG)
    share = 2 / (2 + CONFIG.render_weight)
    torch.testing.assert_close(repaired.rgb, torch.full_like(rgb, 0.9 + share * (0.3 - 0.9)))
    assert (repaired.confidence == 1).all()


def test_confidence_is_the_weight_of_the_photos():
    warps = replace(warps_of(0.3), scale=torch.full((1, *SHAPE), 0.4))
    confidence = blend(torch.full((*SHAPE, 3), 0.9), warps, CONFIG).confidence
    torch.testing.assert_close(confidence, torch.full(SHAPE, 0.4))


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("cosine", 0.5**0.5, torch.exp(torch.tensor(-45 / CONFIG.angle)).item()),
        ("scale", 0.5, 0.5),
        ("scale", 3.0, 1.0),
        ("depth_error", 1.0, 0.0),
    ],
)
def test_a_photo_counts_less_from_the_side_and_from_afar(part: str, value: float, expected: float):
    warps = warps_of(0.3)
    weights = photo_weights(replace(warps, **{part: torch.full((1, *SHAPE), value)}), CONFIG)
    torch.testing.assert_close(weights, torch.full((1, *SHAPE), expected))
