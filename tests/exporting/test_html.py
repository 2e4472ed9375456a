"""The HTML opens from the disk without a request, and shows view dependence from the first photo's place."""

import json
import math
import os
import re
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from export_scenes import cloud
from PIL import Image

from recon.errors import MachineError
from recon.exporting.formats import Options, export
from recon.exporting.html import VIEWER, embed, start, write_html
from recon.exporting.mesh import MeshConfig
from recon.exporting.paths import look_at
from recon.exporting.source import Source
from recon.exporting.video import VideoConfig
from recon.gaussians import Gaussians
from recon.rendering.reference import rasterize_reference
from recon.scene import Cameras, Views

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
REQUIRED = os.environ.get("RECON_REQUIRE_BROWSER") == "1"
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

needs_viewer = pytest.mark.skipif(
    not (VIEWER / "index.js").exists(),
    reason="no viewer here; `make webviewer` fetches it",
)


def ball_seen_from(side: float) -> Source:
    """A ball whose harmonics make it red from z < 0 and blue from z > 0, and one photo from `side`."""
    index = torch.arange(600) + 0.5
    z, angle = 1 - index / 300, index * 2.399963
    radius = (1 - z * z).sqrt()
    shN = torch.zeros(600, 3, 3)
    shN[:, 1, 0], shN[:, 1, 2] = 1.2, -1.2
    gaussians = Gaussians(
        means=torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=-1),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(600, 1),
        log_scales=torch.full((600, 3), -2.5),
        logit_opacities=torch.full((600,), 4.0),
        sh0=torch.zeros(600, 1, 3),
        shN=shN,
    )
    pose = look_at(torch.tensor([0.0, 0, side]), torch.zeros(3), torch.tensor([0.0, -1, 0]))
    K = torch.tensor([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    views = Views(
        images=(torch.zeros(48, 64, 3),),
        names=("a.png",),
        masks=(None,),
        paths=(),
        focal_priors=(None,),
        cameras=Cameras(torch.linalg.inv(pose)[None], K[None], ((64, 48),)),
    )
    return Source(gaussians, views, 0.0, {})


def test_a_window_shows_all_of_the_first_photo():
    """The viewer's field of view spans the longer side of its window."""
    source = ball_seen_from(-4.0)
    eye = start(source)
    assert eye["position"] == pytest.approx([0, 0, -4], abs=1e-5)
    tangent = math.tan(math.radians(eye["fov"]) / 2)
    assert tangent == pytest.approx(1.6 * 24 / 60) and tangent > 32 / 60


@needs_viewer
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="Chromium is not installed")
def test_it_opens_from_disk_without_a_request_and_its_hues_turn_with_the_eye(tmp_path: Path):
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "RECON_REQUIRE_BROWSER=1, but there is no Chromium"
    middles = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for side in (-4.0, 4.0):
            write_html(tmp_path / "scene.html", ball_seen_from(side))
            page = browser.new_context(offline=True).new_page()
            page.set_viewport_size({"width": 320, "height": 240})
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(f"file://{tmp_path}/scene.html?webgl&noui")
            middles[side] = wait_for_ball(page, tmp_path / "seen.png")
            assert [url for url in asked if url.startswith(("http:", "https:", "ws"))] == []
        browser.close()
    front, back = middles[-4.0], middles[4.0]
    assert front[0] > front[2] + 60, front
    assert back[2] > back[0] + 60, back


def wait_for_ball(page, shot: Path) -> np.ndarray:
    """The colour of the middle once something coloured is there."""
    middle = np.zeros(3)
    for _ in range(60):
        page.screenshot(path=shot)
        middle = np.asarray(Image.open(shot).convert("RGB"), float)[110:130, 150:170].mean(axis=(0, 1))
        if np.ptp(middle) > 30:
            break
        time.sleep(0.5)
    return middle


def fake_viewer(folder: Path) -> Path:
    """The places of the viewer's page that are filled."""
    (folder / "index.html").write_text(
        '<link rel="stylesheet" href="./index.css" />'
        '<script type="application/json" id="sse-bootstrap">\n null\n</script>'
        "noanim: url.searchParams.has('noanim')"
        "<script type=module>import { createViewer } from './index.js';</script>"
    )
    (folder / "index.css").write_text("b{}")
    (folder / "index.js").write_text('const a = "</script>\\1";\nexport { createViewer };\n')
    (folder / "LICENSE").write_text("Terms -- of use")
    return folder


def test_the_page_holds_styles_script_scene_and_licence(tmp_path: Path):
    page = embed(fake_viewer(tmp_path), b"scene", {"text": "</script>"})
    assert "index.css" not in page and "index.js" not in page and "export {" not in page
    assert page.count("</script>") == 2
    assert "Terms" in page and "\\1" in page and "noanim: true" in page
    data = re.search(r'id="sse-bootstrap">(.*?)</script>', page, flags=re.S)
    assert data and json.loads(data[1])["settings"] == {"text": "</script>"}
    assert json.loads(data[1])["contentUrl"].endswith("c2NlbmU=")


def test_a_missing_or_another_viewer_is_the_machines_fault(tmp_path: Path):
    source = Source(cloud(20), None, 0.0, {})
    with pytest.raises(MachineError, match="make webviewer"):
        write_html(tmp_path / "scene.html", source, viewer=tmp_path)
    fake_viewer(tmp_path)
    (tmp_path / "index.html").write_text("<html>")
    with pytest.raises(MachineError, match="another version"):
        write_html(tmp_path / "scene.html", source, viewer=tmp_path)
    assert not (tmp_path / "scene.html").exists()


def test_above_the_limit_a_zip_lies_beside_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    viewer = tmp_path / "viewer"
    viewer.mkdir()
    monkeypatch.setattr("recon.exporting.html.VIEWER", fake_viewer(viewer))
    options = Options(rasterize_reference, VideoConfig(), MeshConfig())
    source = Source(cloud(300), None, 0.0, {})
    (page,) = export(source, ("html",), tmp_path, options)
    assert not page.with_suffix(".zip").exists()
    monkeypatch.setattr("recon.exporting.formats.LARGE_PAGE", page.stat().st_size - 1)
    export(source, ("html",), tmp_path, options)
    with zipfile.ZipFile(tmp_path / "scene.zip") as packed:
        assert packed.namelist() == ["scene.html"]
        assert packed.read("scene.html") == page.read_bytes()
    assert (tmp_path / "scene.zip").stat().st_size < 0.85 * page.stat().st_size
    assert "scene.zip, to pass on" in caplog.text
