"""The literature's protocols as data: what is fitted, what is measured, and what others published."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recon.datasets import DataConfig


@dataclass(frozen=True)
class Published:
    """A number of somebody else's, to be read beside ours."""

    method: str
    psnr: float
    ssim: float | None
    lpips_vgg: float | None
    source: str
    """Where it was read, and what it is: the paper's own, or a re-run by others."""


@dataclass(frozen=True)
class Protocol:
    """How a data set is split, read and measured."""

    name: str
    layout: Literal["llff"]
    scenes: tuple[str, ...]
    test_every: int
    published: dict[tuple[str, int], tuple[Published, ...]]
    """By (scene, number of train views); the scene 'mean' is the mean over all scenes."""
    source: str

    def data(self, folder: Path, scene: str, views: int) -> DataConfig:
        """What to read for one scene. Photos are measured at their own size: nothing is resampled."""
        return DataConfig(
            path=folder / scene,
            layout=self.layout,
            views=views,
            test_every=self.test_every,
            max_size=1_000_000,
        )


RERUN = "re-run under one evaluator, one seed (ReDI-GS thesis repository)"
PAPER = "the paper's own number"


def _rerun(*rows: tuple[str, float, float | None, float | None]) -> tuple[Published, ...]:
    return tuple(Published(*row, source=RERUN) for row in rows)


LLFF = Protocol(
    name="llff",
    layout="llff",
    scenes=("fern", "flower", "fortress", "horns", "leaves", "orchids", "room", "trex"),
    test_every=8,
    published={
        ("fern", 3): _rerun(
            ("FSGS", 21.90, 0.721, 0.209),
            ("CoR-GS", 22.29, 0.745, 0.196),
            ("3DGS from COLMAP-MVS points", 21.99, None, None),
            ("best stack on COLMAP-MVS points", 23.36, None, None),
            ("ReDI-GS, RoMa points", 23.84, 0.797, 0.143),
        ),
        ("flower", 3): _rerun(
            ("FSGS", 20.38, 0.627, 0.247),
            ("CoR-GS", 19.86, 0.649, 0.232),
            ("3DGS from COLMAP-MVS points", 19.69, None, None),
            ("best stack on COLMAP-MVS points", 21.02, None, None),
            ("ReDI-GS, RoMa points", 21.41, 0.692, 0.209),
        ),
        ("horns", 3): _rerun(
            ("FSGS", 20.19, 0.716, 0.229),
            ("CoR-GS", 19.02, 0.689, 0.249),
            ("3DGS from COLMAP-MVS points", 19.20, None, None),
            ("best stack on COLMAP-MVS points", 20.62, None, None),
            ("ReDI-GS, RoMa points", 21.08, 0.775, 0.185),
        ),
        ("mean", 3): (
            Published("FSGS", 20.31, 0.652, 0.288, PAPER),
            Published("CoR-GS", 20.45, 0.712, 0.196, PAPER),
            Published("Binocular3DGS", 21.44, 0.751, 0.168, PAPER),
            Published("ICO-GS", 22.20, 0.778, 0.157, PAPER),
        ),
    },
    source="RegNeRF's split; photos and poses of LLFF at 1/8 (Mildenhall et al. 2019)",
)

PROTOCOLS = {"llff": LLFF}
