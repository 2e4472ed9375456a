"""Tables of pairs of fits, with repair and without, and whether they meet what repair was asked to bring."""

import statistics
from collections.abc import Callable, Sequence

WIDE = 0.2
"""Views with this share of unsupported pixels or more are those that repair is for."""
GATES = (
    ("LPIPS lower by 8 % in the mean", lambda m: m["lpips_share"] <= -0.08),
    ("and lower in three of four scenes", lambda m: m["lower"] >= 0.75),
    ("PSNR higher in the mean", lambda m: m["psnr"] > 0),
    ("and nowhere lower by more than 0.1 dB", lambda m: m["worst_psnr"] >= -0.1),
    ("views with a fifth unsupported gain 0.7 dB", lambda m: (m["wide"] or 0) >= 0.7),
    ("explained pixels change by 1/255 at most", lambda m: m["explained"] <= 1),
    ("no photo loses more than 0.05 dB", lambda m: m["photo"] >= -0.05),
)
"""What the repair of the plan was asked for."""


def pairs_table(results: Sequence[dict]) -> str:
    """Markdown: a row a scene, means over the seeds of the fit without repair and of the difference that
    repair makes; then the means over the scenes, and the gates."""
    scenes: dict[str, list[dict]] = {}
    for result in results:
        scenes.setdefault(result["scene"], []).append(result)
    rows = {scene: row_of(group) for scene, group in scenes.items()}
    lines = [
        "| Scene | PSNR | SSIM | LPIPS | unsupported: share | PSNR | LPIPS | views with a fifth | explained, "
        "1/255 | photo, dB | s | seeds |",
        "|---" * 12 + "|",
        *(line(scene, row, len(scenes[scene])) for scene, row in rows.items()),
        line("mean", mean_row(list(rows.values())), len(results)),
        "",
        *(f"- {name}: {'yes' if met(of_all(rows)) else 'no'}" for name, met in GATES),
    ]
    return "\n".join(lines) + "\n"


def row_of(group: Sequence[dict]) -> dict[str, float | None]:
    """One scene: values without repair, and `d_` the differences it makes, means over the seeds."""

    def mean(read: Callable[[dict], float | None]) -> float | None:
        known = [value for result in group if (value := read(result)) is not None]
        return statistics.mean(known) if known else None

    row: dict[str, float | None] = {}
    for region in ("all", "unsupported"):
        for metric in ("psnr", "ssim", "lpips"):
            name = f"{region}_{metric}"
            row[name] = mean(lambda r, a=region, b=metric: r["scores"]["none"][a][b])
            row[f"d_{name}"] = mean(lambda r, a=region, b=metric: _difference(r["scores"], a, b))
    row["share"] = mean(lambda r: r["scores"]["none"]["unsupported"]["share"])
    row["wide"] = mean(lambda r: _mean([v["repaired"] - v["none"] for v in wide_views(r)]))
    row["explained"] = mean(lambda r: r["explained_change"])
    row["photo"] = min(worst_photo(result) for result in group)
    row["seconds"] = mean(lambda r: r["seconds"])
    return row


def of_all(rows: dict[str, dict]) -> dict[str, float]:
    """What the gates ask of all scenes together."""
    known = list(rows.values())
    shares = [r["d_all_lpips"] / r["all_lpips"] for r in known if r["all_lpips"]]
    wide = [r["wide"] for r in known if r["wide"] is not None]
    return {
        "lpips_share": statistics.mean(shares) if shares else 0.0,
        "lower": sum(share < 0 for share in shares) / max(1, len(shares)),
        "psnr": statistics.mean(r["d_all_psnr"] for r in known),
        "worst_psnr": min(r["d_all_psnr"] for r in known),
        "wide": statistics.mean(wide) if wide else 0.0,
        "explained": max(r["explained"] for r in known),
        "photo": min(r["photo"] for r in known),
    }


def wide_views(result: dict) -> list[dict]:
    return [view for view in result["views"] if view["unsupported"] >= WIDE]


def worst_photo(result: dict) -> float:
    """The most that a photo lost, in dB, as a negative number."""
    photos = result["photos"]
    return min(a - b for a, b in zip(photos["repaired"], photos["none"], strict=True))


def mean_row(rows: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """Of the scenes; of the photos, the worst."""
    means = {key: _mean([row[key] for row in rows]) for key in rows[0]}
    return {**means, "photo": min(row["photo"] or 0.0 for row in rows)}


def line(name: str, row: dict[str, float | None], count: int) -> str:
    """A row of the table."""
    cells = [
        _pair(row, "all_psnr", 2),
        _pair(row, "all_ssim", 4),
        _pair(row, "all_lpips", 4),
        _number(row["share"], ".2f"),
        _pair(row, "unsupported_psnr", 2),
        _pair(row, "unsupported_lpips", 4),
        _number(row["wide"], "+.2f"),
        _number(row["explained"], ".2f"),
        _number(row["photo"], "+.2f"),
        _number(row["seconds"], ".1f"),
    ]
    return f"| {' | '.join([name, *cells, str(count)])} |"


def _pair(row: dict[str, float | None], name: str, digits: int) -> str:
    return f"{_number(row[name], f'.{digits}f')} ({_number(row[f'd_{name}'], f'+.{digits}f')})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _difference(scores: dict, region: str, metric: str) -> float | None:
    a, b = scores["repaired"][region][metric], scores["none"][region][metric]
    return None if a is None or b is None else a - b


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None
