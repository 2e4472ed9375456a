"""Where a photo shows the same patch of surface as another, to a few hundredths of a pixel.

A keypoint's place hangs on how the surface looks from there; laying patches over each other does not, if
they may bend: by an affinity and a change of brightness and contrast (Lucas and Kanade 1981; inverse
compositional as in Baker and Matthews 2004). Keypoints of several photos were first aligned so by
Lindenberger et al. (2021), there by learned features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from recon.methods.priors.poses_adjust import Bundle
from recon.methods.priors.poses_features import Picture

RADIUS, SAMPLES = 10, 15
"""Of a patch: pixels from its middle to its edge, and samples along a side."""
DEVIATION = 0.6
"""Of the Gaussian weight of a patch's samples, in radii."""
BLUR = 0.7
"""Deviation in pixels of the blur before: between the pixels of a sharp photo nothing is known."""
MAX_STEPS = 15
ARRIVED = 0.005
"""Pixels of a step under which a patch lies still."""
MAX_STEP, MAX_MOVE = 1.0, 2.0
"""Pixels of one step, and of all together."""
MIN_LIKENESS = 0.95
"""Weighted correlation of two patches of one surface."""
KEYPOINT_SIGMA = 0.3
"""Pixels by which a keypoint is off that is not aligned: SIFT's."""
LEFT_SIGMA = 0.1
"""Pixels by which the sharpest patch is off, where noise alone would leave .03: surfaces bend otherwise than
by affinities, and lenses have further terms. Between the .04 pixels that lie between aligned keypoints and
their points on the fountain, and the .15 on phones' photos."""
PARAMETERS = 6
"""Shift and affinity."""


class Aligned(NamedTuple):
    """Where patches of one photo lie in another."""

    uv: Float[Tensor, "k 2"]
    """Pixels of the middles."""
    shapes: Float[Tensor, "k 2 2"]
    """What takes offsets in the one photo to those in the other."""
    good: Bool[Tensor, " k"]
    """Which came to rest, alike and inside both photos."""
    covariances: Float[Tensor, "k 2 2"]
    """Of `uv`, in squared pixels, as of `_covariances`."""


@dataclass(frozen=True)
class Blurred:
    """A photo that can be read between its pixels."""

    values: Float[Tensor, "1 1 h w"]

    @property
    def size(self) -> Int[Tensor, "2"]:
        """(width, height)."""
        return torch.tensor([self.values.shape[3], self.values.shape[2]])

    def read(self, uv: Float[Tensor, "k s 2"]) -> Float[Tensor, "k s"]:
        """Values at pixels, whose centres are at +0.5."""
        places = (2 * uv / self.size - 1)[None]
        found = F.grid_sample(self.values, places, "bicubic", padding_mode="border", align_corners=False)
        return found[0, 0]

    def inside(self, uv: Float[Tensor, "k 2"]) -> Bool[Tensor, " k"]:
        """Whether a patch around each pixel is inside."""
        return ((uv > RADIUS) & (uv < self.size - RADIUS)).all(1)


def blurred(grey: UInt8[np.ndarray, "h w"]) -> Blurred:
    """The photo as patches are read from it."""
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), BLUR, borderType=cv2.BORDER_REPLICATE)
    return Blurred(torch.from_numpy(soft)[None, None])


def align(
    source: Blurred,
    target: Blurred,
    uv: Float[Tensor, "k 2"],
    start: Float[Tensor, "k 2"],
    shapes: Float[Tensor, "k 2 2"] | None = None,
) -> Aligned:
    """Where `target` shows the patches around the pixels `uv` of `source`, looked for near the pixels
    `start`; `shapes` are guesses of the affinities, by default none."""
    here, places = uv.float(), start.float().clone()
    shapes = torch.eye(2).repeat(len(here), 1, 1) if shapes is None else shapes.clone()
    good = torch.zeros(len(here), dtype=torch.bool)
    if not len(here):
        return Aligned(places.double(), shapes, good, alike(len(here), LEFT_SIGMA))
    offsets, weight = _samples()
    wanted, jacobian = _template(source, here, offsets, weight)
    weighted = jacobian * weight[:, None]
    inverse = torch.linalg.inv(weighted.mT @ jacobian + 1e-7 * torch.eye(PARAMETERS))
    likeness, moving = torch.zeros(len(here)), torch.arange(len(here))
    for _ in range(MAX_STEPS):
        seen, _ = _normalised(target.read(places[moving, None] + offsets @ shapes[moving].mT), weight)
        likeness[moving] = (seen * wanted[moving] * weight).sum(1)
        change = inverse[moving] @ weighted[moving].mT @ (seen - wanted[moving])[..., None]
        length = change[:, :2].norm(dim=1, keepdim=True)
        change = change * (MAX_STEP / length.clamp_min(1e-9)).clamp_max(1)
        # The patch of `source` would have to bend so; that of `target` bends the other way.
        bend = torch.eye(2) + torch.stack([change[:, 2:4, 0], change[:, 4:6, 0]], dim=2)
        shapes[moving] = shapes[moving] @ torch.linalg.inv(bend)
        places[moving] = places[moving] - (shapes[moving] @ change[:, :2])[..., 0]
        still = length[:, 0, 0] < ARRIVED
        good[moving[still]] = True
        near = (places[moving] - start[moving]).norm(dim=1) < MAX_MOVE  # false for what is no number
        moving = moving[~still & near]
        if not len(moving):
            break
    good &= (places - start).norm(dim=1) < MAX_MOVE
    good &= (likeness > MIN_LIKENESS) & source.inside(here) & target.inside(places)
    by_noise = shapes @ (inverse[:, :2, :2] * weight.square().sum()) @ shapes.mT
    return Aligned(places.double(), shapes, good, _covariances(by_noise, likeness))


