"""What a photo probably shows past its edge, judged by what it shows inside.

The colour some pixels beyond the edge is predicted from the mean colours of squares of growing size that
touch it. How much each counts, at each distance, is what predicts the photos' own pixels best (least squares,
as in a Wiener filter): a plain wall goes on as it is, leaves fade within some pixels to the thicket's.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.geometry import pixel_centres

SMALLEST = 8.0
"""Side of the smallest square, and of the one whose colour is predicted, in pixels."""
NEAREST = 4.0
"""Smallest distance from the edge, in pixels, at which the weights are found."""
STRIDE = 8
"""Distance in pixels of the places inside the photos at which the prediction is compared."""
RIDGE = 1e-3
"""Share of the squares' variance that is added to it, so that few samples decide little."""


class Continuation(NamedTuple):
    """How much the squares at the edge of a photo tell of what lies beyond."""

    distances: Float[Tensor, " d"]
    """From the edge, pixels, each twice the one before."""
    sizes: tuple[float, ...]
    """Sides of the squares in pixels, each twice the one before."""
    weights: Float[Tensor, "d s"]
    """Of each square's difference from the mean colour."""


def learn_continuation(images: Sequence[Float[Tensor, "_h _w 3"]], reach: float) -> Continuation:
    """The weights that predict the photos' own pixels best, up to `reach` pixels from an edge."""
    shorter = min(min(image.shape[:2]) for image in images)
    sizes, distances = doubling(SMALLEST, shorter / 4), doubling(NEAREST, reach)
    mip_maps = [make_mip_map(image, sizes) for image in images]
    rows = [images[0].new_zeros(len(sizes))]
    for distance in distances:
        moments = [_moments(i, m, distance) for i, m in zip(images, mip_maps, strict=True)]
        within, across = (torch.stack(parts).sum(0) for parts in zip(*moments, strict=True))
        # Photos too small to look so far, or of one colour: what held nearer by still holds.
        rows.append(nonnegative_weights(within, across).to(rows[0]) if within.any() else rows[-1])
    return Continuation(images[0].new_tensor(distances), tuple(sizes), torch.stack(rows[1:]))


def nonnegative_weights(within: Float[Tensor, "s s"], across: Float[Tensor, " s"]) -> Float[Tensor, " s"]:
    """Least squares without those that would count negatively: what is left and right of a photo's one edge
    is no rule for what lies beyond it."""
    used = torch.ones_like(across, dtype=torch.bool)
    weights = torch.zeros_like(across)
    ridge = RIDGE * within.diagonal().mean() * torch.eye(len(across)).to(within)
    while used.any():
        weights = torch.zeros_like(across)
        weights[used] = torch.linalg.solve((within + ridge)[used][:, used], across[used])
        if (weights >= 0).all():
            break
        used &= weights > 0
    return weights


def doubling(first: float, last: float) -> list[float]:
    """first, 2 first, 4 first, ... up to `last`; the first in any case."""
    return [first * 2**k for k in range(1 + max(0, math.floor(math.log2(last / first))))]


def continue_past_edge(
    image: Float[Tensor, "h w 3"], outside: Float[Tensor, "m 2"], continuation: Continuation
) -> Float[Tensor, "m 3"]:
    """Colours in [0, 1] to be expected at places `outside` the photo, in its pixels."""
    size = picture_size(image)
    edge = outside.clamp_min(0).minimum(size)
    way = edge - outside
    distance = way.norm(dim=-1)
    inwards = way / distance.clamp_min(1e-6)[:, None]
    squares = edge_squares(make_mip_map(image, continuation.sizes), size, edge, inwards)
    mean, weights = outer_mean(image), weights_at(continuation, distance)
    return (mean + (weights[..., None] * (squares - mean)).sum(1)).clamp(0, 1)


def weights_at(continuation: Continuation, distance: Float[Tensor, " m"]) -> Float[Tensor, "m s"]:
    """The weights in between, on a logarithmic scale; outside the distances as at the nearest."""
    last = len(continuation.distances) - 1
    place = (distance / continuation.distances[0]).clamp_min(1).log2().clamp_max(last)
    low = place.floor().long()
    high = (low + 1).clamp_max(last)
    return torch.lerp(continuation.weights[low], continuation.weights[high], (place - low)[:, None])


def outer_mean(image: Float[Tensor, "h w 3"]) -> Float[Tensor, "3"]:
    """Mean colour of the outer quarters of a photo: what stands in its middle ends before its edge."""
    height, width = image.shape[:2]
    outer = torch.ones_like(image[..., :1])
    outer[height // 4 : height - height // 4, width // 4 : width - width // 4] = 0
    return (image * outer).sum(dim=(0, 1)) / outer.sum()


def picture_size(image: Float[Tensor, "h w 3"]) -> Float[Tensor, "2"]:
    """Width and height in pixels."""
    return image.new_tensor([image.shape[1], image.shape[0]])


def make_mip_map(image: Float[Tensor, "h w 3"], sizes: Sequence[float]) -> dict[float, Tensor]:
    """By side in pixels, the picture (1, 3, _, _) of squares' mean colours."""
    height, width = image.shape[:2]
    picture = image.permute(2, 0, 1)[None]
    small = {side: (max(1, round(height / side)), max(1, round(width / side))) for side in sizes}
    return {side: F.interpolate(picture, shape, mode="area") for side, shape in small.items()}


def edge_squares(
    mip_map: dict[float, Tensor],
    size: Float[Tensor, "2"],
    edge: Float[Tensor, "m 2"],
    inwards: Float[Tensor, "m 2"],
) -> Float[Tensor, "m s 3"]:
    """Mean colours of the squares of a photo of `size` that touch `edge` from within."""
    read = []
    for side, level in mip_map.items():
        grid = ((edge + inwards * side / 2) / size * 2 - 1)[None, None]
        read.append(F.grid_sample(level, grid, align_corners=False, padding_mode="border")[0, :, 0].T)
    return torch.stack(read, dim=1)


def _moments(
    image: Float[Tensor, "h w 3"], mip_map: dict[float, Tensor], distance: float
) -> tuple[Float[Tensor, "s s"], Float[Tensor, " s"]]:
    """Second moments of the squares' differences from the mean colour, and those with the colour `distance`
    further on. Along the edges, in the outer quarters: what lies beyond is like what lies there."""
    places = pixel_centres(*image.shape[:2], like=image)[::STRIDE, ::STRIDE].reshape(-1, 2)
    mean, size = outer_mean(image), picture_size(image)
    smallest, largest = {SMALLEST: mip_map[SMALLEST]}, max(mip_map)
    within = image.new_zeros(len(mip_map), len(mip_map), dtype=torch.float64)
    across = within[0].clone()
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
        outwards = torch.zeros_like(size)
        outwards[axis] = sign
        far, back = places + distance * outwards, places - largest * outwards
        room = ((far >= 0) & (far < size) & (back >= 0) & (back < size)).all(-1)
        beside = places[:, 1 - axis] / size[1 - axis]
        room &= (beside - 0.5).abs() > 0.25
        edge, inwards = places[room], -outwards.expand(int(room.sum()), 2)
        if not len(edge):
            continue
        squares = (edge_squares(mip_map, size, edge, inwards) - mean).double()
        # The square that is predicted has its centre at the distance.
        ahead = edge + (distance + SMALLEST / 2) * outwards
        target = (edge_squares(smallest, size, ahead, inwards)[:, 0] - mean).double()
        within += torch.einsum("msc,mtc->st", squares, squares)
        across += torch.einsum("msc,mc->s", squares, target)
    return within, across
