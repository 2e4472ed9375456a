"""The first Gaussians: on the stereo depth of the train views, one for every few pixels of surface and none
twice, or on the points of matched keypoints, as 3DGS begins."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from recon.backdrop import find_backdrop, without_backdrop
from recon.continuation import Continuation, continue_past_edge, learn_continuation
from recon.errors import InputError
from recon.gaussians import Gaussians, sh0_from_rgb
from recon.geometry import inside, pixel_centres, project, rays_from_pixels, transform, unproject
from recon.methods.priors.agreement import sees_same_surface
from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Cameras, Views


@dataclass(frozen=True)
class InitialiseConfig:
    """The first Gaussians, before any optimisation."""

    points: Literal["stereo", "matches"] = "stereo"
    """Where they stand: on the surfaces that stereo found, or on the sparse points that matched keypoints of
    the photos triangulate to, as 3DGS has it."""
    max_gaussians: int = 120_000
    """Gaussians on the surfaces that stereo found in up to three photos; more pixels are thinned evenly.
    With more photos it grows by the square root of their number: they share surfaces."""
    untrusted_share: float = 0.05
    """Share of the pixels without consistent depth that also get a Gaussian, at the completed depth."""
    opacity: float = 0.2
    """Opacity of every Gaussian at the start."""
    sh_degree: int = 1
    """Degree of the view-dependent colour; few photos cannot support more."""
    border: float = 0.4
    """How far the scene is continued beyond each photo, as a share of its size; 0 leaves it black there."""
    border_spacing: int = 8
    """Distance of the Gaussians beyond the photos, in pixels."""


@dataclass(frozen=True)
class Points:
    """Surface samples: what a Gaussian is made of."""

    xyz: Float[Tensor, "m 3"]
    rgb: Float[Tensor, "m 3"]
    scales: Float[Tensor, " m"]
    """Standard deviation, world units."""


def initialise(views: Views, stereo: StereoPrior, config: InitialiseConfig) -> Gaussians:
    """Gaussians on the stereo surfaces, and beyond the borders of the photos; none on a plain backdrop."""
    backdrop = find_backdrop(views)
    if backdrop is not None:
        views = without_backdrop(views, backdrop)
    parts = [surface_points(views, stereo, config) if config.points == "stereo" else matched_points(views)]
    if config.border > 0 and backdrop is None:
        continuation = learn_continuation(views.images, config.border * max(max(s) for s in views.sizes))
        parts += [border_points(views, stereo, i, continuation, config) for i in range(len(views))]
    xyz, rgb = torch.cat([p.xyz for p in parts]), torch.cat([p.rgb for p in parts])
    scales = torch.cat([p.scales for p in parts]).clamp_min(1e-6 * stereo.scale)
    quats = xyz.new_tensor([1.0, 0.0, 0.0, 0.0]).repeat(len(xyz), 1)
    harmonics = (config.sh_degree + 1) ** 2 - 1
    return Gaussians(
        means=xyz,
        quats=quats,
        log_scales=scales.log()[:, None].repeat(1, 3),
        logit_opacities=torch.logit(xyz.new_full((len(xyz),), config.opacity)),
        sh0=sh0_from_rgb(rgb)[:, None],
        shN=xyz.new_zeros(len(xyz), harmonics, 3),
        backdrop=backdrop,
    )


def surface_points(views: Views, stereo: StereoPrior, config: InitialiseConfig) -> Points:
    """Unprojected pixels, each surface taken from the first view that sees it, thinned to the budget."""
    wanted = [pixels_to_keep(views, stereo, index, config) for index in range(len(views))]
    most = config.max_gaussians * math.sqrt(max(1.0, len(views) / 3))
    share = min(1.0, most / max(1.0, float(sum(w.sum() for w in wanted))))
    xyz, rgb, scales = [], [], []
    for index, density in enumerate(wanted):
        density = density * share
        keep = dither(*density.shape, like=density) < density
        depth = stereo.depths[index]
        points = unproject(depth, views.cameras.Ks[index], views.cameras.world_from_camera[index])
        # 0.7 pixels of standard deviation, or of the spacing where pixels were left out: neighbours just
        # overlap.
        spacing = density.clamp_min(1e-6).rsqrt()
        xyz.append(points[keep])
        rgb.append(views.images[index][keep])
        scales.append((0.7 * spacing * depth / views.cameras.Ks[index, 0, 0])[keep])
    return Points(torch.cat(xyz), torch.cat(rgb), torch.cat(scales))


def matched_points(views: Views) -> Points:
    """Points that keypoints of two views or more triangulate to, each as large as it is far from the three
    next to it (3DGS, Kerbl et al. 2023, section 4). Raises InputError: the photos hardly match."""
    from recon.methods.priors.poses_triangulate import triangulate

    found = triangulate(views)
    if len(found) <= NEIGHBOURS:
        raise InputError(
            f"Matched keypoints give {len(found)} points, too few to begin with; use "
            "--initialise.points stereo."
        )
    squared = [
        torch.cdist(part, found.xyz).square().topk(NEIGHBOURS + 1, largest=False).values[:, 1:].mean(-1)
        for part in found.xyz.split(1024)
    ]
    device = views.images[0].device
    return Points(found.xyz.to(device), found.rgb.to(device), torch.cat(squared).sqrt().to(device))


NEIGHBOURS = 3
"""Points that decide the size of a Gaussian among sparse points."""


def pixels_to_keep(
    views: Views, stereo: StereoPrior, index: int, config: InitialiseConfig
) -> Float[Tensor, "h w"]:
    """Share of Gaussians for each pixel of a view: 1 on consistent depth, less elsewhere, 0 where an
    earlier view has the same surface, 0 under a mask."""
    cameras, depth = views.cameras, stereo.depths[index]
    density = torch.where(stereo.consistent[index], 1.0, config.untrusted_share)
    points = unproject(depth, cameras.Ks[index], cameras.world_from_camera[index])
    near, far = stereo.depth_range
    tolerance = SAME_SURFACE * (1 / near - 1 / far)
    for earlier in range(index):
        earlier_depth, mask = stereo.depths[earlier], views.masks[earlier]
        if mask is not None:  # what is masked there gave no Gaussian: NaN agrees with nothing
            earlier_depth = earlier_depth.masked_fill(~mask, torch.nan)
        trusted_depth = earlier_depth.masked_fill(~stereo.consistent[earlier], torch.nan)
        covered = sees_same_surface(points, cameras, earlier, trusted_depth, tolerance)
        # A guess covers no more than another guess: it has few Gaussians.
        guessed = sees_same_surface(points, cameras, earlier, earlier_depth, tolerance)
        density = density.masked_fill(covered | (guessed & ~stereo.consistent[index]), 0.0)
    mask = views.masks[index]
    return density if mask is None else density * mask


SAME_SURFACE = 2 / 160
"""Share of the disparity range within which two depths count as one surface."""


def dither(height: int, width: int, like: Tensor) -> Float[Tensor, "h w"]:
    """Thresholds in [0, 1) that keep any share of pixels evenly spread: the R2 sequence over the pixel grid
    (Roberts, The unreasonable effectiveness of quasirandom sequences, 2018)."""
    u, v = pixel_centres(height, width, like=like.double()).unbind(-1)
    plastic = 1.32471795724474602596
    return ((u / plastic + v / plastic**2) % 1).to(like.dtype)


def border_points(
    views: Views, stereo: StereoPrior, index: int, continuation: Continuation, config: InitialiseConfig
) -> Points:
    """Points on a coarse grid around a photo, outside all photos: of the colour that the photo lets expect
    there, at the smoothed depth of its edge. A test camera looks past the photos and must not see black."""
    cameras, image = views.cameras, views.images[index]
    height, width = image.shape[:2]
    disparity = F.avg_pool2d(1 / stereo.depths[index][None], 41, 1, 20, count_include_pad=False)[0]

    spacing = config.border_spacing
    margin_u, margin_v = int(width * config.border), int(height * config.border)
    v, u = torch.meshgrid(
        torch.arange(-margin_v, height + margin_v, spacing, device=image.device),
        torch.arange(-margin_u, width + margin_u, spacing, device=image.device),
        indexing="ij",
    )
    outside = (v < 0) | (v >= height) | (u < 0) | (u >= width)
    u, v = u[outside], v[outside]
    z = 1 / disparity[v.clamp(0, height - 1), u.clamp(0, width - 1)].clamp_min(1 / stereo.depth_range[1])
    K = cameras.Ks[index]
    uv = torch.stack([u, v], dim=-1) + 0.5
    xyz = transform(cameras.world_from_camera[index], rays_from_pixels(uv, K) * z[:, None])
    unseen = ~seen_by_any(xyz, cameras)
    scales = 0.8 * spacing * z / K[0, 0]
    return Points(xyz[unseen], continue_past_edge(image, uv[unseen], continuation), scales[unseen])


def seen_by_any(xyz: Float[Tensor, "m 3"], cameras: Cameras) -> Bool[Tensor, " m"]:
    """Whether any camera has the point inside its picture."""
    seen = torch.zeros(len(xyz), dtype=torch.bool, device=xyz.device)
    for index, size in enumerate(cameras.sizes):
        uv, z = project(xyz, cameras.Ks[index], cameras.camera_from_world[index])
        seen |= inside(uv, z, size)
    return seen
