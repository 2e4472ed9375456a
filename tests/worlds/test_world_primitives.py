"""Where rays meet primitives, against marching along the ray."""

import math

import pytest
import torch
from torch import Tensor
from worlds.primitives import BOX, CYLINDER, ELLIPSOID, QUAD, Primitives, joined, local_normal, nearest_hits

WHOLE = torch.ones(1, 8, 8)


def some(count: int, seed: int, size: float = 0.5) -> Primitives:
    generator = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator)).Q
    centre = torch.randn(count, 3, generator=generator)
    half = size * (0.3 + torch.rand(count, 3, generator=generator))
    return Primitives(axes, centre, half, torch.zeros(count, dtype=torch.long))


def only(kind: int, group: Primitives) -> tuple[Primitives, ...]:
    none = Primitives(*(part[:1].clone() for part in group))
    none.centre[:] = 1e4
    none.half[:] = 1e-3
    return tuple(group if k == kind else none for k in range(4))


def inside(kind: int, group: Primitives, points: Tensor) -> Tensor:
    """Whether points (..., 3) lie in any of the bodies, by their definition."""
    local = torch.einsum("pij,...pj->...pi", group.axes, points[..., None, :] - group.centre) / group.half
    if kind == BOX:
        return (local.abs() <= 1).all(-1).any(-1)
    if kind == ELLIPSOID:
        return (local.square().sum(-1) <= 1).any(-1)
    return ((local[..., :2].square().sum(-1) <= 1) & (local[..., 2].abs() <= 1)).any(-1)


def rays(count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    origin = torch.tensor([[0.3, -0.2, -6.0]])
    aim = 1.2 * torch.randn(count, 3, generator=generator)
    directions = aim - origin
    return origin, directions / directions[:, 2:]


@pytest.mark.parametrize("kind", [BOX, ELLIPSOID, CYLINDER])
def test_bodies_are_met_where_marching_first_enters_them(kind: int):
    group = some(6, seed=kind)
    origin, directions = rays(300, seed=10 + kind)
    hits = nearest_hits(only(kind, group), WHOLE, origin, directions)
    t = torch.linspace(1, 12, 11_001)
    marched = torch.stack([inside(kind, group, origin + t[:, None] * d) for d in directions])
    first = torch.where(marched.any(1), t[marched.int().argmax(1)], math.inf)
    both = torch.isfinite(first) & torch.isfinite(hits.t)
    # A ray may graze a body between two steps; else both agree to a step.
    assert (torch.isfinite(first) & ~torch.isfinite(hits.t)).sum() == 0
    assert (torch.isfinite(hits.t) & ~torch.isfinite(first)).float().mean() < 0.01
    assert both.float().mean() > 0.2
    close = (first - hits.t)[both].abs() < 2e-3
    assert close.float().mean() > 0.99
    found = torch.isfinite(hits.t)
    things, kinds = joined(only(kind, group))
    points = (origin + hits.t[:, None] * directions)[found]
    at = (things.axes[hits.thing[found]] @ (points - things.centre[hits.thing[found]])[..., None])[..., 0]
    half = things.half[hits.thing[found]]
    gradient = local_normal(kinds[hits.thing[found]], at / half) / half
    normal = (things.axes[hits.thing[found]].mT @ gradient[..., None])[..., 0]
    assert (normal * directions[found]).sum(-1).max() < 1e-3  # outwards, against the ray
    outside = points + 1e-3 * torch.nn.functional.normalize(normal, dim=-1)
    assert inside(kind, group, outside).float().mean() < 0.05


def test_a_ray_that_starts_inside_a_box_meets_its_far_wall():
    room = Primitives(
        torch.eye(3)[None], torch.zeros(1, 3), torch.tensor([[2.0, 3.0, 4.0]]), torch.zeros(1).long()
    )
    directions = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.5], [0.0, -1.0, 0.1]])
    hits = nearest_hits(only(BOX, room), WHOLE, torch.zeros(1, 3), directions)
    assert hits.t.tolist() == pytest.approx([4.0, 2.0, 3.0])


def test_quads_are_met_in_their_plane_and_inside_their_stencil():
    group = some(1, seed=1, size=2.0)._replace(centre=torch.full((1, 3), 0.1))
    cuts = torch.ones(2, 8, 8)
    cuts[1, :, :4] = 0  # solid where the local x is positive
    origin, directions = rays(400, seed=4)
    whole = nearest_hits(only(QUAD, group), cuts, origin, directions).t
    half = nearest_hits(
        only(QUAD, group._replace(cut=torch.ones_like(group.cut))), cuts, origin, directions
    ).t
    points = origin + torch.where(torch.isfinite(whole), whole, 0.0)[:, None] * directions
    local = (points - group.centre) @ group.axes[0].T / group.half
    hit = torch.isfinite(whole)
    assert 0.1 < hit.float().mean() < 0.9
    assert local[hit][:, 2].abs().max() < 1e-4 and local[hit][:, :2].abs().max() < 1 + 1e-4
    assert torch.equal(torch.isfinite(half), hit & (local[:, 0] > 0))


def test_a_wire_a_thousandth_wide_is_round():
    wire = Primitives(
        torch.eye(3)[None],
        torch.tensor([[0.0, 0, 5.0]]),
        torch.tensor([[1e-3, 1e-3, 9]]),
        torch.zeros(1).long(),
    )
    wire = wire._replace(axes=torch.tensor([[[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]]))
    x = torch.linspace(-1.2e-3, 1.2e-3, 41)
    directions = torch.stack([x / 5, torch.zeros(41), torch.ones(41)], -1)
    t = nearest_hits(only(CYLINDER, wire), WHOLE, torch.zeros(1, 3), directions).t
    true = 5 - (1e-6 - x**2).clamp_min(0).sqrt()
    clear = (x.abs() - 1e-3).abs() > 3e-5
    assert torch.equal(torch.isfinite(t)[clear], (x.abs() < 1e-3)[clear])
    seen = x.abs() < 0.95e-3
    assert (t - true)[seen].abs().max() < 2e-5


def test_the_nearest_of_several_kinds_wins_and_is_named():
    groups = tuple(some(4, seed=20 + k) for k in range(4))
    origin, directions = rays(200, seed=5)
    all_hits = nearest_hits(groups, WHOLE, origin, directions)
    apart = [nearest_hits(only(k, groups[k]), WHOLE, origin, directions).t for k in range(4)]
    least, kind = torch.stack(apart).min(0)
    assert torch.equal(all_hits.t, least)
    seen = torch.isfinite(least)
    assert torch.equal(all_hits.thing[seen] // 4, kind[seen])
