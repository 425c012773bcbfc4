import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from resnet_tutorial import InputError
from resnet_tutorial.data import pictures, read_image
from resnet_tutorial.data.pictures import decode_all


def gradient(mode: str = "RGB", size: int = 32) -> Image.Image:
    """A picture that is dark at the left and light at the right."""
    row = np.linspace(0, 255, size).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(row, (size, size)).copy()).convert(mode)


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "ppm", "webp", "jpg"])
def test_every_format(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {"quality": 100} if suffix == "jpg" else {}
    gradient().save(path, **options)
    found = read_image(path).astype(int)
    assert found.shape == (32, 32, 3)
    assert np.abs(found - np.asarray(gradient())).max() <= (3 if suffix == "jpg" else 0)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("1", "png"), ("L", "png"), ("P", "gif"), ("CMYK", "jpg"), ("YCbCr", "jpg"), ("LA", "png")]
)
def test_every_mode_becomes_rgb(tmp_path, mode, suffix):
    path = tmp_path / f"picture.{suffix}"
    gradient(mode).save(path)
    found = read_image(path).astype(int)
    assert found[:, :4].mean() < 40 and found[:, -4:].mean() > 215  # left is dark, right is light


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_transparent_parts_are_white(tmp_path, suffix):
    picture = np.zeros((32, 32, 4), dtype=np.uint8)
    picture[:, :16] = (200, 0, 0, 255)
    picture[:, 16:] = (0, 0, 200, 0)  # blue that nobody sees
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(picture).save(tmp_path / f"p.{suffix}", **options)
    found = read_image(tmp_path / f"p.{suffix}")
    assert (found[:, :16] == (200, 0, 0)).all() and (found[:, 16:] == 255).all()


def test_a_transparent_color_of_a_palette_is_white(tmp_path):
    picture = Image.new("P", (32, 32), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(tmp_path / "p.gif", transparency=1)
    assert (read_image(tmp_path / "p.gif") == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_gray_is_scaled_and_not_clipped(tmp_path, suffix):
    values = np.linspace(0, 65535, 32).astype(np.uint16)
    Image.fromarray(np.broadcast_to(values, (32, 32)).copy()).save(tmp_path / f"p.{suffix}")
    expected = np.rint(values / 257)
    assert np.array_equal(read_image(tmp_path / f"p.{suffix}")[0, :, 1], expected)


@pytest.mark.parametrize(("highest", "share"), [(590, 1), (1023, 2), (4095, 7)])
def test_16_bit_images_that_come_out_black_are_noticed(tmp_path, highest, share):
    """Cameras and scanners that measure 10 or 12 bits often store them so, in gray and in color."""
    values = np.linspace(80, highest, 32 * 32).reshape(32, 32).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "dark.png")
    (tmp_path / "color.png").write_bytes(png(32, 16, np.stack([values] * 3, axis=2).astype(">u2")))
    light = values.copy()
    light[0, 0] = 60_000
    Image.fromarray(light).save(tmp_path / "light.tiff")
    gradient().point(lambda v: 0).save(tmp_path / "black of 8 bits.png")
    (notice,) = decode_all([str(path) for path in sorted(tmp_path.iterdir())], str, 32).notices
    assert f"use less than {share} % of their range, and are nearly black here: 2 of 4. Stretch" in notice


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.full((32, 32), 0.5, np.float32), "floating-point"), (np.full((32, 32), 10**6, np.int32), "32-bit")],
)
def test_pixels_of_unknown_range_are_refused(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "p.tiff")
    with pytest.raises(InputError, match=rf"p\.tiff cannot be read as an image .*{message}"):
        read_image(tmp_path / "p.tiff")


def test_the_orientation_that_a_camera_noted_is_honored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    gradient().save(tmp_path / "p.jpg", exif=exif, quality=95)
    found = read_image(tmp_path / "p.jpg")
    assert found[:, :4].mean() > 215 and found[:, -4:].mean() < 40


