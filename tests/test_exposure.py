"""Photos lighter or darker than each other are fitted as if they were alike, and shown as they came out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import QUICK, call_recon, save_posed_scene
from PIL import Image
from synthetic import Truth, make_truth
from torch import Tensor

from recon.checkpoint import field_from_tensors, field_tensors
from recon.densify import Prune, PruneConfig
from recon.events import Event, ExposuresFound, FitStarted, Step
from recon.exporting.frame import move_gaussians
from recon.exposure import (
    ExposureConfig,
    at_one_exposure,
    exposure_at,
    find_exposures,
    matched_ratios,
    photographed,
    solve_gains,
)
from recon.gaussians import rgb_from_sh0
from recon.initialise import InitialiseConfig, initialise
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.table import METHODS, MethodConfig
from recon.metrics import evaluate
from recon.pipeline import Fitted, Stopwatch, fit_views
from recon.rendering import render
from recon.rendering.cpu import rasterize_cpu
from recon.run_folder import RunFolder
from recon.scene import Views
from recon.trainer import FitConfig, FitState, Recipe, make_optimisers

LOGS = torch.tensor([[0.10, 0.12, 0.05], [-0.25, -0.20, -0.15], [0.15, 0.08, 0.10]])
"""Of three photos; they sum to 0."""


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Three photos with detail that squares of six pixels can show."""
    return make_truth(sizes=((160, 120), (144, 120), (160, 112)), detail=0.35)


def multiplied(views: Views, logs: Tensor) -> Views:
    """The photos times their factors, clipped as a camera clips."""
    images = zip(views.images, logs.exp(), strict=True)
    return replace(views, images=tuple((image * factor).clamp(0, 1) for image, factor in images))


def found(views: Views, truth: Truth, config: ExposureConfig | None = None) -> Tensor | None:
    return find_exposures(views, truth.stereo, config or ExposureConfig())


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_factors_are_found_and_taken_out(truth: Truth, device: str):
    dim = replace(truth.views, images=tuple(0.6 * image for image in truth.views.images))  # nothing clips
    changed, stereo = multiplied(dim, LOGS).to(device), truth.stereo
    maps = {name: getattr(stereo, name) for name in ("depths", "confidences", "consistent")}
    stereo = replace(stereo, **{name: tuple(m.to(device) for m in each) for name, each in maps.items()})
    exposures = find_exposures(changed, stereo, ExposureConfig())
    assert exposures is not None and exposures.device == changed.images[0].device
    torch.testing.assert_close(exposures[:, :3].cpu(), truth.views.cameras.centres)
    torch.testing.assert_close(exposures[:, 3:].cpu(), LOGS, atol=0.01, rtol=0)
    for image, true in zip(at_one_exposure(changed, exposures).images, dim.images, strict=True):
        torch.testing.assert_close(image.cpu(), true, atol=0.01, rtol=0.01)


def test_what_clips_tells_nothing(truth: Truth):
    views = replace(truth.views, images=tuple(1.6 * image for image in truth.views.images))
    clipped = multiplied(views, LOGS)
    assert sum(float((image == 1).float().mean()) for image in clipped.images) / 3 > 0.2
    exposures = found(clipped, truth)
    assert exposures is not None
    torch.testing.assert_close(exposures[:, 3:], LOGS, atol=0.003, rtol=0)


def test_photos_that_hardly_differ_stay_as_they_are(truth: Truth):
    assert found(truth.views, truth) is None
    assert at_one_exposure(truth.views, None) is truth.views


