import pytest
import tyro

from recon.datasets import DataConfig, load
from recon.datasets.layouts import LAYOUTS
from recon.errors import InputError

MARKS = {
    "llff": "poses_bounds.npy",
    "nerfstudio": "transforms.json",
    "blender": "transforms_train.json",
    "colmap": "sparse/0/cameras.txt",
}


def first_recognised(folder):
    return next(name for name, layout in LAYOUTS.items() if layout.recognise(folder))


@pytest.mark.parametrize("name", MARKS)
def test_a_layout_is_recognised_by_its_camera_file(tmp_path, name):
    (tmp_path / MARKS[name]).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / MARKS[name]).touch()
    assert first_recognised(tmp_path) == name


def test_without_a_camera_file_it_is_a_folder_of_photos(tmp_path):
    assert first_recognised(tmp_path) == "photos"


def test_of_several_camera_files_the_stated_order_decides(tmp_path):
    for expected in reversed(MARKS):
        (tmp_path / MARKS[expected]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / MARKS[expected]).touch()
        assert first_recognised(tmp_path) == expected


def test_a_layout_can_be_forced(photo_folder):
    (photo_folder / "transforms.json").write_text("{}")
    assert len(load(DataConfig(photo_folder, layout="photos")).train) == 4


def test_held_out_photos_need_the_photos_layout(photo_folder):
    (photo_folder / "transforms.json").touch()
    with pytest.raises(InputError, match="the nerfstudio layout takes test_every instead"):
        load(DataConfig(photo_folder, held_out=photo_folder))


def test_every_wish_is_a_flag_with_help(capsys):
    config = tyro.cli(DataConfig, args=["x", "--views", "3", "--only", "a", "b", "--layout", "llff"])
    assert (config.views, config.only, config.layout) == (3, ("a", "b"), "llff")
    with pytest.raises(SystemExit):
        tyro.cli(DataConfig, args=["--help"])
    assert "Longer side of the fitted images" in capsys.readouterr().out
