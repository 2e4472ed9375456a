"""Depth of every train photo by a plane sweep over the others.

For each view: the sources are warped by planes of constant inverse depth, compared with the view (zero-mean
normalised cross-correlation in two windows, and colour), the cost is smoothed along four paths by semi-global
aggregation (Hirschmueller, PAMI 2008), and the minimum is refined between the planes. What can be trusted is
`consistent` (trust.py); the rest is completed from it (completion.py).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from recon.geometry import inside, pixel_centres, sample
from recon.methods.priors.aggregation import semi_global_aggregation
from recon.methods.priors.agreement import baselines, nearest_sources
from recon.methods.priors.completion import complete_depths
from recon.methods.priors.correlation import box_mean, normalised_correlation, window_statistics
from recon.methods.priors.trust import DepthMap, TrustConfig, trusted_pixels
from recon.rendering.sweep import in_core, plane_scores
from recon.resize import resized
from recon.scene import Cameras, Views


@dataclass(frozen=True)
class StereoConfig:
    """Plane-sweep stereo over the train photos."""

    max_size: int = 512
    """Longest side of the photos that are matched, in pixels; the depth is enlarged to the photo's size."""
    max_planes: int = 192
    """Planes of constant inverse depth, at most; fewer where a plane moves a photo by under a pixel."""
    max_sources: int = 3
    """Photos that each photo is compared with: the nearest ones."""
    small_window: int = 5
    """Correlation window that keeps edges, in pixels."""
    large_window: int = 11
    """Correlation window that bridges weak texture, in pixels."""
    small_step_penalty: float = 0.08
    """Aggregation: the price of moving by one plane between neighbours."""
    large_step_penalty: float = 0.5
    """Aggregation: the price of a jump, lowered across edges of the photo."""
    trust: TrustConfig = field(default_factory=TrustConfig)


@dataclass(frozen=True)
class StereoPrior:
    """What stereo knows about the train views, one map each, at the size of the photo."""

    depths: tuple[Float[Tensor, "_h _w"], ...]
    """z-depth, world units; everywhere positive. Where it is not `consistent` it is completed from around."""
    confidences: tuple[Float[Tensor, "_h _w"], ...]
    """Matching score of the chosen plane, about [-0.5, 1]."""
    consistent: tuple[Bool[Tensor, "_h _w"], ...]
    """True where the depth is trusted: it matches well and other views confirm it."""
    depth_range: tuple[float, float]
    """(near, far) that was searched, world units."""

    @property
    def scale(self) -> float:
        """Median depth of what is consistent: the unit for lengths in this scene."""
        depths = torch.cat(
            [d[c] if c.any() else d.flatten() for d, c in zip(self.depths, self.consistent, strict=True)]
        )
        return float(depths.median())


def compute_stereo(
    views: Views,
    depth_range: tuple[float, float],
    config: StereoConfig,
    on_view: Callable[[int], None] = lambda index: None,
) -> StereoPrior:
    """Depth, confidence and two-view consistency of each view, from the views alone.

    `on_view` is called after each view, for a progress bar."""
    small = reduce_views(views, config.max_size)
    planes = sweep_planes(small.cameras, depth_range, config.max_planes)
    maps = depth_maps(small, planes, config, on_view)
    plane_step = float(planes[1] - planes[0])
    consistent = trusted_pixels(small.cameras, maps, plane_step, config.trust)
    depths = complete_depths(small, [m.depth for m in maps], consistent, config.trust.planes * plane_step)
    sizes = [(height, width) for width, height in views.sizes]
    return StereoPrior(
        depths=tuple(1 / _enlarge(1 / d, s, "bilinear") for d, s in zip(depths, sizes, strict=True)),
        confidences=tuple(_enlarge(m.confidence, s, "bilinear") for m, s in zip(maps, sizes, strict=True)),
        consistent=tuple(
            _enlarge(c.float(), s, "nearest") > 0.5 for c, s in zip(consistent, sizes, strict=True)
        ),
        depth_range=depth_range,
    )


