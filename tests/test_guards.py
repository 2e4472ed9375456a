"""The list of guards fits the code; the tests that it names are run by `make guards`."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "scripts"))

from guard_list import GUARDS, Guard  # noqa: E402
from without_guards import taken_out  # noqa: E402

OURS = [guard for guard in GUARDS if not guard.file.startswith("package:")]


def test_every_row_of_the_table_has_a_guard():
    lines = (ROOT / "docs" / "reliability.md").read_text().splitlines()
    cells = [line.split(" | ") for line in lines if line.startswith("| ") and line[2].isdigit()]
    without = {int(row[0].strip("| ")): row[4] for row in cells}
    assert list(without) == list(range(1, 31))
    for row, told in without.items():
        assert told == "; ".join(guard.what for guard in GUARDS if guard.row == row) != "", row


@pytest.mark.parametrize("guard", OURS, ids=lambda guard: guard.what)
def test_a_guard_stands_where_the_list_says(guard: Guard):
    assert (ROOT / guard.file).read_text().count(guard.code) == 1
    files = [word for word in guard.test.split() if word.endswith(".py")]
    assert files and all((ROOT / file).is_file() for file in files)


def test_a_guard_is_taken_out_and_put_back(tmp_path: Path):
    own = Guard(1, "a", "a.py", "if wrong:", "if False:", "")
    borrowed = Guard(2, "b", "package:websockets/http11.py", 'if method != b"GET":', "if False:", "")
    (tmp_path / "a.py").write_text("if wrong:\n    pass\n")
    with taken_out(own, tmp_path):
        assert (tmp_path / "a.py").read_text() == "if False:\n    pass\n"
    assert (tmp_path / "a.py").read_text() == "if wrong:\n    pass\n"
    with taken_out(borrowed, tmp_path):
        assert borrowed.code not in (tmp_path / "websockets" / "http11.py").read_text()
    assert not (tmp_path / "websockets").exists()
