"""The newest worlds, kept on the device: each serves several samples before a newer one takes its place."""

import torch
from torch import Tensor

from recon.seeds import step_seed
from worlds.cameras import VIEWS
from worlds.pictures import Tracer, picture_world
from worlds.textures import Bank
from worlds.tracing import trace


class Ring:
    """Holds worlds `start` to `start + capacity` of a run; colours in 8 bits.

    What it holds follows from `advance`'s last argument alone, so it needs no place in a checkpoint."""

    def __init__(
        self, bank: Bank, size: tuple[int, int], capacity: int, seed: int, tracer: Tracer = trace
    ) -> None:
        device = bank.texels.device
        self.bank, self.size, self.capacity, self.seed, self.tracer = bank, size, capacity, seed, tracer
        self.rgb = torch.zeros(capacity, VIEWS, 3, *size, dtype=torch.uint8, device=device)
        self.depth = torch.zeros(capacity, VIEWS, *size, device=device)
        self.poses = torch.zeros(capacity, VIEWS, 4, 4, device=device)
        self.Ks = torch.zeros(capacity, 3, 3, device=device)
        self._next: int | None = None

    def advance(self, start: int) -> None:
        """Render what is missing of the worlds from `start` on."""
        first = start if self._next is None else max(start, self._next)
        for number in range(first, start + self.capacity):
            pictures = picture_world(step_seed(self.seed, number), self.size, self.bank, self.tracer)
            slot = number % self.capacity
            self.rgb[slot] = (pictures.rgb * 255).round().to(torch.uint8)
            self.depth[slot] = pictures.depth
            self.poses[slot], self.Ks[slot] = pictures.rig
        self._next = start + self.capacity

    def read(self, worlds: Tensor, views: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images (..., 3, h, w) in [0, 1], depths (..., h, w), poses and intrinsics of `views` of `worlds`,
        whose shapes broadcast."""
        worlds, views = torch.broadcast_tensors(worlds, views)
        images = self.rgb[worlds, views].float() / 255
        return images, self.depth[worlds, views], self.poses[worlds, views], self.Ks[worlds]
