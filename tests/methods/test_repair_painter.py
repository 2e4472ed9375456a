"""The painter: a tiny network of random numbers is taught, asked, saved and refused; seen pixels are never
its own."""

import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import QUICK, call_recon, save_posed_scene
from synthetic import Truth
from thirds import thirds
from torch import Generator, Tensor

from recon.errors import InputError, MachineError
from recon.initialise import initialise
from recon.methods.repair.blend import BlendConfig, blend
from recon.methods.repair.outside import PaintedFit
from recon.methods.repair.painted import PainterRepair
from recon.methods.repair.painter import Painter, PainterConfig
from recon.methods.repair.painter_config import PainterRepairConfig, TuningConfig
from recon.methods.repair.painter_flow import flow_loss, painted
from recon.methods.repair.painter_masks import random_unseen
from recon.methods.repair.painter_tuning import random_pieces, tuned
from recon.methods.repair.painter_weights import KEY, load_painter, save_painter
from recon.methods.repair.smooth import smoothly_filled
from recon.methods.table import METHODS, make_recipe
from recon.rendering.cpu import rasterize_cpu
from recon.scene import Cameras
from recon.trainer import FitState, make_optimisers

pytest.importorskip("diffusers", reason="diffusers is not installed: the extra priors")
BLEND = BlendConfig()
SIZE = (32, 48)
CAMERAS = Cameras(torch.eye(4)[None], torch.eye(3)[None], (SIZE[::-1],))


@pytest.fixture(scope="module")
def painter() -> Painter:
    """One that says something of its own."""
    torch.manual_seed(0)
    network = Painter(PainterConfig(patch=2, width=16))
    torch.nn.init.normal_(network.unet.conv_out.weight, std=0.1)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def weights(painter: Painter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "painter.safetensors"
    save_painter(path, painter, {"steps": 7})
    return path


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_an_untaught_network_gives_the_smooth_colours():
    seen = torch.rand(1, 3, *SIZE, generator=generator())
    unseen = random_unseen(1, SIZE, generator(1))
    said = Painter(PainterConfig(patch=2, width=16))(torch.randn(1, 3, *SIZE), seen, unseen, torch.ones(1))
    torch.testing.assert_close(said, smoothly_filled(seen, 1 - unseen))


def test_smooth_colours_keep_what_is_seen_and_fill_the_rest_from_nearby():
    rgb = torch.zeros(1, 3, 16, 40)
    rgb[..., 20:] = 1
    weight = torch.ones(1, 1, 16, 40)
    weight[..., :8] = weight[..., 32:] = 0
    filled = smoothly_filled(torch.where(weight > 0, rgb, 7.0), weight)
    assert torch.equal(filled[..., 8:32], rgb[..., 8:32])
    assert filled[..., 7].max() < 0.1 and filled[..., 32].min() > 0.7
    assert (filled[..., 33:] <= filled[..., 32:-1]).all(), "further on it fades to the mean"
    assert filled[..., 32:].min() > 0.3
    nothing = smoothly_filled(rgb, torch.zeros_like(weight))
    assert torch.equal(nothing, torch.zeros_like(rgb))


def test_what_lies_in_unseen_pixels_is_not_told_to_the_network(painter: Painter):
    rgb = torch.rand(3, *SIZE, generator=generator())
    unseen = random_unseen(1, SIZE, generator(1))[0]
    other = torch.where(unseen > 0, torch.rand(3, *SIZE), rgb)
    for steps in (1, 3):
        one, two = (painted(painter, x, unseen, generator(), steps) for x in (rgb, other))
        assert torch.equal(torch.where(unseen > 0, one, 0), torch.where(unseen > 0, two, 0))
    weak = [painted(painter, x, unseen, generator(), 3, strength=0.5) for x in (rgb, other)]
    assert not torch.equal(weak[0], weak[1]), "with less than all noise it is"


def test_seen_pixels_come_back_and_steps_are_those_of_the_flow(painter: Painter):
    rgb = torch.rand(3, *SIZE, generator=generator())
    unseen = random_unseen(1, SIZE, generator(1))[0]
    made = painted(painter, rgb, unseen, generator(5), 2)
    torch.testing.assert_close(torch.where(unseen > 0, 0, made), torch.where(unseen > 0, 0, rgb))
    # The same by hand: the first guess, half of the way to it, the second guess.
    noise = torch.randn(1, 3, *SIZE, generator=generator(5))
    told, hole = 2 * rgb[None] - 1, unseen[None]
    mean = torch.where(hole > 0, painter(noise, told, hole, torch.ones(1)), told)
    half = noise + 0.5 * (mean - noise)
    last = torch.where(hole > 0, painter(half, told, hole, torch.full((1,), 0.5)), told)
    torch.testing.assert_close(made, (0.5 * last[0] + 0.5).clamp(0, 1))


def test_masks_hide_strips_and_slivers_but_never_all():
    unseen = random_unseen(64, (40, 56), generator())
    assert set(unseen.unique().tolist()) == {0.0, 1.0}
    share = unseen.mean((1, 2, 3))
    assert share.min() > 0 and share.max() < 0.95 and 0.15 < share.mean() < 0.6
    corners = unseen[:, 0, [4, -5], :][..., [4, -5]].flatten(1)
    assert (corners.sum(1) == 4).any() and (corners.sum(1) < 4).any(), "some are framed, some are not"
    bent = random_unseen(64, (40, 56), generator(), torch.full((64, 40, 56), 0.1))
    assert bent.mean() != unseen.mean(), "the parallax moves edges"


def test_the_loss_counts_what_is_unseen(painter: Painter):
    pictures = torch.rand(2, 3, *SIZE, generator=generator())
    unseen = random_unseen(2, SIZE, generator(1))
    loss = flow_loss(painter, pictures, pictures, unseen, generator(2))
    assert torch.equal(loss, flow_loss(painter, pictures, pictures, unseen, generator(2)))
    darker = torch.where(unseen > 0, pictures, 0.9 * pictures)
    seen_only = flow_loss(painter, darker, pictures, unseen, generator(2))
    lost = flow_loss(
        painter, torch.where(unseen > 0, 0.9 * pictures, pictures), pictures, unseen, generator(2)
    )
    assert abs(seen_only - loss) < abs(lost - loss)


def test_pieces_are_of_one_photo_at_one_scale_and_fit_into_it():
    photos = [torch.full((50, 90, 3), 0.25), torch.full((33, 20, 3), 0.75)]
    sizes = set()
    for seed in range(12):
        pieces = random_pieces(photos, TuningConfig(batch=3, side=48), 16, generator(seed))
        assert len(pieces) == 3 and pieces.std() < 1e-6
        sizes.add((round(float(pieces.mean()), 2), *pieces.shape[2:]))
    assert sizes == {(0.25, 48, 48), (0.75, 16, 16)}


def test_tuning_learns_the_photos_the_same_each_time_and_leaves_the_original(painter: Painter):
    stripes = torch.where(torch.arange(48) % 8 < 4, 0.1, 0.9)[None, :, None].expand(32, 48, 3)
    config = TuningConfig(steps=25, batch=4, side=32, rate=3e-3)
    before = {name: value.clone() for name, value in painter.state_dict().items()}
    own = tuned(painter, [stripes], [None], config, 0)
    assert all(torch.equal(before[name], value) for name, value in painter.state_dict().items())
    assert not any(parameter.requires_grad for parameter in own.parameters()) and not own.training

    def loss(network: Painter) -> float:
        pieces = random_pieces([stripes], replace(config, batch=16), 16, generator(9))
        return float(
            flow_loss(network, pieces, pieces, random_unseen(16, (32, 32), generator(8)), generator(7))
        )

    assert loss(own) < 0.7 * loss(painter)
    again = tuned(painter, [stripes], [None], replace(config, steps=2), 0)
    twice = tuned(painter, [stripes], [None], replace(config, steps=2), 0)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), twice.parameters(), strict=True))
    masked = tuned(painter, [stripes], [torch.zeros(32, 48, dtype=torch.bool)], config, 0)
    assert all(torch.equal(a, b) for a, b in zip(masked.parameters(), painter.parameters(), strict=True))


