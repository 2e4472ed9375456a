"""Cameras between the train cameras, and what stereo says they would see."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from recon.geometry import project, unproject
from recon.methods.priors.agreement import nearest_sources
from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Cameras, Views


def nearest_partners(cameras: Cameras) -> tuple[int, ...]:
    """For each train camera the nearest one in another place; itself if there is none."""
    return tuple((nearest_sources(cameras, index, 1) or [index])[0] for index in range(len(cameras)))


def random_pose_between(
    cameras: Cameras, index: int, partner: int, generator: torch.Generator
) -> Float[Tensor, "4 4"]:
    """camera_from_world of a camera on the way from train view `index` to `partner`, evenly drawn."""
    chance = torch.rand((), generator=generator, device=generator.device)
    return pose_between(cameras.camera_from_world[index], cameras.camera_from_world[partner], chance)


def pose_between(
    first: Float[Tensor, "4 4"], second: Float[Tensor, "4 4"], share: Float[Tensor, ""]
) -> Float[Tensor, "4 4"]:
    """camera_from_world `share` of the way from the first camera to the second, without a wait for the GPU.

    The centre moves on the straight line. The optical axis and the x axis are mixed and made orthonormal
    again: close to an even turn for cameras that see the same things, nothing for cameras back to back."""
    centres = [-pose[:3, :3].T @ pose[:3, 3] for pose in (first, second)]
    mixed = torch.lerp(first, second, share)[:3, :3]
    return pose_from_axes(mixed[2], mixed[0], torch.lerp(centres[0], centres[1], share))


def pose_from_axes(
    forward: Float[Tensor, "3"], right: Float[Tensor, "3"], centre: Float[Tensor, "3"]
) -> Float[Tensor, "4 4"]:
    """camera_from_world of a camera at `centre` that looks along `forward`, its x axis as near to `right` as
    that allows; both of any length."""
    forward = F.normalize(forward, dim=0)
    right = F.normalize(right - (right @ forward) * forward, dim=0)
    pose = centre.new_zeros(4, 4)
    pose[:3, :3] = torch.stack([right, torch.linalg.cross(forward, right), forward])
    pose[:3, 3] = -pose[:3, :3] @ centre
    pose[3, 3] = 1
    return pose


@torch.no_grad()
def warped_depth(
    views: Views, stereo: StereoPrior, sources: tuple[int, ...], index: int, pose: Float[Tensor, "4 4"]
) -> tuple[Float[Tensor, "h w"], Bool[Tensor, "h w"]]:
    """z-depth that the consistent stereo depth of `sources` puts before a camera at `pose` with the
    intrinsics of view `index`, and where it says anything."""
    cameras = views.cameras
    points, trusted = [], []
    for source in dict.fromkeys(sources):
        xyz = unproject(stereo.depths[source], cameras.Ks[source], cameras.world_from_camera[source])
        points.append(xyz.flatten(0, 1))
        trusted.append(stereo.consistent[source].flatten())
    depth = nearest_depth(
        torch.cat(points), torch.cat(trusted), cameras.Ks[index], pose, cameras.sizes[index]
    )
    # A surface behind shines through where the one before it is spread over more pixels than it had.
    nearest_around = -F.max_pool2d(-depth[None], 3, 1, 1)[0]
    return depth, depth.isfinite() & (depth < 1.1 * nearest_around)


def nearest_depth(
    xyz: Float[Tensor, "m 3"],
    use: Bool[Tensor, " m"],
    K: Float[Tensor, "3 3"],
    camera_from_world: Float[Tensor, "4 4"],
    size: tuple[int, int],
) -> Float[Tensor, "h w"]:
    """z-depth of the nearest of the used points on each pixel of a picture of `size` (width, height);
    infinite where there is none."""
    width, height = size
    uv, z = project(xyz, K, camera_from_world)
    u, v = uv.floor().clamp(-1, max(size)).long().unbind(-1)
    seen = use & (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    # What is not seen goes to one pixel too many, for a fixed number of points needs no wait for the GPU.
    pixel = torch.where(seen, v * width + u, height * width)
    depth = z.new_full((height * width + 1,), torch.inf).scatter_reduce(0, pixel, z, "amin")
    return depth[:-1].view(height, width)
