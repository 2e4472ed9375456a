"""`recon-photos`: nerfstudio's data parser for a plain folder of photos, and all that `recon train` reads."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from nerfstudio.utils.rich_utils import CONSOLE

from recon.datasets import DataConfig
from recon.methods.priors.poses_types import PosesConfig
from recon.nerfstudio.cameras import to_nerfstudio
from recon.nerfstudio.placed import Placed, default_cache, place
from recon.progress import Terminal

SENSOR_DEPTHS = "recon_sensor_depths"
"""What a phone's sensor measured, under this name in nerfstudio's metadata."""


@dataclass
class PhotosConfig(DataParserConfig):
    """A folder of photos, whose cameras are solved, or a data set that has cameras, or a run of recon."""

    _target: type = field(default_factory=lambda: PhotosParser)
    layout: Literal["auto", "photos", "colmap", "nerfstudio", "llff", "blender", "dtu"] = "auto"
    """How the folder is laid out, as `recon train` recognises it."""
    max_size: int = 512
    """Longer side of the fitted images in pixels."""
    views: int | None = None
    """How many train views, spread evenly over the names that are not held out; all of them if not given."""
    test_every: int = 0
    """Hold out every n-th image by name, from the first; nerfstudio evaluates on what is held out, or, if
    nothing is, on the photos that are fitted."""
    only: tuple[str, ...] = ()
    """Use just these photos: file names, with or without extension."""
    held_out: Path | None = None
    """Folder of photos held out for evaluation (photos layout only)."""
    masks: Path | None = None
    """Folder of masks named as the photos, white where the photo counts."""
    poses: PosesConfig = field(default_factory=PosesConfig)
    cache: Path | None = None
    """Where solved cameras and prepared photos are kept; else recon/nerfstudio in the user's cache."""


class PhotosParser(DataParser):
    """Photos without distortion, at the size that is fitted, in the world of their cameras: z up and of unit
    size where they were solved, as the data set has it where they were given."""

    config: PhotosConfig

    def __init__(self, config: PhotosConfig) -> None:
        super().__init__(config)
        self._parts: tuple[Placed, Placed] | None = None

    @property
    def parts(self) -> tuple[Placed, Placed]:
        """The photos to fit and those held out; read, and their cameras solved, when first asked for."""
        if self._parts is None:
            config = self.config
            photos = DataConfig(
                config.data,
                layout=config.layout,
                max_size=config.max_size,
                views=config.views,
                test_every=config.test_every,
                only=config.only,
                held_out=config.held_out,
                masks=config.masks,
            )
            with Terminal(CONSOLE) as terminal:
                self._parts = place(photos, config.poses, config.cache or default_cache(), terminal)
        return self._parts

    def _generate_dataparser_outputs(self, split: str = "train", **_: Any) -> DataparserOutputs:
        train, held_out = self.parts
        if split != "train" and not len(held_out.views):
            CONSOLE.log(f"No photo is held out: the {split} split shows the photos that are fitted.")
        part = held_out if split != "train" and len(held_out.views) else train
        return DataparserOutputs(
            image_filenames=list(part.photos),
            cameras=to_nerfstudio(part.views.cameras),
            mask_filenames=None if part.masks is None else list(part.masks),
            metadata={SENSOR_DEPTHS: part.views.depths},
        )


recon_photos = DataParserSpecification(
    PhotosConfig(), "A folder of photos without cameras, or any data set that recon reads."
)
