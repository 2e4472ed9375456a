"""What things are painted with, and the light they stand in."""

import random
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

LAMPS = 3


class Materials(NamedTuple):
    """One a primitive."""

    layers: Int[Tensor, "p 2"]
    """Two textures of the bank."""
    repeats: Float[Tensor, "p 2"]
    """Periods of each texture to a unit of length."""
    shift: Float[Tensor, "p 2 2"]
    second: Float[Tensor, " p"]
    """Weight of the second layer."""
    gain: Float[Tensor, "p 3"]
    tint: Float[Tensor, "p 3"]
    gloss: Float[Tensor, " p"]
    """Strength of the highlight; 0 is matt."""
    shine: Float[Tensor, " p"]
    """Exponent of the highlight."""

    def to(self, device: torch.device) -> "Materials":
        return Materials(*(part.to(device) for part in self))


class Light(NamedTuple):
    """Lamps without falloff, light from all around, and what is seen where nothing stands."""

    lamps: Float[Tensor, "l 3"]
    """Positions."""
    colours: Float[Tensor, "l 3"]
    """Black where there is no lamp."""
    ambient: Float[Tensor, "2 3"]
    """From below and from above."""
    sky: Float[Tensor, "2 3"]
    """Background, downwards and upwards."""
    shadow: Float[Tensor, " 1"]
    """Darkness of the shadows: 0 none, 1 complete."""

    def to(self, device: torch.device) -> "Light":
        return Light(*(part.to(device) for part in self))


def draw_materials(count: int, textures: int, matt: bool, generator: Generator) -> Materials:
    """Random materials for `count` primitives; 30 % shine, unless all are `matt`."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    glossy = (uniform(count) < 0.3) & (not matt)
    layered = uniform(count) < 0.4
    return Materials(
        layers=torch.randint(textures, (count, 2), generator=generator),
        repeats=2 ** (uniform(count, 2) * 4 - 2.5),
        shift=uniform(count, 2, 2),
        second=torch.where(layered, 0.15 + 0.45 * uniform(count), 0.0),
        gain=0.75 + 0.4 * uniform(count, 1) + 0.15 * (uniform(count, 3) - 0.5),
        tint=0.12 * (uniform(count, 1) - 0.5) + 0.06 * (uniform(count, 3) - 0.5),
        gloss=torch.where(glossy, 0.1 + 0.5 * uniform(count), 0.0),
        shine=2 ** (2 + 5 * uniform(count)),
    )


def draw_light(plain_sky: bool, choice: random.Random, generator: Generator) -> Light:
    """One to three lamps, the first casting shadows; the sky black or white if `plain_sky`."""
    lit = choice.randint(1, LAMPS)
    away = torch.randn((LAMPS, 3), generator=generator)
    away[:, 2] = away[:, 2].abs() + 0.5
    lamps = torch.nn.functional.normalize(away, dim=-1) * choice.uniform(3, 12)
    strength = torch.rand((LAMPS, 1), generator=generator) + 0.3
    strength[lit:] = 0
    colours = strength * (1 + 0.3 * (torch.rand((LAMPS, 3), generator=generator) - 0.5))
    ambient = 0.3 + 0.4 * torch.rand((2, 1), generator=generator).expand(2, 3)
    # Lamps and surroundings together about as bright as a well exposed photo.
    colours = colours / colours.sum(0).mean() * choice.uniform(0.6, 1.3)
    if plain_sky:
        sky = torch.full((2, 3), choice.choice((0.0, 0.0, 1.0)))
    else:
        sky = torch.rand((2, 3), generator=generator) * 0.3 + torch.tensor([[0.4], [0.6]])
    shadow = torch.tensor([choice.choice((0.0, choice.uniform(0.3, 1.0)))])
    return Light(lamps, colours, ambient, sky, shadow)
