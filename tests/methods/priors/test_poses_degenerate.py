"""Turns and planes are told from scenes with depth."""

import numpy as np
import pytest

from recon.methods.priors.poses_degenerate import Degenerate, PairMatches, diagnose

FOCAL = 0.9
ANGLES = (0.0, 0.2, -0.15)


def turn(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def pairs(xyz: np.ndarray, step: float, noise: float = 3e-4, wrong: int = 3) -> list[PairMatches]:
    """Matches between the first and each other photo of `xyz` (k, 3), with `step` from camera to camera."""
    rng = np.random.default_rng(0)
    seen = []
    for index, angle in enumerate(ANGLES):
        in_camera = (xyz - [step * index, 0.1 * step * index, 0]) @ turn(angle).T
        seen.append(FOCAL * in_camera[:, :2] / in_camera[:, 2:] + rng.normal(0, noise, (len(xyz), 2)))
    found = [PairMatches(seen[0], other) for other in seen[1:]]
    for pair in found:
        pair.second[:wrong] += 0.1
    return found


def cloud() -> np.ndarray:
    return np.random.default_rng(1).uniform((-1, -0.7, 3), (1, 0.7, 6), (150, 3))


def plane() -> np.ndarray:
    xyz = cloud()
    xyz[:, 2] = 4 + 0.3 * xyz[:, 0] - 0.2 * xyz[:, 1]
    return xyz


@pytest.mark.parametrize(
    ("xyz", "step", "wanted"),
    [
        (cloud(), 0.3, None),
        (cloud(), 0.0, Degenerate.TURNED),
        (plane(), 0.3, Degenerate.FLAT),
        (plane(), 0.0, Degenerate.TURNED),
    ],
)
def test_what_photos_have_in_common_is_named(xyz: np.ndarray, step: float, wanted: Degenerate | None) -> None:
    assert diagnose(pairs(xyz, step)) == wanted


def test_one_pair_with_depth_is_enough() -> None:
    assert diagnose([*pairs(plane(), 0.3), *pairs(cloud(), 0.3)]) is None


def test_a_tenth_of_the_matches_off_the_plane_is_depth() -> None:
    xyz = plane()
    xyz[:20, 2] -= 1
    assert diagnose(pairs(xyz, 0.3, wrong=0)) is None


def test_no_pair_is_no_diagnosis() -> None:
    assert diagnose([]) is None
