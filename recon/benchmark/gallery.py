"""The pictures of the results page: a photo, what each run shows from there, and how far it is off."""

from collections import defaultdict
from html import escape
from pathlib import Path

from recon.benchmark.collect import Found
from recon.benchmark.pictures import ERROR, ERROR_COLOURS, MAX_ERROR, PHOTO, SHOWN
from recon.benchmark.results import Run, run_of


class Copies:
    """Files to be copied beside a page."""

    def __init__(self) -> None:
        self.paths: dict[str, Path] = {}
        """By address relative to the page."""

    def add(self, path: Path) -> str:
        """The address that a picture will have: no name of others is in it."""
        address = f"pictures/{len(self.paths):04d}.jpg"
        self.paths[address] = path
        return address


def gallery(members: list[Found], copies: Copies) -> str:
    """Pictures of each scene and number of views, by the lowest seed of each run that has some."""
    scenes: dict[tuple[str, int], dict[Run, Found]] = defaultdict(dict)
    for one in sorted(members, key=lambda f: f.result["seed"]):
        if one.pictures.is_dir():
            scenes[one.result["scene"], one.result["views"]].setdefault(run_of(one.result), one)
    parts = []
    for (scene, views), runs in sorted(scenes.items(), key=lambda item: item[0]):
        names = next(iter(runs.values())).result["per_view"]
        parts.append(f"<h3>{escape(scene)}, {views} views</h3>")
        parts += [_view(name, index, runs, copies) for index, name in enumerate(names)]
    return "\n".join([_scale(), *filter(None, parts)]) if parts else ""


def _view(name: str, index: int, runs: dict[Run, Found], copies: Copies) -> str:
    """The photo, and a figure for each run that kept this view; empty where none did."""
    kept = {run: one for run, one in runs.items() if one.shows(index)}
    if not kept:
        return ""
    photo = next(iter(kept.values())).picture(index, PHOTO)
    figures = [_figure([photo], f"{name}, the photo", copies)]
    for run, one in kept.items():
        pictures = [one.picture(index, kind) for kind in (SHOWN, ERROR)]
        figures.append(_figure(pictures, _caption(run, one, index, runs), copies))
    return f'<div class="view">{"".join(figures)}</div>'


def _figure(pictures: list[Path], caption: str, copies: Copies) -> str:
    text = escape(caption)
    images = "".join(f'<img src="{copies.add(path)}" alt="{text}" loading="lazy">' for path in pictures)
    return f"<figure>{images}<figcaption>{text}</figcaption></figure>"


def _caption(run: Run, one: Found, index: int, runs: dict[Run, Found]) -> str:
    """The method and its score for this view; commit and machine where they alone tell runs apart."""
    scores = list(one.result["per_view"].values())[index]
    said = f"{run.method}, {scores['psnr']:.2f} dB"
    if scores.get("psnr_masked") is not None:
        said += f", object {scores['psnr_masked']:.2f} dB"
    return f"{said}; {run}" if sum(other.method == run.method for other in runs) > 1 else said


def _scale() -> str:
    colours = ", ".join(f"rgb({', '.join(str(round(255 * c)) for c in rgb)})" for rgb in ERROR_COLOURS)
    return (
        f'<p class="scale">Below each picture: its difference from the photo, 0 <span style="background: '
        f'linear-gradient(to right, {colours})"></span> {MAX_ERROR} or more (colours in [0, 1]).</p>'
    )
