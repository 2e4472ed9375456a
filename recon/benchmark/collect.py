"""Results of many runs, found on disk and put together into those that share a table."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon.benchmark.pictures import KINDS, file_name
from recon.benchmark.protocols import PROTOCOLS, Protocol
from recon.benchmark.results import read_result
from recon.errors import InputError


@dataclass(frozen=True)
class Found:
    """A result, and the folder where its pictures may lie."""

    result: dict[str, Any]
    pictures: Path

    def picture(self, index: int, kind: str) -> Path:
        """Of the test view `index`."""
        return self.pictures / file_name(index, kind)

    def shows(self, index: int) -> bool:
        """Whether the run kept this view."""
        return all(self.picture(index, kind).is_file() for kind in KINDS)


def find_results(places: list[Path]) -> list[Found]:
    """The results in files and below folders. Raises InputError: none, a damaged one, an unknown protocol."""
    paths = [
        path for place in places for path in ([place] if place.is_file() else sorted(place.rglob("*.json")))
    ]
    found = [Found(read_result(path), path.with_suffix("")) for path in dict.fromkeys(paths)]
    if not found:
        raise InputError(
            f"{', '.join(map(str, places))}: no results there; name folders that recon bench wrote."
        )
    unknown = [f for f in found if f.result.get("protocol") not in PROTOCOLS]
    if unknown:
        name = unknown[0].result.get("protocol")
        raise InputError(
            f"{unknown[0].pictures}.json is of a protocol {name!r}, which there is not; leave it out."
        )
    return found


def sheets_of(found: list[Found]) -> list[tuple[Protocol, list[Found]]]:
    """Results that belong into one table: of one protocol, measured alike."""
    alike = defaultdict(list)
    for one in found:
        metrics = one.result["metrics"]
        alike[one.result["protocol"], metrics.get("masks", "none"), how_measured(metrics)].append(one)
    names = list(PROTOCOLS)
    return [(PROTOCOLS[key[0]], alike[key]) for key in sorted(alike, key=lambda key: names.index(key[0]))]


def how_measured(metrics: dict[str, Any]) -> str:
    """The options of the metrics, in a sentence."""
    feed = f" on {metrics['lpips_range']}" if "lpips_range" in metrics else ""
    return f"SSIM: {metrics['ssim_window']}; LPIPS: {metrics['lpips_net']}{feed}."
