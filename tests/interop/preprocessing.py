"""Compares decoding and preprocessing with the real TensorFlow: python preprocessing.py DATA_DUMP

DATA_DUMP is the program built from data_dump.cc. Exit status 0 when pixels and the floats of
vgg, inception and lenet are equal to the bit and cifarnet's within what summation in float32 leaves open."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden/data"))

import numpy as np
import slim_reference as slim
import tensorflow as tf

# height, width, resize side, output size
VGG = [(32, 32, 256, 224), (32, 32, 300, 224), (32, 32, 331, 331), (32, 32, 512, 448),
       (32, 32, 32, 32), (28, 28, 256, 224), (28, 28, 28, 28), (31, 47, 256, 224),
       (47, 31, 256, 224), (333, 500, 256, 224), (500, 333, 256, 224), (375, 500, 256, 224),
       (1, 1, 256, 224), (2, 301, 256, 224), (301, 2, 256, 224), (1000, 257, 256, 224),
       (256, 256, 256, 256), (255, 257, 256, 224), (640, 427, 257, 255), (3, 5, 250, 9)]
CIFARNET = [(32, 32, 32), (28, 28, 32), (32, 32, 224), (48, 40, 32), (33, 31, 24), (5, 300, 32)]
# height, width, output size
INCEPTION = [(32, 32, 299), (333, 500, 224), (500, 333, 299), (256, 256, 224), (299, 299, 299),
             (1, 1, 224), (2, 301, 64), (17, 9, 8), (640, 427, 224)]
RANDOM_SIZES = 60
# TensorFlow sums up to 150,000 squares in float32; the library rounds once, from double.
LARGEST_CIFARNET_DIFFERENCE_ULP = 16


def example(encoded):
    def bytes_feature(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    return tf.train.Example(features=tf.train.Features(feature={
        "image/encoded": bytes_feature(encoded),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[1])),
    })).SerializeToString()


class Program:
    def __init__(self, path, directory):
        self.path, self.directory, self.count = path, directory, 0

    def run(self, mode, encoded_images, *arguments):
        self.count += 1
        source = self.directory / f"in{self.count}"
        result = self.directory / f"out{self.count}"
        with tf.io.TFRecordWriter(str(source)) as writer:
            for encoded in encoded_images:
                writer.write(example(encoded))
        subprocess.run([self.path, mode, source, result, *map(str, arguments)], check=True)
        return result.read_bytes()


def noise(rng, height, width):
    return rng.randint(0, 256, size=(height, width, 3)).astype(np.uint8)


def check_decoding(program, rng):
    encoded = [bytes_ for _, bytes_ in [*slim.png_cases(), *slim.png_cases(64, 61),
                                        *slim.jpeg_cases()]]
    for height, width in rng.randint(1, 90, size=(40, 2)):
        image = noise(rng, height, width)
        encoded.append(tf.io.encode_png(image).numpy())
        for quality in (10, 75, 100):
            encoded.append(tf.io.encode_jpeg(image, quality=quality).numpy())
        encoded.append(tf.io.encode_jpeg(image, chroma_downsampling=False,
                                         progressive=True).numpy())
    expected = b"".join(slim.decode(file).tobytes() for file in encoded)
    assert program.run("decode", encoded) == expected, "decoded pixels differ"
    print(f"decode: {len(encoded)} PNG and JPEG files equal")


def check_vgg(program, rng):
    random_sizes = [(int(h), int(w), int(s), int(min(s, o))) for h, w, s, o in
                    rng.randint(1, 400, size=(RANDOM_SIZES, 4))]
    for height, width, side, size in VGG + random_sizes:
        pixels = noise(rng, height, width)
        values = program.run("preprocess", [tf.io.encode_png(pixels).numpy()], "vgg", side, size)
        expected = slim.vgg_evaluation(pixels, side, size).tobytes()
        assert values == expected, f"vgg {height}x{width} side {side} crop {size} differs"
    print(f"vgg: {len(VGG) + RANDOM_SIZES} sizes equal to the bit")


def check_others(program, rng, kind, sizes, expected):
    random_sizes = [tuple(map(int, sizes)) for sizes in rng.randint(1, 300, size=(20, 3))]
    for height, width, size in sizes + random_sizes:
        pixels = noise(rng, height, width)
        values = program.run("preprocess", [tf.io.encode_png(pixels).numpy()], kind, 256, size)
        assert values == expected(pixels, size).tobytes(), f"{kind} {height}x{width} {size} differs"
    print(f"{kind}: {len(sizes) + len(random_sizes)} sizes equal to the bit")


def check_cifarnet(program, rng):
    largest = 0
    for height, width, size in CIFARNET * 10:
        pixels = noise(rng, height, width)
        values = np.frombuffer(program.run("preprocess", [tf.io.encode_png(pixels).numpy()],
                                           "cifarnet", 256, size), np.float32)
        expected = slim.cifarnet_evaluation(pixels, size).reshape(-1)
        ulp = np.abs(values - expected) / np.spacing(np.maximum(np.abs(values), np.abs(expected)))
        largest = max(largest, float(ulp.max()))
    assert largest <= LARGEST_CIFARNET_DIFFERENCE_ULP, f"cifarnet differs by {largest} ulp"
    print(f"cifarnet: {len(CIFARNET) * 10} images, largest difference {largest} ulp")


def main(path):
    rng = np.random.RandomState(3)
    with tempfile.TemporaryDirectory() as directory:
        program = Program(path, pathlib.Path(directory))
        check_decoding(program, rng)
        check_vgg(program, rng)
        check_others(program, rng, "inception", INCEPTION, slim.inception_evaluation)
        check_others(program, rng, "lenet", CIFARNET, slim.lenet_evaluation)
        check_cifarnet(program, rng)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
