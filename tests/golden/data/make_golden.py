"""Makes the golden files of this folder with TensorFlow: python make_golden.py

decode.tfrecord: name, encoded (a PNG or JPEG file), height, width, pixels (as TensorFlow decodes it).
preprocess.tfrecord: name, kind, height, width, pixels, resize_side, output_size, values (float32).
written_by_tensorflow.tfrecord: three image records with Slim's keys, PNG by TensorFlow."""
import pathlib

import numpy as np
import slim_reference as slim
import tensorflow as tf

HERE = pathlib.Path(__file__).resolve().parent


def example(**features):
    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(value)))

    fields = {key.replace("__", "/"): feature(value) for key, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=fields)).SerializeToString()


def decode_records():
    cmyk = [(path.name, path.read_bytes()) for path in sorted(HERE.glob("*.jpg"))]
    for name, encoded in [*slim.png_cases(), *slim.jpeg_cases(), *cmyk]:
        pixels = slim.decode(encoded)
        yield example(name=name.encode(), encoded=encoded, height=pixels.shape[0],
                      width=pixels.shape[1], pixels=pixels.tobytes())


def preprocess_records():
    rng = np.random.RandomState(7)
    # height, width, resize side, output size; sides that round to even, up and down are among them
    vgg = [(8, 8, 64, 56), (32, 32, 32, 32), (5, 7, 9, 6), (7, 5, 9, 6), (10, 13, 5, 5),
           (2, 5, 3, 3), (5, 2, 3, 3), (40, 30, 11, 8), (1, 1, 4, 4), (3, 50, 7, 7), (9, 9, 9, 4)]
    for height, width, side, size in vgg:
        pixels = rng.randint(0, 256, size=(height, width, 3)).astype(np.uint8)
        yield example(name=f"vgg-{height}x{width}-to-{side}-crop-{size}".encode(), kind=b"vgg",
                      height=height, width=width, pixels=pixels.tobytes(), resize_side=side,
                      output_size=size, values=slim.vgg_evaluation(pixels, side, size))
    for height, width, size in [(8, 8, 8), (9, 6, 7), (5, 12, 8), (4, 4, 4), (6, 6, 3)]:
        pixels = rng.randint(0, 256, size=(height, width, 3)).astype(np.uint8)
        if height == 4:
            pixels[:] = 77
        yield example(name=f"cifarnet-{height}x{width}-to-{size}".encode(), kind=b"cifarnet",
                      height=height, width=width, pixels=pixels.tobytes(), resize_side=256,
                      output_size=size, values=slim.cifarnet_evaluation(pixels, size))


def image_records():
    for label in (6, 0, 9):
        image = slim.smooth_image(32, 32, 40 + label)
        yield example(image__encoded=tf.io.encode_png(image).numpy(), image__format=b"png",
                      image__class__label=label, image__height=32, image__width=32)


def write(name, records):
    with tf.io.TFRecordWriter(str(HERE / name)) as writer:
        for record in records:
            writer.write(record)


if __name__ == "__main__":
    write("decode.tfrecord", decode_records())
    write("preprocess.tfrecord", preprocess_records())
    write("written_by_tensorflow.tfrecord", image_records())
