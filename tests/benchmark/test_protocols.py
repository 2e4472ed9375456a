"""The published lists of views, and what every protocol has to say."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from commands import assert_refused, call_recon

from recon.benchmark.plan import choose_scenes, choose_views
from recon.benchmark.protocols import DTU, EVERY_SCENE, MIPNERF360, PROTOCOLS, TANKS
from recon.cli import ProtocolName
from recon.datasets.splits import DTU_EXCLUDED, DTU_TEST, sparse_split
from recon.errors import InputError

MIPNERF360_COUNTS = {
    "bicycle": 194,
    "bonsai": 292,
    "counter": 240,
    "garden": 185,
    "kitchen": 279,
    "room": 311,
}
LISTED = {
    ("bicycle", 12): "1 18 36 53 70 87 106 123 140 157 175 193",
    ("counter", 12): "1 22 44 66 87 109 131 153 174 196 218 239",
    ("garden", 24): "1 9 17 25 33 41 49 57 65 73 81 89 95 103 111 119 127 135 143 151 159 167 175 183",
    ("kitchen", 12): "1 26 51 76 101 126 153 178 203 228 253 278",
    ("room", 24): "1 14 28 41 54 68 82 94 108 122 135 149 162 175 189 203 217 229 243 257 270 283 297 310",
}


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def test_dtu_fits_and_measures_the_published_views():
    assert DTU.ids[EVERY_SCENE, 3].train == (25, 22, 28)
    assert set(DTU.ids[EVERY_SCENE, 6].train) == {25, 22, 28, 40, 44, 48}
    assert set(DTU.ids[EVERY_SCENE, 9].train) == {25, 22, 28, 40, 44, 48, 0, 8, 13}
    assert list(DTU_TEST) == numbers(
        "1 2 9 10 11 12 14 15 23 24 26 27 29 30 31 32 33 34 35 41 42 43 45 46 47"
    )
    assert not set(DTU_EXCLUDED) & set(DTU.ids[EVERY_SCENE, 9].train + DTU_TEST)


@pytest.mark.parametrize(("scene", "views"), LISTED)
def test_mip_nerf_360_rounds_to_the_published_lists(scene, views):
    how = MIPNERF360.reading.spread
    train, _ = sparse_split(MIPNERF360_COUNTS[scene], views, 8, how)
    assert train == numbers(LISTED[scene, views])


def test_truncating_changes_the_published_share_of_the_lists():
    truncated = PROTOCOLS["mipnerf360-truncated"].reading.spread
    rounded, cut = (sparse_split(185, 24, 8, how)[0] for how in ("round", truncated))
    assert sum(a != b for a, b in zip(rounded, cut, strict=True)) == 11


@pytest.mark.parametrize(
    ("scene", "count", "views", "expected"),
    [
        ("horns", 62, 3, "1 30 61"),  # half to even; half up would give 31
        ("leaves", 26, 9, "1 4 6 10 12 15 19 21 25"),
        ("fern", 20, 6, "1 4 7 12 15 19"),
        ("trex", 55, 9, "1 7 14 21 28 34 41 47 54"),
    ],
)
def test_llff_rounds_half_to_even(scene, count, views, expected):
    assert sparse_split(count, views, 8)[0] == numbers(expected)


def test_instantsplat_takes_every_second_of_24_photos_for_tests():
    assert TANKS.ids[EVERY_SCENE, 3].test == (1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22)
    assert TANKS.ids[EVERY_SCENE, 3].train == (0, 11, 23)
    assert TANKS.ids[EVERY_SCENE, 12].train == (0, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_listed_view_is_fitted_and_measured(name):
    for ids in PROTOCOLS[name].ids.values():
        assert not set(ids.train) & set(ids.test)
        assert len(set(ids.train)) == len(ids.train)


def test_the_command_line_knows_every_protocol_and_lists_it_with_its_views():
    assert set(get_args(ProtocolName)) == set(PROTOCOLS)
    listed = call_recon("bench", "--list")
    assert listed.code == 0, listed.err
    for protocol in PROTOCOLS.values():
        row = next(line for line in listed.out.splitlines() if line.split()[1:2] == [protocol.name])
        assert " ".join(map(str, protocol.views)) in row
        assert protocol.metrics.masks in row


def test_a_benchmark_without_data_says_so():
    assert_refused(call_recon("bench", "dtu", "--device", "cpu"), 2, "The dtu protocol", "--data")


def test_other_scans_than_the_protocols_are_measured_when_they_are_named(tmp_path):
    (tmp_path / "Rectified" / "scan24").mkdir(parents=True)
    assert choose_scenes(DTU, tmp_path, ("scan24",)) == ("scan24",)
    with pytest.raises(InputError, match="no scene scan8 .*there: none"):
        choose_scenes(DTU, tmp_path, ())


def test_the_fewest_views_are_measured_if_none_are_named():
    assert choose_views(DTU, ()) == (3,)
    assert choose_views(PROTOCOLS["blender"], ()) == (8,)
    assert choose_views(DTU, (6, 9)) == (6, 9)


def test_reduced_photos_go_before_those_to_reduce(tmp_path):
    for place in ("Rectified", "Rectified_4"):
        (tmp_path / place / "scan8").mkdir(parents=True)
    assert DTU.folder(tmp_path, "scan8") == tmp_path / "Rectified_4" / "scan8"
    assert DTU.data(tmp_path, "scan8", 3).path == tmp_path / "Rectified_4" / "scan8"
    assert replace(DTU, folders=("Rectified",)).folder(tmp_path, "scan8") == Path(
        tmp_path / "Rectified/scan8"
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_lpips_is_fed_as_those_fed_it_whose_numbers_stand_beside_ours(name: str):
    # SpaRe follows LPIPS' own instructions; the 3DGS code, FreeNeRF and all after them do not.
    expected = "[-1, 1]" if name.startswith("spare") else "[0, 1]"
    assert PROTOCOLS[name].metrics.lpips_range == expected
