"""The tests that look at the viewer as a person does have a browser."""

from browsers import browser  # noqa: F401
