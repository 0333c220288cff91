"""TF-Slim's image decoding and preprocessing, asked of the real TensorFlow, and the inputs on which
it is asked. Used by make_golden.py and by tests/interop/preprocessing.py."""
import os
import struct
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf


# ---- PNG files of every kind, written by hand so that TensorFlow is only ever the reader ----------

def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _filter_row(kind, row, above, step):
    left = bytes(step) + row[:-step] if step < len(row) else bytes(len(row))
    corner = bytes(step) + above[:-step] if step < len(row) else bytes(len(row))

    def paeth(a, b, c):
        p = a + b - c
        return min(((abs(p - v), i, v) for i, v in enumerate((a, b, c))))[2]

    guess = {
        0: lambda a, b, c: 0,
        1: lambda a, b, c: a,
        2: lambda a, b, c: b,
        3: lambda a, b, c: (a + b) // 2,
        4: paeth,
    }[kind]
    return bytes([kind]) + bytes((x - guess(a, b, c)) & 255
                                 for x, a, b, c in zip(row, left, above, corner))


def _pack_row(samples, depth):
    if depth == 16:
        return b"".join(struct.pack(">H", int(v)) for v in samples)
    if depth == 8:
        return bytes(int(v) for v in samples)
    bits = "".join(format(int(v), f"0{depth}b") for v in samples)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def _filtered(samples, depth):
    """Rows of [h, w, channels] samples, packed and filtered, the five filters in turn."""
    height, width, channels = samples.shape
    if height == 0 or width == 0:
        return b""
    step = max(1, channels * depth // 8)
    above = bytes((width * channels * depth + 7) // 8)
    out = b""
    for y in range(height):
        row = _pack_row(samples[y].reshape(-1), depth)
        out += _filter_row(y % 5, row, above, step)
        above = row
    return out


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
         (1, 0, 2, 1)]


def write_png(samples, depth, color_type, extra=b"", interlaced=False):
    height, width, _ = samples.shape
    if interlaced:
        body = b"".join(_filtered(samples[y::dy, x::dx], depth) for y, x, dy, dx in ADAM7)
    else:
        body = _filtered(samples, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra +
            _chunk(b"IDAT", zlib.compress(body)) + _chunk(b"IEND", b""))


def png_cases(height=11, width=9):
    rng = np.random.RandomState(1)

    def samples(channels, depth):
        return rng.randint(0, 1 << depth, size=(height, width, channels))

    for depth in (1, 2, 4, 8, 16):
        yield f"png-grey-{depth}", write_png(samples(1, depth), depth, 0)
    for depth in (8, 16):
        yield f"png-rgb-{depth}", write_png(samples(3, depth), depth, 2)
        yield f"png-grey-alpha-{depth}", write_png(samples(2, depth), depth, 4)
        yield f"png-rgb-alpha-{depth}", write_png(samples(4, depth), depth, 6)
    for depth in (1, 2, 4, 8):
        palette = _chunk(b"PLTE", bytes(rng.randint(0, 256, size=3 << depth).tolist()))
        yield f"png-palette-{depth}", write_png(samples(1, depth), depth, 3, palette)
        alpha = _chunk(b"tRNS", bytes([0, 128]))
        yield f"png-palette-alpha-{depth}", write_png(samples(1, depth), depth, 3, palette + alpha)
    yield "png-grey-transparent", write_png(samples(1, 8), 8, 0, _chunk(b"tRNS", b"\0\x07"))
    yield "png-gamma", write_png(samples(3, 8), 8, 2, _chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "png-interlaced", write_png(samples(3, 8), 8, 2, interlaced=True)
    yield "png-interlaced-grey-2", write_png(samples(1, 2), 2, 0, interlaced=True)


def smooth_image(height, width, seed):
    """Noise that varies slowly, so that JPEG has something to do."""
    rng = np.random.RandomState(seed)
    coarse = rng.randint(0, 256, size=(1, height // 4 + 2, width // 4 + 2, 3)).astype(np.float32)
    image = tf.image.resize(coarse, [height, width]).numpy()[0]
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def jpeg_cases():
    for height, width, seed in ((32, 32, 2), (17, 23, 3), (1, 1, 4)):
        image = smooth_image(height, width, seed)
        for quality in (30, 95):
            yield (f"jpeg-420-{height}x{width}-q{quality}",
                   tf.io.encode_jpeg(image, quality=quality).numpy())
        yield (f"jpeg-444-{height}x{width}",
               tf.io.encode_jpeg(image, chroma_downsampling=False).numpy())
    image = smooth_image(32, 32, 5)
    yield "jpeg-progressive", tf.io.encode_jpeg(image, progressive=True).numpy()
    yield "jpeg-grey", tf.io.encode_jpeg(image[:, :, :1], format="grayscale").numpy()


def decode(encoded):
    return tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()


# ---- Slim's preprocessing, evaluation path -------------------------------------------------------

def vgg_evaluation(pixels, resize_side, output_size):
    height = tf.cast(pixels.shape[0], tf.float32)
    width = tf.cast(pixels.shape[1], tf.float32)
    side = tf.cast(resize_side, tf.float32)
    scale = side / width if height > width else side / height
    new_height = int(tf.cast(tf.math.rint(height * scale), tf.int32))
    new_width = int(tf.cast(tf.math.rint(width * scale), tf.int32))
    resized = tf.compat.v1.image.resize_bilinear(pixels[None], [new_height, new_width],
                                                 align_corners=False)[0]
    top = (new_height - output_size) // 2
    left = (new_width - output_size) // 2
    crop = resized[top:top + output_size, left:left + output_size]
    return (crop - tf.constant([123.68, 116.78, 103.94], tf.float32)).numpy()


def inception_evaluation(pixels, output_size):
    image = tf.image.convert_image_dtype(pixels, tf.float32)
    image = tf.image.central_crop(image, 0.875)[None]
    image = tf.compat.v1.image.resize_bilinear(image, [output_size, output_size],
                                               align_corners=False)[0]
    return ((image - 0.5) * 2.0).numpy()


def inception_training(pixels, box, flipped, brightness, saturation, output_size):
    """In fast_mode, with what is random given. box: top, left, height, width."""
    top, left, height, width = box
    image = tf.image.convert_image_dtype(pixels, tf.float32)[top:top + height, left:left + width]
    image = tf.compat.v1.image.resize_images(image, [output_size, output_size])
    if flipped:
        image = tf.image.flip_left_right(image)
    image = tf.image.adjust_brightness(image, np.float32(brightness))
    image = tf.image.adjust_saturation(image, np.float32(saturation))
    return ((tf.clip_by_value(image, 0.0, 1.0) - 0.5) * 2.0).numpy()


def lenet_evaluation(pixels, output_size):
    image = tf.image.resize_with_crop_or_pad(tf.cast(pixels, tf.float32), output_size, output_size)
    return ((image - 128.0) / 128.0).numpy()


def cifarnet_evaluation(pixels, output_size):
    image = tf.cast(pixels, tf.float32)
    image = tf.image.resize_with_crop_or_pad(image, output_size, output_size)
    return tf.image.per_image_standardization(image).numpy()
