import numpy as np
import pytest

from recon.datasets.undistort import undistort
from recon.lens import Lens

SIZE = (320, 240)
K = np.array([[300.0, 0, 158.3], [0, 304.0, 121.9], [0, 0, 1]])
LENSES = {
    "barrel": Lens(SIZE, K, "perspective", (-0.2, 0.03, 0.001, -0.002, 0.0)),
    "pincushion": Lens(SIZE, K, "perspective", (0.15, 0.05, -0.001, 0.001)),
    "rational": Lens(SIZE, K, "perspective", (0.1, 0.02, 0.0, 0.001, 0.0, 0.2, 0.01, 0.0)),
    "fisheye": Lens(SIZE, K, "fisheye", (0.05, -0.01, 0.002, 0.0)),
}


def seen_at(points: np.ndarray, lens: Lens) -> np.ndarray:
    """Pixels (m, 2) of camera-space `points` by the models' published formulas, without OpenCV."""
    x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    r2 = x**2 + y**2
    if lens.kind == "fisheye":
        theta = np.arctan(np.sqrt(r2))
        powers = sum(k * theta ** (2 * i + 2) for i, k in enumerate(lens.distortion))
        factor = theta * (1 + powers) / np.maximum(np.sqrt(r2), 1e-12)
        x, y = x * factor, y * factor
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = (*lens.distortion, *[0.0] * (8 - len(lens.distortion)))
        radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
            y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
        )
    return np.stack([lens.K[0, 0] * x + lens.K[0, 2], lens.K[1, 1] * y + lens.K[1, 2]], axis=1)


def spots(at: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (h, w, 3) of soft spots at the pixels `at` (m, 2), centres at +0.5."""
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1])[:, None] + 0.5
    picture = sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 2.0**2)) for u, v in at)
    return np.repeat(np.asarray(picture)[..., None], 3, axis=2).astype(np.float32)


def centroid(picture: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Centre of brightness within 7 pixels of `near`, centres at +0.5."""
    x, y = np.arange(picture.shape[1]) + 0.5, np.arange(picture.shape[0])[:, None] + 0.5
    weight = picture[..., 0] * ((x - near[0]) ** 2 + (y - near[1]) ** 2 < 49)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize("name", LENSES)
def test_known_points_land_where_the_pinhole_camera_sees_them(name):
    lens = LENSES[name]
    grid = np.stack(np.meshgrid(np.linspace(-0.4, 0.4, 7), np.linspace(-0.28, 0.28, 5)), axis=-1).reshape(
        -1, 2
    )
    points = np.concatenate([grid, np.ones((len(grid), 1))], axis=1) * 2.7
    picture, mask, K_pinhole = undistort(spots(seen_at(points, lens), SIZE), None, lens)
    expected = (points @ K_pinhole.T)[:, :2] / points[:, 2:]
    inside = ((expected > 8) & (expected < np.array(SIZE) - 8)).all(axis=1)
    assert inside.sum() >= 15 and mask is None
    errors = [np.linalg.norm(centroid(picture, at) - at) for at in expected[inside]]
    assert max(errors) < 0.1


@pytest.mark.parametrize("name", LENSES)
def test_no_empty_border_remains_and_none_of_the_view_is_thrown_away_for_it(name):
    lens = LENSES[name]
    white = np.ones((SIZE[1], SIZE[0], 3), dtype=np.float32)
    _, mask, K_pinhole = undistort(white, None, lens)
    assert mask is None
    corners = np.array([[u, v, 1.0] for u in (0.5, 160, 319.5) for v in (0.5, 120, 239.5)])
    seen = seen_at(corners @ np.linalg.inv(K_pinhole).T, lens)
    margin = np.minimum(seen, np.array(SIZE) - seen).min()
    assert -0.01 < margin < 3  # inside the photo, and touching its edge


def test_what_a_mask_leaves_out_stays_out():
    lens = LENSES["barrel"]
    mask = np.ones((SIZE[1], SIZE[0]), dtype=bool)
    mask[:, :160] = False
    image = np.where(mask[..., None], 1.0, 0.0).astype(np.float32).repeat(3, axis=2)
    undone, counts, _ = undistort(image, mask, lens)
    assert counts is not None and 0.45 < counts.mean() < 0.55
    assert undone[counts].min() > 0.99


def test_a_lens_beyond_repair_has_its_empty_border_masked():
    lens = Lens(SIZE, K, "perspective", (8.0, 0.0, 0.0, 0.0))
    image, mask, _ = undistort(np.ones((SIZE[1], SIZE[0], 3), dtype=np.float32), None, lens)
    assert mask is None or (not mask.all() and mask[120, 160])
    assert np.isfinite(image).all()


def test_resizing_scales_each_axis_by_its_own_ratio():
    half = Lens(SIZE, K).resized((160, 80))
    assert np.allclose(half.K, [[150, 0, 79.15], [0, 304 / 3, 121.9 / 3], [0, 0, 1]])


def test_a_wrong_number_of_coefficients_is_refused():
    with pytest.raises(ValueError, match="3 coefficients for a fisheye lens"):
        Lens(SIZE, K, "fisheye", (0.1, 0.0, 0.0))
