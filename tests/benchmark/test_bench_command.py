"""`recon bench` from a folder of scenes to results and a table; what is measured is not measured again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import assert_refused, call_recon, save_dtu_scan, save_llff_scene

from recon import datasets
from recon.benchmark import measure, runner
from recon.benchmark.protocols import LLFF
from recon.datasets.splits import sparse_split
from recon.errors import MachineError
from recon.scene import Views

QUICK = (
    *("--device", "cpu", "--lpips", "none", "--max-steps", "3", "--stereo.max-planes", "24"),
    *("--initialise.max-gaussians", "200", "--initialise.border-spacing", "12"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llff")
    save_llff_scene(folder / "fern")
    return folder


def bench(data: Path, output: Path, *options: object):
    return call_recon("bench", "llff", "--data", data, "--output", output, *QUICK, *options)


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory):
    """The results of two methods with two seeds, and what the command said."""
    output = tmp_path_factory.mktemp("bench")
    outcome = bench(data, output, "--method", "recon", "3dgs", "--seeds", 2)
    assert outcome.code == 0, outcome.err
    return output, outcome


def results(output: Path) -> dict[str, dict]:
    return {str(path.relative_to(output)): json.loads(path.read_text()) for path in output.rglob("*.json")}


def test_there_is_one_result_a_task(measured):
    output, _ = measured
    names = ("recon-seed0", "recon-seed1", "3dgs-seed0", "3dgs-seed1")
    assert set(results(output)) == {f"llff/fern/3-views/{name}.json" for name in names}


def test_pictures_of_the_test_views_lie_beside_each_result(measured):
    output, _ = measured
    names = ("recon-seed0", "recon-seed1", "3dgs-seed0", "3dgs-seed1")
    kinds = ("scene", "photo", "error")
    assert {str(path.relative_to(output)) for path in output.rglob("*.jpg")} == {
        f"llff/fern/3-views/{name}/000-{kind}.jpg" for name in names for kind in kinds
    }


def test_a_result_names_all_that_decides_it(measured):
    result = results(measured[0])["llff/fern/3-views/3dgs-seed1.json"]
    assert result.keys() >= {
        *("protocol", "scene", "views", "method", "seed", "commit", "engine", "machine", "seconds"),
        *("gaussians", "peak_memory_gb", "psnr", "ssim", "lpips", "per_view", "metrics", "config"),
    }
    identity = {key: result[key] for key in ("protocol", "scene", "views", "method", "seed", "engine")}
    assert identity == {
        **{"protocol": "llff", "scene": "fern", "views": 3},
        **{"method": "3dgs", "seed": 1, "engine": "cpu"},
    }
    assert result["config"]["densify"] == "grow"
    assert result["config"]["fit"]["seed"] == 1
    assert (result["steps"], result["lpips"]) == (3, None)
    assert {"stereo", "fit"} <= result["seconds"].keys()


def test_the_photos_measured_are_not_those_fitted(measured):
    for result in results(measured[0]).values():
        assert list(result["per_view"]) == ["0.png"]
        assert result["train"] == ["1.png", "3.png", "4.png"]


def test_the_table_shows_ours_and_what_others_published(measured):
    _, outcome = measured
    ours = [line for line in outcome.out.splitlines() if "(2 seeds)" in line]
    assert len(ours) == 2
    for published in LLFF.published["fern", 3]:
        assert f"{published.psnr:.2f}" in outcome.out
    assert "Published numbers" in outcome.out


def test_what_is_measured_is_read_not_measured_again(data, measured, tmp_path, monkeypatch):
    output, first = measured
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.json")}

    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(runner, "measure", refuse)
    again = bench(data, output, "--method", "recon", "3dgs", "--seeds", 2)
    assert again.code == 0, again.err
    assert again.out == first.out
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.json")} == before


def test_a_benchmark_that_is_stopped_keeps_the_results_it_has_and_no_half_one(data, tmp_path, monkeypatch):
    measure, calls = runner.measure, []

    def stop_at_the_second(*arguments: object):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "measure", stop_at_the_second)
    assert bench(data, tmp_path, "--seeds", 2).code == 130
    assert list(results(tmp_path)) == ["llff/fern/3-views/recon-seed0.json"]
    assert bench(data, tmp_path, "--seeds", 2).code == 0
    assert len(calls) == 3  # the first seed was not measured again
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"psnr": 2', "is no result ("), ("[]", "is no result of recon")],
    ids=["half", "alien"],
)
def test_a_damaged_result_is_named(data, tmp_path, text, words):
    path = tmp_path / "llff" / "fern" / "3-views" / "recon-seed0.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert_refused(bench(data, tmp_path), 2, f"recon-seed0.json {words}", "delete it")


@pytest.mark.parametrize(
    "options",
    [("--stereo-depth.weight", "0.7"), ("--lpips", "alex"), ("--depth", "depth-anything")],
    ids=str,
)
def test_a_result_of_other_settings_is_not_taken_for_one_of_these(data, measured, options):
    output, _ = measured
    before = results(output)
    assert_refused(bench(data, output, *options), 2, "was measured with other settings", "another --output")
    assert results(output) == before


def test_scenes_that_are_not_there_are_named(data, tmp_path):
    outcome = bench(data, tmp_path, "--scenes", "fern", "flower")
    assert_refused(outcome, 2, "no scene flower", "there: fern", "give --data")
    empty = bench(tmp_path, tmp_path / "out")
    assert_refused(empty, 2, "there: none", "give --data")
    assert not results(tmp_path)


def test_too_many_views_are_refused(data, tmp_path):
    assert_refused(bench(data, tmp_path, "--views", 9), 2, "9 views are asked for", "4 photos to fit")


@pytest.mark.parametrize("count", [5, 12, 20, 62])
@pytest.mark.parametrize("views", [2, 3])
def test_the_protocol_never_fits_a_photo_that_it_measures(tmp_path, count, views):
    names = [f"{i:03d}.png" for i in range(count)]
    train, test = sparse_split(count, views, LLFF.reading.test_every)
    assert len(train) == views
    assert not set(train) & set(test)
    assert test == list(range(0, len(names), 8))


def test_the_protocol_reads_photos_at_their_own_size(data):
    scene = datasets.load(LLFF.data(data, "fern", 3))
    assert isinstance(scene.train, Views)
    assert set(scene.train.sizes) == {(48, 36)}
    assert scene.test.names == ("0.png",)


@pytest.fixture(scope="module")
def dtu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic scene as a DTU scan, at 48 x 36, with masks, and a split of it in SpaRe's schema."""
    data = tmp_path_factory.mktemp("dtu")
    save_dtu_scan(data, "scan24", (22, 25, 28, 9, 26))
    split = {"scan24": {"input_views": [22, 25, 28], "test_views": [9, 26], "dataset": "DTU"}}
    (data / "Track1_split_development.json").write_text(json.dumps(split))
    return data


