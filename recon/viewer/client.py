"""What each browser has of its own: the photos' frusta, its panel, and where it stands."""

import numpy as np
import viser
import viser.transforms as tf
from jaxtyping import Float

from recon.viewer.frame import DISPLAY_DISTANCE, DisplayFrame, Standpoint
from recon.viewer.scene import ViewerScene

BACKGROUNDS = {"Black": 0, "White": 255}
FRUSTUM_COLOUR = (255, 170, 40)
MAX_FRUSTUM = 0.08 * DISPLAY_DISTANCE
MIN_FRUSTUM = 0.02 * DISPLAY_DISTANCE
STANDING_DISTANCE = 0.01 * DISPLAY_DISTANCE
"""An eye this close to a camera's centre stands there."""


class Client:
    """One browser window. It sees the Gaussians that all share through its own eye."""

    def __init__(
        self,
        handle: viser.ClientHandle,
        scene: ViewerScene,
        frame: DisplayFrame,
        standpoints: tuple[Standpoint, ...],
    ) -> None:
        """`standpoints[0]` is home; those of the cameras are in their order."""
        self._handle = handle
        self._standpoints = standpoints
        self._show_frusta = True
        self._frustum_size = frustum_size(_positions(standpoints))
        self._frusta = self._add_frusta(scene, frame)
        self._add_panel(scene)
        self._fill_background("Black")
        handle.camera.fov = standpoints[0].fov(handle.camera.aspect)
        handle.camera.on_update(lambda camera: self._hide_frusta_around(camera.position))
        self._hide_frusta_around(standpoints[0].position)

    def stand_at(self, standpoint: Standpoint) -> None:
        """Move the eye, and turn it and set its field of view to show all of the picture."""
        camera = self._handle.camera
        with self._handle.atomic():
            camera.position = standpoint.position
            camera.look_at = standpoint.look_at
            camera.up_direction = standpoint.up
            camera.fov = standpoint.fov(camera.aspect)
        self._hide_frusta_around(standpoint.position)

    def _add_frusta(self, scene: ViewerScene, frame: DisplayFrame) -> list[viser.CameraFrustumHandle]:
        frusta = []
        orientations = scene.cameras.world_from_camera[:, :3, :3].double().numpy()
        for i, (rotation, thumbnail) in enumerate(zip(orientations, scene.thumbnails, strict=True)):
            standpoint = self._standpoints[i]
            width, height = scene.cameras.sizes[i]
            frustum = self._handle.scene.add_camera_frustum(
                f"/photos/{i}",
                fov=2 * float(np.arctan(standpoint.half_tangents[1])),
                aspect=width / height,
                scale=self._frustum_size,
                thickness=1.5,
                thickness_units="screen",
                color=FRUSTUM_COLOUR,
                image=thumbnail,
                wxyz=tf.SO3.from_matrix(rotation).wxyz,
                position=standpoint.position,
                cast_shadow=False,
                receive_shadow=False,
            )
            frustum.on_click(lambda _, standpoint=standpoint: self.stand_at(standpoint))
            frusta.append(frustum)
        return frusta

    def _add_panel(self, scene: ViewerScene) -> None:
        gui = self._handle.gui
        with gui.add_folder("View"):
            reset = gui.add_button("Reset view", hint="Back to where the first photo was taken.")
            reset.on_click(lambda _: self.stand_at(self._standpoints[0]))
            background = gui.add_dropdown("Background", tuple(BACKGROUNDS))
            background.on_update(lambda _: self._fill_background(background.value))
        if not self._frusta:
            return
        with gui.add_folder("Photos"):
            labels = [f"{i + 1}: {name}" for i, name in enumerate(scene.names)]
            for label, standpoint in zip(labels, self._standpoints, strict=True):
                jump = gui.add_button(label, hint="Stand where this photo was taken.", color="gray")
                jump.on_click(lambda _, standpoint=standpoint: self.stand_at(standpoint))
            frusta = gui.add_checkbox("Show in scene", True)
            frusta.on_update(lambda _: self._set_frusta(frusta.value, size.value))
            size = gui.add_slider("Size", 0.1, 3.0, 0.1, 1.0)
            size.on_update(lambda _: self._set_frusta(frusta.value, size.value))

    def _set_frusta(self, show: bool, size: float) -> None:
        self._show_frusta = show
        self._frustum_size = size * frustum_size(_positions(self._standpoints))
        for frustum in self._frusta:
            frustum.scale = self._frustum_size
        self._hide_frusta_around(self._handle.camera.position)

    def _hide_frusta_around(self, eye: Float[np.ndarray, "3"]) -> None:
        """A photo right before the eye would cover the picture, and from where one was taken the picture
        alone is shown, not its neighbours' photos over it."""
        if not self._frusta:
            return
        distances = np.linalg.norm(_positions(self._standpoints) - eye, axis=-1)
        show = self._show_frusta and distances.min() > STANDING_DISTANCE
        for frustum, distance in zip(self._frusta, distances, strict=True):
            visible = bool(show and distance > 1.5 * self._frustum_size)
            if frustum.visible != visible:
                frustum.visible = visible

    def _fill_background(self, name: str) -> None:
        self._handle.scene.set_background_image(np.full((1, 1, 3), BACKGROUNDS[name], np.uint8), format="png")


def frustum_size(positions: Float[np.ndarray, "n 3"]) -> float:
    """Length of the frusta: large enough to see the photo, too small to reach the next camera."""
    if len(positions) < 2:
        return MAX_FRUSTUM
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return float(np.clip(0.4 * np.median(apart.min(axis=1)), MIN_FRUSTUM, MAX_FRUSTUM))


def _positions(standpoints: tuple[Standpoint, ...]) -> Float[np.ndarray, "n 3"]:
    return np.stack([standpoint.position for standpoint in standpoints])
