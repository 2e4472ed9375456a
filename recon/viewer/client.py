"""One browser window: where its eye stands, what it asks to see, and the picture it gets.

A browser draws Gaussians of one colour each. Those that all share are coloured for the first photo's place;
a window whose eye is at rest elsewhere, or that asks for another mode, gets its own, under the same name,
which hides the shared ones from it. Drawn on the server, its picture is the background of an empty scene.
"""

import asyncio
import threading
import time
from collections.abc import Callable

import imageio.v3 as iio
import numpy as np
import torch
import viser
from jaxtyping import UInt8

from recon.exporting.video import FREE_NEAR
from recon.scene import Cameras
from recon.viewer.frame import DISPLAY_DISTANCE, Standpoint
from recon.viewer.overlay import lay_over
from recon.viewer.painter import Painter
from recon.viewer.scene import to_bytes
from recon.viewer.stage import Shown, Stage
from recon.viewer.wish import MAX_SPLATS, Colour, Wish

GAUSSIANS_NODE = "/gaussians"
REST_SECONDS = 0.3
"""An eye that did not move for so long is at rest,"""
LOOK_SECONDS = 0.1
"""A browser tells of its eye at every frame; what follows from it in the panels, no more often than this."""
REST_DISTANCE = 0.02 * DISPLAY_DISTANCE
"""and gets other colours where it is further from where it got its last ones."""
SHARP_PIXELS, QUICK_PIXELS = 1600, 480
"""The longer side of a picture drawn on the server, at rest and in motion."""
NARROW_PIXELS = 600
"""Width of a window, as a phone's, in which open panels would hide the scene."""
SHOT_SECONDS = 60.0
"""How long a browser may take to draw a picture for us."""