def test_what_no_factor_explains_is_no_exposure(truth: Truth):
    """A light from the side: of each photo the left half is lighter and the right darker, or the reverse."""
    images = []
    for place, image in enumerate(truth.views.images):
        factor = torch.ones_like(image)
        factor[:, : image.shape[1] // 2], factor[:, image.shape[1] // 2 :] = 0.7, 1.3
        images.append((0.7 * image * (factor if place % 2 else factor.flip(1))).clamp(0, 1))
    assert found(replace(truth.views, images=tuple(images)), truth) is None


def test_a_scene_before_a_plain_backdrop_stays_as_it_is(truth: Truth):
    changed = multiplied(truth.views, LOGS)
    framed = []
    for image in changed.images:
        image = image.clone()
        image[:3], image[-3:], image[:, :3], image[:, -3:] = 1.0, 1.0, 1.0, 1.0
        framed.append(image)
    assert found(changed, truth) is not None
    assert found(replace(changed, images=tuple(framed)), truth) is None


def test_the_weight_is_the_share_that_is_taken_out(truth: Truth):
    changed = multiplied(truth.views, LOGS)
    whole, half = found(changed, truth), found(changed, truth, ExposureConfig(weight=0.5))
    assert whole is not None and half is not None
    torch.testing.assert_close(half[:, 3:], whole[:, 3:] / 2)
    assert found(changed, truth, ExposureConfig(weight=0.0)) is None


def test_hidden_pixels_do_not_count(truth: Truth):
    """Someone in a white coat walks through the second photo, and is masked."""
    changed = multiplied(truth.views, LOGS)
    images = [image.clone() for image in changed.images]
    mask = torch.ones(images[1].shape[:2], dtype=torch.bool)
    mask[:, 60:] = False
    images[1][:, 60:] = 0.9
    seen = replace(changed, images=tuple(images))
    hidden = replace(seen, masks=(None, mask, None))
    exposures = found(hidden, truth)
    assert exposures is not None
    torch.testing.assert_close(exposures[:, 3:], LOGS, atol=0.03, rtol=0)
    with_coat = found(seen, truth, ExposureConfig(least=-1.0))
    assert with_coat is not None and (with_coat[:, 3:] - LOGS).abs().max() > 0.1
    assert not len(matched_ratios(replace(seen, masks=(None, ~mask & mask, None)), truth.stereo, 0, 1))


def test_a_photo_without_a_partner_stays_as_it_is():
    ratios = {(0, 1): torch.full((200, 3), 0.2), (1, 0): torch.full((200, 3), -0.2)}
    gains = solve_gains(ratios, 3)
    torch.testing.assert_close(gains[1] - gains[0], torch.full((3,), 0.2), atol=1e-3, rtol=0)
    torch.testing.assert_close(gains[2], torch.zeros(3))
    torch.testing.assert_close(gains.sum(0), torch.zeros(3))


def test_between_photos_the_exposure_is_between_theirs():
    centres = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 8, 0]])
    exposures = torch.cat([centres, LOGS], dim=1)
    for centre, logs in zip(centres, LOGS, strict=True):
        torch.testing.assert_close(exposure_at(exposures, centre), logs.exp(), atol=1e-5, rtol=0)
    near_first = exposure_at(exposures, torch.tensor([0.5, 0, 0])).log()
    # By hand: inverse squares of .5, 1.5 and sqrt(64.25).
    weights = torch.tensor([1 / 0.25, 1 / 2.25, 1 / 64.25])
    torch.testing.assert_close(near_first, (weights / weights.sum()) @ LOGS, atol=1e-5, rtol=0)


def test_photos_from_one_place_have_their_mean():
    exposures = torch.cat([torch.zeros(3, 3), LOGS], dim=1)
    torch.testing.assert_close(exposure_at(exposures, torch.zeros(3)), LOGS.mean(0).exp())


