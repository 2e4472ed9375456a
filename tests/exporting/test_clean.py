"""Only what spoils a scene is left out, and it is counted by its reason."""

import torch
from export_scenes import cloud, two_cameras

from recon.exporting.clean import CleanConfig, clean
from recon.gaussians import Gaussians

NO_CAMERAS = two_cameras().select([])


def spoilt(unit: float = 1.0) -> Gaussians:
    """Ten good Gaussians four units before the first camera, then one of each fault."""
    count = 14
    means = torch.tensor([0.0, 0, 4]).repeat(count, 1) + 0.05 * torch.arange(count)[:, None]
    scales = torch.full((count, 3), 0.05)
    logits = torch.zeros(count)
    logits[10] = -8.0  # invisible
    means[11] = torch.tensor([0.0, 0.02, 0.2])  # at the lens
    scales[11] = 0.001
    scales[12] = torch.tensor([0.1, 3.0, 2.0])  # oversized
    scales[13] = torch.tensor([0.005, 0.4, 0.005])  # a needle
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(count, 1)
    log_scales = torch.log(unit * scales)
    return Gaussians(
        unit * means, quats, log_scales, logits, torch.zeros(count, 1, 3), torch.zeros(count, 0, 3)
    )


def cameras_of(unit: float):
    cameras = two_cameras()
    cameras.camera_from_world[:, :3, 3] *= unit
    return cameras


def test_each_fault_is_found_and_the_rest_is_left_as_it_was():
    gaussians = spoilt()
    kept, removed = clean(gaussians, two_cameras(), 0.5, CleanConfig())
    assert removed == {"invisible": 1, "near a camera": 1, "oversized": 1, "needles": 1}
    for name, value in gaussians.named_parameters():
        assert torch.equal(getattr(kept, name), value[:10]), name


def test_the_unit_of_length_does_not_matter():
    for unit in (1e-3, 1e3):
        kept, removed = clean(spoilt(unit), cameras_of(unit), 0.5 * unit, CleanConfig())
        assert len(kept) == 10
        assert set(removed.values()) == {1}


def test_without_cameras_sizes_are_those_of_the_whole_scene():
    gaussians = cloud(100)
    with torch.no_grad():
        gaussians.log_scales[7] = 1.0
    kept, removed = clean(gaussians, NO_CAMERAS, 0.5, CleanConfig())
    assert removed == {"invisible": 0, "near a camera": 0, "oversized": 1, "needles": 0}
    assert kept.scales.max() < 1.5


def test_a_gaussian_with_two_faults_is_counted_once():
    gaussians = spoilt()
    with torch.no_grad():
        gaussians.logit_opacities[12] = -9
    kept, removed = clean(gaussians, two_cameras(), 0.5, CleanConfig())
    assert len(kept) + sum(removed.values()) == len(gaussians)


def test_short_needles_and_what_is_large_because_it_is_far_are_left():
    gaussians = spoilt()
    with torch.no_grad():
        gaussians.log_scales[13] -= 4  # a needle still, but too short to be seen
        gaussians.means[12] = torch.tensor([0.0, 0, 100])  # sky
    _, removed = clean(gaussians, two_cameras(), 0.5, CleanConfig())
    assert removed["needles"] == 0
    assert removed["oversized"] == 0


def test_an_empty_scene_stays_empty():
    for cameras in (NO_CAMERAS, two_cameras()):
        kept, removed = clean(cloud(5).select(torch.zeros(5, dtype=torch.bool)), cameras, 0.1, CleanConfig())
        assert len(kept) == 0
        assert sum(removed.values()) == 0