def depth_maps(
    views: Views,
    planes: Float[Tensor, " d"],
    config: StereoConfig,
    on_view: Callable[[int], None] = lambda index: None,
) -> list[DepthMap]:
    """The sweep of every view over `planes` (inverse depths)."""
    maps = []
    for index, image in enumerate(views.images):
        score = matching_score(views, index, planes, config)
        maps.append(best_depth(score, image, planes, config))
        on_view(index)
    return maps


def reduce_views(views: Views, max_size: int) -> Views:
    """The views with photos no larger than `max_size`, their intrinsics scaled along."""
    factors = [min(1.0, max_size / max(size)) for size in views.sizes]
    sizes = [
        (max(1, round(width * f)), max(1, round(height * f)))
        for (width, height), f in zip(views.sizes, factors, strict=True)
    ]
    return resized(views, sizes)


def sweep_planes(cameras: Cameras, depth_range: tuple[float, float], max_planes: int) -> Float[Tensor, " d"]:
    """Inverse depths from far to near, evenly spaced: at most a pixel of parallax between two planes, unless
    that takes more than `max_planes`. `far` may be infinite."""
    near, far = depth_range
    focal = float(cameras.Ks[:, 0, 0].max())
    parallax = focal * float(baselines(cameras).max()) * (1 / near - 1 / far)
    count = min(max(math.ceil(parallax) + 1, 32), max_planes)
    return torch.linspace(1 / far, 1 / near, count, device=cameras.Ks.device).clamp_min(1e-6 / near)


def matching_score(
    views: Views, index: int, inverse_depths: Float[Tensor, " d"], config: StereoConfig
) -> Float[Tensor, "d h w"]:
    """How well the sources agree with view `index` at each plane: three quarters of the best source's
    score, one quarter of the second's, so that a surface hidden from one source still matches."""
    sources = nearest_sources(views.cameras, index, config.max_sources)
    if not sources:
        width, height = views.cameras.sizes[index]
        return inverse_depths.new_full((len(inverse_depths), height, width), UNSEEN_SCORE)
    first, second = source_score(views, index, sources[0], inverse_depths, config), None
    for source in sources[1:]:
        score = source_score(views, index, source, inverse_depths, config)
        lesser = torch.minimum(first, score)
        torch.maximum(first, score, out=first)
        second = lesser if second is None else torch.maximum(second, lesser, out=second)
    return first if second is None else first.mul_(0.75).add_(second, alpha=0.25)


