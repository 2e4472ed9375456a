"""How much lighter than the others each photo came out, by channel, and photos as if all had come out alike.

A phone meters and balances every photo anew. A fit meets such photos with Gaussians that are seen by one of
them alone, and from between them the scene is a patchwork. Hierarchical 3DGS (Kerbl et al. 2024) learns a
matrix for each photo along with the fit; with few photos the fit needs none, and leaves it unused. Stereo
knows before the fit which pixels show the same surface: one should be the other times a factor.

The factors are of stored values, sRGB, which are near a power of the light: a factor of the light is a factor
of them too. They are kept as logarithms, which sum to 0 over the photos. The scene has the photos' mean
exposure; a picture that is held against a photo gets the exposure of the photos around it.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from recon.backdrop import find_backdrop
from recon.gaussians import Gaussians
from recon.geometry import inside, project, sample, unproject
from recon.methods.priors.stereo_types import StereoPrior
from recon.rendering import Engine, Rendering, render
from recon.scene import Cameras, Views


@dataclass(frozen=True)
class ExposureConfig:
    """Photos of different exposure or white balance."""

    weight: float = 1.0
    """Share of the difference that is taken out of the photos before the fit; 0 leaves them as they are."""
    least: float = 0.25
    """Share by which it has to bring pixels of one surface nearer to each other; else photos stay as they
    are: highlights and shadows differ from side to side too."""


CELL = 6
"""Pixels between those that are compared, each by the mean around it: noise and a depth that is a little off
weigh less."""
DARKEST, LIGHTEST = 0.06, 0.94
"""Means between these have a ratio that tells something: above noise, and not clipped."""
SAME_DEPTH = 0.03
"""Relative difference of two depths of one surface."""
ENOUGH = 50
"""Pixels that two photos have to share."""
TIE = 0.03
"""Weight that leaves a photo without a partner as it is; the pair that shares most weighs 1."""


def find_exposures(views: Views, stereo: StereoPrior, config: ExposureConfig) -> Float[Tensor, "n 6"] | None:
    """For each photo the centre of its camera and the logarithms of how much lighter than the mean it is, by
    channel; None where that explains little of what its pixels differ by from others' of the same surface, or
    before a plain backdrop, which is the same in all photos."""
    if config.weight == 0 or find_backdrop(views) is not None:
        return None
    count = len(views)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    found = {pair: matched_ratios(views, stereo, *pair) for pair in pairs}
    ratios = {pair: ratio for pair, ratio in found.items() if len(ratio) >= ENOUGH}
    if not ratios:
        return None
    gains = solve_gains(ratios, count)
    if explained(ratios, gains) < config.least:
        return None
    return torch.cat([views.cameras.centres, config.weight * gains.to(views.cameras.centres)], dim=1)


def matched_ratios(views: Views, stereo: StereoPrior, index: int, other: int) -> Float[Tensor, "m 3"]:
    """Logarithms of how much lighter photo `other` shows what `index` shows too, pixel by pixel."""
    cameras, depth = views.cameras, stereo.depths[index]
    rows, columns = (torch.arange(CELL // 2, side, CELL, device=depth.device) for side in depth.shape)
    grid = (rows[:, None], columns)
    xyz = unproject(depth, cameras.Ks[index], cameras.world_from_camera[index])[grid]
    uv, z = project(xyz, cameras.Ks[other], cameras.camera_from_world[other])
    there = sample(stereo.depths[other][..., None], uv, mode="nearest")[..., 0]
    same = stereo.consistent[index][grid] & inside(uv, z, cameras.sizes[other])
    same &= (there / z - 1).abs() < SAME_DEPTH
    own, seen = _means(views.images[index])[grid], sample(_means(views.images[other]), uv)
    same &= _telling(own) & _telling(seen)
    if (mask := views.masks[index]) is not None:
        same &= mask[grid]
    if (mask := views.masks[other]) is not None:
        same &= sample(mask[..., None].float(), uv)[..., 0] == 1
    return (seen[same] / own[same]).log()


def solve_gains(ratios: dict[tuple[int, int], Float[Tensor, "_m 3"]], count: int) -> Float[Tensor, "n 3"]:
    """The logarithm of each photo's factor, by channel, 0 in the mean over the `count` photos: what the
    medians of the pairs' ratios ask for by least squares, a pair weighing as the root of its pixels."""
    weights = _weights(ratios)
    medians = torch.stack([ratio.median(dim=0).values for ratio in ratios.values()]).cpu()
    differences = torch.zeros(len(ratios), count)
    for row, (index, other) in enumerate(ratios):
        differences[row, other], differences[row, index] = 1.0, -1.0
    system = torch.cat([weights * differences, TIE * torch.eye(count)])
    wanted = torch.cat([weights * medians, medians.new_zeros(count, 3)])
    gains = torch.linalg.lstsq(system, wanted).solution
    return gains - gains.mean(dim=0)


