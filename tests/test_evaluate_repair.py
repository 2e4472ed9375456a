"""Pairs of fits with repair and without: the table, the gates, and a small measurement from end to end."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

import evaluate_repair  # noqa: E402
from repair_pairs import pairs_table, row_of  # noqa: E402

from recon.errors import InputError  # noqa: E402

DATA = Path(__file__).parents[2] / "shared" / "data" / "vase"


def result(scene: str, seed: int, gain: float, lpips: float, photo: float = 0.0) -> dict:
    def scores(psnr: float, distance: float) -> dict:
        score = {"share": 0.25, "psnr": psnr, "ssim": 0.9, "lpips": distance}
        return {region: score for region in ("all", "supported", "unsupported")}

    return {
        "scene": scene,
        "seed": seed,
        "scores": {"none": scores(20.0, 0.4), "repaired": scores(20.0 + gain, 0.4 + lpips)},
        "views": [
            {"unsupported": 0.3, "none": 18.0, "repaired": 18.0 + 2 * gain},
            {"unsupported": 0.1, "none": 22.0, "repaired": 22.0},
        ],
        "photos": {"none": [30.0, 31.0], "repaired": [30.0 + photo, 31.0]},
        "explained_change": 0.5,
        "seconds": 20.0,
    }


def test_a_row_is_the_mean_of_the_differences_and_the_worst_photo():
    row = row_of([result("a", 0, 0.4, -0.04, -0.02), result("a", 1, 0.2, 0.0, -0.2)])
    assert row["all_psnr"] == 20.0 and row["d_all_psnr"] == pytest.approx(0.3)
    assert row["d_unsupported_lpips"] == pytest.approx(-0.02)
    assert row["wide"] == pytest.approx(0.6), "of the views with a fifth unsupported alone"
    assert row["photo"] == pytest.approx(-0.2)


def test_gates_are_met_or_not():
    good = [result(name, seed, 0.4, -0.04) for name in "abcd" for seed in range(3)]
    table = pairs_table(good)
    assert table.count(": yes") == 7 and ": no" not in table
    assert "| a | 20.00 (+0.40) |" in table and "| mean |" in table
    cases = {
        "lower in three of four": [*good[:6], *(result(n, 0, 0.4, 0.01) for n in "cd")],
        "PSNR higher": [result(n, 0, -0.05, -0.04) for n in "ab"],
        "nowhere lower": [*good, result("e", 0, -0.2, -0.04)],
        "a fifth": [result("a", 0, 0.3, -0.04)],
        "no photo": [result("a", 0, 0.4, -0.04, -0.06)],
        "explained": [{**result("a", 0, 0.4, -0.04), "explained_change": 1.1}],
        "LPIPS lower by": [result("a", 0, 0.4, -0.03)],
    }
    for name, results in cases.items():
        failed = [line for line in pairs_table(results).splitlines() if line.endswith(": no")]
        assert any(name in line for line in failed), name


def test_a_scene_without_unsupported_pixels_or_lpips_has_dashes():
    bare = result("a", 0, 0.1, 0.0)
    for scores in bare["scores"].values():
        scores["unsupported"] = {"share": 0.0, "psnr": None, "ssim": None, "lpips": None}
        scores["all"] = {**scores["all"], "lpips": None}
    bare["views"] = bare["views"][1:]
    table = pairs_table([bare])
    assert "| - (-) | 0.00 | - (-) | - (-) | - |" in table


def test_nothing_to_measure_on_is_refused():
    with pytest.raises(InputError, match="--rooms"):
        evaluate_repair.main([])


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the vase's photos are not there")
def test_a_small_measurement_runs_and_is_not_repeated(tmp_path: Path, capsys):
    arguments = ["--data", str(DATA), "--max-size", "48", "--seeds", "1", "--no-lpips", "--device", "cpu"]
    arguments += ["--output", str(tmp_path), "--fit.max-steps", "24", "--repair", "blend", "--validate"]
    evaluate_repair.main(arguments)
    assert "| vase |" in capsys.readouterr().out
    (file,) = tmp_path.rglob("seed0.json")
    written = json.loads(file.read_text())
    assert {"commit", "machine", "config", "views", "explained_change", "photos"} <= written.keys()
    assert not set(written["test"]) & set(written["train"])
    assert sorted(path.parent.name for path in tmp_path.rglob("*.png"))[0] == "none"
    stamp = file.stat().st_mtime_ns
    evaluate_repair.main(arguments)
    assert file.stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match="other settings"):
        evaluate_repair.main([*arguments, "--repairing.weight", "0.9"])
