import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageCms

from recon.datasets import photo_file
from recon.datasets.photo_file import read_photo, upright_size
from recon.errors import InputError


def exif(**tags: object) -> Image.Exif:
    """EXIF with the tags of these names, in the main directory or the camera's."""
    data = Image.Exif()
    for name, value in tags.items():
        place = data if name == "Orientation" else data.get_ifd(ExifTags.IFD.Exif)
        place[ExifTags.Base[name]] = value
    return data


def as_bytes(photo: photo_file.Photo) -> np.ndarray:
    return (photo.image.numpy() * 255).round().astype(np.uint8)


def test_a_lossless_photo_comes_back_exactly(tmp_path, save_photo, pixels):
    photo = read_photo(save_photo(tmp_path / "a.png"), 640)
    assert (as_bytes(photo) == pixels()).all()
    assert photo.mask is None and photo.focal_prior is None and photo.full_size == (64, 48)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.tif", "a.png", "a.heic"])
def test_every_format_shows_the_same_picture(tmp_path, save_photo, pixels, name):
    if name.endswith("heic"):
        pillow_heif.from_pillow(Image.fromarray(pixels())).save(tmp_path / name, quality=95)
    else:
        save_photo(tmp_path / name, quality=95)
    difference = as_bytes(read_photo(tmp_path / name, 640)).astype(int) - pixels()
    assert np.abs(difference).mean() < 8  # halved chroma; another picture is 60 away


def test_heic_is_known_by_its_bytes_under_any_name(tmp_path, pixels):
    heic = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(pixels())).save(heic, quality=95)
    renamed = heic.rename(tmp_path / "a.jpg")
    assert read_photo(renamed, 640).full_size == (64, 48)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.heic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path, pixels, orientation, name):
    upright = Image.fromarray(pixels())
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what makes the stored picture from the upright one
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    tags = exif(Orientation=orientation)
    if name.endswith("heic"):
        pillow_heif.from_pillow(stored).save(tmp_path / name, quality=95, exif=tags.tobytes())
    else:
        stored.save(tmp_path / name, quality=95, exif=tags)
    photo = read_photo(tmp_path / name, 640)
    assert photo.full_size == (64, 48) == upright_size(tmp_path / name)
    assert np.abs(as_bytes(photo).astype(int) - pixels()).mean() < 8


def test_a_camera_calibrated_on_the_stored_pixels_keeps_them(tmp_path, save_photo, pixels):
    path = save_photo(tmp_path / "a.png", exif=exif(Orientation=6))
    assert read_photo(path, 640).full_size == (48, 64)
    stored = read_photo(path, 640, like=(128, 96))
    assert stored.full_size == (64, 48) and (as_bytes(stored) == pixels()).all()


