"""One HTML file that opens from the disk and shows the scene, view dependence included, without a request.

The viewer is PlayCanvas' supersplat-viewer (MIT): its published page, styles and script are put into the file
beside the scene, which is embedded as SOG. `make webviewer` fetches them from npm; not in git.
"""

import base64
import json
import math
import re
from pathlib import Path
from typing import Any

from recon.errors import MachineError
from recon.exporting.paths import look_at_point
from recon.exporting.sog import sog_bytes
from recon.exporting.source import Source
from recon.files import atomic_file

VIEWER = Path(__file__).parent / "supersplat"
"""Where `scripts/fetch_viewer.py` puts index.html, index.css, index.js and LICENSE."""
BACKGROUND = (0.15, 0.15, 0.15)
WINDOW_ASPECT = 1.6
"""Of a window that just shows all of the first photo; the viewer's field of view is that of a window's longer
side."""


def write_html(path: Path, source: Source, viewer: Path | None = None) -> None:
    """Write the scene, whose y axis points down, with its viewer.

    Raises MachineError where the viewer's files are missing, or are not of the version this was made for."""
    content = embed(viewer or VIEWER, sog_bytes(source.gaussians), settings(source))
    with atomic_file(path) as file:
        file.write(content.encode())


def embed(viewer: Path, sog: bytes, experience: dict[str, Any]) -> str:
    """The viewer's page with its styles, its script and the scene inside."""
    try:
        page, css, script, licence = (
            (viewer / name).read_text() for name in ("index.html", "index.css", "index.js", "LICENSE")
        )
    except FileNotFoundError as error:
        raise MachineError(
            f"The viewer's files are not here ({error.filename}); `make webviewer` fetches them, with npm."
        ) from error
    bootstrap = {
        "contentUrl": f"data:application/octet-stream;base64,{base64.b64encode(sog).decode()}",
        "contentFilename": "scene.sog",
        "settings": experience,
    }
    # Only `</script` could end a script element before its end.
    inline = re.sub(r"^export \{ createViewer \};$|^//# sourceMappingURL=.*$", "", script, flags=re.M)
    inline = inline.replace("</script", "<\\/script")
    data = json.dumps(bootstrap, allow_nan=False).replace("<", "\\u003c")
    page = f"<!-- supersplat-viewer\n{licence.replace('--', '- -')}-->\n{page}"
    for pattern, inside in (
        (r'<link rel="stylesheet" href="\./index\.css" />', f"<style>{css}</style>"),
        (r'(?<=id="sse-bootstrap">)\s*null\s*(?=</script>)', data),
        (r"import \{ createViewer \} from '\./index\.js';", inline),
        (r"noanim: url\.searchParams\.has\('noanim'\)", "noanim: true"),
    ):
        page, count = re.subn(pattern, lambda _, inside=inside: inside, page)
        if count != 1:
            raise MachineError(
                f"The viewer in {viewer} is of another version; `make webviewer` fetches the right one."
            )
    return page


def settings(source: Source) -> dict[str, Any]:
    """supersplat-viewer's settings of version 2: the first photo's camera, no effects."""
    off = {"enabled": False}
    backdrop = source.gaussians.backdrop
    return {
        "version": 2,
        "tonemapping": "none",
        "highPrecisionRendering": False,
        "background": {"color": BACKGROUND if backdrop is None else tuple(backdrop.tolist())},
        "postEffectSettings": {
            "sharpness": {**off, "amount": 0},
            "bloom": {**off, "intensity": 1, "blurLevel": 2},
            "grading": {**off, "brightness": 0, "contrast": 1, "saturation": 1, "tint": [1, 1, 1]},
            "vignette": {**off, "intensity": 0.5, "inner": 0.3, "outer": 0.75, "curvature": 1},
            "fringing": {**off, "intensity": 0.5},
        },
        "animTracks": [],
        "cameras": [{"initial": start(source)}],
        "annotations": [],
        "startMode": "default",
    }


def start(source: Source) -> dict[str, Any]:
    """Where the eye begins: the first photo's place. The viewer turns a scene by half round z, to y up."""
    means = source.gaussians.means.detach().cpu()
    if len(source.cameras):
        position = source.cameras.centres[0].cpu()
        target = look_at_point(source.gaussians, source.cameras).cpu()
        width, height = source.cameras.sizes[0]
        along, down = (
            width / 2 / float(source.cameras.Ks[0, 0, 0]),
            height / 2 / float(source.cameras.Ks[0, 1, 1]),
        )
        fov = math.degrees(2 * math.atan(max(along, WINDOW_ASPECT * down)))
    else:
        target = means.median(dim=0).values
        radius = float((means - target).norm(dim=-1).median())
        position = target + means.new_tensor([0.0, -radius, -4 * radius])
        fov = 60.0
    turned = [[-x, -y, z] for x, y, z in (position.tolist(), target.tolist())]
    return {"position": turned[0], "target": turned[1], "fov": fov}
