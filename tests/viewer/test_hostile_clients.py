"""What no browser sends: paths, frames and messages made to harm. The viewer lives on, gives nothing away."""

import gc
import os
import random
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import viser
from raw_client import connect_raw, is_served, send
from two_colours import two_coloured_wall
from websockets.exceptions import ConnectionClosed

from recon.exporting import write_ply, write_views
from recon.viewer import Viewer, ViewerScene, serve
from recon.viewer.run import load_scene

# viser says of each message to a window that has just left that nobody will read it.
pytestmark = pytest.mark.filterwarnings("ignore:Queued a .* on a closed connection:UserWarning")

CANARY = "the canary sings"
ROOT = Path(viser.__file__).parent / "client" / "build"
"""What viser serves files from."""


@pytest.fixture(scope="module")
def viewer() -> Iterator[Viewer]:
    viewer = serve(ViewerScene.from_views(*two_coloured_wall()), port=0)
    yield viewer
    viewer.stop()


def answer(port: int, path: bytes) -> bytes:
    """Everything that comes back for a path, sent as it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


SPELLINGS = {
    "dots": "/{up}",
    "encoded dots": "/{up:%2e%2e}",
    "encoded twice": "/{up:%252e%252e}",
    "backslashes": "/{up:back}",
    "encoded backslashes": "/{up:%5c}",
    "encoded slashes": "/{up:%2f}",
    "absolute": "{canary}",
    "absolute after two slashes": "/{canary}",
    "absolute, encoded": "/{canary:%2f}",
    "dots after a real folder": "/assets/../{up}",
    "four dots": "/{up:....//}",
    "overlong UTF-8": "/{up:%c0%ae%c0%ae}",
    "a NUL": "/{up}%00.html",
    "a NUL byte": "/{up}\x00.html",
    "a file URL": "file://{canary}",
    "a semicolon": "/{up:..;}",
    "in the query": "/?file={canary}",
    "a symbolic link": "/{link}",
}


class Way(str):
    """A path whose steps up are written in another way by a format such as {up:%2e%2e}."""

    def __format__(self, how: str) -> str:
        if how == "back":
            return self.replace("/", "\\")
        if how in ("%5c", "%2f"):
            return self.replace("/", how)
        if how.endswith("//"):
            return self.replace("../", how)
        return self.replace("..", how) if how else str(self)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_path_leads_out(viewer: Viewer, tmp_path: Path, spelling: str):
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    (tmp_path / "link").symlink_to(canary)
    up, link = (Way(os.path.relpath(path, ROOT)) for path in (canary, tmp_path / "link"))
    path = SPELLINGS[spelling].format(up=up, link=link, canary=Way(canary))
    found = answer(viewer._server.get_port(), path.encode("latin-1"))
    assert CANARY.encode() not in found
    assert b"</html>" in answer(viewer._server.get_port(), b"/") and is_served(viewer)


def test_a_foreign_page_may_not_frame_the_viewer(viewer: Viewer):
    head = answer(viewer._server.get_port(), b"/").split(b"\r\n\r\n")[0]
    assert b"Content-Security-Policy: frame-ancestors 'self'" in head


def junk(kind: str) -> bytes | str:
    noise = random.Random(0)
    return {
        "60 MB": bytes(60 << 20),
        "noise": noise.randbytes(1000),
        "text": "hello",
        "nothing": b"",
        "no type": msgspec.msgpack.encode({"a": 1}),
        "an unknown type": msgspec.msgpack.encode({"type": "os.system", "command": "true"}),
        "a message of the server's": msgspec.msgpack.encode({"type": "RunJavascriptMessage", "source": "1"}),
        "wrong values": msgspec.msgpack.encode({"type": "ViewerCameraMessage", "wxyz": "a"}),
        "deep": b"\x91" * 5000,
        "a huge array": b"\xdd\xff\xff\xff\xff",
    }[kind]


TOO_BIG = 1009
"""What a WebSocket closes with before it has taken all of a message."""
JUNK = ["60 MB", "noise", "text", "nothing", "no type", "an unknown type", "a message of the server's"]
JUNK += ["wrong values", "deep", "a huge array"]


@pytest.mark.parametrize("kind", JUNK)
def test_a_bad_message_closes_its_own_client_at_most(viewer: Viewer, kind: str):
    with connect_raw(viewer) as good, connect_raw(viewer) as bad:
        good.recv(timeout=20)
        with_closing(bad, junk(kind))
        assert kind != "60 MB" or bad.close_code == TOO_BIG
        send(good, "ViewerCameraMessage", **STANDING)
        good.ping().wait(20)
    assert is_served(viewer)


STANDING = {
    "wxyz": [1.0, 0.0, 0.0, 0.0],
    "position": [0.0, 0.0, 1.0],
    "image_height": 100,
    "image_width": 100,
    "fov": 1.0,
    "near": 0.1,
    "far": 100.0,
    "look_at": [0.0, 0.0, 2.0],
    "up_direction": [0.0, -1.0, 0.0],
}


def with_closing(connection, content: bytes | str) -> None:
    """Sends and reads until the other side closes or has nothing more to say."""
    try:
        connection.send(content)
        while True:
            connection.recv(timeout=0.5)
    except (ConnectionClosed, TimeoutError, OSError):
        pass


PATHS = ("../secret", "..\\secret", "C:\\secret", "two/../../secret", "/etc/passwd")


def test_a_window_names_a_run_and_never_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gaussians, views = two_coloured_wall()
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        write_ply(tmp_path / "runs" / name / "point_cloud.ply", gaussians)
        write_views(tmp_path / "runs" / name, views)
    (tmp_path / "secret").mkdir()
    write_ply(tmp_path / "secret" / "point_cloud.ply", gaussians)
    opened: list[Path] = []
    monkeypatch.setattr(Viewer, "open", lambda self, path: opened.append(path))
    viewer = serve(load_scene(tmp_path / "runs" / "one"), port=0)
    try:
        with connect_raw(viewer) as window:
            window.recv(timeout=20)
            send(window, "ViewerCameraMessage", **STANDING)
            wait_until(lambda: bool(viewer._clients))
            gui = next(iter(viewer._clients.values())).handle.gui
            wait_until(lambda: any(getattr(h, "options", None) == ("one", "two") for h in handles(gui)))
            (menu,) = [h for h in handles(gui) if getattr(h, "options", None) == ("one", "two")]
            (button,) = [h for h in handles(gui) if getattr(h, "label", None) == "Open"]
            for path in (*PATHS, str(tmp_path / "secret"), "two"):
                send(window, "GuiUpdateMessage", uuid=menu._impl.uuid, updates={"value": path})
                send(window, "GuiUpdateMessage", uuid=button._impl.uuid, updates={"value": True})
            wait_until(lambda: bool(opened))
            assert {path.name for path in opened} == {"two"}
    finally:
        viewer.stop()


def handles(gui) -> list:
    return list(gui._gui_input_handle_from_uuid.values())


def wait_until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def footprint() -> tuple[int, int, float]:
    """(threads, open files, megabytes) of this process; viser's pool, which grows to 32, is not counted."""
    gc.collect()
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith("ThreadPool")]
    assert threading.active_count() - len(threads) <= 2 * 32
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(threads), len(os.listdir("/proc/self/fd")), pages * resource.getpagesize() / 1e6


def visit(viewer: Viewer, times: int) -> None:
    for _ in range(times):
        with connect_raw(viewer) as connection:
            connection.recv(timeout=20)
            send(connection, "ViewerCameraMessage", **STANDING)
    wait_until(lambda: not viewer._server.get_clients() and not viewer._clients)


@pytest.mark.parametrize(
    "times", [20, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(1200)])]
)
def test_browsers_come_and_go_and_leave_nothing(times: int):
    viewer = serve(ViewerScene.from_views(*two_coloured_wall()), port=0)
    try:
        visit(viewer, max(40, times // 2))  # pools of threads, and caches, fill up to their sizes
        before = footprint()
        visit(viewer, times)
        after = footprint()
    finally:
        viewer.stop()
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2
    assert after[2] <= before[2] + 20 + 0.01 * times
