"""Bundle adjustment that may doubt the lens: poses, points, focal lengths and, held by a prior, principal
points and radial distortion.

COLMAP leaves a principal point or a distortion either where it is or free. Few photos need the way between: a
principal point that is 0.5 % off and held at the middle turns the nine cameras of fountain-P11 by up to 0.5
degrees.
Levenberg-Marquardt on the cameras once the points are eliminated (Triggs et al. 2000, section 6), with a
Cauchy loss as reweighted squares.

Letters: n photos, g lenses, m points, k observations. OpenCV axes, pixel centres at +0.5.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LOSS_SCALE = 0.5
"""Pixels at which a keypoint is distrusted: SIFT is right to some 0.3."""
MAX_STEPS = 50
CONVERGED = 1e-5
"""Relative decrease of the cost at which the adjustment ends."""
MAX_DAMPING = 1e6
GAUGE = 1e-9
"""Damping that pins down position, direction and scale of the world, which no keypoint knows."""
POSE, LENS = 6, 4
"""Parameters of a photo (turn, shift) and of a lens (log focal length, cx, cy, radial)."""


@dataclass(frozen=True)
class Bundle:
    """Cameras, points, and the keypoints that link them; float64."""

    rotations: Float[Tensor, "n 3 3"]
    """Camera from world."""
    translations: Float[Tensor, "n 3"]
    focals: Float[Tensor, " g"]
    """Pixels."""
    centres: Float[Tensor, "g 2"]
    """Principal points in pixels."""
    radial: Float[Tensor, " g"]
    """k of COLMAP's SIMPLE_RADIAL: what lies at r focal lengths from the axis is seen at r (1 + k r^2)."""
    lens: Int[Tensor, " n"]
    """Which lens took each photo."""
    xyz: Float[Tensor, "m 3"]
    view: Int[Tensor, " k"]
    point: Int[Tensor, " k"]
    uv: Float[Tensor, "k 2"]
    covariances: Float[Tensor, "k 2 2"] | None = None
    """How far off each keypoint is to be expected, in squared pixels; None: all alike."""

    def in_camera(self) -> Float[Tensor, "k 3"]:
        """Each observed point in the frame of the photo that sees it."""
        turned = (self.rotations[self.view] @ self.xyz[self.point][..., None])[..., 0]
        return turned + self.translations[self.view]

    def residuals(self) -> Float[Tensor, "k 2"]:
        """Projection minus keypoint, in pixels."""
        seen, lens = self.in_camera(), self.lens[self.view]
        xy = seen[:, :2] / seen[:, 2:]
        stretch = 1 + self.radial[lens, None] * xy.square().sum(1, keepdim=True)
        return self.focals[lens, None] * stretch * xy + self.centres[lens] - self.uv

    def whitening(self) -> Float[Tensor, "k 2 2"]:
        """What residuals are multiplied by before they count, so that all are to be expected alike: 1 for the
        typical keypoint, by the median area of uncertainty, for which `LOSS_SCALE` and the prior hold."""
        if self.covariances is None:
            return torch.eye(2, dtype=self.uv.dtype).expand(len(self.uv), 2, 2)
        variances, axes = torch.linalg.eigh(self.covariances)
        typical = variances.prod(1).pow(0.25).median()
        return axes @ torch.diag_embed(typical * variances.rsqrt()) @ axes.mT


@dataclass(frozen=True)
class LensPrior:
    """Which lenses are likely: deviations of a principal point and of a distortion from none."""

    centres: Float[Tensor, "g 2"]
    """Pixels."""
    centre_sigmas: Float[Tensor, " g"]
    """Pixels."""
    radial_sigmas: Float[Tensor, " g"]
    """0 holds the distortion of a lens where it is."""

    @property
    def radial_precisions(self) -> Float[Tensor, " g"]:
        """1 / variance; 0 where the distortion is held."""
        return torch.where(self.radial_sigmas > 0, self.radial_sigmas.square().reciprocal(), 0.0)

    def strangeness(self, bundle: Bundle) -> float:
        """What it adds to the cost."""
        off = (bundle.centres - self.centres) / self.centre_sigmas[:, None]
        return float(off.square().sum() + (self.radial_precisions * bundle.radial.square()).sum())


