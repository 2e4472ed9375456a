"""The stereo network: its warps, its freedom of sizes and sources, its file. Weights are random here."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import Truth

from recon.errors import InputError
from recon.geometry import pixel_centres, project, sample, unproject
from recon.methods.priors.learned import weights
from recon.methods.priors.learned.depth import confidence_from_scale, learned_depth_maps, padded
from recon.methods.priors.learned.network import NetworkConfig, StereoNetwork, inverse_depth
from recon.methods.priors.learned.volume import best_mode
from recon.methods.priors.learned.warping import sample_source, scaled_homography
from recon.methods.priors.learned.weights import load_network, parameter_count, save_network
from recon.methods.priors.plane_sweep import plane_homography

TINY = NetworkConfig(width=8, planes=16, steps=2)


@pytest.fixture(scope="module")
def network() -> StereoNetwork:
    torch.manual_seed(3)
    return StereoNetwork(TINY).eval().requires_grad_(False)


def test_sources_are_read_where_the_point_at_that_depth_projects(truth: Truth):
    cameras, depth = truth.views.cameras, truth.depths[0]
    xyz = unproject(depth, cameras.Ks[0], cameras.world_from_camera[0])
    uv, _ = project(xyz, cameras.Ks[1], cameras.camera_from_world[1])
    source = truth.views.images[1]
    warped, inside = sample_source(
        source.permute(2, 0, 1)[None], plane_homography(cameras, 0, 1)[None], (1 / depth)[None, None]
    )
    expected = sample(source, uv).permute(2, 0, 1)
    # Zeros begin half a pixel before the border; compared is what lies further in.
    width, height = cameras.sizes[1]
    well = (uv > 0.5).all(-1) & (uv[..., 0] < width - 0.5) & (uv[..., 1] < height - 0.5)
    assert well.float().mean() > 0.5
    assert torch.equal(inside[0, 0, 0] & well, well)
    assert (warped[0, :, 0] - expected).abs()[:, well].max() < 1e-3


def test_a_homography_between_reduced_pictures_keeps_pixel_centres_in_place(truth: Truth):
    H = plane_homography(truth.views.cameras, 0, 1)
    uv = pixel_centres(6, 8, like=H)
    told = torch.cat([uv * 4, torch.ones(6, 8, 1), torch.full((6, 8, 1), 0.3)], -1) @ H.T
    small = (
        torch.cat([uv, torch.ones(6, 8, 1), torch.full((6, 8, 1), 0.3)], -1)
        @ scaled_homography(H[None], 4)[0].T
    )
    assert torch.allclose(small[..., :2] / small[..., 2:] * 4, told[..., :2] / told[..., 2:], rtol=1e-4)


def test_the_best_mode_is_the_higher_peak_and_not_the_mean_of_two():
    logits = torch.full((1, 16, 1, 1), -20.0)
    logits[0, 3], logits[0, 4], logits[0, 12] = 2.0, 2.0, 2.3
    position, peak = best_mode(logits)
    assert float(position) == pytest.approx(12 / 15, abs=1e-4)
    logits[0, 12] = 1.0
    position, peak = best_mode(logits)
    assert float(position) == pytest.approx(3.5 / 15, abs=1e-4)
    assert float(peak) == pytest.approx(2 / (2 + torch.e**-1), abs=1e-3)


def test_photos_of_any_size_and_number_get_depth_within_the_range(truth: Truth, network: StereoNetwork):
    for views in (truth.views, truth.views.select([0, 2])):
        seen: list[int] = []
        maps = learned_depth_maps(views, (2.0, 6.0), network, seen.append)
        assert seen == list(range(len(views)))
        assert [tuple(m.depth.shape) for m in maps] == [(h, w) for w, h in views.sizes]
        for m in maps:
            assert m.depth.min() > 1.7 and m.depth.max() < 8  # a margin of the range is allowed
            assert 0 <= m.confidence.min() and m.confidence.max() <= 1
            assert torch.equal(m.confidence, m.margin)


def test_a_photo_alone_has_depth_in_the_range_and_no_confidence(truth: Truth, network: StereoNetwork):
    (alone,) = learned_depth_maps(truth.views.select([1]), (2.0, float("inf")), network)
    assert alone.confidence.max() == 0
    assert torch.isfinite(alone.depth).all() and alone.depth.min() > 2


def test_neither_the_order_of_sources_nor_the_batch_changes_a_depth(truth: Truth, network: StereoNetwork):
    images = [padded(image)[..., :64, :96] for image in truth.views.images]
    features = [network.encoder(image) for image in images]
    maps = [plane_homography(truth.views.cameras, 0, i)[None] for i in (1, 2)]
    limits = torch.tensor([[0.15, 0.5]])
    there = network(features[0], features[1:], maps, limits)
    back = network(features[0], features[:0:-1], maps[::-1], limits)
    assert torch.allclose(there.position, back.position, atol=1e-4)
    assert torch.allclose(there.visibility[0], back.visibility[1], atol=1e-4)
    with_others = network.encoder(torch.cat([images[0], torch.rand_like(images[0]), images[1]]))
    for alone, among in zip(features[0], with_others, strict=True):
        assert torch.allclose(alone[0], among[0], atol=1e-4)


def test_units_of_the_world_do_not_matter(truth: Truth, network: StereoNetwork):
    pose = truth.views.cameras.camera_from_world.clone()
    pose[:, :3, 3] *= 10
    larger = replace(truth.views, cameras=replace(truth.views.cameras, camera_from_world=pose))
    one = learned_depth_maps(truth.views, (2.0, 6.0), network)[0]
    ten = learned_depth_maps(larger, (20.0, 60.0), network)[0]
    assert torch.allclose(ten.depth, 10 * one.depth, rtol=1e-3)


def test_depth_stays_finite_where_the_range_reaches_to_infinity():
    position = torch.tensor([-0.1, 0.0, 0.5, 1.0]).reshape(1, 1, 2, 2)
    inverse = inverse_depth(position, torch.tensor([[0.0, 0.5]]))
    assert inverse.min() > 0 and float(inverse[0, 0, 1, 1]) == 0.5


def test_confidence_is_the_chance_of_a_small_laplace_error():
    generator = torch.Generator().manual_seed(0)
    for b in (0.005, 0.02, 0.3):
        errors = -b * torch.rand(200_000, generator=generator).log()  # sizes of Laplace errors
        share = (errors < 0.02).float().mean()
        assert float(confidence_from_scale(torch.tensor(b).log())) == pytest.approx(float(share), abs=0.01)


def test_the_default_network_fits_in_five_megabytes_and_its_state_in_forty():
    count = parameter_count(StereoNetwork(NetworkConfig()))
    assert 2 * count < 5e6  # half precision
    assert 16 * count < 40e6  # weights, their mean, two moments of Adam


def test_weights_come_back_from_their_file(tmp_path: Path, truth: Truth, network: StereoNetwork):
    path = tmp_path / "stereo.safetensors"
    save_network(path, network, {"steps": 7})
    again = load_network(path)
    assert again.config == TINY and not again.training
    for name, weight in network.state_dict().items():
        assert torch.allclose(again.state_dict()[name], weight, atol=1e-3)
    one, other = (learned_depth_maps(truth.views, (2.0, 6.0), n)[0].depth for n in (network, again))
    assert (one / other - 1).abs().median() < 0.01


def test_the_shipped_network_is_the_pinned_one_and_a_turned_bit_is_seen(tmp_path: Path, monkeypatch):
    load_network()
    copy = bytearray(weights.WEIGHTS.read_bytes())
    copy[-100] ^= 1
    monkeypatch.setattr(weights, "WEIGHTS", tmp_path / "stereo.safetensors")
    weights.WEIGHTS.write_bytes(copy)
    with pytest.raises(InputError, match=r"stereo\.safetensors is not the file that came with recon"):
        load_network(weights.WEIGHTS)


def test_files_that_hold_no_network_are_refused_by_name(tmp_path: Path, network: StereoNetwork):
    good = tmp_path / "good.safetensors"
    save_network(good, network, {})
    whole = good.read_bytes()
    (tmp_path / "short.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "pickled.safetensors").write_bytes(pickle.dumps(network.state_dict()))
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    header = '{"config": {"width": 16, "planes": 16, "steps": 2}, "training": {}}'
    tensors = {name: value.half() for name, value in network.state_dict().items()}
    save_file(tensors, tmp_path / "other_sizes.safetensors", {"recon_stereo_network": header})
    for name in ("short", "empty", "pickled", "foreign", "other_sizes", "absent"):
        path = tmp_path / f"{name}.safetensors"
        with pytest.raises(InputError, match=name) as caught:
            load_network(path)
        assert "\n" not in str(caught.value)
