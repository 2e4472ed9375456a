"""The literature's protocols as data: what is fitted, what is measured, and how."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from recon.benchmark import published
from recon.benchmark.published import Published
from recon.datasets import DataConfig
from recon.datasets.layouts import LAYOUTS
from recon.datasets.splits import DTU_TEST, DTU_TRAIN_ORDER, spread
from recon.metrics import MetricsConfig

EVERY_SCENE = "*"


class Ids(NamedTuple):
    """Views by number, from 0."""

    train: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class Protocol:
    """How a data set is split, read and measured."""

    name: str
    about: str
    """One line for people: what it is, and how large its pictures are."""
    scenes: tuple[str, ...]
    """Empty: those of the split files."""
    views: tuple[int, ...]
    """Numbers of train views it is published for."""
    reading: DataConfig
    """How a scene is read; its path, its views and its ids are filled in."""
    metrics: MetricsConfig
    source: str
    published: dict[tuple[str, int], tuple[Published, ...]] = field(default_factory=dict)
    """By (scene, number of train views); the scene 'mean' is the mean over all scenes."""
    ids: dict[tuple[str, int], Ids] = field(default_factory=dict)
    """Listed views by (scene, or EVERY_SCENE, and number of train views); without, `reading` spreads them."""
    parts: dict[str, str] = field(default_factory=dict)
    """The data set that a scene belongs to, where a protocol has several, whose means are never mixed."""
    folders: tuple[str, ...] = ("",)
    """Where below the data a scene's folder may lie, in order."""
    solves_cameras: bool = False
    """Whether the cameras are found from the train photos, as a user without any would."""
    average_error: bool = False
    """Whether RegNeRF's average error is reported beside the scores."""
    align_steps: int = 0
    """Steps by which each test camera is aligned to the scene for a second set of scores, named aligned."""
    label: str = ""
    """What must stand beside its scores."""

    def folder(self, data: Path, scene: str) -> Path | None:
        """Where the photos of a scene lie; None if nowhere."""
        above = [place for name in self.folders for place in (sorted(data.glob(name)) if name else [data])]
        places = [place / scene for place in above if (place / scene).is_dir()]
        recognise = LAYOUTS[self.reading.layout].recognise
        return next((place for place in places if recognise(place)), places[0] if places else None)

    def data(self, folder: Path, scene: str, views: int) -> DataConfig:
        """What to read for one scene below `folder`."""
        config = replace(self.reading, path=self.folder(folder, scene) or folder / scene, views=views)
        ids = self.ids.get((scene, views)) or self.ids.get((EVERY_SCENE, views))
        return replace(config, train_ids=ids.train, test_ids=ids.test) if ids else config


UNTOUCHED = 1_000_000
"""A largest side that reduces no photo."""

THREE_DGS = MetricsConfig(ssim_window="gauss11", lpips_net="vgg", lpips_range="[0, 1]")
"""As the 3DGS code measures, and with it FSGS, CoR-GS and those who re-ran them: it feeds LPIPS colours in
[0, 1], though the network asks for [-1, 1], where the same pictures score about a tenth higher."""
REGNERF = MetricsConfig(
    ssim_window="skimage7", lpips_net="vgg", lpips_range="[0, 1]", masks="white_composite"
)
"""With the data range of 1 that FreeNeRF gave SSIM, and FreeNeRF's LPIPS: RegNeRF's own code has the range
wrong and measures no LPIPS."""
SPARE_METRICS = MetricsConfig(ssim_window="skimage7", lpips_net="alex", masks="crop_bbox")
"""SpaRe says bounding box and AlexNet; window, range and the order of cropping it leaves open."""

MIPNERF360_SCENES = ("bicycle", "bonsai", "counter", "garden", "kitchen", "room", "stump")


def _instantsplat(views: int) -> Ids:
    """InstantSplat's choice among the 24 photos of a scene."""
    test = [1 + i for i in spread(22, 12, "truncate")]
    pool = [i for i in range(24) if i not in test]
    return Ids(tuple(pool[i] for i in spread(len(pool), views, "truncate")), tuple(test))


LLFF = Protocol(
    name="llff",
    about="forward-facing scenes at 504x378; every 8th photo held out, train views spread over the rest",
    scenes=("fern", "flower", "fortress", "horns", "leaves", "orchids", "room", "trex"),
    views=(3, 6, 9),
    reading=DataConfig(Path(), layout="llff", test_every=8, max_size=UNTOUCHED, sensor_depth="none"),
    metrics=THREE_DGS,
    published=published.LLFF,
    average_error=True,
    source="RegNeRF's split; photos and poses of LLFF at 1/8 (Mildenhall et al. 2019)",
)

