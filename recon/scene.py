"""What the photos are and where they were taken: `Cameras`, `Photos`, `Views`, `Scene`.

Frames and units: OpenCV cameras (x right, y down, z forward), `camera_from_world` 4x4, K in pixels of that
image with pixel centres at +0.5, sRGB floats in [0, 1], channels last. Photos may differ in size and camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.lens import Lens

PhotosT = TypeVar("PhotosT", bound="Photos")


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras without distortion: `n` poses, `n` intrinsics, `n` image sizes."""

    camera_from_world: Float[Tensor, "n 4 4"]
    """Rigid transforms; OpenCV axes."""
    Ks: Float[Tensor, "n 3 3"]
    """Intrinsics in pixels, centres at +0.5."""
    sizes: tuple[tuple[int, int], ...]
    """(width, height) in pixels, one pair a camera."""

    def __post_init__(self) -> None:
        if not len(self.camera_from_world) == len(self.Ks) == len(self.sizes):
            raise ValueError(
                f"Cameras: {len(self.camera_from_world)} poses, {len(self.Ks)} intrinsics and "
                f"{len(self.sizes)} sizes; give one of each per view."
            )

    def __len__(self) -> int:
        return len(self.sizes)

    def select(self, indices: Sequence[int]) -> "Cameras":
        """The cameras at `indices`, in that order."""
        index = list(indices)
        return Cameras(self.camera_from_world[index], self.Ks[index], tuple(self.sizes[i] for i in index))

    def to(self, device: torch.device | str) -> "Cameras":
        """The same cameras on `device`."""
        return replace(self, camera_from_world=self.camera_from_world.to(device), Ks=self.Ks.to(device))

    @property
    def world_from_camera(self) -> Float[Tensor, "n 4 4"]:
        """The inverse of the rigid transforms: no solver, so no wait for the GPU."""
        rotation = self.camera_from_world[:, :3, :3].transpose(1, 2)
        inverse = torch.zeros_like(self.camera_from_world)
        inverse[:, :3, :3] = rotation
        inverse[:, :3, 3:] = -rotation @ self.camera_from_world[:, :3, 3:]
        inverse[:, 3, 3] = 1
        return inverse

    @property
    def centres(self) -> Float[Tensor, "n 3"]:
        """Camera centres in the world."""
        return self.world_from_camera[:, :3, 3]


@dataclass(frozen=True)
class Photos:
    """Pictures of one scene, their cameras not known yet."""

    images: tuple[Float[Tensor, "_h _w 3"], ...]
    """sRGB in [0, 1], upright, at the size that is fitted."""
    names: tuple[str, ...]
    """File names, unique within the scene."""
    masks: tuple[Bool[Tensor, "_h _w"] | None, ...]
    """True where the photo counts; None where all of it does."""
    paths: tuple[Path, ...] = field(kw_only=True)
    """The files, for stages that want more pixels than are fitted."""
    focal_priors: tuple[float | None, ...] = field(kw_only=True)
    """Focal length by EXIF, in pixels of `images`; None where the photo does not say."""
    depths: tuple[Float[Tensor, "_h _w"] | None, ...] = field(kw_only=True, default=())
    """z-depth by a sensor, at the size of the image, about metres; 0 where it saw nothing, None where a photo
    has none. Empty if no photo has."""
    lenses: tuple[Lens, ...] = field(kw_only=True, default=())
    """What took the photos, where a distortion was found with the cameras: it is undone in `images`, but not
    in the files. Empty where none was."""

    def __len__(self) -> int:
        return len(self.images)

    def select(self: PhotosT, indices: Sequence[int]) -> PhotosT:
        """The photos at `indices`, in that order."""
        return replace(self, **self._parts(list(indices)))

    def _parts(self, index: list[int]) -> dict[str, Any]:
        """Every field at `index`."""
        return {
            "images": tuple(self.images[i] for i in index),
            "names": tuple(self.names[i] for i in index),
            "masks": tuple(self.masks[i] for i in index),
            "paths": tuple(self.paths[i] for i in index),
            "focal_priors": tuple(self.focal_priors[i] for i in index),
            "depths": tuple(self.depths[i] for i in index) if self.depths else (),
            "lenses": tuple(self.lenses[i] for i in index) if self.lenses else (),
        }

    def to(self: PhotosT, device: torch.device | str) -> PhotosT:
        """The same photos on `device`."""
        return replace(
            self,
            images=tuple(image.to(device) for image in self.images),
            masks=tuple(None if mask is None else mask.to(device) for mask in self.masks),
            depths=tuple(None if depth is None else depth.to(device) for depth in self.depths),
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of each photo in pixels."""
        return tuple((image.shape[1], image.shape[0]) for image in self.images)

    def with_cameras(self, cameras: Cameras) -> "Views":
        """These photos seen through `cameras`, one each."""
        return Views(
            images=self.images,
            names=self.names,
            masks=self.masks,
            paths=self.paths,
            focal_priors=self.focal_priors,
            depths=self.depths,
            lenses=self.lenses,
            cameras=cameras,
        )


@dataclass(frozen=True)
class Views(Photos):
    """Photos and the cameras that took them."""

    cameras: Cameras = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.sizes != self.cameras.sizes:
            raise ValueError(f"Views: photos of {self.sizes} but cameras of {self.cameras.sizes}.")

    def _parts(self, index: list[int]) -> dict[str, Any]:
        return {**super()._parts(index), "cameras": self.cameras.select(index)}

    def to(self, device: torch.device | str) -> "Views":
        return replace(super().to(device), cameras=self.cameras.to(device))


@dataclass(frozen=True)
class Scene:
    """Photos to fit and photos held out. Priors and the loop take `train` alone: handing over a whole
    Scene, or its test views by mistake of type, is refused by the type checker."""

    train: Photos
    """`Views` where the data set gives cameras."""
    test: Photos
    """Never seen before the evaluation; may be empty."""
