"""The plane sweep: how well the other photos agree with one at each of many depths, and the best of them.

For each view: the sources are warped by planes of constant inverse depth, compared with the view (zero-mean
normalised cross-correlation in two windows, and colour), the cost is smoothed along four paths by semi-global
aggregation (Hirschmueller, PAMI 2008), and the minimum is refined between the planes.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.geometry import inside, pixel_centres, sample
from recon.methods.priors.aggregation import semi_global_aggregation
from recon.methods.priors.agreement import baselines, nearest_sources
from recon.methods.priors.correlation import box_mean, normalised_correlation, window_statistics
from recon.methods.priors.proposals import favour
from recon.methods.priors.stereo_types import StereoConfig
from recon.methods.priors.trust import DepthMap, trusted_pixels
from recon.rendering.sweep import in_core, plane_scores
from recon.scene import Cameras, Views


def depth_maps(
    views: Views,
    planes: Float[Tensor, " d"],
    config: StereoConfig,
    proposals: list[DepthMap] | None = None,
    on_view: Callable[[int], None] = lambda index: None,
) -> list[DepthMap]:
    """The sweep of every view over `planes` (inverse depths), led by `proposals` if there are any."""
    maps, scores = [], []
    for index, image in enumerate(views.images):
        score = matching_score(views, index, planes, config)
        maps.append(best_depth(score, image, planes, config))
        if proposals is not None:
            scores.append(score)
        on_view(index)
    return maps if proposals is None else _led(views, planes, scores, maps, proposals, config)


def _led(
    views: Views,
    planes: Float[Tensor, " d"],
    scores: list[Tensor],
    maps: list[DepthMap],
    proposals: list[DepthMap],
    config: StereoConfig,
) -> list[DepthMap]:
    """The choice among the planes once more, with a bonus for `proposals` where the sweep trusts nothing of
    its own: a network is blind to bars that matches tell well."""
    trusted = trusted_pixels(views.cameras, maps, float(planes[1] - planes[0]), config.trust)
    led = []
    for image, score, proposal, own in zip(views.images, scores, proposals, trusted, strict=True):
        proposal = proposal._replace(confidence=proposal.confidence * ~own)
        favoured = favour(score.clone(), proposal, planes, config.proposals)
        led.append(best_depth(favoured, image, planes, config, matches=score))
    return led


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
    matches: Float[Tensor, "d h w"] | None = None,
) -> DepthMap:
    """Depth of the plane with the least aggregated cost, refined by a parabola; that plane's score, and its
    lead over the best plane elsewhere.

    `matches` is the score without what was added to it: where photos match well at another depth, the lead
    is no more than that in `matches`, but for the allowance."""
    cost = semi_global_aggregation(
        1 - score, image.mean(-1), config.small_step_penalty, config.large_step_penalty
    )
    best = cost.argmin(dim=0)
    centre = best.clamp(1, len(cost) - 2)
    before, at, after = (cost.gather(0, (centre + o)[None])[0] for o in (-1, 0, 1))
    offset = (before - after) / (2 * (before - 2 * at + after)).clamp_min(1e-4)
    step = inverse_depths[1] - inverse_depths[0]
    inverse_depth = inverse_depths[centre] + offset.clamp(-0.5, 0.5) * step
    margin = _lead(score, best, config.trust.planes)
    if matches is not None:
        allowance = config.proposals.allowance * (1 - matches.amax(dim=0).clamp(0, 1))
        margin = torch.minimum(margin, _lead(matches, best, config.trust.planes) + allowance)
    depth = 1 / inverse_depth.clamp_min(0.5 * float(inverse_depths[0]))
    return DepthMap(depth, score.gather(0, best[None])[0], margin)


def _lead(score: Float[Tensor, "d h w"], chosen: Int[Tensor, "h w"], reach: float) -> Float[Tensor, "h w"]:
    """The score of the chosen planes over the best of those more than `reach` planes away."""
    offsets = torch.arange(-int(reach), int(reach) + 1, device=score.device)[:, None, None]
    around = (chosen + offsets).clamp(0, len(score) - 1)  # what is clamped is within reach too
    elsewhere = score.scatter(0, around, -torch.inf).amax(dim=0)
    return score.gather(0, chosen[None])[0] - elsewhere
