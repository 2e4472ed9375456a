"""Between COLMAP's reconstructions and the adjustment that may doubt the lens."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.poses_adjust import Bundle, LensPrior, adjust, radial_deviations
from recon.methods.priors.poses_dense import with_dense_tracks
from recon.methods.priors.poses_features import Picture
from recon.methods.priors.poses_patches import with_aligned_keypoints

if TYPE_CHECKING:
    import pycolmap

CENTRE_SIGMA = 0.007
"""How far principal points lie from the middle, in longer sides: 0.5 to 1 % with the phones and the camera of
the development sets."""
RADIAL_SIGMA = 0.03
"""Distortion of a lens that nobody undid: phones' are between 0 and .06."""
CERTAIN = 3.0
"""Standard deviations from none at which a distortion is believed: deviations as if keypoints were off by
`LOSS_SCALE`, nearly twice what they are, for the errors of matches are not independent."""


def free_lenses(model: "pycolmap.Reconstruction", pictures: Sequence[Picture], dense: bool) -> None:
    """Adjusts all of `model`, whose cameras are SIMPLE_PINHOLE: principal points near the middle, and little
    distortion. Then a second time with keypoints aligned by all photos' `pictures` and, if `dense`, with
    dense tracks, both of which bear on the cameras but are not kept.

    Lenses become SIMPLE_RADIAL (f, cx, cy, k) where the distortion is `CERTAIN` deviations from none. Where
    it is less, all is adjusted anew without it: what was undone before, or is hardly known, stays a pinhole.
    """
    prior, bundle = lens_prior(model), read_bundle(model)
    placed = [pictures[image_id - 1] for image_id in _ids(model)[0]]
    first = _adjusted(bundle, prior)
    bundle = with_aligned_keypoints(first, placed)
    if dense:
        bundle = with_dense_tracks(bundle, placed)
    _write(model, _adjusted(bundle, prior))


def _adjusted(bundle: Bundle, prior: LensPrior) -> Bundle:
    """With distortion where that is certain, without where not."""
    adjusted = adjust(bundle, prior)
    sure = adjusted.radial.abs() > CERTAIN * radial_deviations(adjusted, prior)
    if sure.all():
        return adjusted
    prior = replace(prior, radial_sigmas=torch.where(sure, prior.radial_sigmas, 0.0))
    return adjust(replace(bundle, radial=torch.where(sure, bundle.radial, 0.0)), prior)


def read_bundle(model: "pycolmap.Reconstruction") -> Bundle:
    """The model's photos, lenses and points, each in the order of their ids."""
    photos, lenses, points = _ids(model)
    lens_row = {lens: row for row, lens in enumerate(lenses)}
    point_row = {point: row for row, point in enumerate(points)}
    poses = np.stack([model.images[photo].cam_from_world().matrix() for photo in photos])
    params = np.stack([model.cameras[lens].params for lens in lenses])
    seen = [model.images[photo].get_observation_points2D() for photo in photos]
    keypoints = [keypoint for in_photo in seen for keypoint in in_photo]
    return Bundle(
        rotations=torch.from_numpy(poses[:, :, :3].copy()),
        translations=torch.from_numpy(poses[:, :, 3].copy()),
        focals=torch.from_numpy(params[:, 0].copy()),
        centres=torch.from_numpy(params[:, 1:3].copy()),
        radial=torch.zeros(len(lenses), dtype=torch.float64),
        lens=torch.tensor([lens_row[model.images[photo].camera_id] for photo in photos]),
        xyz=torch.from_numpy(np.stack([model.points3D[point].xyz for point in points])),
        view=torch.repeat_interleave(torch.tensor([len(in_photo) for in_photo in seen])),
        point=torch.tensor([point_row[keypoint.point3D_id] for keypoint in keypoints]),
        uv=torch.from_numpy(np.stack([keypoint.xy for keypoint in keypoints]).astype(np.float64)),
    )


def lens_prior(model: "pycolmap.Reconstruction") -> LensPrior:
    """The middles of the pictures, one a lens, and no distortion."""
    sizes = torch.tensor(
        [[model.cameras[lens].width, model.cameras[lens].height] for lens in _ids(model)[1]],
        dtype=torch.float64,
    )
    longer = sizes.amax(1)
    return LensPrior(sizes / 2, CENTRE_SIGMA * longer, torch.full_like(longer, RADIAL_SIGMA))


def _ids(model: "pycolmap.Reconstruction") -> tuple[list[int], list[int], list[int]]:
    """Ids of the placed photos, of their lenses, and of the points."""
    photos = sorted(model.reg_image_ids())
    return photos, sorted({model.images[photo].camera_id for photo in photos}), sorted(model.points3D)


def _write(model: "pycolmap.Reconstruction", bundle: Bundle) -> None:
    import pycolmap

    photos, lenses, points = _ids(model)
    for photo, rotation, translation in zip(photos, bundle.rotations, bundle.translations, strict=True):
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(_array(rotation)), _array(translation))
        image = model.images[photo]
        assert image.frame is not None, "images of a reconstruction have frames"
        image.frame.set_cam_from_world(image.camera_id, pose)
    for lens, focal, centre, k in zip(lenses, bundle.focals, bundle.centres, bundle.radial, strict=True):
        camera, distortion = model.cameras[lens], [float(k)] if k else []
        kinds = pycolmap.CameraModelId
        camera.model = kinds.SIMPLE_RADIAL if distortion else kinds.SIMPLE_PINHOLE
        camera.params = [float(focal), *_array(centre), *distortion]
    for point, xyz in zip(points, bundle.xyz, strict=False):  # dense points come after the model's
        model.points3D[point].xyz = _array(xyz)
    model.update_point_3d_errors()


def _array(values: Float[Tensor, "..."]) -> np.ndarray:
    return values.numpy()
