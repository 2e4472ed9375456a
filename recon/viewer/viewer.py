"""A running viewer: one stage that all browsers look at, renewed while it is being fitted."""

import contextlib
import io
import threading
import time
from pathlib import Path

import viser

from recon.edits import Edits
from recon.errors import InputError
from recon.events import Step
from recon.gaussians import Gaussians
from recon.rendering import Engine
from recon.viewer.client import GAUSSIANS_NODE, Client
from recon.viewer.painter import Painter
from recon.viewer.panel_edit import EditPanel
from recon.viewer.panel_held_out import HeldOutPanel
from recon.viewer.panel_path import PathPanel
from recon.viewer.panel_photos import PhotosPanel
from recon.viewer.panel_scene import ScenePanel
from recon.viewer.panel_training import TrainingPanel
from recon.viewer.panel_view import ViewPanel
from recon.viewer.run import load_scene
from recon.viewer.scene import ViewerScene
from recon.viewer.shortcuts import add_shortcuts, shortcuts_of
from recon.viewer.splats import Splats
from recon.viewer.stage import Stage
from recon.viewer.wish import MAX_SPLATS

UPDATE_SECONDS = 2.0
"""Live Gaussians are renewed no more often than this,"""
UPDATE_STEPS = 100
"""nor after fewer steps than this,"""
EDIT_SECONDS = 0.15
"""A slider that was not moved for so long is where it is to be."""
MAX_UPDATE_SHARE = 0.1
"""nor so often that renewing them, or drawing for the browsers, takes more than this share of the time."""
FULL_PACE_WINDOWS = 4
"""More windows than this get live Gaussians more rarely: each is sent all of them, and colours of its own."""


