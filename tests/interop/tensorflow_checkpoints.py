#!/usr/bin/env python3
"""Compares this project's checkpoint reader and writer with the real TensorFlow.

    tensorflow_checkpoints.py CHECKPOINT_DUMP [SEED]

Run with a Python that has TensorFlow 2.15, tf_slim and NumPy. CHECKPOINT_DUMP is the program built
from checkpoint_dump.cc. Checkpoints of every kind are saved with random content and read by both; what
the program copies is read back by TensorFlow, ResNet V1 50 through Saver.restore.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import types

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

TYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool",
         "complex64", "complex128"]
TYPES_ONLY_IN_V2 = ["bfloat16", "uint32", "uint64"]


class Checker:
    def __init__(self, program):
        self.program = program
        self.comparisons = 0

    def run(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments)], check=True,
                              stdout=subprocess.PIPE).stdout

    def dump(self, path):
        """name: (type, shape, bytes or list of strings)"""
        output, position, tensors = self.run("dump", path), 0, {}
        while position < len(output):
            end = output.index(b"\n", position)
            dtype, shape, name_size, size = output[position:end].decode().split(" ")
            name_end = end + 1 + int(name_size)
            name = output[end + 1:name_end].decode()
            data = output[name_end:name_end + int(size)]
            position = name_end + int(size)
            shape = [] if shape == "-" else [int(n) for n in shape.split(",")]
            tensors[name] = (dtype, shape, strings_of(data) if dtype == "string" else data)
        return tensors

    def compare(self, path, expected):
        """`expected`: what TensorFlow says, name: tensor."""
        found = self.dump(path)
        assert sorted(found) == sorted(expected), (path, sorted(found), sorted(expected))
        for name, tensor in expected.items():
            dtype, shape, values = found[name]
            assert dtype == tensor.dtype.name, (path, name, dtype, tensor.dtype.name)
            assert shape == tensor.shape.as_list(), (path, name, shape, tensor.shape)
            assert values == values_of(tensor), (path, name)
            self.comparisons += 1

    def compare_all_ways(self, path, expected):
        """Reads `path`, and reads a copy of it with the program and with TensorFlow."""
        self.compare(path, expected)
        copy = pathlib.Path(f"{path}-copy")
        self.run("copy", path, "tf", copy)
        self.compare(copy, expected)
        reader = tf.train.load_checkpoint(str(copy))
        assert sorted(reader.get_variable_to_shape_map()) == sorted(expected), path
        for name, restored in restore(copy, expected).items():
            assert values_of(restored) == values_of(expected[name]), (copy, name)
        for name, tensor in expected.items():
            assert reader.get_variable_to_dtype_map()[name] == tensor.dtype, (copy, name)
        return copy


def strings_of(data):
    values, position = [], 0
    while position < len(data):
        end = position + 8 + int.from_bytes(data[position:position + 8], "little")
        values.append(data[position + 8:end])
        position = end
    return values


def values_of(tensor):
    if tensor.dtype == tf.string:
        return np.asarray(tensor.numpy(), dtype=object).ravel().tolist()
    return tensor.numpy().tobytes()


def restore(path, tensors):
    return {name: tf.raw_ops.RestoreV2(prefix=str(path), tensor_names=[name], shape_and_slices=[""],
                                       dtypes=[tensor.dtype])[0]
            for name, tensor in tensors.items()}


def random_tensor(rng, dtype):
    shape = rng.integers(0, 9, rng.integers(0, 5)).tolist()
    if rng.integers(0, 4):
        shape = [n + 1 for n in shape]
    count = int(np.prod(shape, dtype=np.int64))
    if dtype == "string":
        values = [rng.bytes(rng.integers(0, 300)) for _ in range(count)]
        return tf.constant(values, tf.string, shape=shape) if values else tf.zeros(shape, tf.string)
    if dtype == "bool":
        return tf.constant(rng.integers(0, 2, shape) == 1)
    dtype = tf.as_dtype(dtype)
    if dtype.is_complex or dtype.is_floating:
        values = rng.standard_normal(shape) * 10.0 ** rng.integers(-4, 4)
        return tf.cast(tf.constant(np.asarray(values)), dtype)
    data = np.frombuffer(rng.bytes(count * dtype.size), dtype.as_numpy_dtype)
    return tf.constant(data.reshape(shape), dtype)


def random_tensors(rng, v1):
    kinds = TYPES + ["string"] + ([] if v1 else TYPES_ONLY_IN_V2)
    return {f"{'scope/' * int(rng.integers(0, 3))}{kind}_{i}": random_tensor(rng, kind)
            for i in range(4) for kind in kinds}


def random_cut(rng, shape):
    """Specifications of slices along one dimension, or [""]."""
    dims = [i for i, n in enumerate(shape) if n > 1]
    if not dims:
        return [""]
    dim = int(rng.choice(dims))
    inner = rng.choice(np.arange(1, shape[dim]), rng.integers(1, min(4, shape[dim])), replace=False)
    bounds = [0, *sorted(int(n) for n in inner), shape[dim]]
    return [":".join(f"{a},{b - a}" if i == dim else "-" for i in range(len(shape)))
            for a, b in zip(bounds, bounds[1:])]


def slice_arguments(tensors, cuts):
    names, specs, pieces = [], [], []
    for name in sorted(tensors):
        tensor = tensors[name]
        for spec in cuts.get(name, [""]):
            if not spec:
                names, specs, pieces = names + [name], specs + [""], pieces + [tensor]
                continue
            index = tuple(slice(None) if part == "-" else
                          slice(int(part.split(",")[0]), sum(map(int, part.split(","))))
                          for part in spec.split(":"))
            names.append(name)
            specs.append(" ".join(str(n) for n in tensor.shape) + " " + spec)
            pieces.append(tensor[index])
    return names, specs, pieces


def save(path, v1, tensors, cuts):
    names, specs, pieces = slice_arguments(tensors, cuts)
    if v1:
        tf.raw_ops.SaveSlices(filename=str(path), tensor_names=names, shapes_and_slices=specs,
                              data=pieces)
    else:
        tf.raw_ops.SaveV2(prefix=str(path), tensor_names=names, shape_and_slices=specs,
                          tensors=pieces)


def check_random(checker, folder, seed):
    rng = np.random.default_rng(seed)
    for v1 in (False, True):
        kind = "v1" if v1 else "v2"
        tensors = random_tensors(rng, v1)
        path = folder / f"plain-{kind}-{seed}"
        save(path, v1, tensors, {})
        copy = checker.compare_all_ways(path, tensors)
        if not v1:
            for suffix in (".index", ".data-00000-of-00001"):
                same = pathlib.Path(f"{path}{suffix}").read_bytes() == \
                    pathlib.Path(f"{copy}{suffix}").read_bytes()
                assert same, f"{copy}{suffix} differs"
        numbers = {name: t for name, t in tensors.items() if t.dtype != tf.string}
        cuts = {name: random_cut(rng, t.shape.as_list()) for name, t in numbers.items()}
        path = folder / f"cut-{kind}-{seed}"
        save(path, v1, numbers, cuts)
        checker.compare_all_ways(path, numbers)
    check_sharded(checker, folder, seed, random_tensors(rng, False))


def check_sharded(checker, folder, seed, tensors):
    names = sorted(tensors)
    parts = [str(folder / f"part{i}-{seed}") for i in range(4)]
    for i, part in enumerate(parts):
        save(part, False, {name: tensors[name] for name in names[i::4]}, {})
    path = folder / f"sharded-{seed}"
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(path),
                                  delete_old_dirs=False)
    checker.compare_all_ways(path, tensors)


def import_resnet():
    """tf_slim asks for Keras modules that TensorFlow 2.15 has under another name."""
    import keras.src.legacy_tf_layers as layers
    from keras.src.legacy_tf_layers import base, convolutional, core, normalization, pooling
    package = types.ModuleType("tf_keras")
    package.legacy_tf_layers = layers
    sys.modules.update({"tf_keras": package, "tf_keras.legacy_tf_layers": layers})
    for module in (base, convolutional, core, normalization, pooling):
        sys.modules["tf_keras.legacy_tf_layers." + module.__name__.rsplit(".", 1)[1]] = module
    from tf_slim.nets import resnet_v1
    return resnet_v1


def check_resnet(checker, folder):
    resnet_v1 = import_resnet()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        images = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3])
        resnet_v1.resnet_v1_50(images, 10, is_training=False)
        tf.compat.v1.train.create_global_step()
        variables = tf.compat.v1.global_variables()
        session.run(tf.compat.v1.global_variables_initializer())
        saved = dict(zip([v.op.name for v in variables], session.run(variables)))
        for version in (tf.compat.v1.train.SaverDef.V2, tf.compat.v1.train.SaverDef.V1):
            saver = tf.compat.v1.train.Saver(write_version=version)
            path = saver.save(session, str(folder / f"resnet-v{version}"))
            found = checker.dump(path)
            assert sorted(found) == sorted(saved)
            for name, values in saved.items():
                assert found[name][2] == values.tobytes(), name
                checker.comparisons += 1
            copy = f"{path}-copy"
            checker.run("copy", path, "tf", copy)
            session.run([v.assign(tf.zeros_like(v)) for v in variables])
            tf.compat.v1.train.Saver().restore(session, copy)
            for name, values in zip(saved, session.run(variables)):
                assert np.array_equal(values, saved[name]), name
                checker.comparisons += 1
            assert tf.train.latest_checkpoint(str(folder)) == copy


def main():
    checker = Checker(sys.argv[1])
    first_seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for seed in range(first_seed, first_seed + 5):
            check_random(checker, folder, seed)
        resnet = folder / "resnet"
        resnet.mkdir()
        check_resnet(checker, resnet)
    print(f"{checker.comparisons} tensors are as TensorFlow has them")


if __name__ == "__main__":
    main()
