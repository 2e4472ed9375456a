"""A photo laid over what the scene shows from where it was taken."""

import torch
from jaxtyping import Float
from torch import Tensor

from recon.geometry import inside, pixel_centres, sample
from recon.scene import Cameras


def lay_over(
    picture: Float[Tensor, "h w 3"],
    eye: Cameras,
    photo: Float[Tensor, "_h _w 3"],
    K: Float[Tensor, "3 3"],
    share: float,
) -> Float[Tensor, "h w 3"]:
    """`picture`, as `eye` sees it, with `share` of the photo, in [0, 1], where the photo reaches.

    The eye stands where the photo was taken and looks the same way; K are the photo's intrinsics."""
    uv = pixel_centres(*picture.shape[:2], like=picture)
    K_eye = eye.Ks[0].to(picture)
    focal, centre = K_eye.diagonal()[:2], K_eye[:2, 2]
    uv_photo = (uv - centre) / focal * K.to(picture).diagonal()[:2] + K.to(picture)[:2, 2]
    height, width = photo.shape[:2]
    covered = inside(uv_photo, torch.ones_like(uv_photo[..., 0]), (width, height))
    weight = share * covered[..., None]
    return (1 - weight) * picture + weight * sample(photo.to(picture), uv_photo)
