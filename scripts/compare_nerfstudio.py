"""The same fit by `recon train` and by nerfstudio's trainer, both measured by ns-eval.

    make nerfstudio
    .venv-nerfstudio/bin/python scripts/compare_nerfstudio.py ../shared/data/llff/flower --views 3
    .venv-nerfstudio/bin/python scripts/compare_nerfstudio.py examples/photos/input --test-every 3 --seeds 3

Prints a line a seed and a JSON of all of them. The run of `recon train` is opened in nerfstudio, so that one
program measures both: PSNR and SSIM there are nerfstudio's own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from recon.provenance import commit

PROGRAMS = Path(sys.executable).parent


def call(folder: Path, program: str, *arguments: object) -> None:
    """Runs a program of this environment in a folder; raises SystemExit with what it said if it fails."""
    command = [PROGRAMS / program, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{program} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def measured(folder: Path, config: Path) -> dict[str, float]:
    """What ns-eval says of a config.yml."""
    call(folder, "ns-eval", "--load-config", config, "--output-path", "eval.json")
    results = json.loads((folder / "eval.json").read_text())["results"]
    return {name: results[name] for name in ("psnr", "ssim")}


def by_nerfstudio(folder: Path, photos: list[object], seed: int, steps: int, device: str) -> dict[str, float]:
    """The scores of a fit by ns-train."""
    data, *options = photos
    call(
        *(folder, "ns-train", "recon-sparse", "--data", data, "--vis", "tensorboard"),
        *("--experiment-name", "photos", "--timestamp", seed, "--machine.device-type", device),
        *("--max-num-iterations", steps, "--pipeline.parts.fit.seed", seed),
        *("recon-photos", "--cache", "cache", *options),
    )
    return measured(folder, folder / "outputs" / "photos" / "recon-sparse" / str(seed) / "config.yml")


def by_recon(folder: Path, photos: list[object], seed: int, steps: int, device: str) -> dict[str, float]:
    """The scores of a fit by `recon train`, and what it says of itself."""
    run = folder / f"run{seed}"
    options = ("--device", device, "--max-steps", steps, "--seed", seed)
    call(folder, "python", "-m", "recon", "train", *photos, *options, "--output", run)
    call(folder, "python", "-m", "recon.nerfstudio", run)
    config = folder / "outputs" / run.name / "recon-sparse" / "run" / "config.yml"
    own = json.loads((run / "metrics.json").read_text())
    return {**measured(folder, config), "psnr_by_recon": own["psnr"], "ssim_by_recon": own["ssim"]}


def compare(photos: list[object], seeds: int, steps: int, device: str) -> list[dict]:
    """A row a seed, said as it comes."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="recon-nerfstudio-") as name:
        folder = Path(name)
        for seed in range(seeds):
            given = (folder, photos, seed, steps, device)
            row = {"seed": seed, "ns-train": by_nerfstudio(*given), "recon train": by_recon(*given)}
            rows.append(row)
            ours, theirs = (row[way]["psnr"] for way in ("recon train", "ns-train"))
            print(f"seed {seed}: recon train {ours:.3f} dB, ns-train {theirs:.3f} dB, {theirs - ours:+.3f}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--views", type=int)
    parser.add_argument("--test-every", type=int)
    parser.add_argument("--max-size", type=int, default=512)
    parser.add_argument("--max-steps", type=int, default=1800)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    photos: list[object] = [given.data.resolve(), "--max-size", given.max_size]
    for name, value in (("--views", given.views), ("--test-every", given.test_every)):
        photos += [] if value is None else [name, value]
    rows = compare(photos, given.seeds, given.max_steps, given.device)
    about = {"data": given.data.name, **{k: v for k, v in vars(given).items() if k != "data"}}
    print(json.dumps({"commit": commit(), **about, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
