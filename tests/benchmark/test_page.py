"""The results page: from JSON files to tables beside published numbers, pictures, and nothing fetched."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from commands import ROOT
from test_results import result

from recon.benchmark.collect import find_results
from recon.benchmark.gallery import Copies
from recon.benchmark.page import html_table, make_page, write_site
from recon.benchmark.pictures import file_name
from recon.benchmark.protocols import DTU, LLFF
from recon.benchmark.tables import published_means
from recon.errors import InputError

sys.path.append(str(ROOT / "scripts"))

import results_page  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
REQUIRED = os.environ.get("RECON_REQUIRE_BROWSER") == "1"
METRICS = {"lpips_net": "vgg", "masks": "none", "ssim_window": "gauss11", "lpips_range": "[-1, 1]"}


def save(folder: Path, psnr: float, pictures: tuple[int, ...] = (), **values: object) -> Path:
    """A result of flower, of three test views, with pictures of some of them."""
    name = values.pop("name", f"{values.get('method', 'recon')}-seed{values.get('seed', 0)}")
    view = {"psnr": psnr, "ssim": 0.5, "lpips": 0.2}
    views = {"per_view": {f"{i}.png": view for i in range(3)}}
    settings = {"protocol": "llff", "scene": "flower", "metrics": METRICS, "seed": 0, **views, **values}
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result(psnr, **settings)))
    for index in pictures:
        for kind in ("scene", "photo", "error"):
            (folder / str(name)).mkdir(exist_ok=True)
            (folder / str(name) / file_name(index, kind)).write_bytes(f"{name} {index} {kind}".encode())
    return path


def page_of(*places: Path) -> str:
    return make_page(find_results(list(places)), Copies())


def test_ours_stand_beside_published_numbers_with_their_source_and_first_points(tmp_path):
    save(tmp_path, 21.5)
    html = page_of(tmp_path)
    for other in LLFF.published["flower", 3]:
        assert f"{other.method} (published)" in html
        assert other.source in html and other.init in html
    assert "recon (1 seed)" in html and "commit abc, engine cpu" in html
    assert html.count('<tr class="published">') > html.count('<tr class="own">') == 1


def test_published_means_are_shown_apart_from_ours_of_fewer_scenes(tmp_path):
    save(tmp_path, 21.5)
    ours, _, apart = page_of(tmp_path).partition("<details>")
    assert "mean of 8" in apart and "mean of 8" not in ours
    means = html_table(published_means(DTU))
    assert means.count("<tr") == 1 + sum(map(len, DTU.published.values()))


def test_spares_scores_are_labelled_and_stand_beside_no_other(tmp_path):
    save(tmp_path, 20.0, protocol="spare-dtu", scene="scan24", label="x")
    html = page_of(tmp_path)
    assert "not the leaderboard&#x27;s" in html
    assert "(published)" not in html


def test_results_measured_in_other_ways_have_tables_of_their_own(tmp_path):
    save(tmp_path, 20.0)
    save(tmp_path, 21.0, name="other", metrics={**METRICS, "lpips_net": "alex"})
    save(tmp_path, 21.0, name="third", method="3dgs")
    assert page_of(tmp_path).count("<section>") == 2


def test_pictures_are_copied_and_each_shown_once_a_run(tmp_path):
    save(tmp_path / "runs", 20.0, (0, 2))
    save(tmp_path / "runs", 24.0, (0, 2), seed=1)
    save(tmp_path / "runs", 18.0, (0,), method="3dgs")
    page = write_site(find_results([tmp_path / "runs"]), tmp_path / "site")
    html = page.read_text()
    shown = re.findall(r'<img src="([^"]+)"', html)
    assert len(shown) == (1 + 2 + 2) + (1 + 2)  # photo and two pictures a run: of view 0, then of view 2
    content = [(page.parent / address).read_text() for address in shown]
    assert sorted(content) == sorted(
        [f"{run} 0 {kind}" for run in ("recon-seed0", "3dgs-seed0") for kind in ("scene", "error")]
        + [f"recon-seed0 2 {kind}" for kind in ("scene", "photo", "error")]
        + [text for text in content if text.endswith("0 photo")][:1]
    )
    assert {str(path.relative_to(page.parent)) for path in page.parent.rglob("*.jpg")} == set(shown)
    assert "recon, 20.00 dB" in html and "2.png, the photo" in html


def test_names_cannot_become_code_and_nothing_is_fetched(tmp_path):
    name = '"><script>alert(1)</script>'
    save(tmp_path, 20.0, (0,), name="a", scene=name, method=name, commit=name, per_view={name: {"psnr": 1.0}})
    html = page_of(tmp_path)
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html
    assert "http" not in html and "url(" not in html


def test_what_is_no_result_is_named(tmp_path):
    with pytest.raises(InputError, match="no results there"):
        find_results([tmp_path])
    path = save(tmp_path, 20.0, protocol="mine")
    with pytest.raises(InputError, match="'mine'"):
        find_results([path])
    path.write_text("{")
    with pytest.raises(InputError, match="is no result"):
        find_results([path])


def test_the_tables_of_the_documentation_are_those_of_its_results():
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert len(results_page.BLOCK.findall(text)) > 1
    assert results_page.with_tables(text) == text


def test_a_table_between_marks_is_made_anew_and_the_rest_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results_page, "ROOT", tmp_path)
    save(tmp_path / "runs", 21.25)
    document = tmp_path / "page.md"
    document.write_text("Before.\n<!-- results: runs -->\nold\n<!-- end of results -->\nAfter.\n")
    assert results_page.main(["--document", str(document)]) == 0
    first = document.read_text()
    assert first.startswith("Before.\n<!-- results: runs -->\n") and first.endswith("results -->\nAfter.\n")
    assert "21.25" in first and "old" not in first
    assert results_page.main(["--document", str(document)]) == 0
    assert document.read_text() == first
    assert results_page.main([str(tmp_path / "none"), "--markdown"]) == 2
    assert "no results there" in capsys.readouterr().err


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="Chromium is not installed")
def test_a_click_sorts_numbers_as_numbers_and_keeps_blanks_last(tmp_path):
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "RECON_REQUIRE_BROWSER=1, but there is no Chromium"
    for method, psnr, gaussians in (("a", 9.5, 900), ("b", 21.0, 1200), ("c", 30.0, 15000)):
        save(tmp_path / "runs", psnr, method=method, gaussians=gaussians)
    page_path = write_site(find_results([tmp_path / "runs"]), tmp_path / "site")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 390, "height": 844}).new_page()
        page.goto(f"file://{page_path}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        table, orders = page.locator("table").first, []
        for heading in ("PSNR", "PSNR", "Gaussians", "Gaussians"):
            table.get_by_role("button", name=heading, exact=True).click()
            methods = table.locator("tbody td:nth-child(3)").all_inner_texts()
            orders.append([name for name in methods if name[1] == " "])
            column = {"PSNR": 5, "Gaussians": 10}[heading]
            cells = table.locator(f"tbody td:nth-child({column})").all_inner_texts()
            assert "" not in cells[:3]
        browser.close()
    up = [f"{method} (1 seed)" for method in "abc"]
    assert orders == [up[::-1], up, up[::-1], up]