@pytest.mark.parametrize("steps", [1, 3])
def test_the_network_paints_where_no_photo_sees_and_the_rest_counts_nothing(painter: Painter, steps: int):
    rgb, warps, third = thirds(SIZE)
    config = PainterRepairConfig(steps=steps, confidence=0.4)
    found, mended = PainterRepair(painter, config, BLEND)(CAMERAS, 0, rgb, warps), blend(rgb, warps, BLEND)
    assert torch.equal(found.rgb[third == 0], rgb[third == 0]), "two photos explain it: to the bit"
    assert torch.equal(found.rgb[third == 1], mended.rgb[third == 1])
    assert ((found.rgb - rgb).abs().amax(-1)[third == 2] > 0).float().mean() > 0.9
    assert (found.confidence == 0.4 * (third == 2)).all()
    assert found.rgb.min() >= 0 and found.rgb.max() <= 1


def test_the_same_camera_gets_the_same_picture_and_another_one_another(painter: Painter):
    rgb, warps, third = thirds(SIZE)
    repair = PainterRepair(painter, PainterRepairConfig(steps=2), BLEND)
    torch.manual_seed(1)
    first = repair(CAMERAS, 0, rgb, warps).rgb
    torch.manual_seed(2)
    drawn = torch.get_rng_state()
    assert torch.equal(repair(CAMERAS, 0, rgb, warps).rgb, first)
    assert torch.equal(torch.get_rng_state(), drawn), "the fit's own random numbers stay as they were"
    assert not torch.equal(repair(CAMERAS, 1, rgb, warps).rgb, first)


@pytest.mark.parametrize(("size", "max_size"), [((16, 32), 768), ((7, 50), 768), ((33, 20), 16), ((1, 3), 2)])
def test_pictures_of_every_size_come_back_in_it(painter: Painter, size: tuple[int, int], max_size: int):
    rgb, warps, _ = thirds(size)
    found = PainterRepair(painter, PainterRepairConfig(max_size=max_size), BLEND)(CAMERAS, 0, rgb, warps)
    assert found.rgb.shape == rgb.shape and found.rgb.isfinite().all()


