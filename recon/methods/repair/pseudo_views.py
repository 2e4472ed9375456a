"""Which pictures to repair: cameras between the photos and a little outside, where support lacks."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.agreement import baselines, nearest_sources
from recon.methods.pseudo_views import pose_between, pose_from_axes
from recon.scene import Cameras


@dataclass(frozen=True)
class PseudoViewsConfig:
    """Cameras in places where no photo was taken."""

    count: int = 8
    """Cameras in each round."""
    candidates: int = 32
    """Cameras that are drawn at random, from which those are chosen."""
    outside: float = 0.4
    """How far beside the way from a photo to the next they may lie in the last round, as a share of that
    way; in earlier rounds less."""
    reach: float = 1.0
    """Distance from the nearest photo at which a camera counts 1/e, as a share of the usual distance from a
    photo to the next."""
    wider: float = 0.25
    """How much wider than the photos the pictures of a repair after the fit are, on each side, as a share of
    their size."""
    spacing: float = 0.3
    """Cameras nearer to each other than this share of that distance are chosen less."""


def photo_spacing(cameras: Cameras) -> float:
    """Median over the photos of the distance to the next one, world units."""
    distance = baselines(cameras)
    distance = distance + torch.diag(torch.full_like(distance[0], torch.inf))
    return float(distance.amin(dim=1).median())


def nearness(cameras: Cameras, photos: Cameras, reach: float) -> Float[Tensor, " n"]:
    """In (0, 1]: 1 in the place of a photo, 1/e at `reach` times the photos' spacing from all of them."""
    distance = torch.cdist(cameras.centres, photos.centres).amin(dim=1)
    return torch.exp(-distance / (reach * photo_spacing(photos)))


def candidate_cameras(
    photos: Cameras, focus: float, outside: float, count: int, generator: torch.Generator
) -> Cameras:
    """Random cameras on the ways from photos to their next two, and up to `outside` of the way beside it.

    Each has the intrinsics of a photo and looks at the point at depth `focus` (world units) that a camera on
    the way itself would have in its middle."""
    poses, chosen = [], []
    for number in range(count):
        index = number % len(photos)
        partners = nearest_sources(photos, index, 2) or [index]
        chance = torch.rand(4, generator=generator).tolist()
        partner = partners[int(chance[0] * len(partners))]
        first, second = photos.camera_from_world[index], photos.camera_from_world[partner]
        share = -outside + chance[1] * (1 + 2 * outside)
        pose = pose_between(first, second, first.new_tensor(share))
        way = (photos.centres[partner] - photos.centres[index]).norm()
        beside = pose.new_tensor([2 * c - 1 for c in chance[2:]]) * outside * way
        poses.append(moved_beside(pose, beside, focus))
        chosen.append(index)
    return Cameras(torch.stack(poses), photos.Ks[chosen], tuple(photos.sizes[i] for i in chosen))


def moved_beside(
    camera_from_world: Float[Tensor, "4 4"], beside: Float[Tensor, "2"], focus: float
) -> Float[Tensor, "4 4"]:
    """The camera moved along its x and y axes by `beside`, turned to keep the point at depth `focus` on its
    axis."""
    right, down, forward = camera_from_world[:3, :3]
    centre = -camera_from_world[:3, :3].T @ camera_from_world[:3, 3]
    offset = beside[0] * right + beside[1] * down
    return pose_from_axes(focus * forward - offset, right, centre + offset)


def choose_cameras(
    candidates: Cameras, photos: Cameras, lack: Float[Tensor, " n"], config: PseudoViewsConfig
) -> Cameras:
    """`config.count` of the candidates: near to photos, with much that few photos support, apart.

    `lack` is the share of a candidate's pixels without support, in [0, 1]."""
    score = lack * nearness(candidates, photos, config.reach)
    apart = config.spacing * photo_spacing(photos)
    distance = torch.cdist(candidates.centres, candidates.centres)
    chosen: list[int] = []
    for _ in range(min(config.count, len(candidates))):
        # Below every score that is left, so that none is taken twice even where all are 0.
        score[chosen] = -1
        chosen.append(int(score.argmax()))
        score = score * (distance[chosen[-1]] / apart).clamp_max(1)
    return candidates.select(chosen)


def widened(cameras: Cameras, share: float) -> Cameras:
    """The cameras with pictures that reach further on each side, by this share of their size."""
    Ks, sizes = cameras.Ks.clone(), []
    for index, (width, height) in enumerate(cameras.sizes):
        aside, above = round(share * width), round(share * height)
        Ks[index, 0, 2] += aside
        Ks[index, 1, 2] += above
        sizes.append((width + 2 * aside, height + 2 * above))
    return Cameras(cameras.camera_from_world, Ks, tuple(sizes))
