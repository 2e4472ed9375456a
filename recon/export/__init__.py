"""What leaves the program: one file a format."""

from recon.export.cameras import write_transforms, write_views
from recon.export.ply import read_ply, write_ply

__all__ = ["read_ply", "write_ply", "write_transforms", "write_views"]
