"""Measuring what repair can bring: regions are scored apart, and a small one runs from end to end."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

import repair_ceiling  # noqa: E402
from repair_scores import ceiling_table, region_scores, worst_photo_loss  # noqa: E402

from recon.errors import InputError  # noqa: E402

DATA = Path(__file__).parents[2] / "shared" / "data" / "vase"


def test_regions_are_scored_by_their_own_pixels():
    photo, picture = torch.full((20, 30, 3), 0.4), torch.full((20, 30, 3), 0.4)
    left = torch.zeros(20, 30, dtype=torch.bool)
    left[:, :20] = True
    picture[:, 20:] = 0.6
    scores = region_scores([picture], [photo], [left], None)
    assert scores["supported"]["psnr"] == 100 and scores["supported"]["share"] == pytest.approx(2 / 3)
    # 8 bits: 102/255 and 153/255 differ by exactly 0.2.
    assert scores["unsupported"]["psnr"] == pytest.approx(-20 * torch.tensor(0.2).log10().item(), abs=1e-4)
    assert scores["all"]["psnr"] == pytest.approx(scores["unsupported"]["psnr"] + 4.771, abs=1e-2)
    nothing = region_scores([picture], [photo], [torch.ones_like(left)], None)["unsupported"]
    assert nothing["share"] == 0 and nothing["psnr"] is None


def test_perceptual_distance_of_a_region_sees_the_photo_elsewhere():
    photo, picture = torch.zeros(4, 6, 3), torch.ones(4, 6, 3)
    left = torch.zeros(4, 6, dtype=torch.bool)
    left[:, :2] = True

    def distance(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a - b).abs().mean())

    scores = region_scores([picture], [photo], [left], distance)
    assert [scores[r]["lpips"] for r in ("all", "supported", "unsupported")] == pytest.approx(
        [1, 1 / 3, 2 / 3]
    )


def result(variant: str, seed: int, psnr: float, photos: list[float]) -> dict:
    score = {"share": 0.5, "psnr": psnr, "ssim": 0.9, "lpips": None}
    regions = {region: score for region in ("all", "supported", "unsupported")}
    return {"scene": "s", "variant": variant, "seed": seed, "scores": regions, "photo_psnr": photos}


def test_the_table_compares_with_the_same_seed_and_names_the_worst_photo():
    results = [
        result("none", 0, 20.0, [30.0, 31.0]),
        result("blend", 0, 20.5, [30.2, 30.9]),
        result("none", 1, 22.0, [30.0, 31.0]),
        result("blend", 1, 22.1, [29.7, 31.0]),
    ]
    assert worst_photo_loss(results[1], results[0]) == pytest.approx(0.1)
    rows = ceiling_table(results).splitlines()[2:]
    assert "| s | none | 21.00 |" in rows[0] and rows[0].endswith("| 2 | +0.00 |")
    assert "| s | blend | 21.30 (+0.30) |" in rows[1] and rows[1].endswith("| 2 | -0.30 |")


@pytest.mark.parametrize("variants", [["blend"], ["none", "guess"]])
def test_a_comparison_with_nothing_or_of_something_unknown_is_refused(variants: list[str]):
    with pytest.raises(InputError, match="oracle@test"):
        repair_ceiling.parse(["--data", "x", "--variants", *variants])


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the vase's photos are not there")
def test_a_small_measurement_runs_and_is_not_repeated(tmp_path: Path, capsys):
    variants = ["none", "blend", "oracle@test", "whole@others"]
    arguments = ["--data", str(DATA), "--variants", *variants, "--max-size", "48", "--seeds", "1"]
    arguments += ["--lpips", "none", "--device", "cpu", "--output", str(tmp_path), "--fit.max-steps", "24"]
    repair_ceiling.main(arguments)
    table = capsys.readouterr().out
    assert all(f"| vase | {name} |" in table for name in variants)
    files = sorted(tmp_path.rglob("*.json"))
    assert len(files) == 4
    written = json.loads(files[0].read_text())
    assert {"commit", "machine", "engine", "seed", "config", "photo_psnr"} <= written.keys()
    assert not set(written["test"]) & set(written["train"])
    assert not set(written["others"]) & {*written["train"], *written["test"]}

    times = [file.stat().st_mtime_ns for file in files]
    repair_ceiling.main(arguments)
    assert [file.stat().st_mtime_ns for file in files] == times
    with pytest.raises(InputError, match="other settings"):
        repair_ceiling.main([*arguments, "--repairing.weight", "0.9"])
