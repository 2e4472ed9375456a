"""Makes the pictures of the README from the demo's run, as a person sees it: needs Chromium.

make demo && make pictures
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import tyro
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from recon.exporting.clean import CleanConfig
from recon.exporting.html import write_html
from recon.exporting.source import load_source
from recon.files import atomic_file
from recon.rendering import pick_device, pick_engine
from recon.viewer import Viewer, load_scene, serve

GAP = 12
"""White pixels between the pictures of one."""
WINDOW, SMALL_WINDOW = (1280, 800), (800, 500)
"""Of the browser; the small one where it draws by itself."""
WIDTH = 960
"""Of the pictures that are written, at most."""
COLOURS = 192
"""A PNG of a palette is a third as large, and hardly told from the screen."""
ARGUMENTS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
PATIENCE, STEADY = 60, 0.003
"""Looks, two seconds apart, until a picture drawn without a GPU changes by less than this share."""


@dataclass(frozen=True)
class Arguments:
    run: tyro.conf.Positional[Path] = Path("runs/demo")
    """Finished run of the bundled photos."""
    photos: Path = Path("examples/photos/input")
    """Folder of the input photos; the first, the middle and the last are shown."""
    output: Path = Path("docs/images")


def main(arguments: Arguments) -> None:
    arguments.output.mkdir(parents=True, exist_ok=True)
    save(arguments.output / "demo.png", overview(arguments))
    with chromium() as browser:
        engine = pick_engine("auto", pick_device("cpu"))
        viewer = serve(load_scene(arguments.run), port=0, engine=engine)
        try:
            for name, picture in viewer_pictures(browser, viewer).items():
                save(arguments.output / f"{name}.png", picture)
        finally:
            viewer.stop()
        save(arguments.output / "report.png", report(browser, arguments.run))
        save(arguments.output / "html.png", exported(browser, arguments.run))


def overview(arguments: Arguments) -> np.ndarray:
    """Three photos in a column, and beside them the scene from where a held-out photo was taken."""
    pair = iio.imread(sorted((arguments.run / "held_out").glob("*.png"))[1])
    scene = pair[:, : pair.shape[1] // 2]
    photos = sorted(arguments.photos.iterdir())
    height = (scene.shape[0] - 2 * GAP) // 3
    width = round(height * scene.shape[1] / scene.shape[0])
    page = np.full((scene.shape[0], width + GAP + scene.shape[1], 3), 255, np.uint8)
    for row, path in enumerate((photos[0], photos[len(photos) // 2], photos[-1])):
        with Image.open(path) as photo:
            small = np.asarray(photo.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
        page[row * (height + GAP) :][:height, :width] = small
    page[:, width + GAP :] = scene
    return page


def viewer_pictures(browser: Browser, viewer: Viewer) -> dict[str, np.ndarray]:
    """The first view with its panel; depth and support side by side."""
    page = new_page(browser)
    page.goto(viewer.url)
    page.get_by_role("button", name="Reset view").wait_for()
    dismiss_notice(page)
    # Without a GPU a browser takes minutes for a picture of 100,000 Gaussians.
    page.get_by_role("checkbox", name="Draw on the server").check()
    page.mouse.move(100, 100)  # away, or a hint hides the panel
    canvas = page.locator("canvas").first
    steady(page)
    first = pixels(page.screenshot(timeout=0))
    modes = []
    for mode in ("Depth", "Support"):
        page.get_by_role("combobox", name="Show").click()
        page.get_by_role("option", name=mode).click()
        page.mouse.move(100, 100)
        steady(page)
        modes.append(pixels(canvas.screenshot(timeout=0))[:, : first.shape[1] - 325])
    page.close()
    gap = np.full((modes[0].shape[0], GAP, 3), 255, np.uint8)
    return {"viewer": first, "modes": np.concatenate([modes[0], gap, modes[1]], axis=1)}


def report(browser: Browser, run: Path) -> np.ndarray:
    """The middle of the report: cameras, who matches whom, the first maps."""
    page = new_page(browser, (1280, 1400))
    page.goto((run / "report.html").resolve().as_uri())
    page.get_by_role("heading", name="Cameras").evaluate("heading => heading.scrollIntoView()")
    page.wait_for_timeout(1000)
    picture = pixels(page.screenshot(timeout=0))
    page.close()
    return picture


def exported(browser: Browser, run: Path) -> np.ndarray:
    """The HTML file as it opens from the disk."""
    source = load_source(run, CleanConfig())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.html"
        write_html(path, source)
        page = new_page(browser, SMALL_WINDOW)
        page.goto(f"{path.as_uri()}?webgl")
        steady(page)
        page.locator(".sse-controlsHintClose").dispatch_event("click")
        page.wait_for_timeout(1000)
        picture = pixels(page.screenshot(timeout=0))
        page.close()
    return picture


def steady(page: Page) -> None:
    """Returns once the picture has stopped changing and is not black."""
    before = np.zeros((1, 1, 3))
    for _ in range(PATIENCE):
        page.wait_for_timeout(2000)
        now = pixels(page.screenshot(timeout=0)).astype(float) / 255
        if now.shape == before.shape and now.mean() > 0.1 and np.abs(now - before).mean() < STEADY:
            return
        before = now
    sys.exit("The browser's picture does not come to rest; is another program busy?")


def dismiss_notice(page: Page) -> None:
    """That of slow software rendering."""
    notice = page.locator("[role=alert] button")
    if notice.count():
        notice.first.click()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser without a window."""
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    path = next(found, None)
    if path is None:
        sys.exit("There is no Chromium here; install it to make the pictures.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


def new_page(browser: Browser, size: tuple[int, int] = WINDOW) -> Page:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_default_timeout(120_000)
    return page


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def save(path: Path, picture: np.ndarray) -> None:
    """As a small PNG."""
    image = Image.fromarray(picture)
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG).save(content, "PNG", optimize=True)
    with atomic_file(path) as file:
        file.write(content.getvalue())
    print(f"{path}: {len(content.getvalue()) / 1000:.0f} kB")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
