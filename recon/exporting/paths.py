"""Camera paths for films: round what the photos show, or from photo to photo.

All cameras of a path have one size and one field of view, so that the frames make a film.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from recon.gaussians import Gaussians
from recon.geometry import inside, project
from recon.scene import Cameras

MAX_SAMPLES = 20_000
"""Gaussians that a median depth is taken over."""
MIN_SWAY = 0.12
"""Half the width of an orbit over its distance, at least: less would hardly move."""
RING = -0.2
"""Cameras that look at the pivot from opposite sides (cosine below this) are orbited in a full circle."""
RISE = 0.4
"""Height of an orbit over its width."""


def orbit_path(gaussians: Gaussians, cameras: Cameras, frames: int, max_size: int | None) -> Cameras:
    """Round the point that the photos look at, and always towards it: an ellipse as wide as the photos were
    apart, or a full circle if they were taken all round. Ends where it begins."""
    pivot = look_at_point(gaussians, cameras)
    axes = cameras.world_from_camera[:, :3, :3]
    up = -_unit(axes[:, :, 1].mean(dim=0))
    offsets = cameras.centres - pivot
    sides = torch.nn.functional.normalize(offsets, dim=-1)
    angles = torch.linspace(0, 2 * math.pi, frames + 1)[:-1].to(pivot)[:, None]
    if float((sides @ sides.T).min()) < RING:
        height = (offsets @ up).mean() * up
        flat = offsets - (offsets @ up)[:, None] * up
        first, radius = _unit(flat[0]), flat.norm(dim=-1).mean()
        centres = (
            pivot + height + radius * (angles.cos() * first + angles.sin() * torch.linalg.cross(up, first))
        )
    else:
        offset = offsets.mean(dim=0)
        right = _unit(torch.linalg.cross(up, offset))
        spread = (offsets @ right - offset @ right).abs().max()
        sway = torch.maximum(spread, MIN_SWAY * offset.norm())
        centres = pivot + offset + sway * (angles.sin() * right + RISE * (angles.cos() - 1) * -up / 2)
    return _film(torch.stack([look_at(c, pivot, up) for c in centres]), cameras, max_size)


def between_path(cameras: Cameras, frames: int, max_size: int | None) -> Cameras:
    """Through all photos in their order, resting at none: a Catmull-Rom spline through the centres, and the
    shortest turn from one photo's axes to the next one's."""
    poses = cameras.world_from_camera
    if len(poses) == 1:
        return _film(poses.expand(frames, 4, 4), cameras, max_size)
    along = torch.linspace(0, len(poses) - 1, frames)
    made = []
    for place in along.tolist():
        i = min(int(place), len(poses) - 2)
        pose = torch.eye(4).to(poses)
        pose[:3, 3] = _catmull_rom(poses[:, :3, 3], i, place - i)
        pose[:3, :3] = turn_between(poses[i, :3, :3], poses[i + 1, :3, :3], place - i)
        made.append(pose)
    return _film(torch.stack(made), cameras, max_size)


def look_at_point(gaussians: Gaussians, cameras: Cameras) -> Float[Tensor, "3"]:
    """What the photos look at: the mean over them of the point on the axis at the median depth in view."""
    means = gaussians.means.detach()[:: 1 + len(gaussians) // MAX_SAMPLES].to(cameras.Ks)
    points = []
    for i, pose in enumerate(cameras.world_from_camera):
        uv, z = project(means, cameras.Ks[i], cameras.camera_from_world[i])
        seen = z[inside(uv, z, cameras.sizes[i])]
        depth = seen.median() if len(seen) else (means - pose[:3, 3]).norm(dim=-1).median()
        points.append(pose[:3, 3] + depth * pose[:3, 2])
    return torch.stack(points).mean(dim=0)


def look_at(
    centre: Float[Tensor, "3"], target: Float[Tensor, "3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "4 4"]:
    """world_from_camera of a level camera at `centre` that looks at `target`."""
    forward = _unit(target - centre)
    right = _unit(torch.linalg.cross(forward, up))
    pose = torch.eye(4).to(centre)
    pose[:3, :3] = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    pose[:3, 3] = centre
    return pose


def turn_between(
    first: Float[Tensor, "3 3"], second: Float[Tensor, "3 3"], share: float
) -> Float[Tensor, "3 3"]:
    """The rotation a `share` of the way along the shortest turn from the first to the second."""
    relative = (first.T @ second).double()
    cosine = ((relative.trace() - 1) / 2).clamp(-1, 1)
    angle = torch.arccos(cosine)
    skew = (relative - relative.T) / 2
    if skew.norm() < 1e-9:
        return second if share > 0.5 else first
    skew = skew / (skew.norm() / 2**0.5)
    turn = share * angle
    rotation = torch.eye(3).to(skew) + turn.sin() * skew + (1 - turn.cos()) * skew @ skew  # Rodrigues
    return first @ rotation.to(first)


def film_size(size: tuple[int, int], max_size: int | None) -> tuple[int, int]:
    """(width, height) reduced to `max_size` and made even, as films want."""
    factor = min(1.0, max_size / max(size)) if max_size else 1.0
    width, height = (max(2, 2 * round(side * factor / 2)) for side in size)
    return width, height


def _film(world_from_camera: Float[Tensor, "n 4 4"], like: Cameras, max_size: int | None) -> Cameras:
    """Cameras at these poses with the median field of view of `like` and the size of its first, reduced to
    `max_size`."""
    width, height = film_size(like.sizes[0], max_size)
    sides = like.Ks.new_tensor([max(size) for size in like.sizes])
    focal = float((like.Ks[:, 0, 0] / sides).median()) * max(width, height)
    K = like.Ks.new_tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    count = len(world_from_camera)
    inverse = Cameras(world_from_camera, K.expand(count, 3, 3), ((width, height),) * count).world_from_camera
    return Cameras(inverse, K.expand(count, 3, 3), ((width, height),) * count)


def _catmull_rom(points: Float[Tensor, "n 3"], i: int, t: float) -> Float[Tensor, "3"]:
    """Between points i and i + 1; the ends are their own neighbours."""
    before, start = points[max(i - 1, 0)], points[i]
    end, after = points[i + 1], points[min(i + 2, len(points) - 1)]
    leave, arrive = (end - before) / 2, (after - start) / 2
    return (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * leave
        + (3 * t**2 - 2 * t**3) * end
        + (t**3 - t**2) * arrive
    )


def _unit(vector: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    return torch.nn.functional.normalize(vector, dim=0)