DTU = Protocol(
    name="dtu",
    about="15 scans (or any other that lies there) at 400x300, 25 views held out, masked scores beside whole",
    scenes=tuple(f"scan{n}" for n in (8, 21, 30, 31, 34, 38, 40, 41, 45, 55, 63, 82, 103, 110, 114)),
    views=(3, 6, 9),
    reading=DataConfig(Path(), layout="dtu", max_size=400, sensor_depth="none"),
    metrics=REGNERF,
    published=published.DTU,
    average_error=True,
    ids={(EVERY_SCENE, n): Ids(DTU_TRAIN_ORDER[:n], DTU_TEST) for n in (3, 6, 9)},
    folders=("Rectified_4", "Rectified", ""),
    source="RegNeRF (Niemeyer et al. 2022), views of pixelNeRF; masks of IDR, the object on white",
)

BLENDER = Protocol(
    name="blender",
    about="8 views on white at 400x400, every 8th test frame; DietNeRF's list of views",
    scenes=("chair", "drums", "ficus", "hotdog", "lego", "materials", "mic", "ship"),
    views=(8,),
    reading=DataConfig(Path(), layout="blender", test_every=8, max_size=400, sensor_depth="none"),
    metrics=THREE_DGS,
    published=published.BLENDER,
    source="DietNeRF (Jain et al. 2021)",
)

MIPNERF360 = Protocol(
    name="mipnerf360",
    about="7 scenes at 1/8, every 8th photo held out; positions of the train views rounded",
    scenes=MIPNERF360_SCENES,
    views=(12, 24),
    reading=DataConfig(Path(), layout="llff", test_every=8, max_size=UNTOUCHED, sensor_depth="none"),
    metrics=THREE_DGS,
    published=published.MIPNERF360,
    source="FSGS (Zhu et al. 2024), DropGaussian (Park et al. 2025)",
)

TANKS = Protocol(
    name="tanks",
    about="Tanks and Temples, 24 photos a scene, cameras solved from the train photos; 12 held out",
    scenes=("Ballroom", "Barn", "Church", "Family", "Francis", "Horse", "Ignatius", "Museum"),
    views=(3, 6, 12),
    reading=DataConfig(Path(), layout="photos", max_size=UNTOUCHED, sensor_depth="none"),
    metrics=THREE_DGS,
    ids={(EVERY_SCENE, n): _instantsplat(n) for n in (3, 6, 12)},
    solves_cameras=True,
    align_steps=500,
    label="Held-out photos are located by features; the scores named aligned, as InstantSplat's, come after "
    "500 steps that move their cameras.",
    source="InstantSplat (Fan et al. 2024)",
)

SPARE = Protocol(
    name="spare",
    about="SpaRe development set, DTU and synthetic apart; 3 views: track 1, 9: track 2; object in its box",
    scenes=(),
    views=(3, 9),
    reading=DataConfig(Path(), layout="dtu", max_size=UNTOUCHED, sensor_depth="none"),
    metrics=SPARE_METRICS,
    folders=("", "*", "Rectified"),
    label="Local scores against ground truth that lies beside the photos: not the leaderboard's.",
    source="AIM 2024 challenge (arXiv 2409.15041); views: the official Track*_split_development.json",
)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        LLFF,
        DTU,
        BLENDER,
        replace(
            BLENDER,
            name="blender-3dgs",
            about="as blender, with the list that DNGaussian and CoR-GS use (76 in place of 75)",
            reading=replace(BLENDER.reading, blender_views="3dgs"),
            source="DNGaussian (Li et al. 2024)",
        ),
        MIPNERF360,
        replace(
            MIPNERF360,
            name="mipnerf360-truncated",
            about="9 scenes at 1/8, every 8th photo held out; positions of the train views truncated",
            scenes=(*MIPNERF360_SCENES, "flowers", "treehill"),
            reading=replace(MIPNERF360.reading, spread="truncate"),
            published={},
            label="nerfbaselines measures outdoor scenes at 1/4 and indoor ones at 1/2.",
            source="nerfbaselines' mipnerf360-sparse",
        ),
        TANKS,
        SPARE,
        replace(
            SPARE,
            name="spare-test",
            about="as spare, for the test set, where its ground truth is public: the DTU part",
            source="AIM 2024 challenge (arXiv 2409.15041); views: the official Track*_split_test.json",
        ),
        replace(
            SPARE,
            name="spare-dtu",
            about="SpaRe's law on public photos: DTU at 1600x1200, DTU's 3 views, 3 held out",
            scenes=("scan24",),
            views=(3,),
            ids={(EVERY_SCENE, 3): Ids((22, 25, 28), (9, 26, 33))},
            parts={"scan24": "DTU"},
            folders=("Rectified", ""),
            source="size and metrics of the AIM 2024 challenge (arXiv 2409.15041); views of pixelNeRF",
        ),
    )
}
