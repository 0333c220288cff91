#!/usr/bin/env python3
"""Random HDF5 files both ways between this library and h5py, and Keras' files quantized and loaded.

usage: keras_hdf5.py BUILD_DIR [SEED]

Needs tensorflow (with Keras 2) and h5py. Exit status 0 when everything agrees bit for bit.
"""
import os
import pathlib
import random
import subprocess
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py  # noqa: E402
import numpy as np  # noqa: E402
from tensorflow import keras  # noqa: E402

TYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
ROUNDS = 12


def run(*arguments):
    result = subprocess.run([str(argument) for argument in arguments], capture_output=True)
    assert result.returncode == 0, f"{arguments}: {result.stderr.decode()}"
    return result.stdout


def dumped(program, path):
    """What narrow reads: the bytes of every tensor by name."""
    output = run(program, "dump", path)
    tensors, position = {}, 0
    while position < len(output):
        end = output.index(b"\n", position)
        dtype, shape, name_size, size = output[position:end].decode().split(" ")
        name_end = end + 1 + int(name_size)
        position = name_end + int(size)
        tensors[output[end + 1:name_end].decode()] = (dtype, shape, output[name_end:position])
    return tensors


def as_dumped(array):
    array = np.asarray(array)
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    shape = ",".join(map(str, array.shape)) or "-"
    return (array.dtype.newbyteorder("=").name, shape, plain.tobytes())


def datasets(file):
    found = {}
    file.visititems(lambda path, item: found.update({path: item[()]})
                    if isinstance(item, h5py.Dataset) else None)
    return found


class RandomFiles:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.numpy_random = np.random.default_rng(seed)

    def array(self):
        dtype = np.dtype(self.random.choice(TYPES))
        rank = self.random.choice([0, 1, 1, 2, 2, 3, 4])
        shape = tuple(self.random.choice([0, 1, 2, 3, 5, 17]) for _ in range(rank))
        count = int(np.prod(shape, dtype=int))
        if dtype.kind == "b":
            return self.numpy_random.integers(0, 2, count).astype(bool).reshape(shape)
        array = np.frombuffer(self.numpy_random.bytes(count * dtype.itemsize), dtype).reshape(shape)
        return array.astype(dtype.newbyteorder(self.random.choice("<>")))

    def options(self, shape):
        if 0 in shape or not shape or self.random.random() < 0.4:
            return {}
        options = {"chunks": tuple(self.random.randint(1, size) for size in shape)}
        if self.random.random() < 0.6:
            options["compression"] = "gzip"
        options["shuffle"] = self.random.random() < 0.4
        options["fletcher32"] = self.random.random() < 0.3
        return options

    def write(self, path):
        libver = self.random.choice(["earliest", ("v108", "v108"), ("v110", "v110"), "latest"])
        ordered = self.random.random() < 0.3
        with h5py.File(path, "w", libver=libver, track_order=ordered) as file:
            for i in range(self.random.choice([0, 1, 5, 20, 60])):
                array = self.array()
                name = "/".join(self.random.choices(["a", "b", "größe", "x y"], k=2)) + f"/{i}"
                item = file.create_dataset(name, data=array, **self.options(array.shape))
                item.attrs["note"] = "text of variable length"


def check_h5py(build, folder, seed):
    dump = build / "tests/interop/checkpoint_dump"
    files = RandomFiles(seed)
    for i in range(ROUNDS):
        path, copy = folder / f"{i}.h5", folder / f"{i}_copy.h5"
        files.write(path)
        with h5py.File(path) as file:
            expected = {name: as_dumped(array) for name, array in datasets(file).items()}
        assert dumped(dump, path) == expected, path
        run(dump, "copy", path, "hdf5", copy)
        with h5py.File(copy) as file:
            found = {name: as_dumped(array) for name, array in datasets(file).items()}
        assert found == expected, copy


def small_model():
    layers = keras.layers
    return keras.Sequential([
        layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(),
        layers.Flatten(), layers.Dense(5)])


def check_keras(build, folder):
    model = small_model()
    model.compile(optimizer="adam", loss="mse")
    model.fit(np.ones((2, 8, 8, 3)), np.ones((2, 5)), verbose=0)
    paths = [folder / "model.h5", folder / "weights.h5", folder / "model.keras"]
    model.save(paths[0])
    model.save_weights(paths[1])
    model.save(paths[2])
    for path in paths:
        out = path.with_name(f"quantized_{path.name}")
        run(build / "narrow", "quantize", path, "--scheme", "symmetric", "--bits", "4", "-o", out)
        assert out.stat().st_size == path.stat().st_size
        if path.name.startswith("weights"):
            loaded = small_model()
            loaded.load_weights(out)
        else:
            loaded = keras.models.load_model(out)
        kernels = 0
        for before, after in zip(model.weights, loaded.weights):
            before, after = before.numpy(), after.numpy()
            if before.ndim < 2:
                continue
            kernels += 1
            assert len(np.unique(after)) <= 16 < len(np.unique(before)), before.shape
            assert np.abs(before - after).max() <= np.abs(before).max() / 7, before.shape
        assert kernels == 2
        read = dumped(build / "tests/interop/checkpoint_dump", out)
        values = {tensor[2] for tensor in read.values()}
        assert all(weight.numpy().tobytes() in values for weight in loaded.weights)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as name:
        check_h5py(build, pathlib.Path(name), seed)
        check_keras(build, pathlib.Path(name))
    print(f"{ROUNDS} random files and 3 of Keras agree")


if __name__ == "__main__":
    main()
