"""The examples run as they stand, one after the other, cut short."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recon import datasets
from recon.methods.table import METHODS
from recon.scene import Views

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of its own, where the examples' runs go."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.fixture(autouse=True)
def short(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of three steps to small photos, and the examples' folder as the current one."""
    description, parts = METHODS["recon"]
    quick = replace(
        parts,
        stereo=replace(parts.stereo, max_size=96, max_planes=32),
        initialise=replace(parts.initialise, max_gaussians=2000),
        fit=replace(parts.fit, max_steps=3),
    )
    monkeypatch.setitem(METHODS, "recon", (description, quick))
    read = datasets.load
    monkeypatch.setattr(datasets, "load", lambda config: read(replace(config, max_size=160)))
    monkeypatch.chdir(home)


def test_the_examples_are_numbered_without_a_gap():
    assert [name[:3] for name in EXAMPLES] == [f"{i:02d}_" for i in range(len(EXAMPLES))]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_after_those_before_it(name: str, home: Path, capsys: pytest.CaptureFixture[str]):
    if name != EXAMPLES[0] and not (home / "runs" / "three_photos").is_dir():
        pytest.skip("the first example has to run before")
    left = runpy.run_path(f"examples/{name}")
    said = capsys.readouterr().out
    runs = home / "runs"
    match name.partition("_")[0]:
        case "00":
            assert isinstance(left["scene"].train, Views) and len(left["scene"].train) == 3
            assert (runs / "three_photos" / "scene.ply").stat().st_size > 50_000
            assert "Gaussians; look at them" in said
        case "01":
            assert len(left["scene"].test) == 1
            assert said.count(" dB, SSIM ") == 2
        case "02":
            depth = np.asarray(Image.open(runs / "between_photos" / "3_depth.png"))
            assert depth.dtype == np.uint16 and depth.max() > 0
            assert len(list((runs / "between_photos").iterdir())) == 16
        case "03":
            assert "__VISER_EMBED_DATA__" in (runs / "three_photos" / "scene.html").read_text()
        case "04":
            assert (runs / "run_folder" / "metrics.json").exists()
            assert "Gaussians in runs/run_folder/point_cloud.ply" in said
        case _:
            raise AssertionError(f"say here what {name} leaves behind")
