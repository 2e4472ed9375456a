"""Colour and depth of single rays: the function that is compiled."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from worlds.layouts import Things
from worlds.materials import LAMPS, Light, Materials
from worlds.primitives import NEAREST, joined, local_normal, nearest_hits
from worlds.textures import Bank, read


class World(NamedTuple):
    """Everything that light meets."""

    things: Things
    materials: Materials
    light: Light

    def to(self, device: torch.device) -> "World":
        things = [type(group)(*(part.to(device) for part in group)) for group in self.things]
        return World(
            (things[0], things[1], things[2], things[3]), self.materials.to(device), self.light.to(device)
        )


def trace(
    world: World,
    bank: Bank,
    origin: Float[Tensor, "1 3"],
    directions: Float[Tensor, "n 3"],
    pixel: Float[Tensor, ""],
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Colour in [0, 1] and the ray's parameter at the nearest surface, 0 where there is none. `pixel` is the
    width of a pixel at parameter 1."""
    hits = nearest_hits(world.things, bank.cuts, origin, directions)
    found = torch.isfinite(hits.t)
    t = torch.where(found, hits.t, 1.0)
    things, kinds = joined(world.things)
    axes, half = things.axes[hits.thing], things.half[hits.thing]
    points = origin + t[:, None] * directions
    at = (axes * (points - things.centre[hits.thing])[:, None]).sum(-1)

    # Gradients turn with the inverse scale; the local frame in world lengths is where textures live.
    unit_normal = torch.nn.functional.normalize(local_normal(kinds[hits.thing], at / half) / half, dim=-1)
    normal = (axes * unit_normal[..., None]).sum(1)
    facing = -(normal * directions).sum(-1, keepdim=True)
    normal = normal * facing.sign()
    length = directions.norm(dim=-1, keepdim=True)
    footprint = pixel * t / (facing.abs() / length).clamp_min(0.2)[:, 0]

    paint = Materials(*(part[hits.thing] for part in world.materials))
    albedo = _albedo(bank, paint, at, unit_normal, footprint)
    view = -directions / length
    colour = _shaded(world, bank, paint, albedo, points, normal, view)
    share = (0.5 + 0.5 * directions[:, 2:] / length).clamp(0, 1)
    sky = torch.lerp(world.light.sky[0], world.light.sky[1], share)
    return torch.where(found[:, None], colour, sky).clamp(0, 1), torch.where(found, t, 0.0)


def _albedo(
    bank: Bank,
    paint: Materials,
    at: Float[Tensor, "n 3"],
    normal: Float[Tensor, "n 3"],
    footprint: Float[Tensor, " n"],
) -> Float[Tensor, "n 3"]:
    """Two layers, each laid on along the local axis that the surface faces most."""
    x, y, z = at.unbind(-1)
    axis = normal.abs().argmax(-1)
    uv = torch.stack([torch.where(axis == 0, y, x), torch.where(axis == 2, y, z)], -1)
    first, second = (
        read(
            bank,
            paint.layers[:, i],
            uv * paint.repeats[:, i, None] + paint.shift[:, i],
            footprint * paint.repeats[:, i],
        )
        for i in range(2)
    )
    return (torch.lerp(first, second, paint.second[:, None]) * paint.gain + paint.tint).clamp(0, 1)


def _shaded(
    world: World,
    bank: Bank,
    paint: Materials,
    albedo: Float[Tensor, "n 3"],
    points: Float[Tensor, "n 3"],
    normal: Float[Tensor, "n 3"],
    view: Float[Tensor, "n 3"],
) -> Float[Tensor, "n 3"]:
    """Lambert and Blinn-Phong under the lamps, the first of which casts shadows."""
    ambient = torch.lerp(world.light.ambient[0], world.light.ambient[1], 0.5 + 0.5 * normal[:, 2:])
    diffuse, highlight = ambient, torch.zeros_like(albedo)
    for lamp in range(LAMPS):
        to_lamp = world.light.lamps[lamp] - points
        towards = torch.nn.functional.normalize(to_lamp, dim=-1)
        light = world.light.colours[lamp] * (normal * towards).sum(-1, keepdim=True).clamp_min(0)
        if lamp == 0:
            start = points + NEAREST * normal
            hidden = (nearest_hits(world.things, bank.cuts, start, to_lamp).t < 1).float()
            light = light * (1 - world.light.shadow * hidden)[:, None]
        between = torch.nn.functional.normalize(towards + view, dim=-1)
        mirrored = (normal * between).sum(-1, keepdim=True).clamp_min(1e-4) ** paint.shine[:, None]
        diffuse = diffuse + light
        highlight = highlight + light * mirrored * paint.gloss[:, None]
    return albedo * diffuse + highlight
