"""Where the viewer's world lies in the scene, and the places in it from which a picture is looked at.

The browser keeps covariances as 16-bit floats and moves at fixed speeds, so a scene is drawn in units of its
own: the cameras' median distance from the Gaussians becomes `DISPLAY_DISTANCE`. Axes stay those of the scene.
"""

from dataclasses import dataclass

import numpy as np
import torch
import viser.transforms as tf
from jaxtyping import Float
from torch import Tensor

from recon.gaussians import Gaussians
from recon.geometry import inside, project
from recon.scene import Cameras

DISPLAY_DISTANCE = 10.0
"""Squared scales of a pixel's size at this distance, about 1e-4, keep three digits in 16 bits."""
MAX_SAMPLES = 20_000
"""Gaussians that a median is taken over."""
MAX_TALLER = 1.5
"""Times the picture's own height that a window may show, to show all of its width."""
OVERVIEW_TANGENT = 0.5
"""Half the vertical field of view of a picture that no photo tells, as a tangent: 53 degrees in all."""
OVERVIEW_UP = (0.0, -1.0, 0.0)
"""Up in a cloud without cameras: most 3DGS programs keep the y axis of the cameras, which points down."""


@dataclass(frozen=True)
class DisplayFrame:
    """A shift and a scale of the world, and its up direction."""

    origin: Float[Tensor, "3"]
    scale: float
    """Display units per world unit."""
    up: Float[Tensor, "3"]

    def points(self, xyz: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
        """World points in display units."""
        return (xyz - self.origin) * self.scale

    def camera(
        self,
        wxyz: Float[np.ndarray, "4"],
        position: Float[np.ndarray, "3"],
        fov: float,
        size: tuple[int, int],
    ) -> Cameras:
        """The eye of a browser as a camera of the scene: world_from_camera rotation and position in display
        units, vertical field of view in radians, (width, height) of the picture."""
        rotation = torch.from_numpy(tf.SO3(wxyz).as_matrix()).float()
        centre = torch.from_numpy(np.asarray(position)).float() / self.scale + self.origin
        pose = torch.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation.T, -rotation.T @ centre
        width, height = size
        focal = height / 2 / float(np.tan(fov / 2))
        K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return Cameras(pose[None], K[None], (size,))


@dataclass(frozen=True)
class Standpoint:
    """Where the eye is, in display units, and how much a picture shows."""

    position: Float[np.ndarray, "3"]
    look_at: Float[np.ndarray, "3"]
    up: Float[np.ndarray, "3"]
    half_tangents: tuple[float, float]
    """Half the horizontal and half the vertical field of view, as tangents."""

    def fov(self, aspect: float) -> float:
        """Vertical field of view, radians, that shows all of the picture in a window of this width/height;
        in one much narrower, as a phone's, its middle, with less of what no photo shows above and below."""
        horizontal, vertical = self.half_tangents
        return float(2 * np.arctan(np.clip(horizontal / aspect, vertical, MAX_TALLER * vertical)))


def display_frame(gaussians: Gaussians, cameras: Cameras) -> DisplayFrame:
    """The frame in which a scene is shown; without cameras the one that suits `overview`."""
    means = _sample(gaussians)
    if len(cameras):
        centres = cameras.centres
        origin = centres.mean(dim=0)
        distance = torch.cdist(centres, means).median() if len(means) else centres.new_ones(())
        up = _mean_up(cameras)
    else:
        origin = means.median(dim=0).values
        distance = 2 * (means - origin).norm(dim=-1).quantile(0.9)
        up = means.new_tensor(OVERVIEW_UP)
    return DisplayFrame(origin, DISPLAY_DISTANCE / max(float(distance), 1e-12), up)


def standpoints(gaussians: Gaussians, cameras: Cameras, frame: DisplayFrame) -> tuple[Standpoint, ...]:
    """One standpoint a camera, its look-at point at the depth of what the camera sees."""
    means = _sample(gaussians)
    points = []
    for world_from_camera, camera_from_world, K, size in zip(
        cameras.world_from_camera, cameras.camera_from_world, cameras.Ks, cameras.sizes, strict=True
    ):
        uv, z = project(means, K, camera_from_world)
        seen = z[inside(uv, z, size)]
        depth = float(seen.median()) if len(seen) else DISPLAY_DISTANCE / frame.scale
        right, down, forward, centre = world_from_camera[:3].T
        points.append(
            Standpoint(
                position=frame.points(centre).numpy(),
                look_at=frame.points(centre + depth * forward).numpy(),
                up=_upright(frame.up, right, -down).numpy(),
                half_tangents=(float(size[0] / 2 / K[0, 0]), float(size[1] / 2 / K[1, 1])),
            )
        )
    return tuple(points)


def overview(frame: DisplayFrame) -> Standpoint:
    """The whole cloud from the front, where no photo says where to stand: from -z, a little above."""
    forward = torch.nn.functional.normalize(torch.tensor([0.0, 0.25, 1.0]), dim=0)
    return Standpoint(
        position=(-DISPLAY_DISTANCE * forward).numpy(),
        look_at=np.zeros(3, np.float32),
        up=frame.up.numpy(),
        half_tangents=(OVERVIEW_TANGENT, OVERVIEW_TANGENT),
    )


def _sample(gaussians: Gaussians) -> Float[Tensor, "m 3"]:
    """Means of at most `MAX_SAMPLES` Gaussians, those that are finite, on the CPU."""
    stride = 1 + len(gaussians) // MAX_SAMPLES
    means = gaussians.means.detach()[::stride].cpu().float()
    return means[means.isfinite().all(dim=-1)]


def _mean_up(cameras: Cameras) -> Float[Tensor, "3"]:
    """The mean of what the photos hold for up; the first one's where they contradict each other."""
    ups = -cameras.camera_from_world[:, 1, :3]
    mean = ups.mean(dim=0)
    return torch.nn.functional.normalize(mean if mean.norm() > 1e-3 else ups[0], dim=0)


def _upright(
    up: Float[Tensor, "3"], right: Float[Tensor, "3"], camera_up: Float[Tensor, "3"]
) -> Float[Tensor, "3"]:
    """The direction closest to `up` for which orbit controls draw the camera's own orientation."""
    level = up - (up @ right) * right
    if level @ camera_up < 0.05:
        return camera_up
    return torch.nn.functional.normalize(level, dim=0)