def test_a_picture_held_against_a_photo_has_its_exposure(small_truth: Truth):
    views = small_truth.views
    gaussians = initialise(views, small_truth.stereo, InitialiseConfig(max_gaussians=300))
    plain = photographed(gaussians, views.cameras, 1, rasterize_cpu, 0.5)
    torch.testing.assert_close(plain.rgb, render(gaussians, views.cameras, 1, rasterize_cpu, near=0.5).rgb)
    logs = torch.cat([LOGS, torch.zeros(1, 3)])
    gaussians.exposures = torch.cat([views.cameras.centres, logs], dim=1)
    exposed = photographed(gaussians, views.cameras, 1, rasterize_cpu, 0.5)
    torch.testing.assert_close(exposed.rgb, plain.rgb * LOGS[1].exp(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(exposed.depth, plain.depth)
    # Photos that show what the Gaussians do, each with its factor.
    drawn = [render(gaussians, views.cameras, i, rasterize_cpu, near=0.5).rgb.detach() for i in range(4)]
    taken = multiplied(replace(views, images=tuple(drawn)), logs)
    assert evaluate(gaussians, taken, rasterize_cpu, 0.5)["1.png"].psnr > 45
    gaussians.exposures = None
    assert evaluate(gaussians, taken, rasterize_cpu, 0.5)["1.png"].psnr < 30


def test_copies_and_checkpoints_keep_the_exposures_and_exports_have_none(small_truth: Truth):
    gaussians = initialise(small_truth.views, small_truth.stereo, InitialiseConfig(max_gaussians=50))
    gaussians.exposures = torch.cat([torch.eye(3), LOGS], dim=1)
    every = torch.ones(len(gaussians), dtype=torch.bool)
    assert gaussians.select(every).exposures is gaussians.exposures is gaussians.snapshot().exposures
    config = FitConfig()
    recipe = Recipe({}, Prune(PruneConfig(0)))
    state = FitState(gaussians, make_optimisers(gaussians, config.rates))
    back = field_from_tensors(field_tensors(state, recipe), config.rates, recipe, 0)
    assert back.gaussians.exposures is not None and torch.equal(back.gaussians.exposures, gaussians.exposures)
    assert move_gaussians(gaussians, torch.eye(4)).exposures is None


def test_only_the_default_does_it():
    assert [name for name, (_, config) in METHODS.items() if config.exposure.weight > 0] == ["recon"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos to fit, the middle one of which is darker, and a fourth that is held out."""
    folder = save_posed_scene(tmp_path_factory.mktemp("dark") / "photos", (96, 72), photos=4)
    for name, factor in (("1.png", 1.0), ("2.png", 0.6), ("3.png", 1.0)):
        pixels = np.asarray(Image.open(folder / name))
        Image.fromarray(np.rint(pixels * factor).astype(np.uint8)).save(folder / name)
    return folder


ARGUMENTS = (*QUICK, "--max-size", "96", "--test-every", "4")


def test_a_run_says_what_it_found_and_shows_photos_as_they_were(photos: Path, tmp_path: Path):
    outcome = call_recon("train", photos, *ARGUMENTS, "--output", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert "The photos differ in exposure or white balance, 2.png by 29 % from their mean" in " ".join(
        outcome.err.split()
    )
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    # The mean of three logarithms of 1, .6 and 1 is that of .6 ** (1 / 3).
    bright, dark = 0.6 ** (-1 / 3), 0.6 ** (2 / 3)
    for name, factor in (("1.png", bright), ("2.png", dark), ("3.png", bright)):
        assert metrics["exposures"][name] == pytest.approx([factor] * 3, abs=0.05)
    report = (tmp_path / "run" / "report.html").read_text()
    assert "The photos differ in exposure or white balance." in report and 'class="number">-2' in report

    own = call_recon("train", photos, *ARGUMENTS, "--output", tmp_path / "own", "--exposure.weight", "0")
    assert own.code == 0 and "exposure" not in own.err
    assert json.loads((tmp_path / "own" / "metrics.json").read_text())["exposures"] is None
    assert "white balance" not in (tmp_path / "own" / "report.html").read_text()


def test_a_fit_that_goes_on_takes_the_course_of_one_that_did_not_stop(truth: Truth, tmp_path: Path):
    views = multiplied(truth.views, LOGS)
    parts = METHODS["recon"][1]
    parts = replace(
        parts,
        stereo=replace(parts.stereo, prior="classical", max_planes=24),
        initialise=replace(parts.initialise, max_gaussians=300, border_spacing=24),
        fit=replace(parts.fit, max_steps=12),
    )

    def fitted(folder: str, stop_at: int | None = None) -> Fitted:
        run, events = RunFolder(tmp_path / folder), []
        for part in (run.stereo, run.checkpoint):
            part.parent.mkdir(parents=True, exist_ok=True)

        def watch(event: Event) -> None:
            events.append(event)
            if isinstance(event, Step) and event.step == stop_at:
                next(e for e in events if isinstance(e, FitStarted)).stop.set()

        result = fit_views(views, parts, rasterize_cpu, Stopwatch(torch.device("cpu")), watch, run)
        told = [event for event in events if isinstance(event, ExposuresFound)]
        assert [event.names for event in told] == [views.names]
        return result

    whole = fitted("whole")
    assert not fitted("stopped", stop_at=5).finished
    on = fitted("stopped")
    assert on.finished and whole.finished
    for name, parameter in whole.state.gaussians.state_dict().items():
        assert torch.equal(parameter, on.state.gaussians.state_dict()[name]), name
    assert whole.state.gaussians.exposures is not None


def test_the_fit_and_its_parts_get_photos_of_one_exposure(truth: Truth, monkeypatch: pytest.MonkeyPatch):
    views = multiplied(truth.views, LOGS)
    fitted: list[Views] = []

    def recipe_that_looks(config: MethodConfig, views: Views, stereo: StereoPrior) -> Recipe:
        def loop(views: Views, *rest: object) -> Iterator[Step]:
            fitted.append(views)
            return iter(())

        fitted.append(views)
        return Recipe({}, Prune(PruneConfig(0)), loop)

    monkeypatch.setattr("recon.pipeline.make_recipe", recipe_that_looks)
    monkeypatch.setattr("recon.pipeline.find_stereo", lambda *_: truth.stereo)
    clock, shown = Stopwatch(torch.device("cpu")), []
    result = fit_views(views, METHODS["recon"][1], rasterize_cpu, clock, shown.append)
    level = at_one_exposure(views, result.state.gaussians.exposures)
    assert len(fitted) == 2
    for given in fitted:
        for image, wanted, own in zip(given.images, level.images, views.images, strict=True):
            assert torch.equal(image, wanted) and not torch.allclose(image, own)
    (started,) = (event for event in shown if isinstance(event, FitStarted))
    assert started.views is views, "people see the photos that they took"


def test_the_first_gaussians_have_the_colours_of_one_exposure(truth: Truth):
    """Of one surface that three photos show, whichever of them a Gaussian was taken from."""
    changed = multiplied(truth.views, LOGS)
    config = InitialiseConfig(max_gaussians=3000, border=0.0)
    colours = [
        rgb_from_sh0(initialise(views, truth.stereo, config).sh0.detach()[:, 0])
        for views in (truth.views, at_one_exposure(changed, found(changed, truth)), changed)
    ]
    true, level, own = colours
    assert (level - true).abs().mean() < 0.01 < 0.04 < (own - true).abs().mean()