def _covariances(by_noise: Float[Tensor, "k 2 2"], likeness: Float[Tensor, " k"]) -> Float[Tensor, "k 2 2"]:
    """`LEFT_SIGMA`, and what least squares leave open: `by_noise` for patches that differ by their deviation.
    Along an edge that is much, across it little."""
    noise = 2 * (1 - likeness).clamp_min(0)  # mean square by which normalised patches differ
    # A sample shares its noise with its neighbours, which `BLUR` has mixed.
    shared = 4 * np.pi * BLUR**2 / (2 * RADIUS / (SAMPLES - 1)) ** 2
    return alike(len(likeness), LEFT_SIGMA) + (shared * noise[:, None, None] * by_noise).double()


def alike(count: int, sigma: float) -> Float[Tensor, "k 2 2"]:
    """Covariances of `count` places that are off by `sigma` in each direction."""
    return sigma**2 * torch.eye(2, dtype=torch.float64).repeat(count, 1, 1)


def with_aligned_keypoints(bundle: Bundle, pictures: Sequence[Picture]) -> Bundle:
    """The bundle with each point's keypoints laid over that of the photo in the middle of those that see it,
    and how sure they are; where they do not come to lie, they stay, and are less sure. `pictures` are the
    bundle's photos, in its pixels."""
    photos = [blurred(picture.grey) for picture in pictures]
    reference = _references(bundle)
    held = reference == torch.arange(len(reference))
    uv, covariances = bundle.uv.clone(), alike(len(bundle.uv), KEYPOINT_SIGMA)
    covariances[held] = alike(int(held.sum()), LEFT_SIGMA)
    for source in range(len(photos)):
        for target in range(len(photos)):
            mine = (bundle.view == target) & (bundle.view[reference] == source)
            rows = mine.nonzero().squeeze(1)
            if source != target and len(rows):
                found = align(photos[source], photos[target], bundle.uv[reference[rows]], bundle.uv[rows])
                uv[rows[found.good]] = found.uv[found.good]
                covariances[rows[found.good]] = found.covariances[found.good]
    return replace(bundle, uv=uv, covariances=covariances)


def _references(bundle: Bundle) -> Int[Tensor, " k"]:
    """For each observation that one of its point whose camera is nearest to the others that see the point."""
    centres = -(bundle.rotations.mT @ bundle.translations[..., None])[..., 0]
    distances = torch.cdist(centres, centres)
    seen = torch.zeros(len(bundle.xyz), len(centres), dtype=centres.dtype)
    seen[bundle.point, bundle.view] = 1
    far = (seen @ distances)[bundle.point, bundle.view]
    order = torch.argsort(far, descending=True, stable=True)
    best = torch.zeros(len(bundle.xyz), dtype=torch.long)
    best[bundle.point[order]] = order  # the last one written is the nearest
    return best[bundle.point]


def _samples() -> tuple[Float[Tensor, "s 2"], Float[Tensor, " s"]]:
    """Offsets of a patch's samples, and their weights, whose sum is 1."""
    line = torch.linspace(-RADIUS, RADIUS, SAMPLES)
    offsets = torch.cartesian_prod(line, line)
    weight = torch.exp(-offsets.square().sum(1) / (2 * (DEVIATION * RADIUS) ** 2))
    return offsets, weight / weight.sum()


def _normalised(
    values: Float[Tensor, "k s"], weight: Float[Tensor, " s"]
) -> tuple[Float[Tensor, "k s"], Float[Tensor, "k 1"]]:
    """The patches with mean 0 and deviation 1, and their deviations before."""
    centred = values - (values * weight).sum(1, keepdim=True)
    deviation = (centred.square() * weight).sum(1, keepdim=True).sqrt() + 1e-6
    return centred / deviation, deviation


def _template(
    source: Blurred, uv: Float[Tensor, "k 2"], offsets: Float[Tensor, "s 2"], weight: Float[Tensor, " s"]
) -> tuple[Float[Tensor, "k s"], Float[Tensor, "k s 6"]]:
    """The normalised patches, and their derivatives by shift and affinity as far as brightness and contrast
    cannot make up for them."""
    places = uv[:, None] + offsets
    patches, deviation = _normalised(source.read(places), weight)
    slopes = []
    for step in 0.5 * torch.eye(2):
        slopes.append((source.read(places + step) - source.read(places - step)) / deviation)
    by_shift = torch.stack(slopes, dim=2)
    jacobian = torch.cat([by_shift, by_shift * offsets[:, :1], by_shift * offsets[:, 1:]], dim=2)
    jacobian = jacobian - (jacobian * weight[:, None]).sum(1, keepdim=True)
    along = (jacobian * patches[..., None] * weight[:, None]).sum(1, keepdim=True)
    return patches, jacobian - along * patches[..., None]
