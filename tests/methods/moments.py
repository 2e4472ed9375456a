"""Moments of a fit made by hand, for tests of the regularisers."""

from collections.abc import Callable

import torch
from synthetic import Truth, photograph
from torch import Tensor

from recon.gaussians import Gaussians
from recon.methods.regulariser import Moment
from recon.rendering import Rendering


def make_gaussians(count: int = 5) -> Gaussians:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    return Gaussians(normal(3), normal(4), normal(3), normal(), normal(1, 3), normal(3, 3))


def make_moment(
    truth: Truth,
    index: int = 0,
    progress: float = 0.5,
    step: int = 0,
    depth_factor: float = 1.0,
    detail: float = 0.35,
    render_from: Callable[[Tensor], Rendering] | None = None,
) -> Moment:
    """A step whose picture is the photo, and whose depth is the true one times `depth_factor`; a negative
    factor turns near and far about. Other poses show the scene as a camera there would take it."""
    width, height = truth.views.sizes[index]
    K = truth.views.cameras.Ks[index]
    depth = truth.depths[index]
    depth = depth * depth_factor if depth_factor > 0 else depth.max() + depth.min() - depth
    gaussians = make_gaussians()

    def photo_from(camera_from_world: Tensor) -> Rendering:
        pose = torch.linalg.inv(camera_from_world.double())
        rgb, its_depth = photograph(pose, K.double(), width, height, detail)
        return as_rendering(rgb.float(), its_depth.float(), len(gaussians))

    return Moment(
        step,
        progress,
        index,
        truth.views,
        truth.stereo,
        gaussians,
        as_rendering(truth.views.images[index], depth, len(gaussians)),
        render_from or photo_from,
        torch.Generator().manual_seed(0),
    )


def as_rendering(rgb: Tensor, depth: Tensor, count: int) -> Rendering:
    """A picture as if an engine had drawn it, with all of `count` Gaussians in it."""
    radii = torch.ones(count, 2, dtype=torch.int32)
    return Rendering(rgb, depth, torch.ones_like(depth), torch.zeros(count, 2), radii)
