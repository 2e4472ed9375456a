"""The report as HTML: pictures inside, nothing fetched, names escaped."""

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from math import log
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

CURVE = (760, 220)
"""Width and height of the loss curves."""
MARGIN = 40
HUES = ("#06c", "#c60", "#393", "#939", "#a33", "#588")


def page(title: str, sections: dict[str, str], scene: dict[str, Any]) -> str:
    """The whole file; `sections` are headings and their HTML, the first without a heading."""
    body = "\n".join(f"<h2>{escape(name)}</h2>\n{html}" if name else html for name, html in sections.items())
    # In a script element only `<` could end it.
    data = json.dumps(scene, allow_nan=False).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{_asset("style.css")}</style>
<h1>{escape(title)}</h1>
{body}
<script type="application/json" id="scene-data">{data}</script>
<script>{_asset("scene.js")}</script>
</html>
"""


def counts(numbers: dict[str, str]) -> str:
    """Large numbers side by side."""
    items = "".join(f"<li><b>{escape(value)}</b>{escape(name)}</li>" for name, value in numbers.items())
    return f'<ul class="counts">{items}</ul>'


def bullets(sentences: list[str]) -> str:
    return '<ul class="advice">' + "".join(f"<li>{escape(s)}</li>" for s in sentences) + "</ul>"


def row(kind: str, pictures: dict[str, Float[Tensor, "h w 3"]]) -> str:
    """Pictures side by side, each with its caption; `kind` is the class that says how many."""
    figures = (
        f'<figure><img src="{jpeg(rgb)}" alt="{escape(caption)}" loading="lazy">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, rgb in pictures.items()
    )
    return f'<div class="{kind}">{"".join(figures)}</div>'


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = (
        "<tr>"
        + "".join(f'<td class="{"number" if i else ""}">{escape(cell)}</td>' for i, cell in enumerate(cells))
        + "</tr>"
        for cells in rows
    )
    return wide(f"<table><tr>{head}</tr>{''.join(lines)}</table>")


def matrix(title: str, names: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """How much each thing shares with each other one: the darker a cell, the more; 0 stands out."""
    most = max((count for row in counts for count in row), default=0) or 1
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    lines = []
    for i, (name, row) in enumerate(zip(names, counts, strict=True)):
        cells = "".join(
            "<td></td>" if i == j else f'<td class="{"" if n else "none"}" {_shade(n / most)}>{n:,}</td>'
            for j, n in enumerate(row)
        )
        lines.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    caption = f"<caption>{escape(title)}</caption>"
    return wide(f'<table class="matrix">{caption}<tr><th></th>{head}</tr>{"".join(lines)}</table>')


def wide(html: str) -> str:
    """What may be wider than a phone, and is moved sideways there by itself."""
    return f'<div class="wide">{html}</div>'


def legend(colours: dict[str, tuple[float, ...]]) -> str:
    spans = (
        f'<span style="background: rgb({",".join(str(round(255 * c)) for c in rgb)})"></span>{escape(name)}'
        for name, rgb in colours.items()
    )
    return f'<p class="key">{"".join(spans)}</p>'


def curves(steps: list[int], losses: dict[str, list[float]]) -> str:
    """Each loss term over the steps, on a logarithmic scale; terms that are never above 0 are left out."""
    terms = {name: values for name, values in losses.items() if max(values, default=0.0) > 0}
    if len(steps) < 2 or not terms:
        return "<p>This process took too few steps to draw a curve.</p>"
    top = max(max(values) for values in terms.values())
    bottom = max(min(v for values in terms.values() for v in values if v > 0), top * 1e-4)
    lines = []
    for i, (name, values) in enumerate(sorted(terms.items(), key=lambda item: -item[1][-1])):
        hue = HUES[i % len(HUES)]
        points = " ".join(
            f"{_along(step, steps[0], steps[-1])},{_up(value, bottom, top)}"
            for step, value in zip(steps, values, strict=True)
            if value > 0
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="{hue}" stroke-width="1.5"/>')
        words = escape(name.replace("_", " "))
        lines.append(f'<text x="{CURVE[0] - 130}" y="{14 + 14 * i}" style="fill:{hue}">{words}</text>')
    for value in (bottom, top):
        lines.append(f'<text x="0" y="{_up(value, bottom, top)}">{value:.2g}</text>')
    for step in (steps[0], steps[-1]):
        lines.append(f'<text x="{_along(step, steps[0], steps[-1])}" y="{CURVE[1]}">{step}</text>')
    return wide(f'<svg viewBox="0 0 {CURVE[0]} {CURVE[1]}" role="img">{"".join(lines)}</svg>')


def bars(seconds: dict[str, float]) -> str:
    """Time by stage."""
    longest = max(seconds.values(), default=0.0) or 1.0
    lines = []
    for i, (name, value) in enumerate(seconds.items()):
        y = 22 * i
        width = 500 * value / longest
        lines.append(f'<text x="0" y="{y + 14}">{escape(name)}</text>')
        lines.append(f'<rect x="90" y="{y + 2}" width="{width:.1f}" height="16" fill="{HUES[0]}" rx="3"/>')
        lines.append(f'<text x="{96 + width:.1f}" y="{y + 14}">{value:.1f} s</text>')
    return wide(f'<svg viewBox="0 0 760 {22 * len(seconds)}" role="img">{"".join(lines)}</svg>')


def jpeg(rgb: Float[Tensor, "h w 3"]) -> str:
    """A picture as a data URL."""
    pixels = (rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _shade(share: float) -> str:
    return f'style="background: rgb(0 102 204 / {0.6 * share:.2f})"'


def _along(step: int, first: int, last: int) -> str:
    return f"{MARGIN + (CURVE[0] - MARGIN - 140) * (step - first) / max(last - first, 1):.1f}"


def _up(value: float, bottom: float, top: float) -> str:
    share = log(max(value, bottom) / bottom) / (log(top / bottom) or 1.0)
    return f"{CURVE[1] - 20 - (CURVE[1] - 40) * share:.1f}"


def _asset(name: str) -> str:
    return (files("recon.report") / name).read_text()
