"""Repaired pictures are fitted in their time, cost no photo anything, and leave a fit that can go on."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import Truth
from torch import Tensor

from recon.checkpoint import load_checkpoint, save_checkpoint
from recon.errors import InputError
from recon.gaussians import Gaussians
from recon.initialise import initialise
from recon.methods.co_regularisation import CoRegularisationConfig
from recon.methods.repair.blend import Repaired
from recon.methods.repair.config import RepairConfig
from recon.methods.repair.loop import RepairedFit, look_from, photo_scores
from recon.methods.repair.outside import PaintedFit
from recon.methods.repair.pseudo_views import PseudoViewsConfig
from recon.methods.repair.rounds import camera_of, place_by_support
from recon.methods.repair.warps import Warps
from recon.methods.table import METHODS, MethodConfig, make_recipe
from recon.rendering.cpu import rasterize_cpu
from recon.scene import Cameras
from recon.trainer import FitState, Recipe, fit, make_optimisers, near_plane

ROUNDS = RepairConfig(
    weight=1.0, start=0.4, end=0.8, rounds=2, pseudo_views=PseudoViewsConfig(count=2, candidates=4)
)
"""Of 20 steps: rounds begin with steps 8 and 12, the photos alone are fitted from step 16 on."""


def config_of(rounds: RepairConfig | None = ROUNDS, steps: int = 20, method: str = "recon") -> MethodConfig:
    config = METHODS[method][1]
    return replace(
        config,
        initialise=replace(config.initialise, max_gaussians=300, border_spacing=8),
        fit=replace(config.fit, max_steps=steps),
        prune=replace(config.prune, every=5, min_opacity=0.95 * config.initialise.opacity),
        repair="none" if rounds is None else "blend",
        repairing=rounds or RepairConfig(),
    )


@pytest.fixture(scope="module")
def train(small_truth: Truth) -> Truth:
    """Three photos of four."""
    return small_truth.select(0, 1, 2)


def start(truth: Truth, config: MethodConfig) -> tuple[FitState, Recipe]:
    gaussians = initialise(truth.views, truth.stereo, config.initialise)
    state = FitState(gaussians, make_optimisers(gaussians, config.fit.rates))
    return state, make_recipe(config, truth.views, truth.stereo)


def steps_of(truth: Truth, state: FitState, recipe: Recipe, config: MethodConfig):
    return recipe.loop(truth.views, truth.stereo, state, recipe, rasterize_cpu, config.fit)


def run(truth: Truth, config: MethodConfig, until: int | None = None) -> tuple[FitState, list[set[str]]]:
    """The state after all steps, or some; and the names of the losses of each."""
    state, recipe = start(truth, config)
    names = []
    for step in steps_of(truth, state, recipe, config):
        names.append(set(step.losses))
        if step.step == until:
            break
    return state, names


def assert_same(a: Gaussians, b: Gaussians) -> None:
    for (name, x), y in zip(a.named_parameters(), b.parameters(), strict=True):
        assert torch.equal(x, y), name


def test_repair_is_off_unless_asked_for(train: Truth):
    assert METHODS["recon"][1].repair == "none"
    assert make_recipe(config_of(None), train.views, train.stereo).loop is fit
    assert isinstance(make_recipe(config_of(), train.views, train.stereo).loop, RepairedFit)
    smooth = make_recipe(replace(METHODS["recon"][1], repair="smooth"), train.views, train.stereo)
    assert isinstance(smooth.loop, PaintedFit) and smooth.loop.loop is fit and smooth.partner is None


def test_repaired_pictures_are_fitted_between_start_and_end(train: Truth):
    _, names = run(train, config_of())
    assert [i for i, losses in enumerate(names) if "repair" in losses] == list(range(8, 16))
    _, seldom = run(train, config_of(replace(ROUNDS, every=3)))
    assert [i for i, losses in enumerate(seldom) if "repair" in losses] == [8, 11, 14]


def test_nothing_differs_before_the_first_round_and_the_partner_is_the_fit_without(train: Truth):
    repaired, _ = run(train, config_of(), until=8)
    plain, _ = run(train, config_of(None), until=8)
    assert_same(repaired.gaussians, plain.gaussians)
    repaired, _ = run(train, config_of(replace(ROUNDS, max_loss=100.0)))
    plain, _ = run(train, config_of(None))
    assert repaired.partner is not None
    assert_same(repaired.partner.gaussians, plain.gaussians)
    assert not torch.equal(repaired.gaussians.sh0, plain.gaussians.sh0)


@pytest.mark.parametrize("method", ["recon", "3dgs"])
def test_a_repair_that_cost_a_photo_is_taken_back_to_the_bit(train: Truth, method: str, caplog):
    state, recipe = start(train, config_of(replace(ROUNDS, max_loss=-100.0), method=method))
    watched = state.gaussians
    list(steps_of(train, state, recipe, config_of(method=method)))
    plain, _ = run(train, config_of(None, method=method))
    assert state.gaussians is watched
    assert_same(watched, plain.gaussians)
    assert "without it" in caplog.text


@pytest.mark.parametrize("harmful", [True, False])
def test_it_is_the_photos_that_judge(train: Truth, harmful: bool, caplog):
    """Black pictures in the places of the photos are taken back, the photos themselves are not."""

    def repair(cameras: Cameras, index: int, rgb: Tensor, warps: Warps) -> Repaired:
        photo = train.views.images[index]
        return Repaired(torch.zeros_like(photo) if harmful else photo, torch.ones_like(photo[..., 0]))

    config = config_of(replace(ROUNDS, weight=5.0, max_loss=0.5))
    state, recipe = start(train, config)
    assert isinstance(recipe.loop, RepairedFit)
    loop = replace(recipe.loop, place=lambda *_: train.views.cameras, repair=repair)
    list(steps_of(train, state, replace(recipe, loop=loop), config))
    assert state.partner is not None
    assert ("without it" in caplog.text) == harmful
    assert torch.equal(state.gaussians.sh0, state.partner.gaussians.sh0) == harmful


def test_no_second_field_is_fitted_where_every_repair_is_taken(train: Truth):
    free, _ = run(train, config_of(replace(ROUNDS, max_loss=math.inf)))
    judged, _ = run(train, config_of(replace(ROUNDS, max_loss=100.0)))
    assert free.partner is None
    assert_same(free.gaussians, judged.gaussians)


@pytest.mark.parametrize("stop", [3, 11])
def test_a_restored_fit_goes_on_as_if_never_stopped(train: Truth, tmp_path: Path, stop: int):
    config = config_of(replace(ROUNDS, max_loss=100.0))
    whole, _ = run(train, config)
    state, recipe = start(train, config)
    for step in steps_of(train, state, recipe, config):
        if step.step == stop:
            break
    save_checkpoint(tmp_path / "latest.safetensors", state, recipe)
    fresh = make_recipe(config, train.views, train.stereo)
    restored = load_checkpoint(tmp_path / "latest.safetensors", config.fit.rates, fresh, torch.device("cpu"))
    list(steps_of(train, restored, fresh, config))
    assert_same(restored.gaussians, whole.gaussians)
    assert restored.partner is not None and whole.partner is not None
    assert_same(restored.partner.gaussians, whole.partner.gaussians)
    assert restored.kept == {}


def test_true_pictures_at_an_unseen_camera_teach_what_it_sees(small_truth: Truth, train: Truth):
    held_out = small_truth.views.select([3])

    def oracle(cameras: Cameras, index: int, rgb: Tensor, warps: Warps) -> Repaired:
        return Repaired(held_out.images[index], torch.ones_like(rgb[..., 0]))

    config = config_of(replace(ROUNDS, start=0.2, max_loss=math.inf), steps=60)
    scores = []
    for knows in (True, False):
        state, recipe = start(train, config if knows else config_of(None, steps=60))
        if knows:
            loop = recipe.loop
            assert isinstance(loop, RepairedFit)
            recipe = replace(recipe, loop=replace(loop, place=lambda *_: held_out.cameras, repair=oracle))
        list(steps_of(train, state, recipe, config))
        look = look_from(state, rasterize_cpu, config.fit, near_plane(train.stereo))
        scores.append(photo_scores(held_out, look)[0])
    assert scores[0] > scores[1] + 0.5


def test_a_round_keeps_what_it_fits(train: Truth):
    state, _ = run(train, config_of(), until=9)
    kept = state.kept
    assert set(kept) == {"camera_from_world", "Ks", "0.rgb", "0.weight", "1.rgb", "1.weight"}
    for index in range(2):
        camera = camera_of(kept, index)
        assert camera.sizes[0] in train.views.sizes
        assert kept[f"{index}.rgb"].shape[:2] == kept[f"{index}.weight"].shape
        assert 0 < kept[f"{index}.weight"].max() <= 1 and kept[f"{index}.weight"].min() >= 0


def test_rounds_move_outwards(train: Truth):
    config = replace(ROUNDS, pseudo_views=PseudoViewsConfig(count=12, candidates=12))
    state, _ = start(train, config_of())
    look = look_from(state, rasterize_cpu, config_of().fit, near_plane(train.stereo))
    place = place_by_support(config)
    first, last = (
        place(train.views, train.stereo, look, number, torch.Generator().manual_seed(0)) for number in (0, 1)
    )
    centre = train.views.cameras.centres.mean(0)
    assert (last.centres - centre).norm(dim=-1).mean() > (first.centres - centre).norm(dim=-1).mean()


def test_a_repair_that_was_taken_back_can_be_saved(train: Truth, tmp_path: Path):
    config = config_of(replace(ROUNDS, max_loss=-100.0))
    state, recipe = start(train, config)
    for _ in recipe.loop(train.views, train.stereo, state, recipe, rasterize_cpu, config.fit):
        pass
    save_checkpoint(tmp_path / "state.safetensors", state, recipe)
    assert state.partner is not None and torch.equal(state.gaussians.sh0, state.partner.gaussians.sh0)
    optimised = [p for o in state.optimisers.values() for group in o.param_groups for p in group["params"]]
    assert {id(p) for p in optimised} == {id(p) for p in state.gaussians.parameters()}


def test_two_kinds_of_second_field_are_refused(train: Truth):
    both = replace(config_of(), co_regularisation=CoRegularisationConfig(weight=1.0))
    with pytest.raises(InputError, match="leave one of them out"):
        make_recipe(both, train.views, train.stereo)


def test_rounds_begin_where_they_should():
    assert [n for n in range(20) if ROUNDS.round_at(n, 20) is not None] == [8, 12]
    assert [ROUNDS.round_at(n, 20) for n in (8, 12)] == [0, 1]
