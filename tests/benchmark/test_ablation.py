"""Variants of a method, the table of their results, and the script that measures them."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from synthetic import Truth

from recon.benchmark.ablation import FULL, NONE, ablation, ablation_table, cells, parts_of, switched_off
from recon.errors import InputError
from recon.methods.table import METHODS, make_recipe
from recon.metrics import Scores
from recon.pipeline import Report
from recon.scene import Scene, Views

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

import ablate  # noqa: E402
import development_scenes  # noqa: E402

RECON = METHODS["recon"][1]


def regularisers(config, truth: Truth) -> set[str]:
    """What the loop will call by these settings, a second field that checks the first among it."""
    recipe = make_recipe(config, truth.views, truth.stereo)
    return set(recipe.regularisers) | ({"co_regularisation"} if recipe.partner else set())


@pytest.mark.parametrize("method", METHODS)
def test_the_parts_of_a_method_are_its_regularisers_and_what_comes_before_the_loop(
    method: str, small_truth: Truth
):
    config = METHODS[method][1]
    before_the_loop = {"exposure", "border", "untrusted_points"}
    assert set(parts_of(config)) - before_the_loop == regularisers(config, small_truth)
    assert ("border" in parts_of(config)) == (config.initialise.border > 0)
    assert ("exposure" in parts_of(config)) == (method == "recon")


@pytest.mark.parametrize("part", parts_of(RECON))
def test_a_part_that_is_switched_off_is_gone_and_nothing_else_is(part: str, small_truth: Truth):
    without = switched_off(RECON, [part])
    assert set(parts_of(without)) == set(parts_of(RECON)) - {part}
    assert regularisers(RECON, small_truth) - regularisers(without, small_truth) <= {part}
    assert without.fit == RECON.fit and without.stereo == RECON.stereo


def test_the_ablation_takes_each_part_away_and_alone():
    variants = ablation(RECON)
    parts = parts_of(RECON)
    assert list(variants)[0] == FULL and list(variants)[-1] == NONE
    assert len(variants) == 2 * len(parts) + 2
    assert parts_of(variants["without dropout"]) == tuple(p for p in parts if p != "dropout")
    assert parts_of(variants["border alone"]) == ("border",)
    assert parts_of(variants[NONE]) == ()
    assert variants["dropout alone"].dropout == RECON.dropout


def test_an_ablation_of_some_parts_leaves_the_others_out_of_the_rows_alone():
    variants = ablation(RECON, ["dropout"])
    assert list(variants) == [FULL, "without dropout", "dropout alone", NONE]
    assert parts_of(variants["dropout alone"]) == ("dropout",)


def test_a_part_that_is_off_cannot_be_taken_away():
    with pytest.raises(InputError, match="dropuot is no part.*dropout"):
        ablation(RECON, ["dropuot"])
    with pytest.raises(InputError, match="dropout"):
        ablation(METHODS["3dgs"][1], ["dropout"])


def result(variant: str, scene: str, psnr: float, seed: int = 0, fold: str = "test") -> dict:
    return {
        "variant": variant,
        "scene": scene,
        "fold": fold,
        "seed": seed,
        "psnr": psnr,
        "ssim": psnr / 100,
    }


def test_spread_is_over_seeds_after_the_mean_over_folds():
    folds = [("a", 10.0), ("b", 30.0)]
    results = [result("full", "x", psnr + seed, seed, fold) for seed in (0, 2) for fold, psnr in folds]
    cell = cells(results)["full"]["x"]
    assert (cell.psnr, cell.spread, cell.seeds) == (21.0, pytest.approx(2**0.5), 2)
    assert cell.ssim == pytest.approx(0.21)


def test_scores_of_the_object_count_where_there_are_any():
    masked = {**result("full", "x", 12.0), "psnr_masked": 20.0, "ssim_masked": 0.7}
    unmasked = {**result("full", "y", 12.0), "psnr_masked": None, "ssim_masked": None}
    row = cells([masked, unmasked])["full"]
    assert (row["x"].psnr, row["x"].ssim, row["y"].psnr) == (20.0, 0.7, 12.0)


def test_the_table_compares_means_over_scenes_with_the_first_row():
    results = [
        *(result("full", "x", p, seed) for seed, p in enumerate((20.0, 22.0))),
        *(result("without a", "x", p, seed) for seed, p in enumerate((20.0, 20.0))),
        result("full", "y", 30.0),
        result("without a", "y", 30.5),
        result("none", "x", 9.0),
    ]
    lines = ablation_table(results).splitlines()
    assert lines[0] == "| Variant | x | y | mean PSNR | difference | mean SSIM |"
    assert lines[2] == "| full | 21.00 ± 1.41 | 30.00 ± 0.00 | 25.50 |  | 0.255 |"
    assert lines[3] == "| without a | 20.00 ± 0.00 | 30.50 ± 0.00 | 25.25 | -0.25 | 0.253 |"
    # A row that lacks a scene has no mean: it would be one of other scenes.
    assert lines[4] == "| none | 9.00 ± 0.00 |  |  |  |  |"


def test_variants_of_the_command_line_change_the_method_and_what_precedes_them_all_of_them():
    words = "--seeds 2 --max-steps 9 --variant a --dropout.max-rate 0.1 --variant b --max-steps 5"
    options, variants = ablate.parse(words.split())
    assert options.seeds == 2
    base = replace(RECON, fit=replace(RECON.fit, max_steps=9))
    assert variants["recon"] == base
    assert variants["a"] == replace(base, dropout=replace(base.dropout, max_rate=0.1))
    assert variants["b"].fit.max_steps == 5 and variants["b"].dropout == base.dropout


@pytest.mark.parametrize("words", ["--variant", "--variant --max-steps 5", "--variant a --variant a"])
def test_a_variant_needs_a_name_of_its_own(words: str):
    with pytest.raises(InputError, match="needs a name"):
        ablate.parse(words.split())


@pytest.fixture
def four_views(small_truth: Truth, monkeypatch: pytest.MonkeyPatch) -> Views:
    """A scene `four` whose train photos are the first of these, and whose test photo may not be touched."""
    views = small_truth.views

    def read(data: Path, count: int | None, max_size: int) -> Scene:
        return Scene(views.select(range(count or 4)), views.select([]))

    monkeypatch.setitem(development_scenes.SCENES, "four", development_scenes.Development(3, read))
    return views


def test_validation_holds_out_the_inner_train_photos_in_turn_and_never_fits_them(four_views: Views):
    options, _ = ablate.parse(["--validate", "--scenes", "four"])
    folds = ablate.splits("four", options)
    assert list(folds) == list(four_views.names[1:3])
    for name, scene in folds.items():
        assert scene.test.names == (name,)
        assert set(scene.train.names) == set(four_views.names) - {name}


def test_without_validation_the_split_is_the_scenes_own(four_views: Views):
    options, _ = ablate.parse(["--scenes", "four"])
    (scene,) = ablate.splits("four", options).values()
    assert scene.train.names == four_views.names[:3]


def report(views: Views) -> Report:
    scores = {"t.png": Scores(20.0, 0.5)}
    return Report(
        *("recon", 0, views.names, 20.0, 0.5, None, scores, 9, True, 5, 0.01, None, {}, 0.1, "c", "cpu", "m"),
    )


def test_what_is_measured_is_not_measured_again_and_other_settings_are_refused(
    four_views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = []
    monkeypatch.setattr(ablate, "measure", lambda task, scene, *_: calls.append(task) or report(scene.train))
    scene = Scene(four_views.select(range(3)), four_views.select([3]))
    task = ablate.Task("four", "3.png", "without dropout", 0)
    console = Console(file=io.StringIO())

    def ask(config, distance=None) -> dict:
        return ablate.measured(task, scene, config, tmp_path, torch.device("cpu"), None, distance, console)

    first = ask(RECON)
    assert (first["psnr"], first["variant"], first["fold"]) == (20.0, "without dropout", "3.png")
    assert ask(RECON) == first and len(calls) == 1
    with pytest.raises(InputError, match="other settings"):
        ask(replace(RECON, fit=replace(RECON.fit, max_steps=1)))
    with pytest.raises(InputError, match="other settings"):
        ask(RECON, distance=lambda a, b: 0.0)  # what lies there lacks LPIPS


def test_scan24_is_validated_on_the_object_and_fitted_without_masks():
    data = Path(__file__).parents[2] / "../shared/data"
    if not (data / development_scenes.SCAN24).is_dir():
        pytest.skip(f"{data} holds no DTU")
    options, _ = ablate.parse(["--validate", "--folds", "1", "--data", str(data)])
    ((fold, scene),) = ablate.splits("scan24", options).items()
    assert fold == "rect_029_3_r5000.png"
    assert scene.train.names == tuple(f"rect_{n:03d}_3_r5000.png" for n in (23, 26, 41))
    assert scene.train.masks == (None,) * 3
    (mask,) = scene.test.masks
    assert mask is not None and 0.3 < float(mask.float().mean()) < 0.8
