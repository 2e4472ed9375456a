"""A world by its number: drawn, and its pictures and depths traced."""

import random
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from recon.geometry import pixel_centres
from worlds.cameras import Rig, draw_rig
from worlds.layouts import COUNTS, draw_things
from worlds.materials import draw_light, draw_materials
from worlds.textures import Bank
from worlds.tracing import World, trace

Tracer = Callable[..., tuple[Tensor, Tensor]]

KINDS = ("room", "floating", "ground")
ALONE = 0.12
"""Share of worlds that are a thing before an empty background."""
SAMPLES = ((0.0, 0.0), (0.33, 0.12), (-0.12, 0.33), (-0.26, -0.3))
"""Offsets of the rays of a pixel, in pixels; the first tells its depth."""
RAYS_AT_ONCE = 98_304
"""256 x 384, half of 384 x 512: one shape for a compiler."""


class Pictures(NamedTuple):
    """What the cameras of a world see."""

    rgb: Float[Tensor, "v 3 h w"]
    """In [0, 1]."""
    depth: Float[Tensor, "v h w"]
    """z-depth at the pixel centres; 0 where there is nothing."""
    rig: Rig


def draw_world(number: int, size: tuple[int, int], textures: int, matt: bool = False) -> tuple[World, Rig]:
    """World `number` for pictures of `size` (height, width), on the CPU."""
    choice, generator = random.Random(number), Generator().manual_seed(number % 2**32)
    alone = choice.random() < ALONE
    kind = "alone" if alone else choice.choice(KINDS)
    rig = draw_rig(size, facing=choice.random() < 0.3, choice=choice, generator=generator)
    things = draw_things(kind, rig, choice, generator)
    materials = draw_materials(sum(COUNTS), textures, matt, generator)
    light = draw_light(alone, choice, generator)
    return World(things, materials, light), rig


@torch.no_grad()
def take_pictures(
    world: World, rig: Rig, bank: Bank, size: tuple[int, int], tracer: Tracer = trace
) -> Pictures:
    """Pictures of `size` (height, width) on the bank's device."""
    device = bank.texels.device
    world, rig = world.to(device), rig.to(device)
    focal = rig.K[0, 0]
    # A lens has no skew: its inverse is two divisions, and no solver waits for the GPU.
    pixels = pixel_centres(*size, like=rig.K).reshape(-1, 2)
    rgbs, depths = [], []
    for camera_from_world, centre in zip(rig.camera_from_world, rig.centres, strict=True):
        rgb, depth = torch.zeros(len(pixels), 3, device=device), torch.zeros(0, device=device)
        for number, offset in enumerate(SAMPLES):
            at = (pixels + pixels.new_tensor(offset) - rig.K[:2, 2]) / focal
            rays = torch.cat([at, torch.ones_like(at[:, :1])], -1)
            directions = (rays[:, None] * camera_from_world[:3, :3].T).sum(-1)
            parts = [
                tracer(world, bank, centre[None], part, 1 / focal) for part in directions.split(RAYS_AT_ONCE)
            ]
            rgb += torch.cat([colours for colours, _ in parts]) / len(SAMPLES)
            if number == 0:
                depth = torch.cat([t for _, t in parts])
        rgbs.append(rgb.T.reshape(3, *size))
        depths.append(depth.reshape(size))
    return Pictures(torch.stack(rgbs), torch.stack(depths), rig)


def picture_world(number: int, size: tuple[int, int], bank: Bank, tracer: Tracer = trace) -> Pictures:
    """The pictures of world `number`."""
    world, rig = draw_world(number, size, len(bank.texels))
    return take_pictures(world, rig, bank, size, tracer)
