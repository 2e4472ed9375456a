"""Boxes, ellipsoids, cylinders and cut-out quads, and where rays meet them.

Each is a unit shape in a local frame: `local = axes (world - centre) / half`. Lines keep their parameter `t`
under that map, so a ray whose direction has z = 1 in its camera meets the surface at z-depth `t`. Letters:
`n` rays, `p` primitives; `o`, `d` are origin and direction by component, each (n, p) or broadcastable to it.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

Parts = tuple[Tensor, Tensor, Tensor]
Interval = tuple[Tensor, Tensor]

NEAREST = 1e-3
"""Hits closer than this are the surface that a ray starts from."""

BOX, ELLIPSOID, CYLINDER, QUAD = range(4)


class Primitives(NamedTuple):
    """Primitives of one kind."""

    axes: Float[Tensor, "p 3 3"]
    """Rows: the local axes in the world."""
    centre: Float[Tensor, "p 3"]
    half: Float[Tensor, "p 3"]
    """Half extents along the local axes; a quad has no third one, and stands at z = 0."""
    cut: Int[Tensor, " p"]
    """Stencil of a quad; others ignore it."""


class Hits(NamedTuple):
    """Nearest meeting of each ray."""

    t: Float[Tensor, " n"]
    """Along the direction; infinite where there is none."""
    thing: Int[Tensor, " n"]
    """Its number among all primitives, kinds in the order BOX, ELLIPSOID, CYLINDER, QUAD."""


def turned(things: Primitives, vectors: Float[Tensor, "#n #p 3"]) -> Parts:
    """World vectors in each local frame, by component: sums that a compiler keeps in registers."""
    turn = things.axes / things.half[..., None]
    x, y, z = vectors.unbind(-1)
    a, b, c = (turn[:, i, 0] * x + turn[:, i, 1] * y + turn[:, i, 2] * z for i in range(3))
    return a, b, c


def slab(o: Tensor, d: Tensor) -> Interval:
    """Where a component lies in [-1, 1]."""
    safe = torch.where(d.abs() < 1e-9, 1e-9, d)
    a, b = (-1 - o) / safe, (1 - o) / safe
    return torch.minimum(a, b), torch.maximum(a, b)


def round_body(o: tuple[Tensor, ...], d: tuple[Tensor, ...]) -> Interval:
    """Where the components' squares sum to less than 1: from the point of closest approach, because the
    textbook's discriminant cancels for wires that are thin and far."""
    dd = sum((x * x for x in d[1:]), d[0] * d[0]).clamp_min(1e-12)
    closest = -sum((a * b for a, b in zip(o[1:], d[1:], strict=True)), o[0] * d[0]) / dd
    gaps = [a + closest * b for a, b in zip(o, d, strict=True)]
    miss = sum((g * g for g in gaps[1:]), gaps[0] * gaps[0])
    reach = ((1 - miss).clamp_min(0) / dd).sqrt()
    return torch.where(miss < 1, closest - reach, math.inf), closest + reach


def both(a: Interval, b: Interval) -> Interval:
    return torch.maximum(a[0], b[0]), torch.minimum(a[1], b[1])


def entry(interval: Interval) -> Tensor:
    """Where a ray enters a convex body, or leaves it if it starts inside; infinite where it misses."""
    near, far = interval
    ahead = torch.where(near > NEAREST, near, far)
    return torch.where((near <= far) & (ahead > NEAREST), ahead, math.inf)


def meet_boxes(o: Parts, d: Parts) -> Tensor:
    return entry(both(both(slab(o[0], d[0]), slab(o[1], d[1])), slab(o[2], d[2])))


def meet_ellipsoids(o: Parts, d: Parts) -> Tensor:
    return entry(round_body(o, d))


def meet_cylinders(o: Parts, d: Parts) -> Tensor:
    return entry(both(round_body(o[:2], d[:2]), slab(o[2], d[2])))


def meet_quads(o: Parts, d: Parts, cut: Int[Tensor, " p"], cuts: Float[Tensor, "c m m"]) -> Tensor:
    """Where rays cross the plane inside the stencil."""
    t = -o[2] / torch.where(d[2].abs() < 1e-9, 1e-9, d[2])
    x, y = o[0] + t * d[0], o[1] + t * d[1]
    side = cuts.shape[-1]
    column, row = (((a + 1) * (0.5 * side)).clamp(0, side - 1).long() for a in (x, y))
    solid = cuts.flatten()[(cut * side + row) * side + column] > 0.5
    hit = solid & (t > NEAREST) & (x.abs() < 1) & (y.abs() < 1)
    return torch.where(hit, t, math.inf)


def nearest_hits(
    things: tuple[Primitives, ...],
    cuts: Float[Tensor, "c m m"],
    origins: Float[Tensor, "#n 3"],
    directions: Float[Tensor, "#n 3"],
) -> Hits:
    """The nearest primitive of every ray; origins or directions may be one for all."""
    t, index, first = None, None, 0
    for kind, group in enumerate(things):
        # The difference is taken before the turn: far origins would lose the digits of thin things.
        o, d = turned(group, origins[:, None] - group.centre), turned(group, directions[:, None])
        if kind == QUAD:
            all_t = meet_quads(o, d, group.cut, cuts)
        else:
            all_t = (meet_boxes, meet_ellipsoids, meet_cylinders)[kind](o, d)
        least, which = all_t.min(dim=1)
        which = which + first
        first += len(group.centre)
        if t is None or index is None:
            t, index = least, which
        else:
            index = torch.where(least < t, which, index)
            t = torch.minimum(t, least)
    assert t is not None and index is not None
    return Hits(t, index)


def joined(things: tuple[Primitives, ...]) -> tuple[Primitives, Int[Tensor, " p"]]:
    """All primitives in the order of `Hits.thing`, and their kinds."""
    kinds = [torch.full_like(group.cut, kind) for kind, group in enumerate(things)]
    return Primitives(*(torch.cat(parts) for parts in zip(*things, strict=True))), torch.cat(kinds)


def local_normal(kind: Int[Tensor, " n"], at: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Gradient of the unit shape at local points on it."""
    side = torch.nn.functional.one_hot(at.abs().argmax(-1), 3) * at.sign()
    radial = torch.cat([at[:, :2], torch.zeros_like(at[:, :1])], -1)
    up = torch.zeros_like(at)
    up[:, 2] = 1.0
    cap = at[:, 2:].abs() > radial.norm(dim=-1, keepdim=True)
    normal = torch.where((kind == BOX)[:, None], side, at)
    normal = torch.where((kind == CYLINDER)[:, None], torch.where(cap, up * at[:, 2:].sign(), radial), normal)
    return torch.where((kind == QUAD)[:, None], up, normal)
