"""Means over seeds, and the table made of them."""

import math

import pytest
from rich.console import Console

from recon.benchmark.protocols import LLFF, PROTOCOLS
from recon.benchmark.results import Task, average_error, run_of, summarise
from recon.benchmark.tables import make_sheet, markdown_table, means_of_parts, result_table


def result(psnr: float = 20.0, **values: object) -> dict:
    return {
        **{"scene": "fern", "views": 3, "method": "recon", "commit": "abc", "engine": "cpu"},
        **{
            "machine": "a machine",
            "config": {"fit": {"seed": values.get("seed", 0)}},
            "per_view": {"0.png": {"psnr": psnr, "ssim": 0.5, "lpips": 0.2}},
            "metrics": {"lpips_net": "vgg", "masks": "none"},
            "psnr": psnr,
            "ssim": 0.5,
        },
        **{"lpips": 0.2, "seconds": {"photos": 9.0, "stereo": 2.0, "fit": 8.0}, "gaussians": 1000},
        **{"peak_memory_gb": 1.0, **values},
    }


def shown(results: list[dict]) -> list[list[str]]:
    """The cells of each row of the table."""
    console = Console(width=300, file=None)
    with console.capture() as capture:
        console.print(result_table(LLFF, results))
    rows = [line.split("│") for line in capture.get().splitlines() if "│" in line]
    return [[cell.strip() for cell in row if cell.strip()] for row in rows]


def test_seeds_are_summarised_by_mean_and_spread():
    a = result(20.0, ssim=0.4, gaussians=100, peak_memory_gb=1.0)
    b = result(22.0, ssim=0.6, gaussians=200, peak_memory_gb=3.0)
    s = summarise([a, b])
    assert (s.psnr, s.ssim, s.gaussians, s.peak_memory_gb, s.seeds) == (21.0, 0.5, 150, 3.0, 2)
    assert s.psnr_spread == pytest.approx(2**0.5)


def test_one_seed_has_no_spread():
    assert summarise([result()]).psnr_spread == 0


def test_a_run_takes_as_long_as_stereo_and_fit_and_the_median_counts():
    """The first run of a process pays for much that the others do not."""
    slow = result(seconds={"stereo": 100.0, "fit": 100.0})
    assert summarise([slow, result(), result()]).seconds == 10.0


def test_lpips_that_a_seed_lacks_is_not_averaged():
    assert summarise([result(), result(lpips=None)]).lpips is None


def test_methods_and_scenes_have_rows_of_their_own():
    rows = shown([result(20.0), result(24.0, seed=1), result(15.0, method="3dgs"), result(scene="room")])
    ours = {(row[0], row[2]): row[3] for row in rows if "seed" in row[2]}
    assert ours[("fern", "recon (2 seeds)")] == "22.00 ± 2.83"
    assert ours[("fern", "3dgs (1 seed)")] == "15.00"
    assert ours[("room", "recon (1 seed)")] == "20.00"


def test_published_numbers_are_marked_as_such():
    names = [row[2] for row in shown([result()]) if len(row) > 2 and row[0] == "fern"]
    for other in LLFF.published["fern", 3]:
        found = [name for name in names if name.startswith(other.method)]
        assert found and all("published" in name for name in found)


def test_published_numbers_of_another_number_of_views_are_not_shown():
    assert not [row for row in shown([result(views=9)]) if "FSGS" in " ".join(row[:3])]


def test_a_task_has_a_file_of_its_own(tmp_path):
    tasks = [
        Task("llff", scene, views, method, seed)
        for scene in ("fern", "room")
        for views in (3, 6)
        for method in ("recon", "3dgs")
        for seed in (0, 1)
    ]
    assert len({task.file(tmp_path) for task in tasks}) == len(tasks)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_quotes_numbers_of_its_own_scenes_with_their_source(name):
    protocol = PROTOCOLS[name]
    for (scene, _), rows in protocol.published.items():
        assert scene in (*protocol.scenes, "mean")
        assert all(5 < row.psnr < 50 and row.source for row in rows)


def test_masked_scores_stand_before_those_of_the_whole_picture_where_a_protocol_asks_for_them():
    masked = {"psnr_masked": 15.0, "ssim_masked": 0.7, "lpips_masked": 0.3}
    metrics = {"lpips_net": "vgg", "masks": "white_composite"}
    rows = shown([result(metrics=metrics, **masked)])
    assert [row[3] for row in rows if row[2].startswith("recon")] == ["15.00"]


def test_the_mean_over_scenes_weighs_scenes_not_seeds():
    results = [result(20.0), result(20.0, seed=1), result(26.0, scene="room")]
    ((_, means),) = means_of_parts(results)
    assert [(run.method, mean.psnr) for run, mean in means.items()] == [("recon", 23.0)]


