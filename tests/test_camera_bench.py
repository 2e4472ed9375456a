"""The means of the benches of fits with uncertain cameras."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

from camera_bench import means  # noqa: E402


def row(way: str, seed: int, psnr: float, key: str = "cameras", scene: str = "flower") -> dict[str, object]:
    return {"scene": scene, "views": 3, key: way, "seed": seed, "psnr": psnr, "psnr_aligned": psnr + 1}


def test_differences_are_taken_over_the_seeds_that_both_have() -> None:
    rows = [row("given", seed, 20.0 + seed) for seed in range(3)]
    rows += [row("solved", seed, 20.5 + seed) for seed in (2, 1)]
    known, solved = means(rows)
    assert known == ["flower", "3", "known", "3", "21.00 (1.00)", "+0.00", "22.00 (1.00)", "+0.00"]
    assert solved == ["flower", "3", "solved", "2", "22.00 (0.71)", "+0.50", "23.00 (0.71)", "+0.50"]


def test_rows_of_both_benches_and_of_scenes_without_known_cameras_go_together() -> None:
    rows = [row("true", 0, 20.0, key="way"), row("matches", 0, 19.0, key="way"), row("solved", 0, 21.0)]
    rows.append(row("solved", 0, 30.0, scene="fountain"))
    lines = {(line[0], line[2]): line[4:6] for line in means(rows)}
    assert lines["flower", "matches"] == ["19.00", "-1.00"]
    assert lines["flower", "solved"] == ["21.00", "+1.00"]
    assert lines["fountain", "solved"] == ["30.00", ""]
