"""A submission from photos to a checked and scored zip, and everything that can be wrong with one."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, call_recon, save_dtu_scan
from mutations import little_memory
from PIL import Image

from recon.benchmark.protocols import Ids
from recon.benchmark.spare import Entry
from recon.benchmark.submission import Timing, picture_names, readme_text
from recon.benchmark.submission_check import check_zip

SIZE = (64, 48)
ENTRIES = [
    Entry("scan63", Ids((0, 22, 46), (1, 9, 12, 15, 24, 25, 29, 31, 43, 47)), "DTU"),
    Entry("Amplifier", Ids((0, 6, 30), (1, 3, 9, 13, 14, 15, 26, 32, 36, 43)), "Synthetic"),
]
README = (
    "runtime per image [s] : 10.43\nCPU[1] / GPU[0] : 0\nExtra Data [1] / No Extra Data [0] : 0\nOther: --\n"
)


def png(size: tuple[int, int] = SIZE, mode: str = "RGB", form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, form)
    return file.getvalue()


@pytest.fixture
def members() -> dict[str, bytes]:
    """A submission without fault."""
    return {name: png() for entry in ENTRIES for name in picture_names(entry)} | {
        "readme.txt": README.encode()
    }


def packed(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "submission.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def faults(folder: Path, members: dict[str, bytes]) -> tuple[str, ...]:
    return check_zip(packed(folder, members), ENTRIES, SIZE).faults


def test_pictures_are_named_by_the_number_from_1_and_light_3():
    assert picture_names(ENTRIES[0])[1:3] == ["scan63/rect_010_3_r5000.png", "scan63/rect_013_3_r5000.png"]
    assert picture_names(ENTRIES[1])[0] == "Amplifier/cam_002_3_0000.png"


def test_a_submission_without_fault_has_none_and_is_complete(tmp_path, members):
    check = check_zip(packed(tmp_path, members), ENTRIES, SIZE)
    assert check.faults == ()
    assert check.complete == {"DTU": (10, 10), "Synthetic": (10, 10)}
    assert check_zip(packed(tmp_path, members), None, SIZE).faults == ()


def test_either_part_may_be_handed_in_alone(tmp_path, members):
    alone = {name: content for name, content in members.items() if name.startswith("scan63")}
    check = check_zip(packed(tmp_path, alone), ENTRIES, SIZE)
    assert check.faults == ()
    assert check.complete == {"DTU": (10, 10), "Synthetic": (0, 10)}


FIRST, OTHER = "scan63/rect_002_3_r5000.png", "Amplifier/cam_004_3_0000.png"
Spoil = Callable[[dict[str, bytes]], object]


def renamed(old: str, new: str) -> Spoil:
    return lambda members: members.update({new: members.pop(old)})


def replaced(name: str, content: bytes) -> Spoil:
    return lambda members: members.update({name: content})


def nested(members: dict[str, bytes]) -> None:
    inner = {f"results/{name}": content for name, content in members.items()}
    members.clear()
    members.update(inner)


FAULTS: dict[str, tuple[Spoil, str]] = {
    "a picture is missing": (lambda m: m.pop(FIRST), f"{FIRST} is missing."),
    "a picture too many": (
        replaced("scan63/rect_001_3_r5000.png", png()),
        "rect_001_3_r5000.png is not wanted",
    ),
    "an upper folder": (nested, "All lies in the folder results; put the scenes' folders at the root"),
    "another light": (renamed(FIRST, "scan63/rect_002_2_r5000.png"), "rect_002_2_r5000.png is of light 2;"),
    "counted from 0": (renamed(FIRST, "scan63/rect_000_3_r5000.png"), "counts from 0; files count from 1"),
    "another format": (replaced(FIRST, png(form="JPEG")), f"{FIRST} is no PNG, whatever its name says."),
    "an alpha channel": (replaced(OTHER, png(mode="RGBA")), f"{OTHER} has an alpha channel"),
    "grey": (replaced(OTHER, png(mode="L")), f"{OTHER} is not RGB with 8 bits a channel but L with 8"),
    "16 bits": (
        replaced(OTHER, png(mode="I;16")),
        f"{OTHER} is not RGB with 8 bits a channel but I;16 with 16",
    ),
    "another size": (replaced(OTHER, png((48, 64))), f"{OTHER} is 48 x 64 pixels; 64 x 48 are wanted."),
    "a damaged picture": (replaced(FIRST, png()[:-30]), f"{FIRST} is a damaged PNG"),
    "an alien file": (replaced("scan63/notes.txt", b"x"), "scan63/notes.txt is not named as rect_014_3"),
    "a name that steers terminals": (replaced("a\n\x1b[2J.txt", b""), r"a\n\x1b[2J.txt does not lie in"),
    "an alien scene": (replaced("Jug/cam_002_3_0000.png", png()), "Jug/cam_002_3_0000.png is not wanted"),
    "a mixed name": (renamed(FIRST, "scan63/rect_002_3_0000.png"), "mixes the names of DTU and SpaRe"),
    "a way out": (replaced("../rect_002_3_r5000.png", png()), "leads out of the zip's root"),
    "a readme without times": (
        replaced("readme.txt", b"CPU[1] / GPU[0] : 0"),
        "lacks the line 'runtimeperimage[s]'",
    ),
    "a readme with words": (
        replaced("readme.txt", README.replace("10.43", "fast").encode()),
        "readme.txt gives 'fast' for the runtime per image",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(tmp_path, members, fault):
    spoil, sentence = FAULTS[fault]
    spoil(members)
    found = faults(tmp_path, members)
    assert any(sentence in one for one in found), found
    assert len(found) <= 3  # a fault is not buried under others


def test_a_file_that_is_no_zip_or_a_broken_one_is_named(tmp_path, members):
    path = packed(tmp_path, members)
    content = path.read_bytes()
    path.write_bytes(content[:-200])
    assert "is no zip file, or a damaged one" in check_zip(path, ENTRIES, SIZE).faults[0]
    newer = bytearray(content)
    newer[content.index(b"PK\x01\x02") + 6] = 137  # the version that it takes to unpack it
    path.write_bytes(bytes(newer))
    assert "or a damaged one (zip file version 13.7)" in check_zip(path, ENTRIES, SIZE).faults[0]
    named = bytearray(content)
    at = content.index(b"PK\x01\x02")
    named[at + 9] |= 8  # the name is said to be UTF-8, which it is not
    named[at + 46] = 0x80
    path.write_bytes(bytes(named))
    assert "is no zip file, or a damaged one" in check_zip(path, ENTRIES, SIZE).faults[0]
    larger = bytearray(content)
    at = content.rindex(b"PK\x01\x02") + 20  # how many bytes the last picture says it has, packed
    larger[at : at + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(bytes(larger))
    with little_memory():
        found = check_zip(path, ENTRIES, SIZE).faults
    assert any("lacks the line" in fault or "over 100 MB" in fault for fault in found), found
    spoilt = bytearray(content)
    spoilt[content.index(b"IDAT") + 6] ^= 0xFF
    path.write_bytes(bytes(spoilt))
    assert check_zip(path, ENTRIES, SIZE).faults == (f"{FIRST} is damaged in the zip, or over 100 MB.",)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_picture_that_is_there_twice_is_named(tmp_path, members):
    path = packed(tmp_path, members)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(FIRST, png())
    assert check_zip(path, ENTRIES, SIZE).faults == (f"{FIRST} is in the zip 2 times.",)


def test_a_file_without_a_name_is_said(tmp_path, members):
    path = packed(tmp_path, members)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"x")
    assert check_zip(path, ENTRIES, SIZE).faults == ("The zip has a file without a name.",)


def test_without_a_split_the_rules_alone_are_checked(tmp_path, members):
    members.pop(FIRST)
    found = check_zip(packed(tmp_path, members), None, SIZE).faults
    assert found == ("scan63 has 9 pictures; 10 are wanted.",)


@pytest.mark.parametrize("key", ["Runtime per frame[s] :", "runtime per image [s]:"])
def test_readmes_are_read_as_they_are_written(tmp_path, members, key):
    members["readme.txt"] = README.replace("runtime per image [s] :", key).encode()
    assert faults(tmp_path, members) == ()


def test_our_readme_passes_its_own_check(tmp_path, members):
    text = readme_text([Timing(100.0, 0.5), Timing(300.0, 0.7)], 20, True, "recon")
    assert text.splitlines()[0] == "runtime per image [s] : 20.60"
    assert text.splitlines()[1] == "CPU[1] / GPU[0] : 0"
    members["readme.txt"] = text.encode()
    assert faults(tmp_path, members) == ()


QUICK = (
    *("--device", "cpu", "--fit.max-steps", "3", "--stereo.max-planes", "24", "--max-size", "32"),
    *("--initialise.max-gaussians", "200", "--initialise.border-spacing", "12"),
)


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, Path]:
    """A DTU scene and its split; the photos of the test views are hidden."""
    folder = save_dtu_scan(tmp_path / "data", "scan63", (22, 25, 28, 9, 26))
    split = tmp_path / "split.json"
    entry = {"input_views": [22, 25, 28], "test_views": [9, 26], "dataset": "DTU"}
    split.write_text(json.dumps({"scan63": entry}))
    (tmp_path / "hidden").mkdir()
    for number in (10, 27):
        name = f"rect_{number:03d}_3_r5000.png"
        (folder / name).rename(tmp_path / "hidden" / name)
    return tmp_path / "data", split


def test_from_photos_to_a_checked_and_scored_zip(scene, tmp_path, monkeypatch):
    data, split = scene
    given = ("--data", data, "--split", split)
    file, work = tmp_path / "out" / "track1.zip", tmp_path / "work"
    make = ("submit", "spare", *given, "--output", file, "--work", work, "--readme", *QUICK)
    made = call_recon(*make)
    assert made.code == 0, made.err
    assert "DTU: 2 of 2 pictures, complete." in made.out and "no fault found" in made.out
    with zipfile.ZipFile(file) as archive:
        names = ["scan63/rect_010_3_r5000.png", "scan63/rect_027_3_r5000.png"]
        assert archive.namelist() == [*names, "readme.txt"]
        pixels = np.asarray(Image.open(io.BytesIO(archive.read(names[0]))))
    assert pixels.shape == (36, 48, 3) and pixels.std() > 1

    assert call_recon("submit", "check", file, *given).code == 0
    assert_refused(call_recon("submit", "score", file, *given, "--lpips", "none"), 2, "has no photo 9, 26")
    for photo in (tmp_path / "hidden").iterdir():
        photo.rename(data / "Rectified" / "scan63" / photo.name)
    scored = call_recon("submit", "score", file, *given, "--lpips", "none")
    assert scored.code == 0, scored.err
    assert "PSNR-M" in scored.out and "not the leaderboard's" in " ".join(scored.out.split())

    monkeypatch.setattr("recon.benchmark.submission.fit_views", None)  # what is fitted is not fitted again
    before = file.read_bytes()
    assert call_recon(*make).code == 0
    assert file.read_bytes() == before


def test_faults_end_the_check_with_code_2(tmp_path, members):
    members.pop(FIRST)
    outcome = call_recon("submit", "check", packed(tmp_path, members))
    assert outcome.code == 2
    assert "pixels; 1600 x 1200 are wanted" in outcome.out
    assert "has 20 faults; mend them" in outcome.err
    assert_refused(call_recon("submit", "check", tmp_path / "none.zip"), 2, "none.zip does not exist")


def test_a_split_that_is_not_there_is_named(tmp_path):
    outcome = call_recon("submit", "spare", "--data", tmp_path, "--output", tmp_path / "a.zip", *QUICK)
    assert_refused(outcome, 2, "holds no Track1_split_development.json", "--split")