class Viewer:
    """A running viewer. `update` and `show` are called by the thread that owns the Gaussians, and copy them
    there; browsers are served by threads of viser's, and drawn for by the painters'."""

    def __init__(
        self,
        scene: ViewerScene,
        server: viser.ViserServer,
        engine: Engine | None = None,
        token: str | None = None,
    ) -> None:
        """`token` is what the server asks for in the address."""
        self._server, self._token = server, token
        self._engine = engine
        self._device = scene.gaussians.means.device
        self._painter, self._renewer = Painter(), Painter("recon-renewer")
        self._stage = Stage(scene, engine)
        self._clients: dict[int, Client] = {}
        self._training: TrainingPanel | None = None
        self._shown_at, self._shown_step = -float("inf"), 0
        self._renewing = threading.Lock()
        self._pending: Gaussians | None = None
        """A moment of the fit that waits to be shown."""

        server.gui.set_panel_label("recon")
        server.gui.configure_theme(
            dark_mode=True, show_logo=False, show_share_button=False, control_width="medium"
        )
        server.gui.main_panel.dock_right()
        self._set_initial_camera(self._stage)
        first = self._stage.shown.splats.first(MAX_SPLATS)
        self._node = server.scene.add_gaussian_splats(GAUSSIANS_NODE, *_arrays(first))
        self._edits = EditPanel(server, self._stage, self._edit)
        server.on_client_connect(self._connect)
        server.on_client_disconnect(self._disconnect)

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        host = self._server.get_host()
        host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
        address = f"http://{f'[{host}]' if ':' in host else host}:{self._server.get_port()}"
        return address if self._token is None else f"{address}/?token={self._token}"

    def train(self, stop: threading.Event) -> TrainingPanel:
        """Shows buttons for the fit that is told of by `follow` and ends when `stop` is set."""
        self._painter.share = self._renewer.share = MAX_UPDATE_SHARE
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
        """Show the Gaussians of a running fit soon, if the last ones are old enough and somebody looks on.
        The fit goes on at once: another thread shows a copy, when its share of the time allows."""
        windows = len(self._server.get_clients())
        age, pace = time.monotonic() - self._shown_at, max(1.0, windows / FULL_PACE_WINDOWS)
        old = age >= pace * UPDATE_SECONDS and step - self._shown_step >= UPDATE_STEPS
        if windows and old and self._pending is None:
            self._pending = gaussians.snapshot()
            self._shown_at, self._shown_step = time.monotonic(), step
            self._renewer.ask("scene", self._show_pending)

    def show(self, gaussians: Gaussians, step: int) -> None:
        """Show the Gaussians now, and to everyone who comes later."""
        with self._renewing:
            self._pending, self._shown_step = None, step
            self._put(gaussians.snapshot())

    def _show_pending(self) -> None:
        with self._renewing:
            snapshot, self._pending = self._pending, None
            if snapshot is not None:  # else newer ones have been shown
                self._put(snapshot)

    def _put(self, snapshot: Gaussians) -> None:
        self._stage.show(snapshot)
        self._upload()
        self._shown_at = time.monotonic()

    def open(self, path: Path) -> None:
        """Show another run to everybody."""
        scene = load_scene(path, self._device)
        if len(scene.gaussians) == 0:
            raise InputError(f"{path} holds no Gaussians; there is nothing to view.")
        for client in list(self._clients.values()):
            client.close()
        self._edits.remove()
        with self._renewing:
            self._painter.forget("edits")
            self._stage = Stage(scene, self._engine)
            self._set_initial_camera(self._stage)
            self._upload()
        self._edits = EditPanel(self._server, self._stage, self._edit)
        for client in list(self._clients.values()):
            client.handle.gui.reset()
            client.handle.scene.reset()
            self._connect(client.handle)
            self._clients[client.handle.client_id].stand_at(self._stage.standpoints[0])

    def page(self) -> str:
        """What is shown now as an HTML document that needs no server, without the panels."""
        return self._server.scene.as_html(dark_mode=True)

    def wait(self) -> None:
        """Serve until Ctrl-C, then stop."""
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        self.stop()

    def stop(self) -> None:
        """Close the server and its port."""
        for worker in (self._painter, self._renewer):
            worker.stop()
        with quiet():
            self._server.stop()

    def _connect(self, handle: viser.ClientHandle) -> None:
        client = Client(handle, self._stage, self._painter)
        scene = client.stage.scene
        view = ViewPanel(client)
        photos = PhotosPanel(client) if scene.photos else None
        if scene.held_out is not None and self._engine is not None:
            HeldOutPanel(client)
        PathPanel(client)
        if scene.folder is not None and self._training is None:
            ScenePanel(client, scene.folder, self.open)
        add_shortcuts(client, shortcuts_of(client, view, photos))
        self._clients[handle.client_id] = client
        if handle.client_id not in self._server.get_clients():
            self._disconnect(handle)  # it left while its panels were made, and nobody would tell us again
            return
        client.start()

    def _disconnect(self, handle: viser.ClientHandle) -> None:
        client = self._clients.pop(handle.client_id, None)
        if client is not None:
            client.close()

    def _edit(self, edits: Edits) -> None:
        """Sliders tell of every pixel they are drawn over: the last one counts."""
        self._painter.ask("edits", lambda: self._apply(edits), EDIT_SECONDS)

    def _apply(self, edits: Edits) -> None:
        with self._renewing:
            self._stage.edit(edits)
            self._upload()

    def _upload(self) -> None:
        """To all browsers; those that have Gaussians of their own get them painted anew."""
        self._node.set_gaussians(*_arrays(self._stage.shown.splats.first(MAX_SPLATS)))
        for client in list(self._clients.values()):
            client.refresh()

    def _set_initial_camera(self, stage: Stage) -> None:
        """Where a new browser starts, so that its first picture is not one from nowhere."""
        self._server.scene.set_up_direction(stage.frame.up.numpy())
        standpoint = stage.standpoints[0]
        camera = self._server.initial_camera
        camera.position = standpoint.position
        camera.look_at = standpoint.look_at
        camera.up = standpoint.up
        camera.fov = standpoint.fov(aspect=1.5)
        camera.far = 1e4


def _arrays(splats: Splats) -> tuple:
    """In the order of viser's arguments."""
    return splats.means, splats.covariances, splats.rgb, splats.opacities


def quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Keeps viser from printing its own notices, in which the address is at times another."""
    return contextlib.redirect_stdout(io.StringIO())