def source_score(
    views: Views, index: int, source: int, inverse_depths: Float[Tensor, " d"], config: StereoConfig
) -> Float[Tensor, "d h w"]:
    """How well one source agrees with view `index` at each plane: the mean of the two windows' correlations,
    less half the distance of the colours; UNSEEN_SCORE outside the source's picture."""
    image = views.images[index]
    grey = image.mean(-1)[None]
    small, large = (window_statistics(grey, w) for w in (config.small_window, config.large_window))
    homography = plane_homography(views.cameras, index, source)
    if in_core(image):
        statistics = torch.cat([small.mean, small.variance, large.mean, large.variance])
        windows = (config.small_window, config.large_window)
        return plane_scores(
            image, views.images[source], statistics, windows, homography, inverse_depths, UNSEEN_SCORE
        )
    size = (image.shape[0], image.shape[1])
    score = inverse_depths.new_empty(len(inverse_depths), *size)
    at_once = max(1, PIXELS_AT_ONCE // grey.numel())
    for planes, out in zip(inverse_depths.split(at_once), score.split(at_once), strict=True):
        warped, seen = warp_to_planes(views.images[source], homography, size, planes)
        warped_grey = warped.mean(1)
        correlation = normalised_correlation(small, warped_grey) + normalised_correlation(large, warped_grey)
        difference = box_mean((image.permute(2, 0, 1) - warped).abs().mean(1), config.small_window)
        out.copy_(torch.where(seen, 0.5 * (correlation - difference), UNSEEN_SCORE))
    return score


def plane_homography(cameras: Cameras, index: int, source: int) -> Float[Tensor, "3 4"]:
    """Takes (u, v, 1, inverse depth) of view `index` to (u z, v z, z) of the source, over the depth: K (R ray
    + t inverse depth), so that each plane costs one addition for each pixel."""
    source_from_reference = cameras.camera_from_world[source] @ cameras.world_from_camera[index]
    K_inverse = torch.linalg.inv_ex(cameras.Ks[index]).inverse
    turn, shift = source_from_reference[:3, :3] @ K_inverse, source_from_reference[:3, 3:]
    return cameras.Ks[source] @ torch.cat([turn, shift], dim=1)


def warp_to_planes(
    source: Float[Tensor, "_h _w 3"],
    homography: Float[Tensor, "3 4"],
    size: tuple[int, int],
    inverse_depths: Float[Tensor, " d"],
) -> tuple[Float[Tensor, "d 3 h w"], Bool[Tensor, "d h w"]]:
    """The source's picture as a view of `size` (height, width) would see it painted on each plane, and where
    it reaches."""
    pixels = pixel_centres(*size, like=homography)
    rotated = pixels @ homography[:, :2].T + homography[:, 2]
    u, v, z = (
        rotated[..., axis].contiguous() + inverse_depths[:, None, None] * homography[axis, 3]
        for axis in range(3)
    )
    uv = torch.stack([u, v], dim=-1) / z.clamp_min(1e-6)[..., None]
    warped = sample(source, uv).permute(0, 3, 1, 2)
    return warped, inside(uv, z, (source.shape[1], source.shape[0]))


UNSEEN_SCORE = 0.0
"""That of two pictures without texture: a plane that leaves the source's picture says as little. Were it
less, what has no texture would be drawn to the planes that stay inside, often the nearest."""

PIXELS_AT_ONCE = 8_000_000
"""Pixels that are warped together, over some planes: many enough that a GPU is not kept waiting by their
launch, few enough for its memory. (On a CPU the core sweeps row by row.)"""


def best_depth(
    score: Float[Tensor, "d h w"],
    image: Float[Tensor, "h w 3"],
    inverse_depths: Float[Tensor, " d"],
    config: StereoConfig,
) -> DepthMap:
    """Depth of the plane with the least aggregated cost, refined by a parabola; that plane's score, and its
    lead over the best plane elsewhere."""
    cost = semi_global_aggregation(
        1 - score, image.mean(-1), config.small_step_penalty, config.large_step_penalty
    )
    best = cost.argmin(dim=0)
    centre = best.clamp(1, len(cost) - 2)
    before, at, after = (cost.gather(0, (centre + o)[None])[0] for o in (-1, 0, 1))
    offset = (before - after) / (2 * (before - 2 * at + after)).clamp_min(1e-4)
    step = inverse_depths[1] - inverse_depths[0]
    inverse_depth = inverse_depths[centre] + offset.clamp(-0.5, 0.5) * step
    confidence = score.gather(0, best[None])[0]
    plane = torch.arange(len(score), device=score.device)[:, None, None]
    elsewhere = score.masked_fill((plane - best).abs() <= config.trust.planes, -torch.inf).amax(dim=0)
    depth = 1 / inverse_depth.clamp_min(0.5 * float(inverse_depths[0]))
    return DepthMap(depth, confidence, confidence - elsewhere)


def _enlarge(x: Float[Tensor, "_a _b"], size: tuple[int, int], mode: str) -> Float[Tensor, "_c _d"]:
    """A map resized to (height, width)."""
    if x.shape == size:
        return x
    align = False if mode == "bilinear" else None
    return F.interpolate(x[None, None], size, mode=mode, align_corners=align)[0, 0]
