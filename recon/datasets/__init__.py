"""Readers: a folder in, a `Scene` of photos to fit and photos held out. One file a layout."""

from recon.datasets.config import DataConfig
from recon.datasets.layouts import load
from recon.datasets.photo_file import Photo, read_photo

__all__ = ["DataConfig", "Photo", "load", "read_photo"]
