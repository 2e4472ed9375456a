"""What stands where: rooms, things floating densely, ground with clutter and plants, a thing before nothing.

Few parents, many children on their surfaces, as SimpleProc places things (arXiv 2604.04925). Drawn on the
CPU: a hundred primitives are too few to keep a GPU busy.
"""

import math
import random

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from worlds.cameras import Rig
from worlds.primitives import Primitives

COUNTS = (40, 28, 36, 40)
"""Boxes, ellipsoids, cylinders, quads of a world, at most: the same in every world, so that one compiled
kernel serves all. The unused ones lie out of sight."""
STENCILS = 64
PARENTS = 5
Things = tuple[Primitives, Primitives, Primitives, Primitives]


def draw_things(kind: str, rig: Rig, choice: random.Random, generator: Generator) -> Things:
    """The things of a world that is a 'room', 'floating', 'ground' or 'alone', none in a camera's way."""
    boxes, ellipsoids, cylinders, quads = _crowd(choice, generator, extent=choice.uniform(0.8, 1.8))
    floor = -choice.uniform(0.5, 1.1)
    if kind == "room":
        _stand(boxes, floor, choice.uniform(0.4, 0.9), generator)
        _stand(cylinders, floor, 0.4, generator)
    if kind == "ground":
        for group in (boxes, ellipsoids):
            _stand(group, floor, 0.9, generator)
        _grow(cylinders, floor, generator)
        _leaf(quads, cylinders, generator)
    _thin_out((boxes, ellipsoids, cylinders, quads), choice.uniform(0.5, 1.0), generator)
    _clear((boxes, ellipsoids, cylinders, quads), rig.centres)
    if kind in ("room", "floating") and (kind == "room" or choice.random() < 0.6):
        _shell(boxes, rig.centres, floor, choice)
    if kind == "ground" or (kind == "alone" and choice.random() < 0.5):
        _plate(boxes, floor, 20.0 if kind == "ground" else choice.uniform(0.8, 1.5))
    return boxes, ellipsoids, cylinders, quads


def _crowd(choice: random.Random, generator: Generator, extent: float) -> Things:
    """Parents near the origin, and children on and around them."""
    parents = extent * 0.6 * _normal((PARENTS, 3), generator).clamp(-1.5, 1.5)
    reach = extent * (0.25 + 0.5 * torch.rand(PARENTS, generator=generator))
    groups = []
    for kind, count in enumerate(COUNTS):
        owner = torch.randint(PARENTS, (count,), generator=generator)
        away = torch.nn.functional.normalize(_normal((count, 3), generator), dim=-1)
        # Half on the parent's surface, half anywhere within 2 of its radii.
        anywhere = 2 * torch.rand(count, generator=generator)
        distance = torch.where(torch.rand(count, generator=generator) < 0.5, 1.0, anywhere)
        centre = parents[owner] + (reach[owner] * distance)[:, None] * away
        groups.append(
            Primitives(
                axes=_orientations(count, choice.choice((0.0, 0.5, 1.0)), generator),
                centre=centre,
                half=_extents(kind, count, extent, generator),
                cut=_stencils(count, generator),
            )
        )
    return groups[0], groups[1], groups[2], groups[3]


def _extents(kind: int, count: int, extent: float, generator: Generator) -> Float[Tensor, "p 3"]:
    """Half sizes, log-uniform; two thirds of the cylinders are wires, legs and branches."""
    half = extent * torch.exp(_between((count, 1), math.log(0.06), math.log(0.45), generator))
    half = half * torch.exp(_between((count, 3), math.log(0.4), math.log(1.6), generator))
    if kind == 2:
        thin = torch.exp(_between((count,), math.log(0.003), math.log(0.03), generator))
        is_thin = torch.rand(count, generator=generator) < 0.67
        length = torch.where(is_thin, extent * _between((count,), 0.2, 1.0, generator), half[:, 2])
        radius = torch.where(is_thin, thin, half[:, 0])
        half = torch.stack([radius, torch.where(is_thin, thin, half[:, 1]), length], -1)
    return half


def _orientations(count: int, tumbled: float, generator: Generator) -> Float[Tensor, "p 3 3"]:
    """Turned about z, a share `tumbled` about any axis."""
    angle = _between((count,), -math.pi, math.pi, generator)
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros(count), torch.ones(count)
    upright = torch.stack([c, s, zero, -s, c, zero, zero, zero, one], -1).reshape(count, 3, 3)
    free = torch.linalg.qr(_normal((count, 3, 3), generator)).Q
    return torch.where((torch.rand(count, generator=generator) < tumbled)[:, None, None], free, upright)


