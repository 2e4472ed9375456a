"""Changes of cameras that a rendering can be differentiated by: a turn and a shift for each camera, and a
factor on the focal length of each lens.

Engines give no gradient to K, but to all of `camera_from_world`, and a longer focal length draws what points
further from the axis would: K diag(s, s, 1) [R | t] is both. So a changed focal length is drawn as a pose
whose x and y are stretched, which leaves the centre of the camera where it is.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from recon.scene import Cameras


@dataclass(frozen=True)
class OffsetRates:
    """Learning rates of Adam: about the change of each number by one step."""

    turn: float = 1e-3
    """Radians."""
    shift: float = 1e-3
    """In units of the scene's median depth."""
    focal: float = 0.0
    """Relative. 0 holds focal lengths: where photos are few, they trade against the shifts."""


class CameraOffsets:
    """Learnable changes of `n` cameras, zero at first, in the frame of each camera."""

    def __init__(self, cameras: Cameras, rates: OffsetRates, unit: float) -> None:
        """`unit` is the scene's median depth in world units. Cameras of one focal length share a lens."""
        self._cameras, self._unit = cameras, unit
        focals, lens = cameras.Ks[:, 0, 0].unique(return_inverse=True)
        self._lens = lens
        self.turns = cameras.Ks.new_zeros(len(cameras), 3).requires_grad_()
        self.shifts = cameras.Ks.new_zeros(len(cameras), 3).requires_grad_()
        self.log_zooms = torch.zeros_like(focals).requires_grad_()
        groups = ((self.turns, rates.turn), (self.shifts, rates.shift), (self.log_zooms, rates.focal))
        self._rates = [rate for _, rate in groups]
        self._optimiser = torch.optim.Adam([{"params": [p], "lr": rate} for p, rate in groups])

    def drawn(self) -> Cameras:
        """The changed cameras for a renderer, differentiable: focal lengths as stretched poses."""
        pose = self._rigid()
        zooms = self.log_zooms.exp()[self._lens][:, None]
        stretch = torch.cat([zooms, zooms, torch.ones_like(zooms), torch.ones_like(zooms)], dim=1)
        return replace(self._cameras, camera_from_world=stretch[:, :, None] * pose)

    @torch.no_grad()
    def cameras(self) -> Cameras:
        """The changed cameras as they are: rigid poses, focal lengths in K."""
        Ks = self._cameras.Ks.clone()
        Ks[:, [0, 1], [0, 1]] *= self.log_zooms.exp()[self._lens][:, None]
        return replace(self._cameras, camera_from_world=self._rigid(), Ks=Ks)

    def step(self, share: float) -> None:
        """Takes the step that the gradients ask for, at `share` of the learning rates."""
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = share * rate
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)

    def _rigid(self) -> Float[Tensor, "n 4 4"]:
        pose = self._cameras.camera_from_world
        change = torch.zeros_like(pose)
        change[:, :3, :3] = rotations(self.turns)
        change[:, :3, 3] = self._unit * self.shifts
        change[:, 3, 3] = 1
        return change @ pose


def rotations(turns: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """About the axis of each vector by its length in radians."""
    x, y, z = turns.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
    return torch.linalg.matrix_exp(cross)
