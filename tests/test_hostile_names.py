"""Names of photos and folders that somebody made to be taken for something else."""

import json
from pathlib import Path

import pytest
from commands import QUICK, ROOT, call_recon, save_noise, save_posed_scene
from PIL import ExifTags, Image

from recon.cli import explain
from recon.errors import InputError

NAMES = (
    "<img src=x onerror=alert(1)>.png",
    "-o x; touch canary.png",
    "--output=canary.png",
    "$(touch canary)`touch canary`|touch canary.png",
)
PLACE = {
    ExifTags.GPS.GPSLatitudeRef: "N",
    ExifTags.GPS.GPSLatitude: (47.0, 22.0, 33.0),
    ExifTags.GPS.GPSMapDatum: "SECRETPLACE",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of photos with such names, which say where they were taken."""
    folder = tmp_path_factory.mktemp("secret-home")
    photos = save_posed_scene(folder / "photos", photos=4)
    content = json.loads((photos / "transforms.json").read_text())
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(PLACE)
    exif[ExifTags.Base.Artist] = "SECRETNAME"
    for frame, name in zip(content["frames"], NAMES, strict=True):
        with Image.open(photos / frame["file_path"]) as picture:
            picture.save(photos / name, exif=exif)
        (photos / frame["file_path"]).unlink()
        frame["file_path"] = name
    (photos / "transforms.json").write_text(json.dumps(content))
    assert b"SECRETPLACE" in (photos / NAMES[0]).read_bytes()
    outcome = call_recon("train", photos, *QUICK, "--test-every", "4", "--output", folder / "run")
    assert outcome.code == 0, outcome.err
    formats = ("ply", "compressed-ply", "spz", "sog", "splat", "glb", "cameras", "video", "frames")
    film = ("--video.seconds", "0.2", "--device", "cpu")
    outcome = call_recon("export", folder / "run", "--format", *formats, *film)
    assert outcome.code == 0, outcome.err
    return folder / "run"


def test_a_name_is_never_an_option_nor_a_command(run: Path):
    assert [path.name for path in (*ROOT.iterdir(), *run.rglob("*")) if path.name == "canary"] == []
    assert len(list((run / "exports").iterdir())) == 9


def test_a_name_is_text_in_the_report(run: Path):
    report = (run / "report.html").read_text()
    assert "<img src=x" not in report
    assert "&lt;img src=x onerror=alert(1)&gt;" in report or "\\u003cimg src=x" in report


def test_no_place_no_name_and_no_folder_leave_with_the_exports(run: Path):
    files = [path for path in (run / "exports").rglob("*") if path.is_file()]
    files += [run / "report.html", run / "point_cloud.ply", *(run / "images").iterdir()]
    for path in files:
        content = path.read_bytes()
        for secret in (b"SECRETPLACE", b"SECRETNAME", b"secret-home", b"GPSLatitude"):
            assert secret not in content, path
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert not picture.getexif()


def test_photos_named_like_options_are_chosen_by_name(tmp_path: Path):
    for seed, name in enumerate(("--help.png", "-v.png", "a.png")):
        save_noise(tmp_path / "photos" / name, seed)
    outcome = call_recon(
        "train", tmp_path / "photos", *QUICK, "--only", "a.png", "--output", tmp_path / "run"
    )
    assert outcome.code == 2 and "leaves 1 photo" in outcome.sentence


def test_a_name_cannot_steer_the_terminal_nor_make_two_lines_of_a_sentence():
    message, _ = explain(InputError("a\x1b]0;owned\x07\nb\u202e\ud800.png does not exist; check it."))
    assert message == "a\\x1b]0;owned\\x07\\nb\\u202e\\ud800.png does not exist; check it."
    assert message.encode() and explain(InputError("Über-Größe – 写真.png."))[0] == "Über-Größe – 写真.png."
