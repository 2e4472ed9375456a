"""A scene within a notebook: viser's client and the Gaussians in one page, which needs no server any more.

A page of the live viewer could not be embedded: it lets no other page frame it (door.py), and a notebook on
another machine would not reach its port.
"""

import html
from dataclasses import dataclass, field

from recon.errors import InputError
from recon.viewer.scene import ViewerScene
from recon.viewer.server import serve


@dataclass(frozen=True)
class InlineViewer:
    """What a notebook draws where it is the value of a cell."""

    page: str = field(repr=False)
    """A whole HTML document, without a request to anywhere; write it to a file to open it in a browser."""
    height: int
    """Of the frame, in pixels; it is as wide as the notebook."""

    @staticmethod
    def of(scene: ViewerScene, height: int) -> "InlineViewer":
        """Raises InputError for a height that shows nothing, and for a scene without Gaussians."""
        if height < 1:
            raise InputError(f"height is {height}; give the frame's height in pixels, such as 480.")
        viewer = serve(scene, port=0)
        try:
            return InlineViewer(viewer.page(), height)
        finally:
            viewer.stop()

    def _repr_html_(self) -> str:
        """IPython's protocol for values that draw themselves."""
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" width="100%" height="{self.height}" '
            'style="border: none; display: block"></iframe>'
        )
