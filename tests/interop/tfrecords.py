"""TensorFlow reads our TFRecord files and we read TensorFlow's: python tfrecords.py DATA_DUMP

DATA_DUMP is the program built from data_dump.cc. Exit status 0 when records and parsed examples agree."""
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf


def random_example(rng):
    def feature():
        count = rng.randint(0, 5)
        kind = rng.randint(0, 4)
        if kind == 0:
            return tf.train.Feature(bytes_list=tf.train.BytesList(
                value=[rng.bytes(rng.randint(0, 300)) for _ in range(count)]))
        if kind == 1:
            return tf.train.Feature(float_list=tf.train.FloatList(
                value=rng.standard_normal(count).astype(np.float32)))
        if kind == 2:
            return tf.train.Feature(int64_list=tf.train.Int64List(
                value=rng.randint(-2**62, 2**62, size=count).tolist()))
        return tf.train.Feature()

    features = {f"key/{rng.randint(0, 100)}": feature() for _ in range(rng.randint(0, 8))}
    return tf.train.Example(features=tf.train.Features(feature=features))


def records_of(path):
    return [record.numpy() for record in tf.data.TFRecordDataset([str(path)])]


def main(program):
    rng = np.random.RandomState(5)
    examples = [random_example(rng) for _ in range(500)]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        source = directory / "tensorflow"
        with tf.io.TFRecordWriter(str(source)) as writer:
            for example in examples:
                writer.write(example.SerializeToString())
        for mode in ("copy-records", "copy-examples"):
            subprocess.run([program, mode, source, directory / mode], check=True)
        assert (directory / "copy-records").read_bytes() == source.read_bytes()
        copies = [tf.train.Example.FromString(r) for r in records_of(directory / "copy-examples")]
        assert copies == examples, "an example changed on its way"
    print(f"{len(examples)} records read by us, written by us and read by TensorFlow agree")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
