"""`recon submit`: a submission to SpaRe made, checked, and measured where the photos are public."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from recon.methods.table import METHODS, MethodConfig


@dataclass(frozen=True)
class SubmitSpare:
    """Fit the scenes of a SpaRe split, render their test views, pack them; what is done is not done again."""

    data: Path
    """Folder with the input photos, the calibration and the split files."""
    output: Path
    """The zip to write."""
    parts: Annotated[MethodConfig, tyro.conf.arg(name="")] = METHODS["recon"][1]
    track: Literal[1, 2] = 1
    """1: three input views a scene; 2: nine."""
    phase: Literal["development", "test"] = "development"
    """Which of the official split files is read."""
    split: Path | None = None
    """Another split file."""
    method: str = "recon"
    """Method to fit with; `recon methods` lists them."""
    max_size: int | None = 800
    """Longer side of the fitted photos; pictures are rendered at the full size all the same."""
    work: Path = Path("runs/submit")
    """Folder of the rendered pictures."""
    readme: bool = False
    """Add the readme.txt of the AIM challenges, with the measured times."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    engine: Literal["auto", "cuda", "cpu", "reference"] = "auto"
    """What draws the Gaussians."""

    def run(self) -> None:
        from recon.commands_submit import submit_spare

        submit_spare(self)


@dataclass(frozen=True)
class SubmitCheck:
    """Find the faults of a submission, anybody's; says each, and exits with 2 if there are any."""

    file: tyro.conf.Positional[Path]
    """The zip."""
    split: Path | None = None
    """Split file of the track; without it, the names alone are checked against the rules."""
    data: Path | None = None
    """Folder of the scenes, if their pictures are of another size than 1600 x 1200."""

    def run(self) -> None:
        from recon.commands_submit import submit_check

        submit_check(self)


@dataclass(frozen=True)
class SubmitScore:
    """Measure a submission against photos that lie here: local scores, not the leaderboard's."""

    file: tyro.conf.Positional[Path]
    """The zip."""
    data: Path
    """Folder of the scenes, with the photos of the test views."""
    split: Path
    """Split file of the track."""
    lpips: Literal["alex", "vgg", "none"] = "alex"
    """Backbone of LPIPS."""
    ssim: Literal["skimage7", "gauss11"] = "skimage7"
    """Window of SSIM."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""

    def run(self) -> None:
        from recon.commands_submit import submit_score

        submit_score(self)