def adjust(bundle: Bundle, prior: LensPrior) -> Bundle:
    """The most probable bundle near `bundle`. Deterministic; the world's frame and scale stay near.

    A point behind a camera makes the cost infinite: then `bundle` comes back as it is."""
    whitening = bundle.whitening()
    damping, cost = 1e-3, _cost(bundle, prior, whitening)
    for _ in range(MAX_STEPS):
        system = _linearise(bundle, prior, whitening)
        while damping < MAX_DAMPING:
            moved = _step(bundle, system, damping)
            moved_cost = _cost(moved, prior, whitening)
            if moved_cost < cost:
                break
            damping *= 8
        else:
            return bundle
        converged = cost - moved_cost < CONVERGED * cost
        bundle, cost, damping = moved, moved_cost, damping / 4
        if converged:
            break
    return bundle


def radial_deviations(bundle: Bundle, prior: LensPrior) -> Float[Tensor, " g"]:
    """Standard deviation of each lens's distortion, all else being free: the curvature of the cost where
    `adjust` ended, of which keypoints take part by their weights; 0 for what the prior holds."""
    system = _linearise(bundle, prior, bundle.whitening())
    free = system.free
    variances = torch.zeros_like(system.camera_gradient)
    variances[free] = torch.linalg.inv(_eliminate(system, GAUGE).cameras[free][:, free]).diagonal()
    return variances[POSE * len(bundle.rotations) :].reshape(-1, LENS)[:, 3].sqrt()


@dataclass(frozen=True)
class _System:
    """The normal equations; c = 6 n + 4 g camera parameters."""

    cameras: Float[Tensor, "c c"]
    points: Float[Tensor, "m 3 3"]
    mixed: Float[Tensor, "c m 3"]
    camera_gradient: Float[Tensor, " c"]
    point_gradient: Float[Tensor, "m 3"]
    free: Bool[Tensor, " c"]
    """False for what the prior holds."""


def _cost(bundle: Bundle, prior: LensPrior, whitening: Float[Tensor, "k 2 2"]) -> float:
    if (bundle.in_camera()[:, 2] <= 0).any():
        return torch.inf
    squared = (whitening @ bundle.residuals()[..., None]).square().sum((1, 2)) / LOSS_SCALE**2
    return float(squared.log1p().sum()) + prior.strangeness(bundle)


def _linearise(bundle: Bundle, prior: LensPrior, whitening: Float[Tensor, "k 2 2"]) -> _System:
    n, g, m = len(bundle.rotations), len(bundle.focals), len(bundle.xyz)
    by_camera, by_point = (whitening @ jacobian for jacobian in _jacobians(bundle))
    residuals = whitening @ bundle.residuals()[..., None]
    weight = (1 / (LOSS_SCALE**2 + residuals.square().sum((1, 2))))[:, None, None]
    lens = bundle.lens[bundle.view]
    columns = torch.cat(
        [
            POSE * bundle.view[:, None] + torch.arange(POSE),
            POSE * n + LENS * lens[:, None] + torch.arange(LENS),
        ],
        dim=1,
    )  # (k, 10)
    c = POSE * n + LENS * g
    weighted = weight * by_camera

    # Each observation adds to the rows of its photo, its lens and its point.
    cameras = _scatter(c * c, columns[:, :, None] * c + columns[:, None], weighted.mT @ by_camera)
    camera_gradient = _scatter(c, columns, weighted.mT @ residuals)
    point_of = 3 * bundle.point[:, None] + torch.arange(3)
    points = by_point.new_zeros(m, 3, 3).index_add_(0, bundle.point, weight * by_point.mT @ by_point)
    point_gradient = _scatter(3 * m, point_of, (weight * by_point).mT @ residuals)
    mixed = _scatter(c * 3 * m, columns[:, :, None] * 3 * m + point_of[:, None], weighted.mT @ by_point)

    held = POSE * n + LENS * torch.arange(g)[:, None] + torch.arange(1, LENS)
    by_centre = prior.centre_sigmas[:, None].repeat(1, 2).square().reciprocal()
    precision = torch.cat([by_centre, prior.radial_precisions[:, None]], dim=1)
    off = torch.cat([bundle.centres - prior.centres, bundle.radial[:, None]], dim=1)
    cameras = cameras.reshape(c, c)
    cameras[held, held] += precision
    camera_gradient[held] += precision * off
    free = torch.ones(c, dtype=torch.bool)
    free[held[:, 2]] = prior.radial_sigmas > 0
    mixed, point_gradient = mixed.reshape(c, m, 3), point_gradient.reshape(m, 3)
    return _System(cameras, points, mixed, camera_gradient, point_gradient, free)


