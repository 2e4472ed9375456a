"""Solves the cameras of photo sets whose cameras are known, and prints how far off they are.

    python scripts/bench_poses.py --data ../shared/data                       # every set: half an hour
    python scripts/bench_poses.py --data ../shared/data --sets fountain/3 vase
    python scripts/bench_poses.py --data ../shared/data --sets wide --matcher lightglue

A line a set: photos placed; mean and largest relative rotation error and mean direction error of the pairs
in degrees; RRA and RTA at 5 and 15 degrees and AUC@30 in per cent of all pairs; ATE and the worst centre in
per cent of the camera extent; the largest focal length error in per cent; the strongest radial distortion
that is believed, 0 for none; seconds, of the clock and of all processors. `--output` keeps the numbers as
JSON, a line a set.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from pose_sets import PoseSet, sets

from recon.datasets.photo_file import read_photo
from recon.errors import InputError
from recon.methods.priors.poses import PosesConfig, SolvedCameras, solve_cameras
from recon.methods.priors.poses_accuracy import focal_error, pose_accuracy
from recon.methods.priors.poses_matchers import AUTO, MATCHERS
from recon.scene import Photos

COLUMNS = (
    "set photos rot rot_max dir RRA5 RTA5 RRA15 RTA15 AUC30 ATE centre focal k1 seconds processor".split()
)  # fmt: skip


def photos_of(chosen: PoseSet, max_size: int) -> Photos:
    """The set's photos, without what EXIF says of the lens unless the set allows it."""
    read = [read_photo(path, max_size) for path in chosen.paths]
    return Photos(
        images=tuple(photo.image for photo in read),
        names=tuple(path.name for path in chosen.paths),
        masks=tuple(photo.mask for photo in read),
        paths=chosen.paths,
        focal_priors=tuple(photo.focal_prior if chosen.exif else None for photo in read),
    )


def measure(chosen: PoseSet, config: PosesConfig) -> dict[str, object]:
    """The line of a set."""
    photos = photos_of(chosen, 512)
    start, busy = time.perf_counter(), time.process_time()
    try:
        solved = solve_cameras(photos, config)
    except InputError as error:
        seconds = time.perf_counter() - start
        said = {"error": str(error), "as_wanted": bool(chosen.refused and chosen.refused in str(error))}
        return {"set": chosen.name, "photos": f"0/{len(photos)}", **said, "seconds": round(seconds, 1)}
    seconds = time.perf_counter() - start
    line: dict[str, object] = {"set": chosen.name, "photos": f"{len(solved.registered)}/{len(photos)}"}
    line |= _errors(chosen, solved)
    line |= {
        "k1": round(max((lens.k1 for lens in solved.lenses), key=abs), 4),
        "seconds": round(seconds, 1),
        "processor": round(time.process_time() - busy, 1),
        "matcher": solved.matcher,
        "thorough": solved.thorough,
        "warning": solved.warning or solved.caution,
    }
    if chosen.strangers:
        line["as_wanted"] = solved.unregistered == chosen.strangers
    if chosen.refused:
        line["as_wanted"] = chosen.refused in (solved.caution or "")
    return line


def _errors(chosen: PoseSet, solved: SolvedCameras) -> dict[str, float]:
    count = len(chosen.paths) - len(chosen.strangers)  # strangers come last
    own = [place for place, index in enumerate(solved.registered) if index < count]
    if chosen.poses is None or len(own) < 2:
        return {}
    measured = pose_accuracy(
        solved.cameras.camera_from_world[own],
        torch.from_numpy(chosen.poses[:count]),
        [solved.registered[place] for place in own],
    )
    errors = {
        "rot": measured.rotation.mean().item(),
        "rot_max": measured.rotation.max().item(),
        "dir": measured.direction.mean().item(),
        **{f"RRA{limit}": 100 * measured.rra(float(limit)) for limit in (5, 15)},
        **{f"RTA{limit}": 100 * measured.rta(float(limit)) for limit in (5, 15)},
        "AUC30": 100 * measured.auc(),
        "ATE": 100 * measured.ate,
        "centre": 100 * measured.worst_centre,
    }
    if chosen.focal is not None:
        focals = torch.tensor([chosen.focal * max(solved.cameras.sizes[place]) for place in own])
        errors["focal"] = 100 * focal_error(solved.cameras.Ks[own], focals)
    return {key: round(value, 3) for key, value in errors.items()}


def lines(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One at a time, as they are solved."""
    config = PosesConfig(
        matcher=options.matcher, max_size=options.max_size, dense_tracks=options.dense_tracks
    )
    for chosen in sets(options.data, options.rendered):
        if not options.sets or any(chosen.name.startswith(name) for name in options.sets):
            yield measure(chosen, config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with strecha, llff, fox, vase and so on"
    )
    parser.add_argument(
        "--rendered", type=Path, default=Path("build/pose_scenes"), help="drawn once, then read"
    )
    parser.add_argument("--sets", nargs="*", default=[], help="first letters of the sets' names")
    parser.add_argument("--max-size", type=int, default=PosesConfig().max_size)
    parser.add_argument("--matcher", default=AUTO, choices=(AUTO, *MATCHERS), help="as recon train has it")
    parser.add_argument("--dense-tracks", default="auto", help="as --poses.dense-tracks")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for line in lines(options):
        print("| " + " | ".join(str(line.get(column, "")) for column in COLUMNS) + " |", flush=True)
        for note in ("error", "warning", "as_wanted"):
            if line.get(note) is not None:
                print(f"    {note}: {line[note]}", flush=True)
        if options.output:
            with options.output.open("a") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
