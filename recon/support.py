"""What the photos vouch for: which of them see the surface that a Gaussian lies on, and from where.

Nothing in a scene of few photos says by itself where it is measured and where it is made up; this does.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.gaussians import Gaussians
from recon.geometry import inside, project
from recon.rendering import Engine, render
from recon.scene import Cameras

TOLERANCE = 0.05
"""A Gaussian is of the surface that a photo sees if it is no further than this share of the depth from it."""
MIN_ALPHA = 0.5
"""Where less of the light is stopped, a photo sees no surface."""
MAX_PIXELS = 384
"""The longer side of the depth maps: finer ones tell little more about Gaussians of several pixels."""


@dataclass(frozen=True)
class Support:
    """Which photo sees which Gaussian, and from where."""

    seen: Bool[Tensor, "n g"]
    centres: Float[Tensor, "n 3"]
    """Where the photos were taken, in the world."""

    @property
    def counts(self) -> Int[Tensor, " g"]:
        """How many photos see each Gaussian."""
        return self.seen.sum(dim=0)

    def angles(self, means: Float[Tensor, "g 3"], eye: Float[Tensor, "3"]) -> Float[Tensor, " g"]:
        """Degrees between the ray from `eye` to each mean and that of the closest photo which sees it; 180
        where none does."""
        rays = torch.nn.functional.normalize(means - eye, dim=-1)
        nearest = torch.full_like(means[:, 0], -1.0)
        for seen, centre in zip(self.seen, self.centres, strict=True):
            cosine = (rays * torch.nn.functional.normalize(means - centre, dim=-1)).sum(dim=-1)
            nearest = torch.where(seen, torch.maximum(nearest, cosine), nearest)
        return torch.rad2deg(torch.arccos(nearest.clamp(-1, 1)))


@torch.no_grad()
def support(gaussians: Gaussians, cameras: Cameras, engine: Engine, near: float = 0.01) -> Support:
    """Which photos see each Gaussian: it projects into the picture, and lies on the surface that the rendered
    depth shows there, neither behind another nor floating before it. The cameras are the photos' own, on any
    device."""
    means = gaussians.means
    cameras = reduced(cameras.to(means.device))
    seen = torch.zeros(len(cameras), len(means), dtype=torch.bool, device=means.device)
    for index, size in enumerate(cameras.sizes):
        drawn = render(gaussians, cameras, index, engine, sh_degree=0, near=near)
        uv, z = project(means, cameras.Ks[index], cameras.camera_from_world[index])
        (candidates,) = (inside(uv, z, size) & (z > near)).nonzero(as_tuple=True)
        u, v = uv[candidates].long().unbind(-1)
        depth, alpha = drawn.depth[v, u], drawn.alpha[v, u]
        on_surface = (z[candidates] - depth).abs() <= TOLERANCE * depth
        seen[index, candidates] = on_surface & (alpha >= MIN_ALPHA)
    return Support(seen, cameras.centres)


def reduced(cameras: Cameras, max_pixels: int = MAX_PIXELS) -> Cameras:
    """The same cameras with pictures of at most `max_pixels` along the longer side."""
    Ks, sizes = cameras.Ks.clone(), []
    for index, (width, height) in enumerate(cameras.sizes):
        ratio = min(1.0, max_pixels / max(width, height))
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        Ks[index, 0] *= size[0] / width
        Ks[index, 1] *= size[1] / height
        sizes.append(size)
    return Cameras(cameras.camera_from_world, Ks, tuple(sizes))
