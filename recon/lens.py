"""What took a photo: intrinsics with lens distortion."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Kind = Literal["perspective", "fisheye"]
"""OpenCV's rational Brown model, or its equidistant fisheye (Kannala-Brandt)."""


@dataclass(frozen=True)
class Lens:
    """Intrinsics with OpenCV's distortion.

    `K` has pixel centres at +0.5, as everywhere in this package. OpenCV's pictures have them at 0, so the
    principal point moves by half a pixel on the way into the functions that touch pictures."""

    size: tuple[int, int]
    """(width, height) of the photo in pixels, to which `K` belongs."""
    K: np.ndarray
    """(3, 3) float64, in pixels."""
    kind: Kind = "perspective"
    distortion: tuple[float, ...] = ()
    """perspective: k1 k2 p1 p2 k3 k4 k5 k6, or the first 4 or 5; fisheye: k1 k2 k3 k4; empty: none."""

    def __post_init__(self) -> None:
        if len(self.distortion) not in ((0, 4, 5, 8) if self.kind == "perspective" else (4,)):
            raise ValueError(f"Lens: {len(self.distortion)} coefficients for a {self.kind} lens.")

    @property
    def is_pinhole(self) -> bool:
        return self.kind == "perspective" and not any(self.distortion)

    @property
    def k1(self) -> float:
        """The first coefficient."""
        return self.distortion[0] if self.distortion else 0.0

    def resized(self, size: tuple[int, int]) -> "Lens":
        """The same lens on the photo resized to `size`, each axis by its own ratio."""
        scale = np.diag([size[0] / self.size[0], size[1] / self.size[1], 1.0])
        return replace(self, size=size, K=scale @ self.K)


def simple_radial(size: tuple[int, int], K: np.ndarray, k1: float) -> Lens:
    """COLMAP's SIMPLE_RADIAL: what lies at r focal lengths from the axis is seen at r (1 + k1 r^2); a pinhole
    for a `k1` of 0."""
    return Lens(size, K, distortion=(k1, 0.0, 0.0, 0.0) if k1 else ())