def test_a_network_without_room_is_asked_for_tiles(painter: Painter, weights: Path):
    cramped, asked = load_painter(weights), []

    def without_room(network: object, inputs: tuple[Tensor, ...]) -> None:
        asked.append(tuple(inputs[0].shape[2:]))
        if inputs[0].shape[-2:].numel() > 64 * 64:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    cramped.register_forward_pre_hook(without_room)
    rgb, warps, third = thirds((60, 150))
    repair = PainterRepair(cramped, PainterRepairConfig(), BLEND)
    found = repair(CAMERAS, 0, rgb, warps)
    assert asked[0] == (64, 160) and max(asked[-1]) <= 64 == repair.room.side
    assert ((found.rgb - rgb).abs().amax(-1)[third == 2] > 0).float().mean() > 0.9
    tried = len(asked)
    repair(CAMERAS, 1, rgb, warps)
    assert all(max(shape) <= 64 for shape in asked[tried:]), "what was too much is not tried again"


def test_numbers_that_are_none_leave_the_blend(painter: Painter, weights: Path):
    broken = load_painter(weights)
    broken.unet.conv_out.bias.fill_(torch.nan)
    rgb, warps, _ = thirds(SIZE)
    found = PainterRepair(broken, PainterRepairConfig(), BLEND)(CAMERAS, 0, rgb, warps)
    assert torch.equal(found.rgb, blend(rgb, warps, BLEND).rgb) and (found.confidence == 0).all()


def test_weights_come_back_from_their_file(painter: Painter, weights: Path):
    again = load_painter(weights)
    assert again.config == painter.config and not again.training
    for name, weight in painter.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight, atol=1e-3, rtol=1e-3)


def test_the_default_network_is_under_twenty_megabytes():
    assert 2 * sum(p.numel() for p in Painter(PainterConfig()).parameters()) < 20e6


def cut(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "short": cut,
    "empty": lambda whole: b"",
    "pickled": lambda whole: pickle.dumps({"x": torch.zeros(3)}),
    "foreign": lambda whole: whole.replace(KEY.encode(), b"recon_paintee"),
    "other_sizes": lambda whole: whole.replace(b'width\\": 16', b'width\\": 32'),
    "not_finite": lambda whole: whole[:-2] + b"\x00\x7c",
}


@pytest.mark.parametrize("fault", [*FAULTS, "absent"])
def test_files_that_hold_no_network_are_refused_by_name(weights: Path, tmp_path: Path, fault: str):
    path = tmp_path / f"{fault}.safetensors"
    if fault in FAULTS:
        broken = FAULTS[fault](weights.read_bytes())
        assert broken != weights.read_bytes()
        path.write_bytes(broken)
    with pytest.raises(InputError, match=fault) as caught:
        load_painter(path)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_fit_ends_with_what_the_network_paints(small_truth: Truth, weights: Path):
    train, config = small_truth.select(0, 1, 2), METHODS["recon"][1]
    painter = PainterRepairConfig(str(weights), TuningConfig(steps=2, batch=2, side=32), steps=2)
    config = replace(
        config,
        initialise=replace(config.initialise, max_gaussians=300, border_spacing=4),
        fit=replace(config.fit, max_steps=4),
        repair="network",
        repairing=replace(config.repairing, painter=painter, max_loss=100.0),
    )
    found = []
    for repair in ("none", "network"):
        gaussians = initialise(train.views, train.stereo, config.initialise)
        state = FitState(gaussians, make_optimisers(gaussians, config.fit.rates))
        recipe = make_recipe(replace(config, repair=repair), train.views, train.stereo)
        for _ in recipe.loop(train.views, train.stereo, state, recipe, rasterize_cpu, config.fit):
            pass
        found.append(dict(gaussians.named_parameters()))
    assert isinstance(recipe.loop, PaintedFit) and isinstance(recipe.loop.repair, PainterRepair)
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]) == (name not in ("sh0", "shN")), name


def test_the_command_line_takes_weights_and_asks_for_them(weights: Path, tmp_path: Path):
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--repair", "network")
    few = (
        "--repairing.rounds",
        1,
        "--repairing.pseudo-views.count",
        1,
        "--repairing.painter.tuning.steps",
        1,
    )
    small = ("--repairing.painter.tuning.batch", 1, "--repairing.painter.tuning.side", 32)
    asked = call_recon(*run, *few)
    assert asked.code != 0 and "--repairing.painter.weights" in asked.err
    assert call_recon(*run, *few, *small, "--repairing.painter.weights", weights, "--overwrite").code == 0
    assert "network" in (tmp_path / "run" / "config.yaml").read_text()


def test_without_diffusers_the_way_to_get_it_is_named(weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MachineError, match=r"needs diffusers; run `pip install 'recon\[priors\]'`"):
        load_painter(weights)
