"""`recon bench` from a folder of scenes to results and a table; what is measured is not measured again."""

import json
from pathlib import Path

import pytest
from commands import assert_refused, call_recon, save_llff_scene

from recon import datasets
from recon.benchmark import runner
from recon.benchmark.protocols import LLFF
from recon.datasets.splits import sparse_split
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


@pytest.mark.parametrize("options", [("--stereo-depth.weight", "0.7"), ("--lpips", "alex")], ids=str)
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
    train, test = sparse_split(count, views, LLFF.test_every)
    assert len(train) == views
    assert not set(train) & set(test)
    assert test == list(range(0, len(names), 8))


def test_the_protocol_reads_photos_at_their_own_size(data):
    scene = datasets.load(LLFF.data(data, "fern", 3))
    assert isinstance(scene.train, Views)
    assert set(scene.train.sizes) == {(48, 36)}
    assert scene.test.names == ("0.png",)