def _scatter(size: int, index: Tensor, values: Tensor) -> Float[Tensor, " s"]:
    """(size,): the sum of the values at each index."""
    return values.new_zeros(size).index_add_(0, index.flatten(), values.flatten())


def _jacobians(bundle: Bundle) -> tuple[Float[Tensor, "k 2 10"], Float[Tensor, "k 2 3"]]:
    """Derivatives of the residuals by the ten parameters of photo and lens, and by the point."""
    seen = bundle.in_camera()
    lens = bundle.lens[bundle.view]
    focal, k = bundle.focals[lens], bundle.radial[lens]
    x, y = (seen[:, :2] / seen[:, 2:]).unbind(1)
    zero, one, scale = torch.zeros_like(x), torch.ones_like(x), focal / seen[:, 2]
    squared = x.square() + y.square()
    stretch = 1 + k * squared
    xx, xy, yy = stretch + 2 * k * x * x, 2 * k * x * y, stretch + 2 * k * y * y
    by_seen = torch.stack([xx, xy, -xx * x - xy * y, xy, yy, -xy * x - yy * y], dim=1).reshape(-1, 2, 3)
    by_seen = scale[:, None, None] * by_seen
    by_lens = torch.stack(
        [stretch * x, zero, zero, squared * x, stretch * y, zero, zero, squared * y], dim=1
    ).reshape(-1, 2, LENS)
    by_lens = focal[:, None, None] * by_lens
    by_lens[:, 0, 1] = by_lens[:, 1, 2] = one
    # exp(turn) R X differs from R X by turn x R X, which is -[R X]x turn.
    by_turn = -by_seen @ _cross_matrix(seen - bundle.translations[bundle.view])
    return torch.cat([by_turn, by_seen, by_lens], dim=2), by_seen @ bundle.rotations[bundle.view]


def _step(bundle: Bundle, system: _System, damping: float) -> Bundle:
    """One damped step: the cameras' from the reduced system, the points' by substitution."""
    n, free, reduced = len(bundle.rotations), system.free, _eliminate(system, damping)
    wanted = reduced.halfway @ system.point_gradient.flatten() - system.camera_gradient
    by_camera = torch.zeros_like(wanted)
    by_camera[free] = torch.linalg.solve(reduced.cameras[free][:, free], wanted[free])
    rest = system.point_gradient + torch.einsum("cmi,c->mi", system.mixed, by_camera)
    poses, lenses = by_camera[: POSE * n].reshape(n, POSE), by_camera[POSE * n :].reshape(-1, LENS)
    return replace(
        bundle,
        rotations=torch.linalg.matrix_exp(_cross_matrix(poses[:, :3])) @ bundle.rotations,
        translations=bundle.translations + poses[:, 3:],
        focals=bundle.focals * lenses[:, 0].exp(),
        centres=bundle.centres + lenses[:, 1:3],
        radial=bundle.radial + lenses[:, 3],
        xyz=bundle.xyz - (reduced.points @ rest[..., None])[..., 0],
    )


@dataclass(frozen=True)
class _Reduced:
    """The normal equations without the points."""

    cameras: Float[Tensor, "c c"]
    halfway: Float[Tensor, "c k"]
    """From a gradient by the points, k = 3 m, to one by the cameras."""
    points: Float[Tensor, "m 3 3"]
    """Inverses of the points' own blocks."""


def _eliminate(system: _System, damping: float) -> _Reduced:
    """The Schur complement of the damped equations."""
    c = len(system.cameras)
    diagonal = system.points.diagonal(dim1=1, dim2=2)
    # A point far away is hardly held along its rays: the second term keeps its matrix invertible.
    points = system.points + torch.diag_embed(damping * diagonal + 1e-12 * diagonal.sum(1, keepdim=True))
    cameras = system.cameras + damping * torch.diag(system.cameras.diagonal())
    inverse = torch.linalg.inv(points)
    halfway = torch.einsum("cmi,mij->cmj", system.mixed, inverse).reshape(c, -1)
    return _Reduced(cameras - halfway @ system.mixed.reshape(c, -1).T, halfway, inverse)


def _cross_matrix(v: Float[Tensor, "k 3"]) -> Float[Tensor, "k 3 3"]:
    """[v]x, whose product with w is v x w."""
    x, y, z = v.unbind(1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)
