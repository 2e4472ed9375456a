"""Training samples for the stereo network: a reference and its sources out of the ring, made harder, and the
truth about them."""

import random
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from worlds.cameras import VIEWS
from worlds.fields import uniform
from worlds.photometry import disturbed, photographed
from worlds.ring import Ring

from recon.methods.priors.learned.warping import pixels_in_source

USELESS = 0.25
"""Share of samples one of whose sources shows another world."""
NOISY = 0.6
"""Share of samples with inexact cameras."""
MISJUDGED = 0.3
"""Share of samples whose depth range is wrong at either end by a factor of 0.7 to 1.5."""
VISIBLE = 0.015
"""A source sees a point if its depth there is within this share."""


class Sample(NamedTuple):
    """`b` references with `s` sources each."""

    images: Float[Tensor, "b v 3 h w"]
    """The reference first."""
    homographies: Float[Tensor, "b s 3 4"]
    """From the reference to the sources, by the cameras that the network is told."""
    inverse_range: Float[Tensor, "b 2"]
    """Far, near: 1 / world units."""
    inverse_depth: Float[Tensor, "b 1 h w"]
    """True one; 0 where nothing stands."""
    visible: Float[Tensor, "b s h w"]
    """1 where a source sees what the reference shows."""


def draw_sample(ring: Ring, batch: int, sources: int, seed: int, hard: bool) -> Sample:
    """`batch` references with `sources` sources each; `hard` adds what real photos and cameras have."""
    device = ring.depth.device
    choice = random.Random(seed)
    generator = Generator(device=device).manual_seed(seed)
    worlds = torch.tensor([[choice.randrange(ring.capacity)] for _ in range(batch)], device=device)
    views = torch.tensor([choice.sample(range(VIEWS), 1 + sources) for _ in range(batch)], device=device)
    images, depths, poses, Ks = ring.read(worlds, views)
    visible = visibility(depths, homographies(poses, Ks))
    if hard:
        if sources > 1:
            images, visible = _spoiled(ring, images, visible, worlds, choice)
        share = (uniform((batch, 1), generator) < NOISY) * uniform((batch, 1), generator)
        flat = share.expand(-1, 1 + sources).flatten()
        poses, Ks = disturbed(poses.flatten(0, 1), Ks.flatten(0, 1), flat, generator)
        poses, Ks = poses.reshape(batch, -1, 4, 4), Ks.reshape(batch, -1, 3, 3)
        images = photographed(images.flatten(0, 1), generator).reshape(images.shape)
    inverse = torch.where(depths[:, :1] > 0, 1 / depths[:, :1].clamp_min(1e-6), 0.0)
    return Sample(
        images=images,
        homographies=homographies(poses, Ks),
        inverse_range=range_around(inverse, hard, generator),
        inverse_depth=inverse,
        visible=visible,
    )


def homographies(poses: Float[Tensor, "b v 4 4"], Ks: Float[Tensor, "b v 3 3"]) -> Float[Tensor, "b s 3 4"]:
    """As plane_homography, from the first view of each to the others."""
    rotation, shift = poses[..., :3, :3], poses[..., :3, 3:]
    turn = rotation[:, 1:] @ rotation[:, :1].mT
    moved = shift[:, 1:] - turn @ shift[:, :1]
    K_inverse = torch.linalg.inv_ex(Ks[:, :1]).inverse
    return Ks[:, 1:] @ torch.cat([turn @ K_inverse, moved], dim=-1)


def visibility(depths: Float[Tensor, "b v h w"], maps: Float[Tensor, "b s 3 4"]) -> Float[Tensor, "b s h w"]:
    """1 where each source's own depth is that of the point which the reference (the first view) shows."""
    height, width = depths.shape[-2:]
    reference = depths[:, :1]
    inverse = 1 / reference.clamp_min(1e-6)
    seen = []
    for source in range(maps.shape[1]):
        uv, ratio = pixels_in_source(maps[:, source], inverse)
        uv, z = uv[:, 0], (ratio * reference)[:, 0]
        grid = torch.stack([uv[..., 0] * (2 / width), uv[..., 1] * (2 / height)], -1) - 1
        theirs = torch.nn.functional.grid_sample(
            depths[:, 1 + source, None], grid.clamp(-2, 2), mode="nearest", align_corners=False
        )[:, 0]
        known = (reference[:, 0] > 0) & (z > 0) & (grid.abs() < 1).all(-1)
        seen.append(known & ((theirs - z).abs() < VISIBLE * z))
    return torch.stack(seen, dim=1).float()


def range_around(inverse: Float[Tensor, "b 1 h w"], hard: bool, generator: Generator) -> Float[Tensor, "b 2"]:
    """The range as triangulated points would give it: nearly all of the depths, widened; sometimes wrong."""
    b = len(inverse)
    ordered = inverse.flatten(1)[:, ::7].sort(dim=1).values
    count = ordered.shape[1]
    empty = (ordered <= 0).sum(dim=1)
    at = [(empty + (count - 1 - empty) * share).long().clamp(0, count - 1) for share in (0.01, 0.99)]
    low, high = (ordered.gather(1, index[:, None])[:, 0].clamp_min(1e-3) for index in at)
    high = torch.maximum(high, 1.05 * low)
    widen = uniform((b, 2), generator, 0.05, 0.4 if hard else 0.06) * (high - low)[:, None]
    far, near = (low - widen[:, 0]).clamp_min(0.02 * high), high + widen[:, 1]
    if hard:
        factor = 2 ** uniform((b, 2), generator, -0.51, 0.58)
        factor = torch.where(uniform((b, 2), generator) < MISJUDGED, factor, 1.0)
        far, near = far * factor[:, 0], near * factor[:, 1]
    return torch.stack([far, torch.maximum(near, 1.1 * far)], dim=1)


def _spoiled(
    ring: Ring, images: Tensor, visible: Tensor, worlds: Tensor, choice: random.Random
) -> tuple[Tensor, Tensor]:
    """One source of some samples is swapped for a view of another world, and sees nothing."""
    batch, sources = visible.shape[:2]
    rows = [row for row in range(batch) if choice.random() < USELESS and ring.capacity > 1]
    for row in rows:
        slot = choice.randrange(sources)
        other = (int(choice.randrange(1, ring.capacity)) + worlds[row, 0]) % ring.capacity
        images[row, 1 + slot] = ring.rgb[other, choice.randrange(VIEWS)].float() / 255
        visible[row, slot] = 0
    return images, visible
