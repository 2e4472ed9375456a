"""The address, the limits of live updates, and loading from disk."""

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock
from urllib.request import urlopen

import numpy as np
import pytest
import torch
import viser
from two_colours import two_coloured_wall
from websockets.sync.client import connect

from recon.errors import InputError, MachineError
from recon.exporting import write_ply, write_views
from recon.gaussians import Gaussians
from recon.viewer import Viewer, ViewerScene, address, load_scene, server
from recon.viewer import viewer as viewer_module
from recon.viewer.client import Client
from recon.viewer.scene import THUMBNAIL_PIXELS, small_copy


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    gaussians, views = two_coloured_wall()
    viewer = server.serve(ViewerScene.from_views(gaussians, views), port=0)
    yield viewer
    viewer.stop()


def shown(viewer: Viewer) -> int:
    return len(viewer._node.buffer)


def test_it_listens_on_loopback_alone_and_says_where(viewer: Viewer):
    assert viewer.url.startswith("http://127.0.0.1:")
    with urlopen(viewer.url, timeout=10) as reply:
        assert reply.status == 200
    assert listening_addresses(viewer._server.get_port()) == ["127.0.0.1"]


def listening_addresses(port: int) -> list[str]:
    """The IPv4 addresses on which `port` is listened to, as the kernel lists them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    locals_ = [row[1].split(":") for row in rows if row[3] == "0A"]
    return [socket.inet_ntoa(bytes.fromhex(ip)[::-1]) for ip, number in locals_ if int(number, 16) == port]


def test_a_taken_port_makes_way_for_the_next_and_the_url_says_so(caplog: pytest.LogCaptureFixture):
    gaussians, _ = two_coloured_wall()
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.WARNING):
        port = taken.getsockname()[1]
        viewer = server.serve(ViewerScene.from_gaussians(gaussians), port=port)
        try:
            assert viewer.url != f"http://127.0.0.1:{port}"
            assert f"Port {port} is taken" in caplog.text
            with urlopen(viewer.url, timeout=10) as reply:
                assert reply.status == 200
        finally:
            viewer.stop()


def test_a_bad_address_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch):
    gaussians, _ = two_coloured_wall()
    scene = ViewerScene.from_gaussians(gaussians)
    with pytest.raises(InputError, match="--port 99999"):
        server.serve(scene, port=99999)
    with pytest.raises(InputError, match="--host no.such.host.invalid"):
        server.serve(scene, host="no.such.host.invalid")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(address, "PORTS_TRIED", 1)
        with pytest.raises(MachineError, match="choose another --port"):
            server.serve(scene, port=taken.getsockname()[1])
    with pytest.raises(MachineError, match="can be opened on 192.0.2.1"):
        server.serve(scene, host="192.0.2.1")


def test_live_updates_wait_for_time_steps_and_an_onlooker(viewer: Viewer, monkeypatch: pytest.MonkeyPatch):
    gaussians, _ = two_coloured_wall()
    half = gaussians.select(torch.arange(len(gaussians)) % 2 == 0)
    everything, now, onlookers = shown(viewer), 1000.0, {}
    monkeypatch.setattr(viewer_module.time, "monotonic", lambda: now)
    monkeypatch.setattr(viewer._renewer, "ask", lambda who, job, delay=0.0: job())
    monkeypatch.setattr(viewer._server, "get_clients", lambda: onlookers)

    viewer.update(half, step=500)
    assert shown(viewer) == everything, "nobody looks on"
    onlookers[0] = object()
    viewer.update(half, step=500)
    assert shown(viewer) == everything // 2

    now += 60
    viewer.update(gaussians, step=550)
    assert shown(viewer) == everything // 2, "too few steps"
    now -= 59
    viewer.update(gaussians, step=900)
    assert shown(viewer) == everything // 2, "too soon"
    now += 2
    viewer.update(gaussians, step=900)
    assert shown(viewer) == everything

    onlookers.update((number, object()) for number in range(3 * viewer_module.FULL_PACE_WINDOWS))
    now += 2.9 * viewer_module.UPDATE_SECONDS
    viewer.update(half, step=5000)
    assert shown(viewer) == everything, "too soon for so many windows"
    now += 0.2 * viewer_module.UPDATE_SECONDS
    viewer.update(half, step=5000)
    assert shown(viewer) == everything // 2


def test_the_fit_goes_on_while_another_thread_shows_a_moment_of_it(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
):
    """Of what it changes meanwhile nothing is seen; no later moment is copied before that one is shown."""
    gaussians, _ = two_coloured_wall()
    jobs = []
    monkeypatch.setattr(viewer._server, "get_clients", lambda: {0: object()})
    monkeypatch.setattr(viewer._renewer, "ask", lambda who, job, delay=0.0: jobs.append(job))
    monkeypatch.setattr(viewer_module, "UPDATE_SECONDS", 0.0)
    before = viewer._stage.shown
    viewer.update(gaussians, step=500)
    viewer.update(gaussians, step=1000)
    assert len(jobs) == 1 and viewer._stage.shown is before
    at_that_moment = gaussians.means.detach().clone()
    with torch.no_grad():
        gaussians.means += 1
    jobs.pop()()
    torch.testing.assert_close(viewer._stage.shown.gaussians.means.detach(), at_that_moment)

    viewer.update(gaussians, step=1500)
    viewer.show(gaussians, step=1501)
    last = viewer._stage.shown
    jobs.pop()()
    assert viewer._stage.shown is last, "an older moment came after a newer one"


def test_an_empty_scene_is_refused():
    gaussians, _ = two_coloured_wall()
    nothing = gaussians.select(torch.zeros(len(gaussians), dtype=torch.bool))
    with pytest.raises(InputError, match="no Gaussians"):
        server.serve(ViewerScene.from_gaussians(nothing))


def test_a_run_and_a_ply_are_loaded(tmp_path: Path):
    gaussians, views = two_coloured_wall()
    write_ply(tmp_path / "point_cloud.ply", gaussians)
    assert len(load_scene(tmp_path / "point_cloud.ply").cameras) == 0
    assert len(load_scene(tmp_path).gaussians) == len(gaussians)
    write_views(tmp_path, views)
    scene = load_scene(tmp_path)
    assert len(scene.cameras) == len(scene.photos) == len(views)
    torch.testing.assert_close(scene.cameras.camera_from_world, views.cameras.camera_from_world)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no point_cloud.ply"):
        load_scene(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        load_scene(tmp_path / "nothing")


def test_thumbnails_are_small_and_means_of_what_they_cover():
    checks = torch.zeros(640, 960, 3)
    checks[::2, ::2] = 1
    small = small_copy(checks, THUMBNAIL_PIXELS)
    assert small.shape == (round(640 * THUMBNAIL_PIXELS / 960), THUMBNAIL_PIXELS, 3)
    assert abs(small.mean() - 255 / 4) < 1
    tiny = small_copy(checks[:5, :7], THUMBNAIL_PIXELS)
    assert tiny.shape == (5, 7, 3)


def test_a_run_brings_its_held_out_photos_and_its_near_plane(tmp_path: Path):
    gaussians, views = two_coloured_wall()
    write_ply(tmp_path / "point_cloud.ply", gaussians)
    write_views(tmp_path, views.select([0, 1]))
    (tmp_path / "held_out").mkdir()
    write_views(tmp_path / "held_out", views.select([2]))
    (tmp_path / "metrics.json").write_text('{"near": 0.25, "backdrop": [1, 0.5, 0]}')
    scene = load_scene(tmp_path)
    assert scene.gaussians.backdrop is not None and scene.gaussians.backdrop.tolist() == [1, 0.5, 0]
    assert scene.near == 0.25 and len(scene.photos) == 2
    assert scene.held_out is not None and scene.held_out.sizes == (views.sizes[2],)
    torch.testing.assert_close(scene.held_out.cameras.centres, views.cameras.centres[2:])
    (tmp_path / "metrics.json").write_text("[")
    with pytest.raises(InputError, match="metrics.json is damaged"):
        load_scene(tmp_path)


def test_photos_keep_the_names_that_their_owner_gave_them(tmp_path: Path):
    gaussians, views = two_coloured_wall()
    views = replace(views, names=("left/one.JPG", "right/one.jpg", "two.jpg"))
    write_ply(tmp_path / "point_cloud.ply", gaussians)
    write_views(tmp_path, views.select([1, 0]))
    write_views(tmp_path / "held_out", views.select([2]))
    assert load_scene(tmp_path).names == ("left_one.png", "right_one.png"), "nobody says what they were"
    said = {"train": ["right/one.jpg", "left/one.JPG"], "per_view": {"two.jpg": {}}}
    (tmp_path / "metrics.json").write_text(json.dumps(said))
    scene = load_scene(tmp_path)
    assert scene.names == ("left/one.JPG", "right/one.jpg")
    assert scene.held_out is not None and scene.held_out.names == ("two.jpg",)
    for names in (3, ["a", 3], [""], ["\ud800"]):
        (tmp_path / "metrics.json").write_text(json.dumps({"train": names}))
        with pytest.raises(InputError, match=r"metrics\.json is damaged"):
            load_scene(tmp_path)


def test_a_window_begins_with_the_backdrop_of_the_photos(viewer: Viewer):
    camera = Mock(aspect=1.5, position=np.zeros(3), look_at=np.ones(3))

    def background() -> list[int]:
        handle = Mock(spec=viser.ClientHandle, camera=camera, scene=Mock())
        Client(handle, viewer._stage, viewer._painter)
        (pixel,), _ = handle.scene.set_background_image.call_args
        return pixel[0, 0].tolist()

    assert background() == [0, 0, 0]
    viewer._stage.scene.gaussians.before((1.0, 0.5, 0.2))
    assert background() == [255, 128, 51]


def test_a_window_that_closes_while_it_is_painted_does_not_end_the_painting_of_others(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
):
    painting, closing = threading.Event(), threading.Event()
    camera = Mock(aspect=1.5, position=np.zeros(3), look_at=np.ones(3))
    handle = Mock(spec=viser.ClientHandle, camera=camera, scene=Mock())
    client = Client(handle, viewer._stage, viewer._painter)

    def paint(shown: object) -> None:
        client._own = handle.scene.add_gaussian_splats()
        painting.set()
        assert closing.wait(5)
        time.sleep(0.1)
        if client._own is None:
            raise RuntimeError("viser refuses to change what was removed")

    monkeypatch.setattr(client, "_paint_splats", paint)
    client.refresh()
    assert painting.wait(5)
    ending = threading.Thread(target=client.close)
    ending.start()
    closing.set()
    ending.join(5)
    assert client._own is None
    others = threading.Event()
    viewer._painter.ask("others", others.set)
    assert others.wait(5)


def test_a_splat_costs_32_bytes_on_the_wire():
    """All that a window gets before it says anything, and a little later: no Gaussian comes twice."""
    count = 50_000
    generator = torch.Generator().manual_seed(0)
    gaussians = Gaussians(
        means=torch.randn(count, 3, generator=generator),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        log_scales=torch.full((count, 3), -5.0),
        logit_opacities=torch.full((count,), 2.0),
        sh0=torch.rand(count, 1, 3, generator=generator),
        shN=torch.rand(count, 3, 3, generator=generator),
    )
    viewer = server.serve(ViewerScene.from_gaussians(gaussians), port=0)
    try:
        splats = len(viewer._stage.shown.splats)
        received = 0
        with connect(
            viewer.url.replace("http", "ws"),
            origin=viewer.url,  # type: ignore[arg-type]
            subprotocols=[f"viser-v{viser.__version__}"],  # type: ignore[list-item]
            max_size=None,
        ) as socket_:
            with contextlib.suppress(TimeoutError):
                while True:
                    received += len(socket_.recv(timeout=2))
    finally:
        viewer.stop()
    assert splats > 0.9 * count
    assert 32 * splats <= received <= 32 * splats + 200_000