def test_data_sets_of_one_protocol_are_never_mixed():
    results = [
        result(psnr, scene=scene, part=part)
        for scene, part, psnr in (
            *(("scan1", "DTU", 10.0), ("scan2", "DTU", 12.0)),
            *(("Jug", "Synthetic", 30.0), ("Box", "Synthetic", 32.0)),
        )
    ]
    means = {name: runs[run_of(results[0])].psnr for (name, _), runs in means_of_parts(results)}
    assert means == {"mean of 2, DTU": 11.0, "mean of 2, Synthetic": 31.0}


def test_a_run_that_lacks_a_scene_has_no_mean():
    results = [result(20.0), result(26.0, scene="room"), result(30.0, method="3dgs")]
    ((_, means),) = means_of_parts(results)
    assert [run.method for run in means] == ["recon"]


@pytest.mark.parametrize(
    "changed", [{"commit": "def"}, {"config": {"fit": {"seed": 1, "max_steps": 9}}}], ids=str
)
def test_results_of_another_commit_or_of_other_settings_are_no_further_seed(changed):
    sheet = make_sheet(LLFF, [result(20.0), result(24.0, seed=1, **changed)])
    assert [row.scores[0] for row in sheet.groups[0] if not row.published] == ["20.00", "24.00"]


def test_the_average_error_is_regnerfs():
    """exp(mean(log(...))) of 0.01, sqrt(0.25) and 0.2."""
    assert average_error(20.0, 0.75, 0.2) == pytest.approx(math.exp((math.log(0.01 * 0.5 * 0.2)) / 3))
    assert average_error(100.0, 1.0, 0.0) == 0


def test_the_average_error_is_the_mean_over_views_of_the_object_where_it_is_measured():
    views = {
        "a": {
            "psnr": 10.0,
            "ssim": 0.0,
            "lpips": 0.9,
            "psnr_masked": 20.0,
            "ssim_masked": 0.75,
            "lpips_masked": 0.2,
        },
        "b": {
            "psnr": 10.0,
            "ssim": 0.0,
            "lpips": 0.9,
            "psnr_masked": 30.0,
            "ssim_masked": 0.84,
            "lpips_masked": 0.1,
        },
    }
    masked = result(per_view=views, metrics={"lpips_net": "vgg", "masks": "white_composite"})
    expected = (average_error(20.0, 0.75, 0.2) + average_error(30.0, 0.84, 0.1)) / 2
    assert summarise([masked]).average_error == pytest.approx(expected)
    assert summarise([result(per_view=views)]).average_error == pytest.approx(average_error(10.0, 0.0, 0.9))
    views["a"]["lpips_masked"] = None
    assert summarise([masked]).average_error is None


def test_the_average_error_stands_where_the_protocol_reports_it():
    assert make_sheet(PROTOCOLS["llff"], [result()]).scores[-1] == "average error"
    assert "average error" not in make_sheet(PROTOCOLS["spare"], [result()]).scores


def test_a_published_mean_stands_beside_ours_over_the_same_scenes_alone():
    def published(results: list[dict]) -> list[str]:
        return [row.scene for rows in make_sheet(LLFF, results).groups for row in rows if row.published]

    every = [result(scene=scene) for scene in LLFF.scenes]
    assert "mean of 8" in published(every)
    assert not any(scene.startswith("mean") for scene in published(every[:2]))


@pytest.mark.parametrize("feed", ["[0, 1]", "[-1, 1]"])
def test_a_table_says_what_lpips_was_fed(feed):
    measured = result()
    measured["metrics"] = {**measured["metrics"], "lpips_range": feed}
    assert any(f"colours in {feed}" in note for note in make_sheet(LLFF, [measured]).notes)


@pytest.mark.parametrize("name", ["spare", "spare-test", "spare-dtu"])
def test_local_scores_of_spare_are_labelled_and_stand_beside_no_others(name):
    sheet = make_sheet(PROTOCOLS[name], [result(scene="scan24")])
    assert not any(row.published for rows in sheet.groups for row in rows)
    assert any("not the leaderboard's" in note for note in sheet.notes)


def test_every_row_of_a_sheet_has_a_cell_for_every_heading():
    metrics = {"lpips_net": "vgg", "masks": "white_composite"}
    results = [result(scene=scene, metrics=metrics) for scene in PROTOCOLS["dtu"].scenes]
    sheet = make_sheet(PROTOCOLS["dtu"], results)
    rows = [row for group in sheet.groups for row in group]
    assert any(row.published for row in rows)
    assert {(len(row.scores), len(row.costs)) for row in rows} == {(len(sheet.scores), 3)}


def test_markdown_has_equal_rows_and_names_each_run_once():
    sheet = make_sheet(LLFF, [result(), result(scene="room"), result(method="a|b", commit="def")])
    lines = markdown_table(sheet).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert "recon (1 seed) [1]" in table[2] and "a&#124;b (1 seed) [2]" in markdown_table(sheet)
    notes = lines[len(table) + 1]
    assert notes.count("ommit abc") == notes.count("ommit def") == 1
