"""Bytes of others, damaged at random: a reader takes them or refuses them in one sentence."""

from pathlib import Path

import pytest
from hostile_readers import READERS
from hypothesis import HealthCheck, Phase, given, settings
from mutations import damaged, edits, refusal

QUICK, THOROUGH = 30, 2000
"""Damaged files of each kind."""


def refuses_or_reads(name: str, folder: Path, examples: int) -> None:
    reader = READERS[name]
    path = reader.make(folder)
    whole = path.read_bytes()
    assert refusal(lambda: reader.read(path)) is None
    said = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    @given(edits())
    def one(damage) -> None:
        path.write_bytes(damaged(whole, damage))
        said.append(refusal(lambda: reader.read(path)))

    one()
    assert any(said)


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(tmp_path: Path, name: str):
    refuses_or_reads(name, tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", READERS)
def test_two_thousand_damaged_files_are_read_or_refused(tmp_path: Path, name: str):
    refuses_or_reads(name, tmp_path, THOROUGH)
