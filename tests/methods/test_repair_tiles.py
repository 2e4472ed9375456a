"""Pictures in tiles, where the device of a diffusion model has no room for them whole."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from recon.errors import MachineError
from recon.methods.repair.blend import BlendConfig, blend
from recon.methods.repair.diffusion import DiffusionRepair
from recon.methods.repair.diffusion_pipelines import DiffusionConfig
from recon.methods.repair.diffusion_tiles import LEAST_TILE, OVERLAP, Room, painted_in_tiles, starts
from recon.methods.repair.warps import Warps
from recon.scene import Cameras

pytest.importorskip("diffusers", reason="diffusers is not installed: the extra priors")
MULTIPLE = 16
"""Of the sides that the pipeline below wants: 8 times its `vae_scale_factor`."""
LEAST = LEAST_TILE * MULTIPLE
SIZE = (150, 330)
CAMERAS = Cameras(torch.eye(4)[None], torch.eye(3)[None], (SIZE[::-1],))


@dataclass
class Cramped:
    """A pipeline that paints the negative, on a device with room for so many pixels."""

    room: int
    asked: list[tuple[int, int]] = field(default_factory=list)
    """Height and width of each picture that it was asked for."""
    vae_scale_factor: int = MULTIPLE // 8
    tilings: int = 0

    @property
    def vae(self) -> "Cramped":
        return self

    def enable_tiling(self) -> None:
        self.tilings += 1

    def __call__(self, image: Tensor, mask_image: Tensor, **options: object) -> SimpleNamespace:
        height, width = image.shape[2:]
        self.asked.append((height, width))
        if height * width > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return SimpleNamespace(images=1 - image)


def halves() -> tuple[Tensor, Warps, Tensor]:
    """A picture of which a photo sees the left half in another colour; and what no photo sees."""
    rgb = torch.rand(*SIZE, 3, generator=torch.Generator().manual_seed(5))
    unseen = (torch.arange(SIZE[1]) >= SIZE[1] // 2).expand(SIZE)
    ones = torch.ones(1, *SIZE)
    return rgb, Warps(rgb[None] * 0.5, torch.where(unseen, torch.inf, 0.0)[None], ones, ones), unseen


def test_a_picture_without_room_is_painted_whole_in_tiles_and_a_warning_says_so_once(caplog):
    rgb, warps, unseen = halves()
    pipeline = Cramped(room=100 * 100)
    repair = DiffusionRepair(pipeline, DiffusionConfig("x"), BlendConfig())
    found, mended = repair(CAMERAS, 0, rgb, warps), blend(rgb, warps, BlendConfig())
    assert torch.equal(found.rgb[~unseen], mended.rgb[~unseen]), "what a photo sees is none of the model's"
    torch.testing.assert_close(found.rgb[unseen], 1 - mended.rgb[unseen])
    assert pipeline.asked[:4] == [(160, 336), (160, 336), (160, 176), (96, 96)]
    assert set(pipeline.asked[3:]) == {(96, 96)} and pipeline.tilings == 1
    assert len(pipeline.asked[3:]) < 2 * len(starts(336, 96)), "none where nothing is wanted"
    before = len(pipeline.asked)
    repair(CAMERAS, 1, rgb, warps)
    assert set(pipeline.asked[before:]) == {(96, 96)}, "what was too much is not tried again"
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and "336 x 160 pixels" in said[0] and "max-size" in said[0]


def test_where_there_is_room_nothing_is_divided_or_said(caplog):
    rgb, warps, _ = halves()
    pipeline = Cramped(room=160 * 336)
    DiffusionRepair(pipeline, DiffusionConfig("x"), BlendConfig())(CAMERAS, 0, rgb, warps)
    assert (pipeline.asked, pipeline.tilings, caplog.records) == ([(160, 336)], 0, [])


@pytest.mark.parametrize("room", [0, LEAST**2 - 1])
def test_the_least_tile_is_tried_and_then_it_is_an_error_in_one_sentence(room):
    rgb, warps, _ = halves()
    pipeline = Cramped(room)
    with pytest.raises(MachineError, match=f"even for tiles of {LEAST} pixels") as refused:
        DiffusionRepair(pipeline, DiffusionConfig("x"), BlendConfig())(CAMERAS, 0, rgb, warps)
    assert pipeline.asked[-1] == (LEAST, LEAST)
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")


def test_the_least_tile_is_enough_where_it_has_room():
    rgb, warps, unseen = halves()
    repair = DiffusionRepair(Cramped(LEAST**2), DiffusionConfig("x"), BlendConfig())
    found = repair(CAMERAS, 0, rgb, warps)
    torch.testing.assert_close(found.rgb[unseen], 1 - blend(rgb, warps, BlendConfig()).rgb[unseen])
    assert repair.room == Room(side=float(LEAST), divides=True)


def paints(colour: Callable[[torch.Generator], Tensor]):
    return lambda image, mask, generator: colour(generator).expand_as(image)


def test_no_seam_shows_between_tiles_that_have_nothing_in_common():
    side, generator = 64, torch.Generator().manual_seed(0)
    drawn: list[float] = []

    def colour(noise: torch.Generator) -> Tensor:
        drawn.append(float(torch.rand((), generator=noise)))
        return torch.tensor(float(len(drawn) % 2))

    found = painted_in_tiles(
        paints(colour), torch.zeros(3, 160, 320), torch.ones(1, 160, 320), side, generator
    )
    assert found.min() < 0.1 and found.max() > 0.9
    # Of two squared sines that overlap by a quarter, the share of one changes by 7.6 / side a pixel.
    for axis in (1, 2):
        assert found.diff(dim=axis).abs().max() < 10 / side
    assert len(drawn) == len(starts(160, side)) * len(starts(320, side))
    assert len(set(drawn)) == len(drawn), "each tile has its own noise"


def test_pixels_of_no_tile_keep_their_colours():
    image, mask = torch.rand(3, 64, 256), torch.zeros(1, 64, 256)
    mask[:, :, 250:] = 1
    generator = torch.Generator().manual_seed(0)
    found = painted_in_tiles(paints(lambda _: torch.tensor(2.0)), image, mask, 64, generator)
    assert torch.equal(found[:, :, :192], image[:, :, :192])
    assert (found[:, :, 192:] == 2).all(), "the border of the picture is painted to its last pixel"


@pytest.mark.parametrize(
    ("length", "side"), [(64, 64), (80, 64), (112, 64), (113, 64), (768, 384), (1000, 256)]
)
def test_tiles_cover_the_picture_and_share_a_quarter_of_their_side(length, side):
    first = starts(length, side)
    assert first[0] == 0 and first[-1] + side == max(length, side)
    assert all(b - a <= (1 - OVERLAP) * side for a, b in zip(first, first[1:], strict=False))
