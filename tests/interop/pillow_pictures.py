"""Compares decoding, resizing and preprocessing of pictures with Pillow:
python pillow_pictures.py PICTURE_DUMP

PICTURE_DUMP is the program built from picture_dump.cc. Exit status 0 when all is equal to the bit."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from numpy_recipes import FILTERS, imagenet, slim_vgg

SIZES = [(1, 1), (1, 9), (7, 1), (8, 8), (15, 17), (16, 33), (31, 64), (97, 130), (240, 161)]
RESIZES = 60
RECIPES = 24
# Sides do not differ by more: Pillow refuses a letterbox whose picture loses a side.
LONGEST_SHAPE = 4


class Program:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, mode, files, *arguments):
        names = self.folder / "list"
        result = self.folder / "result"
        names.write_text("".join(f"{file}\n" for file in files))
        result.unlink(missing_ok=True)
        subprocess.run([self.path, mode, names, result, *map(str, arguments)], check=True)
        return result.read_bytes()


def picture(rng, height, width, mode="RGB"):
    """Waves of colour with some noise, as photos are rather than noise alone."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 100 * np.sin(x / (3 + band) + y / (5 + band) + band) +
              20 * rng.standard_normal((height, width)) for band in range(bands)]
    values = np.stack(planes, -1).clip(0, 255).astype(np.uint8)
    return Image.fromarray(values if bands > 1 else values[..., 0], mode)


def write_jpegs(rng, folder):
    for height, width in SIZES:
        rgb = picture(rng, height, width)
        options = [{"subsampling": way, "quality": quality} for way in ("4:4:4", "4:2:2", "4:2:0")
                   for quality in (1, 30, 75, 95, 100)]
        options += [{"subsampling": "4:1:1"}, {"progressive": True, "quality": 60},
                    {"keep_rgb": True}, {"restart_marker_blocks": 3}, {"optimize": True}]
        for index, one in enumerate(options):
            rgb.save(folder / f"{height}x{width}-{index}.jpg", **one)
        picture(rng, height, width, "L").save(folder / f"{height}x{width}-grey.jpg")
        picture(rng, height, width, "CMYK").save(folder / f"{height}x{width}-cmyk.jpg")


def write_pngs(rng, folder):
    for height, width in SIZES:
        rgb = picture(rng, height, width)
        kinds = {mode: picture(rng, height, width, mode) for mode in ("L", "LA", "RGB", "RGBA")}
        kinds |= {"1": rgb.convert("1"), "P": rgb.quantize(200), "P4": rgb.quantize(13)}
        deep = rng.integers(0, 65536, (height, width)).astype(np.uint16)
        kinds["I16"] = Image.fromarray(deep)
        for name, image in kinds.items():
            image.save(folder / f"{height}x{width}-{name}.png")


def check_decoding(program, rng, folder):
    for name, write in (("JPEG", write_jpegs), ("PNG", write_pngs)):
        files = folder / name
        files.mkdir()
        write(rng, files)
        paths = sorted(files.iterdir())
        found = memoryview(program.run("decode", paths))
        for path in paths:
            with Image.open(path) as image:
                expected = np.asarray(image.convert("RGB")).tobytes()
            assert found[:len(expected)] == expected, f"pixels of {path.name} differ"
            found = found[len(expected):]
        assert not found
        print(f"decode: {len(paths)} {name} files equal")


def random_sizes(rng, largest):
    """Height and width whose ratio Pillow takes."""
    height = int(rng.integers(1, largest))
    least, most = max(1, height // LONGEST_SHAPE), min(largest, height * LONGEST_SHAPE)
    return height, int(rng.integers(least, most + 1))


def check_resizing(program, rng, folder):
    for index in range(RESIZES):
        (height, width), (to_height, to_width) = random_sizes(rng, 500), random_sizes(rng, 400)
        image = picture(rng, height, width)
        if index % 3 == 0:  # beyond the limits of a byte with negative weights
            image = Image.fromarray((np.asarray(image) > 127).astype(np.uint8) * 255)
        image.save(folder / "resize.png")
        for name, resample in FILTERS.items():
            found = program.run("resize", [folder / "resize.png"], to_height, to_width, name)
            expected = np.asarray(image.resize((to_width, to_height), resample)).tobytes()
            assert found == expected, f"{height}x{width} to {to_height}x{to_width} {name} differs"
    print(f"resize: {RESIZES} sizes, {len(FILTERS)} filters equal")


def check_recipes(program, rng, folder):
    path = folder / "recipe.jpg"
    for index in range(RECIPES):
        height, width = random_sizes(rng, 500)
        size = int(rng.integers(1, 257))
        side = int(rng.integers(size, 300))
        picture(rng, height, width).save(path, quality=int(rng.integers(20, 96)))
        image = Image.open(path).convert("RGB")
        for resize in ("crop", "stretch", "letterbox"):
            name = list(FILTERS)[index % len(FILTERS)]
            arguments = ("imagenet", side, size, resize, name)
            found = program.run("preprocess", [path], *arguments)
            expected = imagenet(image, side, size, resize, name).tobytes()
            assert found == expected, f"{height}x{width} {arguments} differs"
        found = program.run("preprocess", [path], "vgg", side, size, "crop", "bilinear")
        expected = slim_vgg(np.asarray(image), side, size, [127] * 3, [128] * 3).tobytes()
        assert found == expected, f"{height}x{width} vgg {side} {size} differs"
    print(f"recipes: {RECIPES} pictures equal in 4 of them")


def main(path):
    rng = np.random.default_rng(4)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = Program(path, folder)
        check_decoding(program, rng, folder)
        check_resizing(program, rng, folder)
        check_recipes(program, rng, folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