def test_a_larger_photo_is_averaged_down_and_a_smaller_one_left(tmp_path, save_photo, pixels):
    path = save_photo(tmp_path / "a.png", width=64, height=48)
    mean = pixels().reshape(12, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(as_bytes(read_photo(path, 16)) - mean).max() <= 0.51
    assert read_photo(path, 65).image.shape == (48, 64, 3)


def test_a_jpeg_decoded_small_looks_like_the_whole_one_reduced(tmp_path, save_photo):
    jpeg = save_photo(tmp_path / "a.jpg", width=1200, height=900, quality=95)
    Image.open(jpeg).save(tmp_path / "a.png")
    small, whole = read_photo(jpeg, 160).image, read_photo(tmp_path / "a.png", 160).image
    assert small.shape == whole.shape == (120, 160, 3)
    assert (small - whole).abs().max() < 0.02


def test_the_focal_prior_of_a_35_mm_equivalent_is_by_the_diagonal(tmp_path, save_photo):
    path = save_photo(tmp_path / "a.jpg", width=400, height=300, exif=exif(FocalLengthIn35mmFilm=26))
    expected = 26 * 500 / 43.2666  # 500 pixels of diagonal stand for 43.27 mm
    assert read_photo(path, 640).focal_prior == pytest.approx(expected, rel=1e-4)
    assert read_photo(path, 200).focal_prior == pytest.approx(expected / 2, rel=1e-4)


def test_the_focal_prior_is_else_by_the_pixel_pitch_of_the_picture_as_taken(tmp_path, save_photo):
    tags = exif(FocalLength=5.0, FocalPlaneXResolution=800.0, FocalPlaneResolutionUnit=3, ExifImageWidth=800)
    path = save_photo(tmp_path / "a.jpg", width=400, height=300, exif=tags)
    # 80 pixels a millimetre, of a picture reduced from 800 to 400 pixels since.
    assert read_photo(path, 640).focal_prior == pytest.approx(200.0)


@pytest.mark.parametrize(
    "tags", [{"FocalLengthIn35mmFilm": 0}, {"FocalLength": 5.0}, {"FocalPlaneXResolution": 9.0}]
)
def test_half_known_focal_lengths_are_no_prior(tmp_path, save_photo, tags):
    assert read_photo(save_photo(tmp_path / "a.jpg", exif=exif(**tags)), 640).focal_prior is None


def test_broken_exif_does_not_lose_the_photo(tmp_path, save_photo, pixels):
    path = save_photo(tmp_path / "a.png", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x00garbage")
    assert (as_bytes(read_photo(path, 640)) == pixels()).all()


def test_grey_sixteen_bit_palette_and_cmyk_become_rgb(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1))
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    deep = read_photo(tmp_path / "deep.png", 640).image
    assert np.abs(deep.numpy() - ramp[..., None] / 65535).max() < 1e-6  # all 16 bits, on all channels

    Image.fromarray((ramp // 257).astype(np.uint8)).save(tmp_path / "grey.png")
    assert np.abs(read_photo(tmp_path / "grey.png", 640).image.numpy() - deep.numpy()).max() < 1 / 255

    flat = Image.new("RGB", (64, 48), (200, 30, 60))
    flat.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    flat.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    for name in ("palette.png", "cmyk.jpg"):
        assert np.abs(as_bytes(read_photo(tmp_path / name, 640)).astype(int) - (200, 30, 60)).max() < 4


def test_a_colour_profile_is_converted_to_srgb(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A made-up profile: sRGB with the tags of red and blue exchanged, under another name.
    other = profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    other = other.replace("sRGB".encode("utf-16-be"), "oRGB".encode("utf-16-be"))
    Image.new("RGB", (64, 48), (250, 10, 10)).save(tmp_path / "a.png", icc_profile=other)
    assert np.abs(as_bytes(read_photo(tmp_path / "a.png", 640)).astype(int)[0, 0] - (10, 10, 250)).max() < 3
    Image.new("RGB", (64, 48), (250, 10, 10)).save(tmp_path / "b.png", icc_profile=b"no profile at all")
    assert (as_bytes(read_photo(tmp_path / "b.png", 640))[0, 0] == (250, 10, 10)).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_leave_the_mask(tmp_path, mode):
    picture = Image.new("RGBA", (64, 48), (90, 90, 90, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 32, 48))
    if mode == "P":
        picture = picture.convert("P")
        picture.save(tmp_path / "a.png", transparency=picture.getpixel((0, 0)))
    else:
        picture.convert(mode).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png", 640)
    assert photo.mask is not None
    assert not photo.mask[:, :32].any() and photo.mask[:, 32:].all()


def test_opaque_alpha_is_no_mask(tmp_path):
    Image.new("RGBA", (64, 48), (90, 90, 90, 255)).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png", 640).mask is None


def test_a_reduced_pixel_counts_only_if_all_of_it_does(tmp_path):
    picture = Image.new("RGBA", (64, 64), (90, 90, 90, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 30, 64))  # the border falls inside the eighth block of four
    picture.save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png", 16)
    assert photo.mask is not None and photo.mask[0].tolist() == [False] * 8 + [True] * 8
    assert photo.image[photo.mask].sub(90 / 255).abs().max() < 1e-6


def test_a_backdrop_shows_through_half_transparency(tmp_path):
    Image.new("RGBA", (64, 48), (100, 0, 0, 51)).save(tmp_path / "a.png")  # a fifth opaque
    photo = read_photo(tmp_path / "a.png", 640, backdrop=1.0)
    assert np.abs(as_bytes(photo).astype(int)[0, 0] - (224, 204, 204)).max() <= 1


def test_a_photo_that_memory_does_not_hold_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch):
    def no_room(*_: object) -> None:
        raise MemoryError

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "tobytes", no_room)
    with pytest.raises(InputError, match="a.png takes more memory to decode than there is; reduce it"):
        read_photo(tmp_path / "a.png", 8)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.tif", "a.png", "a.heic"])
@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_a_truncated_photo_is_refused_never_filled_up(tmp_path, name, kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))
    if name.endswith("heic"):
        pillow_heif.from_pillow(noise).save(tmp_path / name, quality=90)
    else:
        noise.save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(
        InputError, match=rf"{name} is (damaged or incomplete|no photo in a known format).*remove"
    ):
        read_photo(tmp_path / name, 640)


@pytest.mark.parametrize(
    "content", [b"Dear diary, today I took no photo.", b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"8BPS\0\1"]
)
def test_a_file_that_is_no_photo_is_refused_whatever_its_name(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match="a.jpg is no photo in a known format"):
        read_photo(path, 640)


def test_formats_that_nobody_needs_never_reach_their_decoder(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8)).save(path, format="PPM")
    Image.init()
    monkeypatch.setitem(Image.OPEN, "PPM", (lambda *_: pytest.fail("the PPM decoder ran"), None))
    with pytest.raises(InputError, match="no photo in a known format"):
        read_photo(path, 640)


def test_a_photo_of_a_hundred_megapixels_is_read_small(tmp_path):
    Image.new("L", (12000, 8400), 90).save(tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg", 640)
    assert photo.full_size == (12000, 8400) and photo.image.shape == (448, 640, 3)


def test_a_picture_bomb_is_refused_by_its_header(tmp_path, monkeypatch):
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    monkeypatch.setattr(photo_file, "_pixels", lambda *_: pytest.fail("the bomb was decoded"))
    with pytest.raises(InputError, match="a.png has 20000 x 20000 = 400 megapixels, more than the 200"):
        read_photo(tmp_path / "a.png", 640)


def test_pillows_own_limit_is_left_as_it_was(tmp_path, save_photo):
    before = Image.MAX_IMAGE_PIXELS
    read_photo(save_photo(tmp_path / "a.png"), 640)
    assert Image.MAX_IMAGE_PIXELS == before is not None


def test_floats_are_refused_since_their_white_is_unknown(tmp_path):
    Image.new("F", (8, 8), 0.5).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="32-bit numbers"):
        read_photo(tmp_path / "a.tif", 640)


def test_a_missing_photo_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="gone.jpg does not exist"):
        read_photo(tmp_path / "gone.jpg", 640)
