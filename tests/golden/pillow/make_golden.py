"""Makes the golden files of this folder with Pillow 12.3.0 and NumPy: python make_golden.py

decode.tfrecord: name, encoded (a PNG or JPEG file), height, width, pixels (as Image.convert("RGB") gives them).
resize.tfrecord: name, height, width, pixels, to_height, to_width, interpolation, resized (Image.resize).
imagenet.tfrecord: name, height, width, pixels, resize_side, output_size, resize, interpolation, seen: what
torchvision's Resize and CenterCrop make of a picture, Image.resize alone, or ImageOps.pad."""
import io
import pathlib
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).resolve().parent
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's colour types


# ---- TFRecord files of tf.Example, without TensorFlow ---------------------------------------------

def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def example(**features):
    entries = b""
    for key, value in sorted(features.items()):
        if isinstance(value, bytes):
            feature = field(1, field(1, value))
        else:
            feature = field(3, field(1, varint(value)))
        entries += field(1, field(1, key.encode()) + field(2, feature))
    return field(1, entries)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff)


def write_records(name, records):
    with open(HERE / name, "wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + masked(length) + record + masked(record))


# ---- pictures -------------------------------------------------------------------------------------

def waves(height, width, channels, seed):
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 100 * np.sin(x / (3 + c) + y / (5 + c) + c) + 20 * rng.randn(height, width)
              for c in range(channels)]
    return np.stack(planes, -1).clip(0, 255).astype(np.uint8)


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", **options)
    return buffer.getvalue()


def jpeg_cases():
    for height, width in [(17, 23), (1, 1), (8, 33)]:
        rgb = Image.fromarray(waves(height, width, 3, height))
        size = f"{height}x{width}"
        for sampling in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
            yield f"jpeg-{sampling}-{size}", jpeg(rgb, subsampling=sampling, quality=90)
        yield f"jpeg-progressive-{size}", jpeg(rgb, progressive=True, quality=30)
        yield f"jpeg-rgb-{size}", jpeg(rgb, keep_rgb=True)
        yield f"jpeg-grey-{size}", jpeg(rgb.convert("L"))
        cmyk = Image.fromarray(waves(height, width, 4, height), "CMYK")
        yield f"jpeg-cmyk-{size}", jpeg(cmyk, quality=95)
    for path in sorted((HERE.parent / "data").glob("*.jpg")):
        yield path.name, path.read_bytes()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, extra):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) +
            chunk(b"IEND", b""))


def png_cases():
    rng = np.random.RandomState(3)
    width, height = 11, 5
    for color, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16),
                          6: (8, 16)}.items():
        for depth in depths:
            length = (width * CHANNELS[color] * depth + 7) // 8
            rows = [rng.bytes(length) for _ in range(height)]
            palette = chunk(b"PLTE", rng.bytes(3 * 2 ** depth)) if color == 3 else b""
            yield f"png-{color}-{depth}", png(width, height, depth, color, rows, palette)
            transparent = {0: struct.pack(">H", 1), 2: struct.pack(">HHH", 1, 2, 3), 3: b"\0"}
            if color in transparent:
                extra = palette + chunk(b"tRNS", transparent[color])
                yield f"png-{color}-{depth}-trns", png(width, height, depth, color, rows, extra)
    ramp = np.array([0, 1, 127, 128, 254, 255, 256, 257, 511, 512, 65535]).astype(">u2").tobytes()
    yield "png-0-16-ramp", png(11, 1, 16, 0, [ramp], b"")
    gamma = chunk(b"gAMA", struct.pack(">I", 100000))
    yield "png-2-8-gamma", png(2, 1, 8, 2, [bytes(range(100, 106))], gamma)


def decode_records():
    for name, encoded in [*jpeg_cases(), *png_cases()]:
        pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
        yield example(name=name.encode(), encoded=encoded, height=pixels.shape[0],
                      width=pixels.shape[1], pixels=pixels.tobytes())


def resize_records():
    rng = np.random.RandomState(7)
    # height, width, height and width of the result
    cases = [(1, 1, 5, 3), (1, 7, 1, 3), (9, 1, 4, 1), (1, 400, 1, 3), (150, 2, 3, 2), (2, 2, 41, 1),
             (5, 9, 5, 4), (5, 9, 3, 9), (5, 9, 5, 9), (13, 17, 31, 40), (40, 30, 11, 8),
             (31, 64, 17, 64), (64, 48, 63, 47), (7, 5, 1, 1), (3, 100, 50, 2), (20, 20, 7, 33)]
    for height, width, to_height, to_width in cases:
        noise = rng.randint(0, 256, size=(height, width, 3)).astype(np.uint8)
        for kind, pixels in (("noise", noise), ("black-and-white", (noise > 127).astype(np.uint8) * 255)):
            for name, filter in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)):
                resized = Image.fromarray(pixels).resize((to_width, to_height), filter)
                yield example(
                    name=f"{kind}-{height}x{width}-to-{to_height}x{to_width}-{name}".encode(),
                    height=height, width=width, pixels=pixels.tobytes(), to_height=to_height,
                    to_width=to_width, interpolation=name.encode(),
                    resized=np.asarray(resized).tobytes())


def resize_and_crop(image, side, size, filter):
    """torchvision.transforms.Resize(side) and CenterCrop(size), as their code computes sizes."""
    short, long = sorted(image.size)
    other = int(side * long / short)
    width, height = (side, other) if image.width <= image.height else (other, side)
    image = image.resize((width, height), filter)
    top, left = int(round((height - size) / 2.0)), int(round((width - size) / 2.0))
    return image.crop((left, top, left + size, top + size))


def imagenet_records():
    rng = np.random.RandomState(11)
    filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    # height, width, side, size; odd rests of crops on both sides of even numbers are among them
    cases = [(30, 40, 12, 9), (40, 31, 13, 8), (7, 23, 7, 7), (9, 9, 17, 12), (1, 20, 4, 3),
             (21, 20, 16, 11), (20, 29, 11, 8), (33, 2, 3, 2)]
    for index, (height, width, side, size) in enumerate(cases):
        pixels = rng.randint(0, 256, size=(height, width, 3)).astype(np.uint8)
        image = Image.fromarray(pixels)
        name, filter = list(filters.items())[index % 2]
        ways = {"crop": resize_and_crop(image, side, size, filter),
                "stretch": image.resize((size, size), filter),
                "letterbox": ImageOps.pad(image, (size, size), filter) if height not in (1, 33) else None}
        for way, seen in ways.items():
            if seen is None:  # a side without pixels, which Pillow refuses
                continue
            yield example(name=f"{way}-{height}x{width}-side-{side}-size-{size}-{name}".encode(),
                          height=height, width=width, pixels=pixels.tobytes(), resize_side=side,
                          output_size=size, resize=way.encode(), interpolation=name.encode(),
                          seen=np.asarray(seen).tobytes())


warnings.filterwarnings("ignore")
write_records("decode.tfrecord", decode_records())
write_records("resize.tfrecord", resize_records())
write_records("imagenet.tfrecord", imagenet_records())
