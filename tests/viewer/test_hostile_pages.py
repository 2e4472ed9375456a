"""In a real browser: a forged page on another origin, and photos whose names are code."""

import dataclasses
import http.server
import threading
from collections.abc import Iterator

import pytest
import viser
from playwright.sync_api import Browser
from two_colours import two_coloured_wall

from recon.rendering import pick_device, pick_engine
from recon.viewer import Viewer, ViewerScene, serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = (
    "<img src=x onerror=alert(1)>.png",
    "</script><script>alert(2)</script>.png",
    "**[a](javascript:alert(3))**",
)
FORGED = """<!doctype html><iframe id="frame" src="http://HOST/"></iframe><script>
const said = {};
const socket = new WebSocket("ws://HOST/", ["viser-vVERSION"]);
socket.onopen = () => { said.socket = "open"; };
socket.onerror = () => { said.socket = "refused"; };
const fetched = fetch("http://HOST/").then(r => r.text());
fetched.then(t => { said.fetch = "read"; }, () => { said.fetch = "refused"; });
fetch("http://HOST/", {mode: "no-cors"}).then(r => r.text()).then(t => { said.opaque = t; });
window.said = said;
</script>"""


@pytest.fixture(scope="module")
def viewer() -> Iterator[Viewer]:
    gaussians, views = two_coloured_wall()
    views = dataclasses.replace(views, names=NAMES)
    scene = ViewerScene.from_views(gaussians, views, views.select([0]))
    viewer = serve(scene, port=0, engine=pick_engine("auto", pick_device("cpu")))
    yield viewer
    viewer.stop()


@pytest.fixture
def forged(viewer: Viewer) -> Iterator[str]:
    """The address of a page of somebody else's, which knows the viewer's port."""
    host = viewer.url.removeprefix("http://")
    content = FORGED.replace("HOST", host).replace("VERSION", viser.__version__).encode()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_forged_page_neither_reads_nor_drives_nor_frames_the_viewer(
    viewer: Viewer, browser: Browser, forged: str
):
    page = browser.new_page()
    page.goto(forged)
    page.wait_for_function("() => window.said.socket && window.said.fetch && 'opaque' in window.said")
    assert page.evaluate("window.said") == {"socket": "refused", "fetch": "refused", "opaque": ""}
    page.wait_for_timeout(1000)
    assert viewer._server.get_clients() == {}  # the frame, too, was left empty
    page.close()


def test_names_of_photos_are_text_in_the_viewer(viewer: Viewer, browser: Browser):
    page = browser.new_page(viewport={"width": 1000, "height": 640})
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(viewer.url)
    page.get_by_role("button", name="Reset view").wait_for(timeout=30_000)
    for index, name in enumerate(NAMES):
        page.get_by_role("button", name=f"{index + 1}: {name}", exact=True).click()
    page.get_by_text("Held-out photos").click()
    page.get_by_role("button", name="Compare").first.click()
    page.wait_for_timeout(3000)
    assert alerts == []
    assert page.locator("img[src='x']").count() == 0 and page.locator("a[href^=javascript]").count() == 0
    page.close()
