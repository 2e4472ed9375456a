"""A camera path: key frames set by standing there, a preview, its JSON, and the film."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import viser
from jaxtyping import UInt8

from recon.errors import ReconError
from recon.exporting.camera_path import CameraPath
from recon.exporting.video import FREE_NEAR, draw_frames, write_video
from recon.viewer.client import Client
from recon.viewer.frame import DISPLAY_DISTANCE

PREVIEW_FPS = 15
FILM_PIXELS = 1280
"""The longer side of the film; it is as wide to its height as the window."""
LINE_COLOUR = (90, 200, 255)


class PathPanel:
    """The path of one window."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._path = CameraPath()
        self._line: viser.LineSegmentsHandle | None = None
        self._playing = threading.Event()
        gui = client.handle.gui
        with gui.add_folder("Camera path", expand_by_default=False):
            self._keys = gui.add_text("Key frames", "0", disabled=True)
            add = gui.add_button("Add key frame here", icon=viser.Icon.PLUS)
            back = gui.add_button("Remove the last", color="gray")
            clear = gui.add_button("Remove all", color="gray")
            self._seconds = gui.add_slider("Seconds", 1.0, 60.0, 0.5, self._path.seconds)
            self._play = gui.add_button("Preview", icon=viser.Icon.PLAYER_PLAY)
            save = gui.add_button("Save as JSON", color="gray")
            load = gui.add_upload_button("Load JSON", color="gray", mime_type="application/json")
            film = gui.add_button("Film (mp4)", icon=viser.Icon.MOVIE, disabled=client.stage.engine is None)
            self._progress = gui.add_progress_bar(0.0, visible=False)
        add.on_click(lambda _: self.add_key())
        back.on_click(lambda _: self._set(replace(self._path, keys=self._path.keys[:-1])))
        clear.on_click(lambda _: self._set(replace(self._path, keys=())))
        self._seconds.on_update(lambda _: self._set(replace(self._path, seconds=self._seconds.value)))
        self._play.on_click(lambda _: self._try(self.preview))
        save.on_click(lambda _: self._try(self.save))
        load.on_upload(lambda _: self._try(lambda: self._set(CameraPath.from_json(load.value.content))))
        film.on_click(lambda _: self._try(self.film))

    def add_key(self) -> None:
        """The path passes where the eye stands now."""
        self._set(
            self._path.with_key(self._client.eye().world_from_camera[0], self._client.handle.camera.fov)
        )

    def preview(self) -> None:
        """Moves the eye along the path; a second push stops it."""
        if self._playing.is_set():
            self._playing.clear()
            return
        poses = replace(self._path, fps=PREVIEW_FPS).cameras(self._size()).world_from_camera
        self._playing.set()
        camera, frame = self._client.handle.camera, self._client.stage.frame
        pause = threading.Event()
        for pose in poses:
            if not self._playing.is_set():
                break
            position = frame.points(pose[:3, 3]).numpy()
            with self._client.handle.atomic():
                camera.position = position
                camera.look_at = position + DISPLAY_DISTANCE * pose[:3, 2].numpy()
                camera.up_direction = -pose[:3, 1].numpy()
                camera.fov = self._path.fov
            self._client.look()
            pause.wait(1 / PREVIEW_FPS)
        self._playing.clear()

    def save(self) -> None:
        """Hands the path to the browser."""
        content = self._path.to_json(self._size()).encode()
        self._client.handle.send_file_download("camera_path.json", content, save_immediately=True)

    def film(self) -> None:
        """Draws every frame and hands the film to the browser."""
        stage = self._client.stage
        assert stage.engine is not None, "the button is disabled without"
        gaussians = stage.shown.gaussians
        cameras = self._path.cameras(self._size()).to(gaussians.means.device)
        frames = draw_frames(gaussians, cameras, stage.engine, FREE_NEAR * stage.scene.near)
        self._progress.visible = True
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.mp4"
            write_video(path, self._counted(frames, len(cameras)), self._path.fps)
            self._client.handle.send_file_download("film.mp4", path.read_bytes(), save_immediately=True)
        self._progress.visible = False

    def _counted(
        self, frames: Iterator[UInt8[np.ndarray, "h w 3"]], total: int
    ) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        for index, frame in enumerate(frames, start=1):
            self._progress.value = 100 * index / total
            yield frame

    def _size(self) -> tuple[int, int]:
        width, height = self._client.eye(FILM_PIXELS).sizes[0]
        return max(2, width // 2 * 2), max(2, height // 2 * 2)

    def _set(self, path: CameraPath) -> None:
        self._path = path
        self._keys.value = str(len(path.keys))
        self._seconds.value = path.seconds
        self._draw_line()

    def _draw_line(self) -> None:
        if self._line is not None:
            self._line.remove()
            self._line = None
        if len(self._path.keys) < 2:
            return
        centres = self._client.stage.frame.points(self._path.cameras(self._size()).centres).numpy()
        self._line = self._client.handle.scene.add_line_segments(
            "/path",
            np.stack([centres[:-1], centres[1:]], axis=1),
            LINE_COLOUR,
            thickness=2.0,
            thickness_units="screen",
        )

    def _try(self, action: Callable[[], None]) -> None:
        """What the user can mend is told in the window."""
        try:
            action()
        except ReconError as error:
            self._client.handle.add_notification("Camera path", str(error), color="red")
