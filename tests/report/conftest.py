"""The report's drawing is looked at in Chromium."""

from browsers import browser  # noqa: F401