def _stencils(count: int, generator: Generator) -> Tensor:
    """Half of the quads are whole."""
    cut = torch.randint(STENCILS, (count,), generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.5, 0, cut)


def _stand(group: Primitives, floor: float, share: float, generator: Generator) -> None:
    """A share of the things is set upright on the floor."""
    count = len(group.centre)
    stands = torch.rand(count, generator=generator) < share
    upright = _orientations(count, 0.0, generator)
    group.axes[stands] = upright[stands]
    group.centre[stands, 2] = floor + group.half[stands, 2]
    group.centre[stands, :2] *= 1.3


def _grow(stalks: Primitives, floor: float, generator: Generator) -> None:
    """Cylinders become stalks in a few bushes: they start near the ground and lean outwards."""
    count = len(stalks.centre)
    roots = _between((PARENTS, 2), -1.5, 1.5, generator)
    root = roots[torch.randint(PARENTS, (count,), generator=generator)]
    root = root + 0.08 * _normal((count, 2), generator)
    lean = torch.cat([0.35 * _normal((count, 2), generator), torch.ones(count, 1)], -1)
    along = torch.nn.functional.normalize(lean, dim=-1)
    aside = torch.nn.functional.normalize(
        torch.linalg.cross(along, torch.tensor([[1.0, 0.0, 0.0]]).expand(count, 3)), dim=-1
    )
    stalks.axes[:] = torch.stack([aside, torch.linalg.cross(along, aside), along], 1)
    ground = torch.cat([root, torch.full((count, 1), floor)], -1)
    stalks.centre[:] = ground + along * stalks.half[:, 2:]


def _leaf(quads: Primitives, stalks: Primitives, generator: Generator) -> None:
    """Two thirds of the quads become small leaves along the stalks."""
    count = len(quads.centre)
    owner = torch.randint(len(stalks.centre), (count,), generator=generator)
    at = _between((count, 1), 0.0, 1.0, generator)
    place = stalks.centre[owner] + at * stalks.half[owner, 2:] * stalks.axes[owner, 2]
    is_leaf = torch.rand(count, generator=generator) < 0.67
    quads.centre[is_leaf] = place[is_leaf]
    quads.half[is_leaf] = quads.half[is_leaf].clamp_max(0.12)
    quads.axes[is_leaf] = _orientations(count, 1.0, generator)[is_leaf]


def _thin_out(groups: Things, share: float, generator: Generator) -> None:
    """Leaves about a share of the things in sight."""
    for group in groups:
        _hide(group, torch.rand(len(group.centre), generator=generator) > share)


def _clear(groups: Things, cameras: Float[Tensor, "v 3"]) -> None:
    """Hides what comes nearer to a camera than a third of the way to the origin."""
    for group in groups:
        distance = (group.centre[:, None] - cameras).norm(dim=-1)
        room = distance - group.half.norm(dim=-1, keepdim=True)
        _hide(group, (room < 0.3 * cameras.norm(dim=-1)).any(dim=1))


def _hide(group: Primitives, which: Tensor) -> None:
    group.centre[which] = torch.tensor([0.0, 0.0, -1e4])
    group.half[which] = 1e-3


def _shell(boxes: Primitives, cameras: Float[Tensor, "v 3"], floor: float, choice: random.Random) -> None:
    """The first box becomes walls, floor and ceiling around the cameras."""
    half = [float(cameras[:, i].abs().max()) * choice.uniform(1.1, 1.6) + 0.3 for i in range(2)]
    ceiling = float(cameras[:, 2].max()) + choice.uniform(0.4, 1.5)
    boxes.axes[0] = torch.eye(3)
    boxes.centre[0] = torch.tensor([0.0, 0.0, 0.5 * (floor + ceiling)])
    boxes.half[0] = torch.tensor([*half, 0.5 * (ceiling - floor)])


def _plate(boxes: Primitives, floor: float, half: float) -> None:
    """The first box becomes the ground, or a table's top."""
    boxes.axes[0] = torch.eye(3)
    boxes.centre[0] = torch.tensor([0.0, 0.0, floor - 0.05])
    boxes.half[0] = torch.tensor([half, half, 0.05])


def _normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


def _between(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low
