"""nerfstudio's own commands on our method: each in a process of its own, as its users run them."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
import torch
from commands import QUICK, ROOT, save_posed_scene

from recon.exporting import read_ply
from recon.exporting.source import read_scene

# Starting one of the commands takes some 20 s: it imports every method that nerfstudio has.
pytestmark = [pytest.mark.nerfstudio, pytest.mark.slow, pytest.mark.timeout(1800)]

LPIPS_WEIGHTS = ROOT.parent / "shared" / "torch_home"
STEPS = 30
PARTS = "--pipeline.parts"
QUICK_PARTS = (
    *(f"{PARTS}.initialise.max-gaussians", 300, f"{PARTS}.initialise.border-spacing", 12),
    *(f"{PARTS}.stereo.max-planes", 24, f"{PARTS}.prune.every", 10),
)
"""The fit of `commands.QUICK`."""
Call = Callable[..., str]


PHOTOS = ("recon-photos", "--test-every", 4, "--cache", "cache")
"""Our data parser, with its options."""


def ns_train(call: Call, folder: Path, method: str, name: str, steps: int, *options: object) -> Path:
    """The config.yml of a run of ns-train on `folder/photos`; the data parser comes last of `options`."""
    call(
        *(folder, "ns-train", method, "--data", "photos", "--timestamp", name, "--vis", "tensorboard"),
        *("--machine.device-type", "cpu", "--max-num-iterations", steps, *options),
    )
    return folder / "outputs" / "photos" / method / name / "config.yml"


def train(call: Call, folder: Path, name: str, steps: int = STEPS, *options: object) -> Path:
    """The config.yml of a fit of ours to the photos."""
    return ns_train(call, folder, "recon-sparse", name, steps, *QUICK_PARTS, *options, *PHOTOS)


def checkpoint(config: Path) -> dict:
    return torch.load(next((config.parent / "nerfstudio_models").glob("*.ckpt")), weights_only=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nerfstudio")
    save_posed_scene(folder / "photos", photos=4)
    return folder


@pytest.fixture(scope="module")
def config(call, folder) -> Path:
    return train(call, folder, "whole")


@pytest.fixture(scope="module")
def run(call, folder) -> Path:
    """The same photos and the same fit by `recon train`."""
    call(folder, "python", "-m", "recon", "train", "photos", *QUICK, "--test-every", 4, "--output", "run")
    return folder / "run"


def measured(call: Call, folder: Path, config: Path) -> dict[str, float]:
    """What ns-eval says."""
    call(folder, "ns-eval", "--load-config", config, "--output-path", "eval.json")
    return json.loads((folder / "eval.json").read_text())["results"]


def test_nerfstudio_measures_what_recon_train_measures(call, folder, config, run):
    by_recon = json.loads((run / "metrics.json").read_text())
    assert measured(call, folder, config)["psnr"] == pytest.approx(by_recon["psnr"], abs=0.2)


def test_the_exported_ply_is_the_scene_of_the_checkpoint(call, folder, config):
    call(folder, "ns-export", "gaussian-splat", "--load-config", config, "--output-dir", "exported")
    exported, kept = read_ply(folder / "exported" / "splat.ply"), checkpoint(config)["pipeline"]
    drawable = kept["_model.gaussians.logit_opacities"].sigmoid() > 1 / 255
    for name in ("means", "log_scales", "logit_opacities", "sh0", "shN"):
        assert torch.allclose(
            getattr(exported, name), kept[f"_model.gaussians.{name}"][drawable], atol=1e-5
        ), name
    call(
        *(folder, "python", "-m", "recon", "export", "exported/splat.ply"),
        *("--format", "spz", "--output", "splat.spz"),
    )


def test_the_held_out_photos_are_rendered(call, folder, config):
    call(folder, "ns-render", "dataset", "--load-config", config, "--output-path", "renders")
    assert {"rgb.jpg", "gt-rgb.jpg", "depth.jpg"} <= {
        path.name for path in (folder / "renders").rglob("*.jpg")
    }


def test_a_fit_that_was_stopped_goes_on_to_the_same_last_step(call, folder, config):
    half = train(call, folder, "half", STEPS // 2)
    models = half.parent / "nerfstudio_models"
    resumed = train(call, folder, "resumed", STEPS - STEPS // 2, "--load-dir", models)
    assert checkpoint(resumed)["step"] == checkpoint(config)["step"] == STEPS - 1
    assert checkpoint(resumed)["pipeline"]["_extra_state"]["step"] == STEPS


def test_a_run_of_recon_train_opens_in_nerfstudio(call, folder, run):
    call(folder, "python", "-m", "recon.nerfstudio", "run")
    opened = folder / "outputs" / "run" / "recon-sparse" / "run" / "config.yml"
    by_recon = json.loads((run / "metrics.json").read_text())
    assert measured(call, folder, opened)["psnr"] == pytest.approx(by_recon["psnr"], abs=0.05)
    gaussians, _, near = read_scene(run)
    kept = checkpoint(opened)["pipeline"]
    assert torch.equal(kept["_model.gaussians.means"], gaussians.means)
    assert float(kept["_model.near"]) == pytest.approx(near)


def test_data_of_nerfstudios_own_parser_are_fitted(call, folder):
    parser = ("nerfstudio-data", "--eval-mode", "all")
    parsed = ns_train(call, folder, "recon-sparse", "parsed", 2, *QUICK_PARTS, *parser)
    assert len(checkpoint(parsed)["pipeline"]["_model.gaussians.means"]) > 100


def test_our_data_parser_serves_nerfstudios_own_methods(call, folder):
    if not (LPIPS_WEIGHTS.is_dir() or "TORCH_HOME" in os.environ):
        pytest.skip("nerfacto wants LPIPS' weights: set TORCH_HOME.")
    served = ns_train(
        *(call, folder, "nerfacto", "served", 2, "--mixed-precision", "False"),
        *("--pipeline.model.implementation", "torch", "--pipeline.datamanager.train-num-rays-per-batch", 64),
        *PHOTOS,
    )
    assert served.is_file()


def test_a_folder_that_is_no_run_is_refused_in_one_sentence(folder):
    command = [sys.executable, "-m", "recon.nerfstudio", "nowhere"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2
    assert re.findall(r"^recon: nowhere is no run .*\.$", done.stdout, flags=re.M)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture
def viewer(folder: Path, config: Path) -> Iterator[str]:
    """The address of ns-viewer on the result."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "ns-viewer"
    command = [program, "--load-config", config, "--viewer.websocket-host", "127.0.0.1"]
    command += ["--viewer.websocket-port", str(port)]
    with open(folder / "viewer.log", "w") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert server.poll() is None, (folder / "viewer.log").read_text()[-3000:]
            try:
                urlopen(address, timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.kill()
        server.wait()


@pytest.mark.browser
def test_the_viewers_page_connects_and_shows_a_rendered_picture(viewer: str, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 640})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(viewer)
    page.get_by_text("Hide Train Cams").wait_for(timeout=60_000)
    # The resolution is of a picture that the model drew: before the first it is 0x0.
    page.get_by_text(re.compile(r"Resolution: [1-9]\d*x[1-9]\d*px")).wait_for(timeout=60_000)
    assert errors == []
    page.close()
