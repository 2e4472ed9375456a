"""nerfstudio's manager of whole photos, and what our fit wants of it."""

from dataclasses import dataclass, field

from nerfstudio.configs.dataparser_configs import AnnotatedDataParserUnion
from nerfstudio.data.datamanagers.full_images_datamanager import (
    FullImageDatamanager,
    FullImageDatamanagerConfig,
)

from recon.nerfstudio.cameras import from_nerfstudio
from recon.nerfstudio.data_parser import SENSOR_DEPTHS, PhotosConfig
from recon.scene import Views


@dataclass
class SparseDataManagerConfig(FullImageDatamanagerConfig):
    """Whole photos, by default found by our data parser; any other of nerfstudio's will do."""

    _target: type = field(default_factory=lambda: SparseDataManager)
    dataparser: AnnotatedDataParserUnion = field(default_factory=PhotosConfig)


class SparseDataManager(FullImageDatamanager):
    """The fit takes all photos at once, and chooses among them itself."""

    config: SparseDataManagerConfig

    def train_views(self) -> Views:
        """The photos to fit, whichever data parser found them, on the manager's device."""
        data, dataset = self.cached_train, self.train_dataset
        paths = tuple(dataset.image_filenames)
        names = tuple(path.name for path in paths)
        views = Views(
            images=tuple(photo["image"][..., :3] for photo in data),
            names=names if len(set(names)) == len(names) else tuple(map(str, paths)),
            masks=tuple(photo["mask"][..., 0] if "mask" in photo else None for photo in data),
            paths=paths,
            focal_priors=(None,) * len(data),
            depths=tuple(dataset.metadata.get(SENSOR_DEPTHS, ())),
            # Read after the photos: undistorting them changes the intrinsics.
            cameras=from_nerfstudio(dataset.cameras),
        )
        return views.to(self.device)
