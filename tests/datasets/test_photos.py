import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recon.datasets import DataConfig, load
from recon.errors import InputError
from recon.scene import Views


def test_all_photos_of_a_folder_are_fitted_in_name_order(photo_folder, save_photo):
    save_photo(photo_folder / "B10.JPG", 8)
    (photo_folder / "notes.txt").write_text("no photo")
    save_photo(photo_folder / ".hidden.png", 9)
    scene = load(DataConfig(photo_folder))
    assert scene.train.names == ("B10.JPG", "a.png", "b.png", "c.png", "d.png")
    assert [path.name for path in scene.train.paths] == list(scene.train.names)
    assert len(scene.test) == 0 and not isinstance(scene.train, Views)


def test_photos_of_several_sizes_keep_them(tmp_path, save_photo):
    save_photo(tmp_path / "a.png", 0, width=80, height=40)
    save_photo(tmp_path / "b.jpg", 1, width=30, height=60)
    assert load(DataConfig(tmp_path, max_size=40)).train.sizes == ((40, 20), (20, 40))


def test_photos_in_a_folder_named_images_are_found(tmp_path, photo_folder):
    photo_folder.rename(tmp_path / "images")
    assert len(load(DataConfig(tmp_path)).train) == 4


def test_every_nth_photo_is_held_out_and_the_views_spread_over_the_rest(photo_folder, save_photo):
    for seed, name in enumerate("efgh", start=4):
        save_photo(photo_folder / f"{name}.png", seed)
    scene = load(DataConfig(photo_folder, test_every=4, views=3))
    assert scene.test.names == ("a.png", "e.png")
    assert scene.train.names == ("b.png", "d.png", "h.png")  # of b c d f g h: 0, 2.5 -> 2, 5


def test_a_folder_of_held_out_photos_is_the_test_set(tmp_path, photo_folder, save_photo):
    save_photo(tmp_path / "held" / "a.png", 7)
    scene = load(DataConfig(photo_folder, held_out=tmp_path / "held"))
    assert scene.test.names == ("held/a.png",) and "photos/a.png" in scene.train.names
    assert set(scene.train.names).isdisjoint(scene.test.names)


def test_only_the_named_photos_are_used(photo_folder):
    assert load(DataConfig(photo_folder, only=("d", "b.png"))).train.names == ("b.png", "d.png")


@pytest.mark.parametrize("place", ["photos/masks", "masks"])
def test_masks_inside_or_beside_the_photos_are_found(tmp_path, photo_folder, place):
    (tmp_path / place).mkdir()
    white = np.zeros((48, 64), dtype=np.uint8)
    white[:24] = 255
    Image.fromarray(white).save(tmp_path / place / "b.jpg", quality=95)
    scene = load(DataConfig(photo_folder))
    assert scene.train.masks[0] is None
    mask = scene.train.masks[1]
    assert mask is not None and mask[:23].all() and not mask[25:].any()


def test_a_mask_and_alpha_both_leave_pixels_out(tmp_path, photo_folder):
    picture = Image.open(photo_folder / "a.png").convert("RGBA")
    picture.putalpha(Image.fromarray(np.repeat(np.uint8([[0] * 32 + [255] * 32]), 48, axis=0)))
    picture.save(photo_folder / "a.png")
    white = Image.new("L", (64, 48), 255)
    white.paste(0, (0, 0, 64, 24))
    (tmp_path / "elsewhere").mkdir()
    white.save(tmp_path / "elsewhere" / "a.png.png")
    mask = load(DataConfig(photo_folder, masks=tmp_path / "elsewhere")).train.masks[0]
    assert mask is not None and mask.sum() == 24 * 32 and mask[24:, 32:].all()


def bad_mask(folder: Path, width: int, height: int, value: int) -> Path:
    (folder / "masks").mkdir()
    Image.new("L", (width, height), value).save(folder / "masks" / "b.png")
    return folder / "masks"