def test_masked_scores_stand_beside_whole_ones_and_name_what_was_decided(dtu, tmp_path):
    outcome = call_recon("bench", "spare", "--data", dtu, "--output", tmp_path, *QUICK)
    assert outcome.code == 0, outcome.err
    (result,) = results(tmp_path).values()
    assert result["train"] == [f"rect_{i:03d}_3_r5000.png" for i in (23, 26, 29)]
    assert list(result["per_view"]) == [f"rect_{i:03d}_3_r5000.png" for i in (10, 27)]
    for scores in result["per_view"].values():
        assert scores["psnr_masked"] is not None and scores["psnr_masked"] != scores["psnr"]
        assert scores["ssim_masked"] != scores["ssim"]
    per_view = [scores["psnr_masked"] for scores in result["per_view"].values()]
    assert result["psnr_masked"] == pytest.approx(sum(per_view) / 2)
    assert (result["metrics"]["masks"], result["metrics"]["ssim_window"]) == ("crop_bbox", "skimage7")
    assert result["reading"]["test_ids"] == [9, 26]
    assert "path" not in result["reading"]
    assert (result["part"], "not the leaderboard" in result["label"]) == ("DTU", True)
    assert "PSNR masked" in outcome.out
    assert "not the leaderboard's" in " ".join(outcome.out.split())


def test_photos_may_be_fitted_smaller_than_they_are_measured(dtu, tmp_path, monkeypatch):
    seen = []

    def look(plan, task, *_: object):
        seen.extend(measure.read_task(plan, task, print))
        seen.extend(measure.read_task(replace(plan, max_size=None), task, print))
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "measure", look)
    call_recon("bench", "spare", "--data", dtu, "--output", tmp_path, *QUICK, "--max-size", 24)
    train, test, full, _ = seen
    assert (set(train.sizes), set(test.sizes)) == ({(24, 18)}, {(48, 36)})
    assert torch.allclose(train.cameras.Ks[:, :2] * 2, full.cameras.Ks[:, :2])


def test_without_lpips_weights_the_other_metrics_are_measured_and_it_is_said(
    dtu, tmp_path, monkeypatch, caplog
):
    def no_weights(*_: object) -> None:
        raise MachineError("LPIPS needs the alex weights; set TORCH_HOME.")

    monkeypatch.setattr(measure, "make_lpips", no_weights)
    quick = [option for option in QUICK if option not in ("--lpips", "none")]
    outcome = call_recon("bench", "spare", "--data", dtu, "--output", tmp_path, *quick)
    assert outcome.code == 0, outcome.err
    (result,) = results(tmp_path).values()
    assert (result["lpips"], result["metrics"]["lpips_net"]) == (None, "none")
    assert result["psnr_masked"] is not None
    assert "set TORCH_HOME. The other metrics are measured" in caplog.text
