"""The painter made familiar with one scene: some steps of training on pieces of its own photos (after
GaussianObject, Yang et al., 2024). Worlds that are made up teach how pictures go on; how leaves look, only
photos of leaves."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from recon.methods.repair.painter import Painter
from recon.methods.repair.painter_config import TuningConfig
from recon.methods.repair.painter_flow import flow_loss
from recon.methods.repair.painter_masks import random_unseen


def tuned(
    painter: Painter,
    photos: Sequence[Float[Tensor, "_h _w 3"]],
    masks: Sequence[Tensor | None],
    config: TuningConfig,
    seed: int,
) -> Painter:
    """A copy that has seen the photos, on their device; the same for the same seed. Masked pixels of a photo
    are unseen, but nothing to learn from: photos with masks are left out."""
    photos = [photo for photo, mask in zip(photos, masks, strict=True) if mask is None or bool(mask.all())]
    own = copy.deepcopy(painter)
    if not photos or not config.steps:
        return own
    own.to(photos[0].device).to(memory_format=torch.channels_last)
    own.train().requires_grad_(True)
    generator = Generator(device=photos[0].device).manual_seed(seed)
    optimiser = torch.optim.AdamW(own.parameters(), lr=config.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / config.steps)
    # Gradients in the middle of a fit that needs none.
    with torch.enable_grad():
        for _ in range(config.steps):
            pieces = random_pieces(photos, config, own.multiple, generator)
            unseen = random_unseen(len(pieces), (pieces.shape[2], pieces.shape[3]), generator)
            with torch.autocast(pieces.device.type, torch.bfloat16, enabled=pieces.device.type != "cpu"):
                loss = flow_loss(own, pieces, pieces, unseen, generator)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(own.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    return own.eval().requires_grad_(False)


def random_pieces(
    photos: Sequence[Float[Tensor, "_h _w 3"]], config: TuningConfig, multiple: int, generator: Generator
) -> Float[Tensor, "b 3 _i _j"]:
    """Pieces of one photo, all shrunk by the same random share, half of them mirrored; their sides are whole
    multiples."""
    # One number is read back: sizes are the host's.
    chance = torch.rand(2 + 2 * config.batch, generator=generator, device=generator.device).tolist()
    photo = photos[int(chance[0] * len(photos))].permute(2, 0, 1)
    shorter = min(photo.shape[1:])
    side = max(multiple, min(config.side, shorter) // multiple * multiple)
    share = max(config.smallest + (1 - config.smallest) * chance[1], side / shorter)
    size = [max(side, round(share * n)) for n in photo.shape[1:]]
    photo = F.interpolate(photo[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
    pieces = []
    for number in range(config.batch):
        top, left = (int(chance[2 + 2 * number + axis] * (size[axis] - side + 1)) for axis in (0, 1))
        piece = photo[:, top : top + side, left : left + side]
        pieces.append(piece.flip(2) if number % 2 else piece)
    return torch.stack(pieces).clamp(0, 1)
