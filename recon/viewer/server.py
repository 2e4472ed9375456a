"""The web server: one stage that all browsers look at, renewed while it is being fitted."""

import contextlib
import io
import logging
import threading
import time

import viser

from recon.errors import InputError
from recon.events import Step
from recon.gaussians import Gaussians
from recon.rendering import Engine
from recon.viewer.address import LOOPBACK, free_port
from recon.viewer.client import GAUSSIANS_NODE, MAX_SPLATS, Client
from recon.viewer.frame import Standpoint
from recon.viewer.painter import Painter
from recon.viewer.panel_held_out import HeldOutPanel
from recon.viewer.panel_photos import PhotosPanel
from recon.viewer.panel_training import TrainingPanel
from recon.viewer.panel_view import ViewPanel
from recon.viewer.scene import ViewerScene
from recon.viewer.splats import Splats
from recon.viewer.stage import Stage

logger = logging.getLogger(__name__)

UPDATE_SECONDS = 2.0
"""Live Gaussians are renewed no more often than this,"""
UPDATE_STEPS = 100
"""nor after fewer steps than this,"""
MAX_UPDATE_SHARE = 0.1
"""nor so often that renewing them, or drawing for the browsers, takes more than this share of the time."""


class Viewer:
    """A running viewer. `update` and `show` are called by the thread that owns the Gaussians; browsers are
    served by threads of viser's, and drawn for by the painter's."""

    def __init__(self, scene: ViewerScene, server: viser.ViserServer, engine: Engine | None) -> None:
        self._server = server
        self._engine = engine
        self._painter = Painter()
        self._stage = Stage(scene, engine)
        self._clients: dict[int, Client] = {}
        self._training: TrainingPanel | None = None
        self._shown_at, self._shown_step, self._cost = -float("inf"), 0, 0.0

        server.gui.set_panel_label("recon")
        server.gui.configure_theme(
            dark_mode=True, show_logo=False, show_share_button=False, control_width="medium"
        )
        server.gui.main_panel.dock_right()
        server.scene.set_up_direction(self._stage.frame.up.numpy())
        self._set_initial_camera(self._stage.standpoints[0])
        first = self._stage.shown.splats.first(MAX_SPLATS)
        self._node = server.scene.add_gaussian_splats(GAUSSIANS_NODE, *_arrays(first))
        server.on_client_connect(self._connect)
        server.on_client_disconnect(self._disconnect)

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        host = self._server.get_host()
        host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.get_port()}"

    def train(self, stop: threading.Event) -> TrainingPanel:
        """Shows buttons for the fit that is told of by `follow` and ends when `stop` is set."""
        self._painter.share = MAX_UPDATE_SHARE
        self._training = TrainingPanel(self._server.gui, stop)
        return self._training

    def follow(self, step: Step) -> None:
        """A step of the fit has been taken: shows it if that is due, and returns once the fit is to go on."""
        assert self._training is not None, "train() comes first"
        self._training.tell(step)
        if self._training.paused:
            self.show(step.gaussians, step.step)
            self._painter.share = 1.0
            self._training.wait_while_paused()
            self._painter.share = MAX_UPDATE_SHARE
        if step.step == step.max_steps:
            self.finish(step)
        else:
            self.update(step.gaussians, step.step)

    def finish(self, step: Step) -> None:
        """The fit has ended with this step."""
        assert self._training is not None, "train() comes first"
        self._training.tell(step)
        self.show(step.gaussians, step.step)
        self._painter.share = 1.0

    def update(self, gaussians: Gaussians, step: int) -> None:
        """Show the Gaussians of a running fit if the last ones are old enough and somebody looks on."""
        age = time.monotonic() - self._shown_at
        due = max(UPDATE_SECONDS, self._cost / MAX_UPDATE_SHARE)
        if age >= due and step - self._shown_step >= UPDATE_STEPS and self._server.get_clients():
            self.show(gaussians, step)

    def show(self, gaussians: Gaussians, step: int) -> None:
        """Show the Gaussians now, and to everyone who comes later."""
        begin = time.monotonic()
        self._stage.show(gaussians)
        self._upload()
        self._shown_at, self._shown_step = time.monotonic(), step
        self._cost = self._shown_at - begin

    def wait(self) -> None:
        """Serve until Ctrl-C, then stop."""
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        self.stop()

    def stop(self) -> None:
        """Close the server and its port."""
        self._painter.stop()
        with _quiet():
            self._server.stop()

    def _connect(self, handle: viser.ClientHandle) -> None:
        client = Client(handle, self._stage, self._painter)
        ViewPanel(client)
        if client.stage.scene.photos:
            PhotosPanel(client)
        if client.stage.scene.held_out is not None and self._engine is not None:
            HeldOutPanel(client)
        self._clients[handle.client_id] = client
        client.start()

    def _disconnect(self, handle: viser.ClientHandle) -> None:
        client = self._clients.pop(handle.client_id, None)
        if client is not None:
            client.close()

    def _upload(self) -> None:
        """To all browsers; those that have Gaussians of their own get them painted anew."""
        self._node.set_gaussians(*_arrays(self._stage.shown.splats.first(MAX_SPLATS)))
        for client in list(self._clients.values()):
            client.refresh()

    def _set_initial_camera(self, standpoint: Standpoint) -> None:
        """Where a new browser starts, so that its first picture is not one from nowhere."""
        camera = self._server.initial_camera
        camera.position = standpoint.position
        camera.look_at = standpoint.look_at
        camera.up = standpoint.up
        camera.fov = standpoint.fov(aspect=1.5)
        camera.far = 1e4


def serve(
    scene: ViewerScene, host: str = "127.0.0.1", port: int = 8080, engine: Engine | None = None
) -> Viewer:
    """Start a viewer; `url` of the result tells where, as a taken port makes way for the next free one. With
    an engine for the Gaussians' device, pictures are also drawn here, and support is known.

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
    return Viewer(scene, server, engine)


def _arrays(splats: Splats) -> tuple:
    """In the order of viser's arguments."""
    return splats.means, splats.covariances, splats.rgb, splats.opacities


def _quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Keeps viser from printing its own notices, in which the address is at times another."""
    return contextlib.redirect_stdout(io.StringIO())
