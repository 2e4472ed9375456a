"""The examples run as they stand, cut short."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from recon.methods.table import METHODS

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_three_photos_become_a_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    description, parts = METHODS["recon"]
    short = replace(
        parts,
        stereo=replace(parts.stereo, max_size=160),
        initialise=replace(parts.initialise, max_gaussians=2000),
        fit=replace(parts.fit, max_steps=3),
    )
    monkeypatch.setitem(METHODS, "recon", (description, short))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)

    runpy.run_path("examples/00_three_photos.py")

    assert "Gaussians in runs/three_photos/point_cloud.ply" in capsys.readouterr().out
    assert (tmp_path / "runs" / "three_photos" / "point_cloud.ply").stat().st_size > 100_000
    assert (tmp_path / "runs" / "three_photos" / "metrics.json").exists()