class Client:
    """One browser window and its view of the stage."""

    def __init__(self, handle: viser.ClientHandle, stage: Stage, painter: Painter) -> None:
        self.handle, self.stage = handle, stage
        self.wish = Wish(background=self.backdrop or Wish.background)
        self.standing: int | None = None
        """The photo at whose place the eye stands."""
        self.on_look: list[Callable[[], None]] = []
        """Called when the eye has moved."""
        self.on_legend: Callable[[str], None] = lambda legend: None
        self.on_count: Callable[[int, int], None] = lambda drawn, total: None
        self._painter = painter
        self._own: viser.GaussianSplatHandle | None = None
        self._own_holds: tuple[int, int] | None = None
        """The moment, and how many of its splats."""
        self._painted_at = stage.standpoints[0].position
        self._moved_at = 0.0
        self._closed = self._looking = False
        self._painting = threading.Lock()
        handle.camera.fov = stage.standpoints[0].fov(handle.camera.aspect)
        self._plain_background()

    def start(self) -> None:
        """Once its panels are there."""
        self.handle.camera.on_update(self._moved)
        self.look()
        self.refresh()

    def close(self) -> None:
        """Nothing is painted for it any more, from when a picture under way is done: it is of nodes that are
        removed here."""
        self._closed = True
        self._painter.forget(self)
        with self._painting:
            self._show_shared()

    @property
    def narrow(self) -> bool:
        """Whether its panels wait folded."""
        return self.handle.camera.image_width < NARROW_PIXELS

    def stand_at(self, standpoint: Standpoint) -> None:
        """Move the eye, and turn it and set its field of view to show all of the picture."""
        camera = self.handle.camera
        with self.handle.atomic():
            camera.position = standpoint.position
            camera.look_at = standpoint.look_at
            camera.up_direction = standpoint.up
            camera.fov = standpoint.fov(camera.aspect)
        self.look()

    def eye(self, longer_side: int | None = None) -> Cameras:
        """The window's eye as a camera of the scene; with pictures of at most this many pixels."""
        camera = self.handle.camera
        width, height = camera.image_width, camera.image_height
        ratio = min(1.0, longer_side / max(width, height)) if longer_side else 1.0
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        return self.stage.frame.camera(camera.wxyz, camera.position, camera.fov, size)

    def look(self) -> None:
        """The eye has moved: new colours once it rests, at once where the server draws."""
        self._moved_at = time.monotonic()
        self._follow_eye()

    async def _moved(self, _: viser.CameraHandle) -> None:
        """For each message of the browser's, on the one thread that talks to all of them: a note, no more."""
        self._moved_at = time.monotonic()
        if not self._looking:
            self._looking = True
            delay = 0.0 if self._server_draws() else LOOK_SECONDS
            asyncio.get_running_loop().call_later(delay, self._follow_eye)

    def _follow_eye(self) -> None:
        self._looking = False
        if self._closed:
            return
        self.standing = self.stage.photo_at(self.handle.camera.position, self.handle.camera.look_at)
        for callback in self.on_look:
            callback()
        at_once = self._server_draws() or (self._own is not None and not self._own.visible)
        rested = time.monotonic() - self._moved_at
        self._painter.ask(self, self._repaint, 0.0 if at_once else REST_SECONDS - rested)

    def refresh(self) -> None:
        """The wish or the Gaussians are others."""
        self._painted_at = np.full(3, np.inf)
        if not self._closed:
            self._painter.ask(self, self._repaint)

    def picture(self, shown: Shown, eye: Cameras) -> tuple[UInt8[np.ndarray, "h w 3"], str]:
        """What the window is to show, drawn by the engine, and the legend of its colours."""
        standing = self.standing
        near = self.stage.scene.near * (1.0 if standing is not None else FREE_NEAR)
        rendering, legend = self.stage.draw(self.wish.mode, shown, eye, near)
        rgb = rendering.over(rendering.rgb.new_tensor(self.wish.background) / 255).rgb
        if standing is not None and self.wish.photo_share > 0:
            photo = torch.from_numpy(self.stage.scene.photos[standing]) / 255
            rgb = lay_over(rgb, eye, photo, self.stage.scene.cameras.Ks[standing], self.wish.photo_share)
        return to_bytes(rgb), legend

    def screenshot(self) -> None:
        """Hands the picture to the browser as a PNG: by the engine if there is one, else as the browser
        draws it."""
        if self.stage.engine is not None:
            pixels, _ = self.picture(self.stage.shown, self.eye())
        else:
            camera = self.handle.camera
            pixels = self.handle.get_render(camera.image_height, camera.image_width, timeout=SHOT_SECONDS)
        png = iio.imwrite("<bytes>", pixels, extension=".png")
        self.handle.send_file_download("recon.png", png, save_immediately=True)

    def _server_draws(self) -> bool:
        covered = self.standing is not None and self.wish.photo_share > 0
        return self.stage.engine is not None and (self.wish.on_server or covered)

    def _repaint(self) -> None:
        with self._painting:
            if self._closed:
                return
            shown = self.stage.shown
            if self._server_draws():
                self._draw_on_server(shown)
            else:
                self._paint_splats(shown)

    def _draw_on_server(self, shown: Shown) -> None:
        """A quick picture while the eye moves, a sharp one when it rests."""
        moving = time.monotonic() - self._moved_at < REST_SECONDS
        pixels, legend = self.picture(shown, self.eye(QUICK_PIXELS if moving else SHARP_PIXELS))
        with self.handle.atomic():
            if self._own is None or self._own.visible:
                self._show_own(shown, 1, visible=False)
            self.handle.scene.set_background_image(pixels, format="jpeg", jpeg_quality=90)
        self.on_legend(legend)
        self.on_count(len(shown.gaussians), len(shown.gaussians))
        if moving:
            self._painter.ask(self, self._repaint, REST_SECONDS)

    def _paint_splats(self, shown: Shown) -> None:
        wish, shared = self.wish, min(MAX_SPLATS, len(shown.splats))
        hidden = self._own is not None and not self._own.visible
        if hidden:
            self._plain_background()
        position = np.asarray(self.handle.camera.position)
        if np.linalg.norm(position - self._painted_at) < REST_DISTANCE and not hidden:
            if wish.mode != "Depth":
                return
        count = min(wish.max_splats, shared)
        away = np.linalg.norm(position - self.stage.standpoints[0].position) > REST_DISTANCE
        turned = wish.follow and shown.gaussians.sh_degree > 0 and away
        legend = ""
        if wish.mode != "Colour" or turned or count < shared:
            rgb = shown.splats.rgb[:count]
            if wish.mode != "Colour" or turned:
                painted = self.stage.paint(wish.mode, shown, self.eye(), count)
                rgb, legend = painted.rgb.cpu().numpy(), painted.legend
            self._show_own(shown, count, visible=True, rgb=rgb)
        else:
            self._show_shared()
        self._painted_at = position
        self.on_legend(legend)
        self.on_count(count, len(shown.splats))

    def _show_own(self, shown: Shown, count: int, visible: bool, rgb: np.ndarray | None = None) -> None:
        splats, holds = shown.splats.first(count), (shown.moment, count)
        rgb = splats.rgb if rgb is None else rgb
        arrays = splats.means, splats.covariances, rgb, splats.opacities
        if self._own is None:
            self._own = self.handle.scene.add_gaussian_splats(GAUSSIANS_NODE, *arrays, visible=visible)
        elif self._own_holds == holds:
            self._own.rgbs = rgb
        else:
            self._own.set_gaussians(*arrays)
        self._own.visible, self._own_holds = visible, holds

    def _show_shared(self) -> None:
        if self._own is not None:
            self._own.remove()
            self._own = None

    @property
    def backdrop(self) -> Colour | None:
        """What lay behind the object in the photos."""
        colour = self.stage.scene.gaussians.backdrop
        if colour is None:
            return None
        red, green, blue = (round(255 * channel) for channel in colour.tolist())
        return red, green, blue

    def _plain_background(self) -> None:
        pixel = np.array(self.wish.background, np.uint8).reshape(1, 1, 3)
        self.handle.scene.set_background_image(pixel, format="png")

    def set_background(self, colour: Colour) -> None:
        """What no Gaussian covers."""
        self.wish.background = colour
        if self._server_draws():
            self.refresh()
        else:
            self._plain_background()
