"""What leaves the program: one file a format."""

from recon.exporting.cameras import write_transforms, write_views
from recon.exporting.ply import read_ply, write_ply

__all__ = ["read_ply", "write_ply", "write_transforms", "write_views"]
