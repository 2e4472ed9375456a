"""Depth of single photos, aligned to the cameras.

What a sensor or a network says of one photo knows nothing of the world that the cameras were solved in: not
its unit, and a network not even its zero. A scale and a shift, found for each photo against the pixels whose
depth the photos together confirm, bring it there (Ranftl et al., MiDaS, PAMI 2020, with an estimate that
bears outliers). Unaligned it is worse than none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.methods.priors.stereo_types import StereoPrior

Kind = Literal["metric", "depth", "disparity"]
"""Depth in a unit of its own, depth but for a scale and a shift, inverse depth but for these."""
MIN_ANCHORS = 100
"""Confirmed pixels that it takes to align a photo."""
MAX_ANCHORS = 20_000
TRIALS = 256
"""Pairs of pixels that a line is drawn through: with half of the pixels wrong, all pairs hold a wrong one
with a chance of 1e-32."""
INLIER = 0.05
"""Relative error of the depth up to which a pixel agrees with a line."""
MIN_SHARE = 0.5
"""Of the anchors, that have to agree with the best line: else the map shows something else."""
AS_WELL, EXACT = 2.0, 0.001
"""A line through zero explains depth as well if its error is below so many times that of one with a shift,
or this much more."""
MIN_SPREAD = 1.1
"""Times that the largest depths of the anchors exceed the smallest, below which they tell no shift."""


class SingleDepth(NamedTuple):
    """What is said of one photo alone."""

    values: Float[Tensor, "_h _w"]
    """In a unit of their own."""
    known: Bool[Tensor, "_h _w"]


class Line(NamedTuple):
    """y = scale x + shift."""

    scale: float
    shift: float
    share: float
    """Of the anchors, that agree with it."""
    error: float
    """Median relative error of those."""


@dataclass(frozen=True)
class AlignedDepth:
    """Depth of one photo in the world of the cameras."""

    depth: Float[Tensor, "_h _w"]
    """z-depth, world units; positive where `known`."""
    known: Bool[Tensor, "_h _w"]
    line: Line


def align(single: SingleDepth, kind: Kind, stereo: StereoPrior, index: int) -> AlignedDepth | None:
    """What was said of photo `index`, in the world's unit; None where too little of the photo is confirmed,
    or what was said fits it nowhere."""
    x, y = anchors(single, kind, stereo, index)
    if len(x) < MIN_ANCHORS:
        return None
    line = fit_line(x, y)
    # Where another unit alone explains it as well, a shift would only follow the noise of the anchors.
    through_zero = fit_line(x, y, sloped=False) if kind == "metric" else None
    if through_zero and (line is None or through_zero.error < AS_WELL * line.error + EXACT):
        line = through_zero
    return None if line is None or line.share < MIN_SHARE else apply(line, single, kind)


def align_together(
    singles: Sequence[SingleDepth | None], kind: Kind, stereo: StereoPrior
) -> list[AlignedDepth | None]:
    """What was said of each photo in one common unit, by one sensor or one network that saw all of them. A
    photo too plain to be aligned by itself takes the middle one of the others' lines, by scale."""
    aligned = [None if s is None else align(s, kind, stereo, index) for index, s in enumerate(singles)]
    lines = sorted(found.line for found in aligned if found is not None)
    for index, single in enumerate(singles):
        if single is None or aligned[index] is not None or not lines:
            continue
        if len(anchors(single, kind, stereo, index)[0]) < MIN_ANCHORS:
            aligned[index] = apply(lines[len(lines) // 2]._replace(share=0.0), single, kind)
    return aligned


def apply(line: Line, single: SingleDepth, kind: Kind) -> AlignedDepth:
    """The depth that a line makes of the values; unknown where that is not in front of the camera."""
    moved = line.scale * single.values + line.shift
    known = single.known & moved.isfinite() & (moved > 0)
    depth = torch.where(known, moved, 1.0)
    return AlignedDepth(1 / depth if kind == "disparity" else depth, known, line)


def stretched(single: SingleDepth, kind: Kind, depth_range: tuple[float, float]) -> AlignedDepth | None:
    """The values laid over the depths (near, far) of the scene, 2 % of them beyond either end: their order is
    right, and no more. None for values that are all alike."""
    near, far = depth_range
    first, last = (1 / far, 1 / near) if kind == "disparity" else (near, far)
    seen = single.values[single.known].double()
    if len(seen) == 0:
        return None
    low, high = torch.quantile(
        seen[:: max(1, len(seen) // MAX_ANCHORS)], seen.new_tensor([0.02, 0.98])
    ).tolist()
    if not high > low:
        return None
    scale = (last - first) / (high - low)
    line = Line(scale, first - scale * low, share=0.0, error=float("inf"))
    clamped = single._replace(values=single.values.clamp(low, high))
    return apply(line, clamped, kind)


def anchors(
    single: SingleDepth, kind: Kind, stereo: StereoPrior, index: int
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """Values and what they are in the world, depth or inverse depth, at the pixels that the photos confirm;
    evenly thinned."""
    at = stereo.consistent[index] & single.known
    x, y = single.values[at].double(), stereo.depths[index][at].double()
    step = max(1, len(x) // MAX_ANCHORS)
    return x[::step], (1 / y if kind == "disparity" else y)[::step]


def fit_line(x: Float[Tensor, " m"], y: Float[Tensor, " m"], sloped: bool = True) -> Line | None:
    """The rising line that most points lie near, by relative error in `y` > 0 (which is that of depth, too,
    where `y` is its inverse); through zero unless `sloped`. The best through two points (RANSAC, Fischler and
    Bolles, 1981), then least squares over what agrees. None where no line rises."""
    ratio = (y / x.abs().clamp_min(1e-12)).median()
    scales, shifts = ratio[None], torch.zeros_like(ratio)[None]
    low, high = torch.quantile(y, y.new_tensor([0.05, 0.95]))
    sloped = sloped and bool(high > MIN_SPREAD * low)
    if sloped:
        generator = torch.Generator().manual_seed(0)
        pairs = torch.randint(len(x), (2, TRIALS), generator=generator).to(x.device)
        run, rise = x[pairs[1]] - x[pairs[0]], y[pairs[1]] - y[pairs[0]]
        steep = run.abs() > 1e-3 * (x.max() - x.min())
        drawn = torch.where(steep, rise / run, 0.0)
        scales = torch.cat([scales, drawn])
        shifts = torch.cat([shifts, y[pairs[0]] - drawn * x[pairs[0]]])
    near = ((scales[:, None] * x + shifts[:, None]) / y - 1).abs() < INLIER
    count = torch.where(scales > 0, near.sum(dim=1), -1)
    best = int(count.argmax())
    if count[best] <= 0:
        return None
    return _refined(x, y, float(scales[best]), float(shifts[best]), sloped)


def _refined(
    x: Float[Tensor, " m"], y: Float[Tensor, " m"], scale: float, shift: float, sloped: bool
) -> Line | None:
    """Least squares of the relative error over the points that agree with the line so far."""
    for _ in range(5):
        agree = ((scale * x + shift) / y - 1).abs() < INLIER
        a, b = x[agree] / y[agree], 1 / y[agree]
        columns = torch.stack([a, b], dim=1) if sloped else a[:, None]
        solution = torch.linalg.lstsq(columns, torch.ones_like(a)[:, None]).solution[:, 0].tolist()
        scale, shift = solution[0], solution[1] if sloped else 0.0
        if scale <= 0:
            return None
    error = ((scale * x + shift) / y - 1).abs()
    agree = error < INLIER
    if not bool(agree.any()):
        return None
    return Line(scale, shift, float(agree.double().mean()), float(error[agree].median()))


def merged(stereo: StereoPrior, aligned: Sequence[AlignedDepth | None], believed: bool) -> StereoPrior:
    """The prior with aligned depth where stereo trusts none: `believed` as if the photos confirmed it, or
    only in place of what was completed from around. What the photos confirm stays."""
    depths, consistent = list(stereo.depths), list(stereo.consistent)
    near, far = stereo.depth_range
    for index, single in enumerate(aligned):
        if single is None:
            continue
        fill = single.known & ~stereo.consistent[index]
        depths[index] = torch.where(fill, single.depth.to(depths[index]), depths[index])
        if believed and bool(fill.any()):
            consistent[index] = consistent[index] | fill
            filled = depths[index][fill]
            near, far = min(near, float(filled.min())), max(far, float(filled.max()))
    return replace(stereo, depths=tuple(depths), consistent=tuple(consistent), depth_range=(near, far))
