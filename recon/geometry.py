"""Projection, unprojection and sampling. Pure functions; OpenCV axes, pixel centres at +0.5, z-depth.

Letters: `uv` pixels (u right, v down), `xyz` points, `z` depth along the optical axis, `h w` an image.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def pixel_centres(height: int, width: int, like: Tensor) -> Float[Tensor, "h w 2"]:
    """(u, v) of every pixel centre, on the device and in the dtype of `like`. Shared: not to be changed."""
    return _pixel_centres(height, width, like.device, like.dtype)


@lru_cache(maxsize=32)
def _pixel_centres(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Kept between steps: on a GPU the launches of its few operations cost as much as a loss."""
    v, u = torch.meshgrid(
        torch.arange(height, device=device, dtype=dtype) + 0.5,
        torch.arange(width, device=device, dtype=dtype) + 0.5,
        indexing="ij",
    )
    return torch.stack([u, v], dim=-1)


def rays_from_pixels(uv: Float[Tensor, "*b 2"], K: Float[Tensor, "3 3"]) -> Float[Tensor, "*b 3"]:
    """Directions in the camera whose z is 1: a point at depth z is `z * ray`."""
    ones = torch.ones_like(uv[..., :1])
    # Not `inv`, which waits for the GPU to say whether the matrix was singular.
    return torch.cat([uv, ones], dim=-1) @ torch.linalg.inv_ex(K).inverse.T


def transform(matrix: Float[Tensor, "4 4"], xyz: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """Points moved by a rigid or similarity transform."""
    return xyz @ matrix[:3, :3].T + matrix[:3, 3]


def unproject(
    depth: Float[Tensor, "h w"], K: Float[Tensor, "3 3"], world_from_camera: Float[Tensor, "4 4"]
) -> Float[Tensor, "h w 3"]:
    """World point of every pixel of a depth map."""
    uv = pixel_centres(*depth.shape, like=depth)
    return transform(world_from_camera, rays_from_pixels(uv, K) * depth[..., None])


def project(
    xyz: Float[Tensor, "*b 3"], K: Float[Tensor, "3 3"], camera_from_world: Float[Tensor, "4 4"]
) -> tuple[Float[Tensor, "*b 2"], Float[Tensor, "*b"]]:
    """Pixel and depth of world points; behind the camera the depth is negative and the pixel meaningless."""
    in_camera = transform(camera_from_world, xyz)
    z = in_camera[..., 2]
    homogeneous = in_camera @ K.T
    # Keeps the sign of z, and the division finite for a point in the plane of the camera.
    safe_z = torch.where(z.abs() < 1e-8, torch.full_like(z, 1e-8), z)
    return homogeneous[..., :2] / safe_z[..., None], z


def inside(uv: Float[Tensor, "*b 2"], z: Float[Tensor, "*b"], size: tuple[int, int]) -> Bool[Tensor, "*b"]:
    """Whether a projected point lies before the camera and within an image of `size` (width, height)."""
    u, v = uv.unbind(-1)
    return (z > 0) & (u >= 0) & (u < size[0]) & (v >= 0) & (v < size[1])


def sample(
    image: Float[Tensor, "h w c"],
    uv: Float[Tensor, "*b 2"],
    mode: str = "bilinear",
    padding_mode: str = "border",
) -> Float[Tensor, "*b c"]:
    """The image read at pixels `uv`; outside, its border (or zeros)."""
    height, width, channels = image.shape
    # Not by a tensor of the two factors: copying it to a GPU would wait for it.
    grid = torch.stack([uv[..., 0] * (2 / width), uv[..., 1] * (2 / height)], dim=-1) - 1
    # grid_sample on the CPU spreads its batch over threads and vectorises along the last axis, but gives each
    # of the batch an image of gradients: a stack of pictures is a batch, the rows of one are not.
    batch = len(uv) if uv.ndim == 4 else 1
    grid = grid.reshape(batch, 1, -1, 2)
    images = image.permute(2, 0, 1)[None].expand(batch, -1, -1, -1)
    read = F.grid_sample(images, grid, mode=mode, padding_mode=padding_mode, align_corners=False)
    return read[:, :, 0].permute(0, 2, 1).reshape(*uv.shape[:-1], channels)


def rotation_angle(a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """Angle between two rotations, in degrees."""
    relative = a.transpose(-1, -2) @ b
    trace = relative.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.rad2deg(torch.arccos(((trace - 1) / 2).clamp(-1, 1)))