def explained(ratios: dict[tuple[int, int], Float[Tensor, "_m 3"]], gains: Float[Tensor, "n 3"]) -> float:
    """Share by which the gains bring matched pixels nearer, in the mean of the pairs' medians, 1 at most."""
    weights = _weights(ratios)
    before = [ratio.abs().median(dim=0).values.mean().cpu() for ratio in ratios.values()]
    after = [
        (ratio - (gains[other] - gains[index]).to(ratio)).abs().median(dim=0).values.mean().cpu()
        for (index, other), ratio in ratios.items()
    ]
    far, near = (float(weights[:, 0] @ torch.stack(parts)) for parts in (before, after))
    return 1 - near / far if far > 0 else 0.0


def at_one_exposure(views: Views, exposures: Float[Tensor, "n 6"] | None) -> Views:
    """The views with photos as if all had had the mean exposure; what was near white may lie above 1."""
    if exposures is None:
        return views
    factors = exposures[:, 3:].exp()
    return replace(views, images=tuple(i / f for i, f in zip(views.images, factors, strict=True)))


def exposure_at(exposures: Float[Tensor, "n 6"], centre: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """Factors of a photo from `centre`: a mean of the photos' logarithms by the inverse square of their
    distance (Shepard 1968), so that the factors at a photo's own place are its own."""
    squared = (exposures[:, :3] - centre).square().sum(dim=1)
    weights = 1 / (squared + NEXT_TO_NOTHING * squared.max().clamp_min(NEXT_TO_NOTHING))
    return ((weights / weights.sum()) @ exposures[:, 3:]).exp()


NEXT_TO_NOTHING = 1e-8
"""Share of the farthest photo's squared distance at which a photo counts as taken from the same place."""


def photographed(
    gaussians: Gaussians, cameras: Cameras, index: int, engine: Engine, near: float
) -> Rendering:
    """What a photo from camera `index` should look like, to be held against one: before the backdrop, and
    exposed as the photos around it."""
    drawn = render(gaussians, cameras, index, engine, near=near).over(gaussians.backdrop)
    return exposed(drawn, gaussians, cameras.centres[index].detach())


def exposed(drawn: Rendering, gaussians: Gaussians, centre: Float[Tensor, "3"]) -> Rendering:
    """The picture of these Gaussians with the exposure that a photo from `centre` would have."""
    if gaussians.exposures is None:
        return drawn
    return replace(drawn, rgb=drawn.rgb * exposure_at(gaussians.exposures, centre))


def _weights(ratios: dict[tuple[int, int], Float[Tensor, "_m 3"]]) -> Float[Tensor, "p 1"]:
    roots = torch.tensor([math.sqrt(len(ratio)) for ratio in ratios.values()])
    return (roots / roots.max())[:, None]


def _means(image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 3"]:
    """The mean colour around each pixel."""
    around = F.avg_pool2d(image.permute(2, 0, 1), CELL + 1, 1, CELL // 2, count_include_pad=False)
    return around.permute(1, 2, 0)


def _telling(rgb: Float[Tensor, "*b 3"]) -> Bool[Tensor, "*b"]:
    return (rgb.amin(-1) > DARKEST) & (rgb.amax(-1) < LIGHTEST)