def test_a_mask_of_another_size_is_refused_with_both_sizes(photo_folder):
    bad_mask(photo_folder, 32, 24, 255)
    with pytest.raises(InputError, match="b.png is 32 x 24 pixels but its photo 64 x 48"):
        load(DataConfig(photo_folder))


def test_a_mask_that_leaves_nothing_is_refused(photo_folder):
    bad_mask(photo_folder, 64, 48, 1)  # some tools write 1 for white
    with pytest.raises(InputError, match="b.png leaves nothing of its photo; paint white"):
        load(DataConfig(photo_folder))


def test_a_given_folder_of_masks_for_other_photos_is_refused(tmp_path, photo_folder, save_photo):
    save_photo(tmp_path / "m" / "z.png")
    with pytest.raises(InputError, match="holds no mask named as a photo"):
        load(DataConfig(photo_folder, masks=tmp_path / "m"))


def test_a_folder_without_photos_is_refused(tmp_path):
    (tmp_path / "film.mp4").touch()
    with pytest.raises(InputError, match=r"holds no photo; put at least two there \(.*jpg.*\)"):
        load(DataConfig(tmp_path))


def test_a_single_photo_is_refused(tmp_path, save_photo):
    save_photo(tmp_path / "a.png")
    with pytest.raises(InputError, match="leaves 1 photo to fit; a scene needs at least 2"):
        load(DataConfig(tmp_path))


def test_a_path_that_is_missing_or_a_file_is_refused(tmp_path, photo_folder):
    with pytest.raises(InputError, match="nowhere does not exist; check the path"):
        load(DataConfig(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="a.png is a file; give the folder"):
        load(DataConfig(photo_folder / "a.png"))


@pytest.mark.parametrize("copy", ["same bytes", "same pixels"])
def test_two_identical_photos_are_both_named(photo_folder, copy):
    if copy == "same bytes":
        shutil.copy(photo_folder / "b.png", photo_folder / "twin.png")
    else:
        Image.open(photo_folder / "b.png").save(photo_folder / "twin.tif")
    with pytest.raises(InputError, match=r"b.png and twin.\w+ are the same picture; remove one"):
        load(DataConfig(photo_folder))


def test_a_held_out_photo_among_the_train_photos_is_a_leak(tmp_path, photo_folder):
    (tmp_path / "held").mkdir()
    shutil.copy(photo_folder / "b.png", tmp_path / "held" / "x.png")
    with pytest.raises(InputError, match="b.png and x.png are the same picture"):
        load(DataConfig(photo_folder, held_out=tmp_path / "held"))


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"only": ("zebra",)}, 'No photo is named "zebra"; there are a.png, b.png, c.png, d.png.'),
        ({"views": 5}, "5 views are asked for, but there are 4 photos to fit; ask for at most 4"),
        ({"views": 4, "test_every": 4}, r"there are 3 photos to fit \(1 more are held out\)"),
        ({"views": 1}, "views is 1; a scene needs at least 2"),
        ({"test_every": -1}, "test_every is -1"),
        ({"max_size": 0}, "max_size is 0"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(photo_folder, wish, message):
    with pytest.raises(InputError, match=message):
        load(DataConfig(photo_folder, **wish))


@pytest.mark.parametrize("locked", ["photos", "photos/b.png"])
def test_what_may_not_be_read_is_said_to_be_so(photo_folder, locked):
    load(DataConfig(photo_folder))  # every decoder is loaded while this process may still read its own files
    target = photo_folder.parent / locked
    mode = target.stat().st_mode
    for folder in (photo_folder, *photo_folder.parents):  # pytest keeps its folders to their owner
        if Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(0o755)
    target.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may read everything; nobody may not
    try:
        with pytest.raises(InputError, match=rf"{locked} may not be read \(permission denied\)"):
            load(DataConfig(photo_folder))
    finally:
        if root:
            os.seteuid(0)
        target.chmod(mode)
