"""The report's drawing of the cameras, as a person sees it."""

import math
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from recon.report import page

NAMES = [f"a photo with a long name {i}.jpg" for i in range(9)]
PLACES = """() => names(canvas.getContext("2d")).map(({ camera, box }) => [camera.name, ...box])"""


def circle_of_cameras(radius: float) -> dict[str, Any]:
    """A scene as write.py gives it to the drawing: cameras around it that look at its middle."""
    cameras = []
    for i, name in enumerate(NAMES):
        turn = 2 * math.pi * i / len(NAMES)
        x, z = radius * math.cos(turn), radius * math.sin(turn)
        corners = [[x, -0.4, z]] + [[0.9 * x + a, b - 0.4, 0.9 * z] for a in (-0.1, 0.1) for b in (-0.1, 0.1)]
        cameras.append({"name": name, "corners": corners, "held_out": i % 4 == 3})
    points = [[0.1 * i - 0.5, 0.0, 0.0] for i in range(10)]
    return {"points": points, "colours": ["rgb(90,90,90)"] * 10, "cameras": cameras}


@pytest.mark.browser
@pytest.mark.parametrize("radius", [0.02, 0.6, 4.0])
@pytest.mark.parametrize("width", [400, 1100])
def test_no_name_covers_another_and_all_cameras_are_in_the_picture(
    browser: Browser, tmp_path: Path, radius: float, width: int
):
    html = page.page("a", {"": '<canvas id="scene"></canvas>'}, circle_of_cameras(radius))
    (tmp_path / "report.html").write_text(html)
    window = browser.new_page(viewport={"width": width, "height": 700})
    window.goto((tmp_path / "report.html").as_uri())
    assert window.evaluate("showsAll()")
    placed = window.evaluate(PLACES)
    size = window.evaluate("[canvas.clientWidth, canvas.clientHeight]")
    window.close()
    assert sorted(name for name, *_ in placed) == NAMES
    for i, (_, left, top, right, bottom) in enumerate(placed):
        assert 0 <= left and right <= size[0] and 0 <= top and bottom <= size[1]
        for _, other_left, other_top, other_right, other_bottom in placed[:i]:
            apart = right < other_left or other_right < left or bottom < other_top or other_bottom < top
            assert apart
