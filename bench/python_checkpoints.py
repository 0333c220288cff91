#!/usr/bin/env python3
"""All tensors of a TensorFlow checkpoint as arrays: narrow.open and tf.train.load_checkpoint in one
process, in turns; the arrays are compared first. Imports are not counted.

    tools/bench_python.sh     # builds, and runs this in the environment that has TensorFlow

The checkpoint has the shapes of a ResNet V1 50, about 100 MB. The figures are the least of the
rounds; the file is in the page cache.
"""

import argparse
import os
import tempfile
import time

import narrow
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf  # noqa: E402


def by_narrow(path):
    with narrow.open(path) as checkpoint:
        return {name: checkpoint[name][...] for name in checkpoint}


def by_tensorflow(path):
    reader = tf.train.load_checkpoint(path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model_name", default="resnet_v1_50")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    functions = {"narrow.open": by_narrow, "tf.train.load_checkpoint": by_tensorflow}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.ckpt-1")
        narrow.init(args.model_name, path, classes=1000)
        ours, theirs = (function(path) for function in functions.values())
        assert set(ours) == set(theirs)
        for name, array in theirs.items():
            assert np.array_equal(array, ours[name]) and array.dtype == ours[name].dtype, name
        megabytes = sum(array.nbytes for array in ours.values()) / 1e6
        del ours, theirs
        least = dict.fromkeys(functions, float("inf"))
        for _ in range(args.rounds):
            for name, function in functions.items():
                start = time.perf_counter()
                function(path)
                least[name] = min(least[name], time.perf_counter() - start)
    print(f"{args.model_name}, {megabytes:.0f} MB; times that of narrow.open")
    for name, seconds in least.items():
        speed = megabytes / 1e3 / seconds
        times = seconds / least["narrow.open"]
        print(f"{name:<28} {seconds * 1e3:8.1f} ms {speed:6.2f} GB/s {times:7.2f}")


if __name__ == "__main__":
    main()
