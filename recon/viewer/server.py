"""The web server: Gaussians that all browsers share, renewed while they are being fitted."""

import contextlib
import io
import logging
import socket
import threading
import time

import torch
import viser

from recon.errors import InputError, MachineError
from recon.gaussians import Gaussians
from recon.viewer.client import Client
from recon.viewer.frame import Standpoint, display_frame, overview, standpoints
from recon.viewer.scene import ViewerScene
from recon.viewer.splats import Splats, splats_from_gaussians

logger = logging.getLogger(__name__)

UPDATE_SECONDS = 2.0
"""Live Gaussians are renewed no more often than this,"""
UPDATE_STEPS = 100
"""nor after fewer steps than this,"""
MAX_UPDATE_SHARE = 0.1
"""nor so often that renewing them takes more than this share of the time."""
MAX_SPLATS = 500_000
"""Drawn at first; a laptop's own graphics still turns this many."""
PORTS_TRIED = 20
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Viewer:
    """A running viewer. `update` and `show` are called by the thread that owns the Gaussians; browsers are
    served by threads of viser's."""

    def __init__(self, scene: ViewerScene, server: viser.ViserServer) -> None:
        self._scene = scene
        self._server = server
        self._frame = display_frame(scene.gaussians, scene.cameras)
        seen = standpoints(scene.gaussians, scene.cameras, self._frame)
        self._standpoints = seen or (overview(self._frame),)
        eyes = torch.stack([torch.from_numpy(standpoint.position) for standpoint in self._standpoints])
        self._eyes = eyes / self._frame.scale + self._frame.origin
        self._lock = threading.Lock()
        self._shown_at, self._shown_step, self._cost = -float("inf"), 0, 0.0

        server.scene.set_up_direction(self._frame.up.numpy())
        server.gui.set_panel_label("recon")
        server.gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        server.gui.main_panel.dock_right()
        self._set_initial_camera(self._standpoints[0])
        with server.gui.add_folder("Gaussians"):
            self._count = server.gui.add_text("Drawn", "", disabled=True)
            self._step = server.gui.add_text("Step", "", disabled=True, visible=False)
            self._limit = server.gui.add_slider(
                "Max (thousand)", 10, 2000, 10, MAX_SPLATS // 1000, hint="Fewer Gaussians are drawn faster."
            )
        self._limit.on_update(lambda _: self._upload())
        self._splats = self._to_splats(scene.gaussians)
        self._node = server.scene.add_gaussian_splats("/gaussians", *_arrays(self._splats.first(MAX_SPLATS)))
        self._upload()
        server.on_client_connect(self._connect)

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        host = self._server.get_host()
        host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.get_port()}"

    def update(self, gaussians: Gaussians, step: int) -> None:
        """Show the Gaussians of a running fit if the last ones are old enough and somebody looks on."""
        age = time.monotonic() - self._shown_at
        due = max(UPDATE_SECONDS, self._cost / MAX_UPDATE_SHARE)
        if age >= due and step - self._shown_step >= UPDATE_STEPS and self._server.get_clients():
            self.show(gaussians, step)

    def show(self, gaussians: Gaussians, step: int) -> None:
        """Show the Gaussians now, and to everyone who comes later."""
        begin = time.monotonic()
        splats = self._to_splats(gaussians)
        with self._lock:
            self._splats = splats
        self._upload()
        self._step.value = str(step)
        self._step.visible = True
        self._shown_at, self._shown_step = time.monotonic(), step
        self._cost = self._shown_at - begin

    def wait(self) -> None:
        """Serve until Ctrl-C, then stop."""
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        self.stop()

    def stop(self) -> None:
        """Close the server and its port."""
        with _quiet():
            self._server.stop()

    def _connect(self, handle: viser.ClientHandle) -> None:
        Client(handle, self._scene, self._frame, self._standpoints)

    def _to_splats(self, gaussians: Gaussians) -> Splats:
        return splats_from_gaussians(gaussians, self._frame, self._eyes)

    def _upload(self) -> None:
        with self._lock:
            shown = self._splats.first(1000 * self._limit.value)
            self._node.set_gaussians(*_arrays(shown))
            self._count.value = f"{len(shown):,} of {len(self._splats):,}"

    def _set_initial_camera(self, standpoint: Standpoint) -> None:
        """Where a new browser starts, so that its first picture is not one from nowhere."""
        camera = self._server.initial_camera
        camera.position = standpoint.position
        camera.look_at = standpoint.look_at
        camera.up = standpoint.up
        camera.fov = standpoint.fov(aspect=1.5)
        camera.far = 1e4


def serve(scene: ViewerScene, host: str = "127.0.0.1", port: int = 8080) -> Viewer:
    """Start a viewer; `url` of the result tells where, as a taken port makes way for the next free one.

    Raises InputError for a host or port that does not exist, MachineError if no port is free.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port} is no port; choose one from 1024 to 65535, or 0 for any.")
    if len(scene.gaussians) == 0:
        raise InputError("The scene holds no Gaussians; there is nothing to view.")
    free = free_port(host, port)
    if free != port and port:
        logger.warning("Port %d is taken; the viewer uses %d.", port, free)
    if host not in LOOPBACK:
        logger.warning("--host %s lets everyone who can reach this machine see and control the viewer.", host)
    with _quiet():
        server = viser.ViserServer(host=host, port=free, verbose=False)
    return Viewer(scene, server)


def free_port(host: str, port: int) -> int:
    """The first port from `port` on that can be listened to; for 0, any that the system gives."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host} is unknown ({error.strerror}); use 127.0.0.1.") from error
    reason = ""
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address[0], candidate))
                return probe.getsockname()[1]
            except OSError as error:
                reason = error.strerror
    raise MachineError(f"No port from {port} on can be opened on {host} ({reason}); choose another --port.")


def _arrays(splats: Splats) -> tuple:
    """In the order of viser's arguments."""
    return splats.means, splats.covariances, splats.rgb, splats.opacities


def _quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Keeps viser from printing its own notices, in which the address is at times another."""
    return contextlib.redirect_stdout(io.StringIO())
