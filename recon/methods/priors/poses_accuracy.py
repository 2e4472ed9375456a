"""How far solved cameras are from true ones: the measures of pose-free papers, blind to the choice of world.

RRA and RTA (relative rotation and translation accuracy) and AUC@30 go over all pairs of photos, after
PoseDiffusion (arXiv 2306.15667); a photo that was not placed counts as wrong in each of its pairs. ATE
(absolute trajectory error) is what remains between the centres after the best similarity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

WRONG = 180.0
"""Degrees charged to a pair of which a photo was not placed."""


@dataclass(frozen=True)
class PoseAccuracy:
    """Errors of one solve against the truth; angles in degrees."""

    registered: int
    photos: int
    rotation: Float[Tensor, " p"]
    """Error of the relative rotation of each pair of placed photos."""
    direction: Float[Tensor, " p"]
    """Error of the direction, in the first camera's frame, to the second camera, of the same pairs."""
    ate: float
    """Root mean square distance of the centres after alignment, in camera extents (the largest distance
    between two true centres of placed photos). 0 for two photos, which always align."""
    worst_centre: float
    """The largest such distance, in the same unit."""

    def rra(self, degrees: float) -> float:
        """Share of all pairs whose rotation is within `degrees`."""
        return float((self._of_all(self.rotation) <= degrees).double().mean())

    def rta(self, degrees: float) -> float:
        """Share of all pairs whose direction is within `degrees`."""
        return float((self._of_all(self.direction) <= degrees).double().mean())

    def auc(self, degrees: float = 30.0) -> float:
        """Mean over the thresholds from 0 to `degrees` of the share of pairs whose two errors are within."""
        worse = torch.maximum(self._of_all(self.rotation), self._of_all(self.direction))
        return float((1 - worse / degrees).clamp_min(0).mean())

    def _of_all(self, errors: Float[Tensor, " p"]) -> Float[Tensor, " q"]:
        pairs = self.photos * (self.photos - 1) // 2
        return torch.cat([errors, errors.new_full((pairs - len(errors),), WRONG)])


def pose_accuracy(
    camera_from_world: Float[Tensor, "n 4 4"], truth: Float[Tensor, "m 4 4"], registered: Sequence[int]
) -> PoseAccuracy:
    """Errors of the `n` placed cameras against those of all `m` photos, of which they are `registered`."""
    solved, true = camera_from_world.double(), truth[list(registered)].double()
    first, second = torch.triu_indices(len(solved), len(solved), 1)
    centres, true_centres = _centres(solved), _centres(true)
    distances = similarity_residuals(centres, true_centres) / torch.cdist(true_centres, true_centres).max()
    return PoseAccuracy(
        registered=len(registered),
        photos=len(truth),
        rotation=_turn(_relative(solved, first, second), _relative(true, first, second)),
        direction=_angle(_direction(solved, first, second), _direction(true, first, second)),
        ate=float(distances.square().mean().sqrt()),
        worst_centre=float(distances.max()),
    )


def focal_error(Ks: Float[Tensor, "n 3 3"], focals: Float[Tensor, " n"]) -> float:
    """Largest relative error of the focal lengths, in pixels of the same images."""
    return float((Ks[:, 0, 0].double() / focals.double() - 1).abs().max())


def similarity_residuals(source: Float[Tensor, "n 3"], target: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """Distances that remain after the similarity that takes `source` to `target` best (Umeyama 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = torch.linalg.svd(b.T @ a)
    sign = torch.ones_like(s)
    sign[2] = torch.det(u @ vt).sign()  # a rotation, never a mirror image
    scale = (s * sign).sum() / a.square().sum()
    return (scale * a @ (u @ torch.diag(sign) @ vt).T - b).norm(dim=1)


def _centres(poses: Float[Tensor, "n 4 4"]) -> Float[Tensor, "n 3"]:
    return -(poses[:, :3, :3].transpose(1, 2) @ poses[:, :3, 3:])[..., 0]


def _relative(
    poses: Float[Tensor, "n 4 4"], first: Int[Tensor, " p"], second: Int[Tensor, " p"]
) -> Float[Tensor, "p 3 3"]:
    return poses[first, :3, :3] @ poses[second, :3, :3].transpose(1, 2)


def _direction(
    poses: Float[Tensor, "n 4 4"], first: Int[Tensor, " p"], second: Int[Tensor, " p"]
) -> Float[Tensor, "p 3"]:
    centres = _centres(poses)
    return (poses[first, :3, :3] @ (centres[second] - centres[first])[..., None])[..., 0]


def _turn(a: Float[Tensor, "p 3 3"], b: Float[Tensor, "p 3 3"]) -> Float[Tensor, " p"]:
    # By the chord: the arccos of a trace is off by 0.05 degrees for single-precision rotations.
    chord = (a - b).flatten(1).norm(dim=1) / 8**0.5
    return torch.rad2deg(2 * torch.asin(chord.clamp_max(1)))


def _angle(a: Float[Tensor, "p 3"], b: Float[Tensor, "p 3"]) -> Float[Tensor, " p"]:
    # atan2, not arccos: exact where the angle is small.
    return torch.rad2deg(torch.atan2(torch.linalg.cross(a, b).norm(dim=1), (a * b).sum(1)))
