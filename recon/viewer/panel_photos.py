"""The photos: where they were taken, what they show, and a way to stand there."""

import numpy as np
import viser
import viser.transforms as tf
from jaxtyping import Float

from recon.viewer.client import Client
from recon.viewer.frame import DISPLAY_DISTANCE

FRUSTUM_COLOUR = (255, 170, 40)
MAX_FRUSTUM = 0.08 * DISPLAY_DISTANCE
MIN_FRUSTUM = 0.02 * DISPLAY_DISTANCE
CROWDED_DISTANCE = 0.01 * DISPLAY_DISTANCE
"""An eye this close to a camera's centre sees no frusta."""


class PhotosPanel:
    """A frustum and a button for each photo, and the photo over the picture."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._places = client.stage.standpoints[: len(client.stage.scene.cameras)]
        self._positions = np.stack([place.position for place in self._places])
        self._size = frustum_size(self._positions)
        self._frusta = self._add_frusta()
        gui = client.handle.gui
        with gui.add_folder("Photos", expand_by_default=not client.narrow):
            for index, name in enumerate(client.stage.scene.names):
                jump = gui.add_button(
                    f"{index + 1}: {name}", hint="Stand where this photo was taken.", color="gray"
                )
                jump.on_click(lambda _, index=index: self.go(index))
            if client.stage.engine is not None:
                self._share = gui.add_slider(
                    "Photo over scene", 0.0, 1.0, 0.05, 0.0, hint="While you stand where it was taken."
                )
                self._share.on_update(lambda _: self._set_share(self._share.value))
            self._show = gui.add_checkbox("Photos in scene", True)
            self._show.on_update(lambda _: self._arrange())
            self._scale = gui.add_slider("Their size", 0.1, 3.0, 0.1, 1.0)
            self._scale.on_update(lambda _: self._arrange())
        client.on_look.append(self._hide_around)

    def go(self, index: int) -> None:
        """Stand where the photo was taken; photos are counted around."""
        self._client.stand_at(self._places[index % len(self._places)])

    def step(self, by: int) -> None:
        """To the next photo, or `by` further, from the one nearest to the eye."""
        eye = np.asarray(self._client.handle.camera.position)
        nearest = int(np.linalg.norm(self._positions - eye, axis=-1).argmin())
        self.go(nearest + by)

    def toggle(self) -> None:
        """Show the photos in the scene, or do not."""
        self._show.value = not self._show.value

    def _add_frusta(self) -> list[viser.CameraFrustumHandle]:
        scene = self._client.stage.scene
        orientations = scene.cameras.world_from_camera[:, :3, :3].double().numpy()
        frusta = []
        for index, (rotation, place) in enumerate(zip(orientations, self._places, strict=True)):
            width, height = scene.cameras.sizes[index]
            frustum = self._client.handle.scene.add_camera_frustum(
                f"/photos/{index}",
                fov=2 * float(np.arctan(place.half_tangents[1])),
                aspect=width / height,
                scale=self._size,
                thickness=1.5,
                thickness_units="screen",
                color=FRUSTUM_COLOUR,
                image=self._client.stage.thumbnails[index],
                wxyz=tf.SO3.from_matrix(rotation).wxyz,
                position=place.position,
                cast_shadow=False,
                receive_shadow=False,
            )
            frustum.on_click(lambda _, index=index: self.go(index))
            frusta.append(frustum)
        return frusta

    def _set_share(self, share: float) -> None:
        self._client.wish.photo_share = share
        self._client.refresh()

    def _arrange(self) -> None:
        self._size = self._scale.value * frustum_size(self._positions)
        for frustum in self._frusta:
            frustum.scale = self._size
        self._hide_around()

    def _hide_around(self) -> None:
        """A photo right before the eye would cover the picture, and from where one was taken the picture
        alone is shown, not its neighbours' photos over it."""
        distances = np.linalg.norm(self._positions - self._client.handle.camera.position, axis=-1)
        show = self._show.value and distances.min() > CROWDED_DISTANCE
        for frustum, distance in zip(self._frusta, distances, strict=True):
            visible = bool(show and distance > 1.5 * self._size)
            if frustum.visible != visible:
                frustum.visible = visible


def frustum_size(positions: Float[np.ndarray, "n 3"]) -> float:
    """Length of the frusta: large enough to see the photo, too small to reach the next camera."""
    if len(positions) < 2:
        return MAX_FRUSTUM
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return float(np.clip(0.4 * np.median(apart.min(axis=1)), MIN_FRUSTUM, MAX_FRUSTUM))