def test_another_size_is_scaled_and_cropped_at_the_center(tmp_path):
    picture = np.zeros((64, 192, 3), dtype=np.uint8)
    picture[:, 64:128] = 200
    Image.fromarray(picture).save(tmp_path / "p.png")
    assert (read_image(tmp_path / "p.png")[:, 2:-2] == 200).all()
    assert read_image(tmp_path / "p.png", image_size=48).shape == (48, 48, 3)
    decoded = decode_all([str(tmp_path / "p.png")], str, 32)
    (notice,) = decoded.notices
    assert notice.startswith("not 32×32: 1 of 1 images") and (decoded.images[0, :, 2:-2] == 200).all()


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, suffix):
    frames = [Image.new("RGB", (32, 32), (value, value, value)) for value in (50, 200)]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"p.{suffix}", save_all=True, append_images=frames[1:], **options)
    decoded = decode_all([str(tmp_path / f"p.{suffix}")], str, 32)
    assert (decoded.images == 50).all()
    assert decoded.notices == ("with several frames: 1 of 1 images, of which only the first frame is used",)


def test_files_and_their_content_are_the_same(tmp_path):
    gradient().save(tmp_path / "p.png")
    from_file = decode_all([str(tmp_path / "p.png")], str, 32)
    from_content = decode_all([(tmp_path / "p.png").read_bytes()], str, 32)
    assert np.array_equal(from_file.images, from_content.images) and from_file.notices == from_content.notices == ()


def png(side: int, bits: int, rows: np.ndarray | None = None) -> bytes:
    """A PNG of side × side pixels in color; without rows, of a few hundred bytes, whatever the side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, bits, 2, 0, 0, 0)
    data = b"\0" * 999 if rows is None else b"".join(b"\0" + row.tobytes() for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 100_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_by_name(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png(side, 8))
    with pytest.raises(InputError, match=r"bomb\.png cannot be read as an image .*pixels"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize("content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "p.png").write_bytes(content)
    reason = "no picture of a known format" if content else "it is empty"
    with pytest.raises(InputError, match=rf"p\.png cannot be read as an image \({reason}\): repair it"):
        read_image(tmp_path / "p.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tiff", "bmp"])
def test_a_cut_picture_is_refused(tmp_path, suffix):
    content = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(content, {"jpg": "jpeg"}.get(suffix, suffix))
    (tmp_path / f"p.{suffix}").write_bytes(content.getvalue()[: len(content.getvalue()) // 2])
    with pytest.raises(InputError, match=rf"p\.{suffix} cannot be read as an image"):
        read_image(tmp_path / f"p.{suffix}")


def test_one_unreadable_picture_among_many_is_named(tmp_path):
    content = io.BytesIO()
    gradient().save(content, "png")
    files = [content.getvalue()] * 2000
    files[1234] = files[1234][:60]
    decoded = decode_all(files, "picture {}".format, 32)
    assert decoded.failures == ("picture 1234 (image file is truncated)",)
    assert len(decoded.images) == 1999 and (~decoded.read).nonzero()[0].tolist() == [1234]


def test_many_images_are_decoded_in_order_by_several_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    (tmp_path / "numpy.py").write_text("raise SystemExit('a module of the working folder was imported')")
    monkeypatch.chdir(tmp_path)
    sizes = [32, 16, 32, 32, 16] * 101
    files = []
    for i, size in enumerate(sizes):
        content = io.BytesIO()
        Image.new("RGB", (size, size), (i % 256, i // 256, 7)).save(content, "png")
        files.append(content.getvalue())
    decoded = decode_all(files, str, 32)
    assert [tuple(image[5, 5]) for image in decoded.images] == [(i % 256, i // 256, 7) for i in range(505)]
    assert decoded.notices[0].startswith("not 32×32: 202 of 505 images")


def test_a_decoder_that_is_killed_is_one_line(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(pictures, "_START", "import os; os.abort()  # {path} {file}")
    with pytest.raises(InputError, match="a process that decodes images was stopped"):
        decode_all([b""] * 500, str, 32)


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_image(tmp_path)
    with pytest.raises(InputError, match="no such image"):
        read_image(tmp_path / "none.png")
