"""SpaRe's split files: read as published, refused when they are not."""

import json
from pathlib import Path

import pytest

from recon.benchmark.plan import choose_scenes, choose_views
from recon.benchmark.protocols import PROTOCOLS, Ids
from recon.benchmark.spare import read_split, with_splits
from recon.errors import InputError

SPARE = PROTOCOLS["spare"]
TRACK_1 = {
    "scan63": {
        "input_views": [0, 22, 46],
        "test_views": [1, 9, 12, 15, 24, 25, 29, 31, 43, 47],
        "dataset": "DTU",
    },
    "Amplifier": {
        "input_views": [0, 6, 30],
        "test_views": [1, 3, 9, 13, 14, 15, 26, 32, 36, 43],
        "dataset": "Synthetic",
    },
}
"""The beginning of the official file."""
TRACK_2 = {
    "scan63": {
        "input_views": [0, 1, 12, 22, 25, 34, 43, 46, 48],
        "test_views": [8, 9, 11, 23, 26, 27, 29, 31, 45, 47],
        "dataset": "DTU",
    },
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "Track1_split_development.json").write_text(json.dumps(TRACK_1))
    (tmp_path / "Track2_split_development.json").write_text(json.dumps(TRACK_2))
    return tmp_path


def test_the_official_files_give_scenes_views_and_data_sets(data):
    protocol = with_splits(SPARE, data, None)
    assert protocol.scenes == ("scan63", "Amplifier")
    assert protocol.ids["Amplifier", 3] == Ids((0, 6, 30), (1, 3, 9, 13, 14, 15, 26, 32, 36, 43))
    assert len(protocol.ids["scan63", 9].train) == 9
    assert protocol.parts == {"scan63": "DTU", "Amplifier": "Synthetic"}
    config = protocol.data(data, "scan63", 3)
    assert (config.train_ids, config.max_size >= 1600) == ((0, 22, 46), True)


def test_a_split_named_by_the_user_is_the_only_one(data, tmp_path):
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"Amplifier": TRACK_1["Amplifier"]}))
    assert with_splits(SPARE, data, own).scenes == ("Amplifier",)
    with pytest.raises(InputError, match="llff protocol reads no split"):
        with_splits(PROTOCOLS["llff"], data, own)


def test_missing_files_scenes_and_views_are_named(data, tmp_path):
    with pytest.raises(InputError, match="holds no Track1_split_test.json"):
        with_splits(PROTOCOLS["spare-test"], data, None)
    protocol = with_splits(SPARE, data, None)
    with pytest.raises(InputError, match="no 6 input views; there are"):
        choose_views(protocol, (6,))
    (data / "scan8").mkdir()
    with pytest.raises(InputError, match="has no scene scan8"):
        choose_scenes(protocol, data, ("scan8",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "Real"}, 'gives scan63 no "dataset" of DTU or Synthetic'),
        ({"input_views": [0, 22, 22]}, "list each view once"),
        ({"input_views": [0, 22, -1]}, "list each view once, from 0"),
        ({"input_views": [0, True, 4]}, "list each view once"),
        ({"test_views": "all"}, "gives scan63 \"test_views\" 'all'"),
        ({"test_views": [22, 30]}, "input views of scan63 as test views"),
    ],
)
def test_a_split_of_another_schema_is_refused(tmp_path, change, message):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"scan63": {**TRACK_1["scan63"], **change}}))
    with pytest.raises(InputError, match=message):
        read_split(path)


def test_a_scene_cannot_lead_out_of_the_data_folder(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"../elsewhere": TRACK_1["scan63"]}))
    with pytest.raises(InputError, match="is no folder name"):
        read_split(path)
