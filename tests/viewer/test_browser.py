"""The viewer as a person sees it, in headless Chromium."""

import dataclasses
import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import viser.transforms as tf
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page
from two_colours import HEIGHT, WIDTH, two_coloured_wall
from viser import CameraHandle

from recon.events import FitStarted, Step
from recon.exporting.camera_path import CameraPath
from recon.gaussians import sh0_from_rgb
from recon.metrics import psnr, quantise
from recon.rendering import pick_device, pick_engine
from recon.viewer import Viewer, ViewerScene, serve
from recon.viewer.client import Client
from recon.viewer.frame import Standpoint
from recon.viewer.live import LiveViewer
from recon.viewer.panel_photos import frustum_size

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WINDOW = (1000, 640)
PATIENCE_SECONDS = 30

VISERS_OWN_ERROR = "THREE.BufferGeometry.computeBoundingSphere(): Computed radius is NaN"
"""viser 1.1.1 logs it once for any Gaussians: it measures its quad's geometry before filling it."""


@dataclass
class Window:
    """One browser window and everything it said and asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def picture(self) -> np.ndarray:
        """(h, w, 3) in [0, 1]: the canvas beside the panel."""
        png = self.page.locator("canvas").first.screenshot()
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32) / 255

    def wait_until(self, condition: Callable[[np.ndarray], bool]) -> np.ndarray:
        """The first picture of which it is true, or after a while the last one."""
        picture = self.picture()
        for _ in range(2 * PATIENCE_SECONDS):
            if condition(picture):
                break
            self.page.wait_for_timeout(500)
            picture = self.picture()
        return picture


@pytest.fixture(scope="module")
def viewer() -> Iterator[Viewer]:
    gaussians, views = two_coloured_wall()
    device = pick_device("cpu")
    viewer = serve(
        ViewerScene.from_views(gaussians, views, views.select([1])),
        port=0,
        engine=pick_engine("auto", device),
    )
    yield viewer
    viewer.stop()


@pytest.fixture
def window(viewer: Viewer, browser: Browser) -> Iterator[Window]:
    window = open_window(viewer, browser)
    yield window
    window.page.close()


def open_window(viewer: Viewer, browser: Browser) -> Window:
    page = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]})
    window = Window(page)

    def keep_errors(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(VISERS_OWN_ERROR):
            window.errors.append(message.text)

    page.on("console", keep_errors)
    page.on("pageerror", lambda error: window.errors.append(str(error)))
    page.on("request", lambda request: window.requests.append(request.url))
    page.on("websocket", lambda socket: window.requests.append(socket.url))
    page.goto(viewer.url)
    page.get_by_role("button", name="Reset view").wait_for(timeout=1000 * PATIENCE_SECONDS)
    notice = page.locator("[role=alert] button")  # of slow software rendering, over a corner of the picture
    if notice.count():
        notice.first.click()
    return window


def client_of(viewer: Viewer) -> Client:
    """That of the window opened last."""
    return viewer._clients[max(viewer._clients)]


def choose(window: Window, menu: str, option: str) -> None:
    window.page.get_by_role("combobox", name=menu).click()
    window.page.get_by_role("option", name=option).click()


def quadrants(picture: np.ndarray) -> np.ndarray:
    """(4, 3): mean colours of the four quarters, without the borders between them."""
    height, width = picture.shape[:2]
    rows = slice(height // 8, 3 * height // 8), slice(5 * height // 8, 7 * height // 8)
    columns = slice(width // 8, 3 * width // 8), slice(5 * width // 8, 7 * width // 8)
    return np.stack([picture[row, column].mean(axis=(0, 1)) for row in rows for column in columns])


def part_of_photo(picture: np.ndarray) -> np.ndarray:
    """The middle of the window in which a photo of `WIDTH` x `HEIGHT` just fits."""
    height, width = picture.shape[:2]
    scale = min(width / WIDTH, height / HEIGHT)
    top, left = round((height - scale * HEIGHT) / 2), round((width - scale * WIDTH) / 2)
    return picture[top : height - top, left : width - left]


def resembles(photo: np.ndarray) -> Callable[[np.ndarray], bool]:
    expected = quadrants(photo)
    return lambda picture: bool(np.abs(quadrants(part_of_photo(picture)) - expected).max() < 0.1)


def test_the_first_picture_is_the_first_photo(window: Window):
    _, views = two_coloured_wall()
    photo = views.images[0].numpy()
    picture = window.wait_until(resembles(photo))
    np.testing.assert_allclose(quadrants(part_of_photo(picture)), quadrants(photo), atol=0.1)
    assert (picture.max(axis=-1) < 0.1).mean() < 0.05, "black"


def test_a_photos_button_leads_to_where_it_was_taken_and_reset_back(window: Window):
    _, views = two_coloured_wall()
    first, third = views.images[0].numpy(), views.images[2].numpy()
    window.wait_until(resembles(first))
    window.page.get_by_role("button", name="3: photo_2.png").click()
    assert resembles(third)(window.wait_until(resembles(third)))
    assert not resembles(first)(window.picture())
    window.page.get_by_role("button", name="Reset view").click()
    assert resembles(first)(window.wait_until(resembles(first)))


def test_a_photo_in_the_scene_leads_to_where_it_was_taken(window: Window, viewer: Viewer):
    _, views = two_coloured_wall()
    first, third = views.images[0].numpy(), views.images[2].numpy()
    window.wait_until(resembles(first))
    camera = list(viewer._server.get_clients().values())[-1].camera
    window.page.mouse.move(300, 300)
    for _ in range(3):  # backwards, until the frusta are in sight
        window.page.mouse.wheel(0, 500)
        window.page.wait_for_timeout(2000)
    assert camera.position[2] < viewer._stage.standpoints[0].position[2] - 3
    window.page.mouse.click(*pixel_of_photo(viewer._stage.standpoints, 2, camera))
    assert resembles(third)(window.wait_until(resembles(third)))


def pixel_of_photo(
    standpoints: tuple[Standpoint, ...], index: int, camera: CameraHandle
) -> tuple[float, float]:
    """Where the middle of a photo is drawn in its frustum."""
    positions = np.stack([standpoint.position for standpoint in standpoints])
    forward = standpoints[index].look_at - positions[index]
    middle = positions[index] + frustum_size(positions) * forward / np.linalg.norm(forward)
    x, y, z = tf.SO3(camera.wxyz).inverse() @ (middle - camera.position)
    focal = camera.image_height / 2 / np.tan(camera.fov / 2)
    return camera.image_width / 2 + focal * x / z, camera.image_height / 2 + focal * y / z


def test_all_windows_see_the_gaussians_of_a_running_fit(viewer: Viewer, browser: Browser, window: Window):
    gaussians, views = two_coloured_wall()
    green = gaussians.select(torch.ones(len(gaussians), dtype=torch.bool))
    with torch.no_grad():
        green.sh0[:] = sh0_from_rgb(torch.tensor([0.0, 0.8, 0.0]))
    second = open_window(viewer, browser)
    for page in (window, second):
        page.wait_until(resembles(views.images[0].numpy()))
    try:
        viewer.update(green, step=1000)
        expected = resembles(np.full((HEIGHT, WIDTH, 3), (0.0, 0.8, 0.0), np.float32))
        assert expected(window.wait_until(expected))
        assert expected(second.wait_until(expected))
    finally:
        second.page.close()
        viewer.show(gaussians, step=0)


def test_the_browser_draws_what_the_engine_draws(window: Window, viewer: Viewer):
    window.wait_until(resembles(two_coloured_wall()[1].images[0].numpy()))
    client = client_of(viewer)
    rendering, _ = viewer._stage.draw("Colour", viewer._stage.shown, client.eye(), near=0.01)
    expected = rendering.rgb.clamp(0, 1).numpy()

    def difference(picture: np.ndarray) -> float:
        return float(np.abs(picture[: len(expected), : expected.shape[1]] - expected).mean())

    assert difference(window.wait_until(lambda picture: difference(picture) < 0.03)) < 0.03
    window.page.get_by_role("checkbox", name="Draw on the server").check()
    assert difference(window.wait_until(lambda picture: difference(picture) < 0.008)) < 0.008


@pytest.mark.parametrize("mode", ["Depth", "Support"])
def test_a_mode_replaces_the_colours_and_is_explained(window: Window, viewer: Viewer, mode: str):
    _, views = two_coloured_wall()
    window.wait_until(resembles(views.images[0].numpy()))
    choose(window, "Show", mode)
    client = client_of(viewer)
    shown = viewer._stage.shown
    painted = viewer._stage.paint(mode, shown, client.eye())
    in_the_middle = shown.gaussians.means[:, :2].abs().amax(dim=1) < 0.8
    expected = painted.rgb[in_the_middle].median(dim=0).values.numpy()

    def middle(picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        return picture[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3].mean(axis=(0, 1))

    picture = window.wait_until(lambda picture: bool(np.abs(middle(picture) - expected).max() < 0.1))
    np.testing.assert_allclose(middle(picture), expected, atol=0.1)
    assert window.page.get_by_text("scene units" if mode == "Depth" else "three or more").is_visible()
    choose(window, "Show", "Colour")
    assert resembles(views.images[0].numpy())(window.wait_until(resembles(views.images[0].numpy())))


def test_a_photo_lies_over_the_scene_from_its_place(window: Window, viewer: Viewer):
    _, views = two_coloured_wall()
    photo = views.images[0].numpy()
    window.wait_until(resembles(photo))
    client = client_of(viewer)
    assert client.standing == 0
    dark = viewer._stage.scene
    viewer._stage.scene = dataclasses.replace(dark, photos=tuple(255 - photo for photo in dark.photos))
    try:
        slider = window.page.get_by_role("slider").first
        slider.focus()
        slider.press("End")
        assert resembles(1 - photo)(window.wait_until(resembles(1 - photo)))
        slider.press("Home")
        assert resembles(photo)(window.wait_until(resembles(photo)))
    finally:
        viewer._stage.scene = dark


def test_keys_lead_from_photo_to_photo_and_explain_themselves(window: Window, viewer: Viewer):
    _, views = two_coloured_wall()
    window.wait_until(resembles(views.images[0].numpy()))
    window.page.mouse.click(300, 300)
    window.page.keyboard.press("n")
    assert resembles(views.images[1].numpy())(window.wait_until(resembles(views.images[1].numpy())))
    window.page.keyboard.press("h")
    window.page.get_by_text("reset the view", exact=True).wait_for(timeout=1000 * PATIENCE_SECONDS)
    window.page.get_by_role("button", name="Close").last.click()
    with window.page.expect_download(timeout=1000 * PATIENCE_SECONDS) as download:
        window.page.get_by_role("button", name="Screenshot").click()
    shot = np.asarray(Image.open(download.value.path()).convert("RGB"), np.float32) / 255
    assert resembles(views.images[1].numpy())(shot)


def test_a_box_cuts_the_wall_for_all_windows_and_undo_brings_it_back(window: Window, viewer: Viewer):
    _, views = two_coloured_wall()
    photo = views.images[0].numpy()
    window.wait_until(resembles(photo))
    halved = photo.copy()
    halved[:, WIDTH // 2 :] = 0
    window.page.get_by_text("Crop and floaters").click()
    right = viewer._edits._sides[0]
    right.value = (0, 50)
    assert resembles(halved)(window.wait_until(resembles(halved)))
    window.page.get_by_role("button", name="Undo").click()
    assert resembles(photo)(window.wait_until(resembles(photo)))
    assert right.value == (0, 100)


def test_a_camera_path_is_set_previewed_and_filmed(window: Window, viewer: Viewer, tmp_path: Path):
    _, views = two_coloured_wall()
    window.wait_until(resembles(views.images[0].numpy()))
    page, client = window.page, client_of(viewer)
    page.get_by_text("Camera path", exact=True).click()
    page.get_by_role("button", name="Add key frame here").click()
    page.get_by_role("button", name="2: photo_1.png").click()
    window.wait_until(resembles(views.images[1].numpy()))
    page.get_by_role("button", name="Add key frame here").click()
    path = CameraPath()
    for _ in range(5):
        # What the server says of the new key frame may come after the key, and set the slider back.
        seconds = page.get_by_role("slider").last
        seconds.focus()
        seconds.press("Home")  # to one second
        page.wait_for_timeout(500)
        with page.expect_download(timeout=1000 * PATIENCE_SECONDS) as saved:
            page.get_by_role("button", name="Save as JSON").click()
        path = CameraPath.from_json(Path(saved.value.path()).read_bytes())
        if path.seconds == 1:
            break
    assert path.seconds == 1
    centres = torch.stack([key[:3, 3] for key in path.keys])
    torch.testing.assert_close(centres, views.cameras.centres[:2], atol=1e-3, rtol=0)
    page.get_by_role("button", name="Reset view").click()
    page.get_by_role("button", name="Preview").click()
    assert resembles(views.images[1].numpy())(window.wait_until(resembles(views.images[1].numpy())))
    with page.expect_download(timeout=2000 * PATIENCE_SECONDS) as film:
        page.get_by_role("button", name="Film (mp4)").click()
    film.value.save_as(tmp_path / "film.mp4")
    reader = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == round(path.seconds * path.fps)
    assert resembles(views.images[0].numpy())(reader.read()[1][..., ::-1] / 255)
    assert client.standing == 1


def test_a_held_out_photo_is_compared_at_the_push_of_a_button(window: Window, viewer: Viewer):
    window.page.get_by_text("Held-out photos").click()
    window.page.get_by_role("button", name="Compare").click()
    result = window.page.get_by_text("dB", exact=False).last
    result.wait_for(timeout=1000 * PATIENCE_SECONDS)
    _, views = two_coloured_wall()
    rendering, _ = viewer._stage.draw("Colour", viewer._stage.shown, views.cameras.select([1]), near=0.01)
    expected = psnr(quantise(rendering.rgb), views.images[1])
    assert result.inner_text() == f"{expected:.2f} dB"


def test_a_running_fit_is_held_resumed_and_ended_from_the_browser(browser: Browser):
    gaussians, views = two_coloured_wall()
    stop, taken = threading.Event(), [0]
    live = LiveViewer("127.0.0.1", 0, pick_engine("auto", pick_device("cpu")))
    live(FitStarted(views, gaussians, 0.01, stop))
    assert live._viewer is not None

    def fit() -> None:
        while not stop.is_set():
            taken[0] += 1
            live(Step(taken[0], 10**6, {"photometric": torch.tensor(1 / taken[0])}, gaussians))
            time.sleep(0.01)

    fitting = threading.Thread(target=fit)
    fitting.start()
    window = open_window(live._viewer, browser)
    try:
        window.page.get_by_role("button", name="Pause").click()
        window.page.get_by_role("button", name="Resume").wait_for()
        window.page.wait_for_timeout(500)
        held = taken[0]
        window.page.wait_for_timeout(1000)
        assert taken[0] == held
        window.page.get_by_role("button", name="Resume").click()
        window.page.get_by_role("button", name="Pause").wait_for()
        window.page.wait_for_timeout(1500)
        assert taken[0] > held
        assert window.page.locator(".uplot canvas").count() == 1
        window.page.get_by_role("button", name="Stop").click()
        window.page.get_by_role("button", name="Stop and keep the scene").click()
        fitting.join(timeout=PATIENCE_SECONDS)
        assert stop.is_set() and not fitting.is_alive()
    finally:
        stop.set()
        window.page.close()
        live._viewer.stop()


def test_it_asks_nobody_but_this_machine_and_logs_no_error(window: Window, viewer: Viewer):
    _, views = two_coloured_wall()
    window.wait_until(resembles(views.images[0].numpy()))
    own = (viewer.url, f"blob:{viewer.url}", viewer.url.replace("http:", "ws:"), "data:")
    assert [url for url in window.requests if not url.startswith(own)] == []
    assert any(url.startswith("ws:") for url in window.requests)
    assert window.errors == []
