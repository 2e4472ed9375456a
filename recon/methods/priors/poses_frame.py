"""The world that solved cameras are put into: upright, centred on the points, of unit size."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Similarity:
    """new = scale * rotation @ (old - centre)."""

    rotation: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, "3"]
    scale: float

    def points(self, xyz: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, "m 3"]:
        """Points in the new world."""
        return self.scale * (xyz - self.centre) @ self.rotation.T

    def cameras(self, camera_from_world: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "n 4 4"]:
        """Rigid transforms from the new world; depths in the camera scale along."""
        moved = camera_from_world.copy()
        moved[:, :3, :3] = camera_from_world[:, :3, :3] @ self.rotation.T
        moved[:, :3, 3] = self.scale * (
            camera_from_world[:, :3, :3] @ self.centre + camera_from_world[:, :3, 3]
        )
        return moved


def similarity_of_cameras(
    source: Float[np.ndarray, "n 4 4"], target: Float[np.ndarray, "n 4 4"]
) -> Similarity:
    """The similarity that takes cameras to others of the same photos best: the mean turn of their axes, then
    the scale and shift of their centres. Axes decide the turn alone, for the centres of two or three photos
    lie on a line or a plane; 1 is the scale of photos from one place."""
    u, _, vt = np.linalg.svd(np.einsum("nji,njk->ik", target[:, :3, :3], source[:, :3, :3]))
    rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    old, new = (-np.einsum("nji,nj->ni", poses[:, :3, :3], poses[:, :3, 3]) for poses in (source, target))
    spread, wanted = (old - old.mean(0)) @ rotation.T, new - new.mean(0)
    scale = float((spread * wanted).sum() / np.square(spread).sum()) if np.ptp(old, axis=0).any() else 1.0
    return Similarity(rotation, old.mean(0) - new.mean(0) @ rotation / scale, scale)


LEVEL_WEIGHT = 0.01
"""Weight of the cameras' own up directions against level right directions. Hand-held photos are level to some
2 degrees (a variance of 0.001) but look down by 20; it decides only where all right directions agree."""


def upright_unit_world(
    camera_from_world: Float[np.ndarray, "n 4 4"],
    xyz: Float[np.ndarray, "m 3"],
    seen: Bool[np.ndarray, "m n"],
) -> Similarity:
    """z up: square to the cameras' right directions, as people hold cameras level though they look down; x
    along the mean right direction; the median point at the origin; the median distance from a camera to a
    point that it sees 1."""
    right, down = camera_from_world[:, 0, :3], camera_from_world[:, 1, :3]
    up = -down.mean(0) / np.linalg.norm(down.mean(0))
    tilt = right.T @ right / len(right) - LEVEL_WEIGHT * np.outer(up, up)
    z = np.linalg.eigh(tilt)[1][:, 0]
    z = z * np.sign(z @ up)
    level = right.mean(0) - (right.mean(0) @ z) * z
    if np.linalg.norm(level) < 1e-3:  # photos around a full circle cancel out; any level axis will do
        level = np.cross(z, np.eye(3)[np.abs(z).argmin()])
    x = level / np.linalg.norm(level)
    rotation = np.stack([x, np.cross(z, x), z])
    centres = -np.einsum("nji,nj->ni", camera_from_world[:, :3, :3], camera_from_world[:, :3, 3])
    distances = np.linalg.norm(xyz[:, None] - centres, axis=-1)[seen]
    centre = np.median(xyz @ rotation.T, axis=0) @ rotation  # the median along the new axes
    return Similarity(rotation, centre, float(1 / np.median(distances)))
