"""Headless Chromium for the tests that look at a viewer as a person does; conftest.py of their folder imports
the fixture."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
ARGUMENTS += ("--disable-background-networking", "--disable-component-update", "--no-first-run")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For the tests of one file: Playwright's event loop stays where it was started until it is closed."""
    if CHROMIUM is None:
        if os.environ.get("RECON_REQUIRE_BROWSER") == "1":
            pytest.fail("RECON_REQUIRE_BROWSER=1, but there is no Chromium; install it.")
        pytest.skip("There is no Chromium here.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()
