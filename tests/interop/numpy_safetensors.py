#!/usr/bin/env python3
"""Random arrays both ways between this library and the real numpy and safetensors packages.

usage: numpy_safetensors.py PATH_OF_CHECKPOINT_DUMP [SEED]

Needs numpy, ml_dtypes and safetensors. Exit status 0 when everything agrees bit for bit.
"""
import pathlib
import random
import subprocess
import sys
import tempfile
import zipfile

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

NUMPY_TYPES = ("bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 "
               "complex64 complex128").split()
SAFETENSORS_TYPES = [name for name in NUMPY_TYPES if name != "complex128"]
# Types that NumPy knows only through ml_dtypes; the value is their name in narrow.
EXTRA_TYPES = {"bfloat16": "bfloat16", "float8_e4m3fn": "float8_e4m3", "float8_e5m2": "float8_e5m2"}
ROUNDS = 15


class Interop:
    def __init__(self, program, seed, folder):
        self.program = program
        self.random = random.Random(seed)
        self.numpy_random = np.random.default_rng(seed)
        self.folder = folder
        self.checks = 0

    def run(self, *arguments):
        result = subprocess.run([self.program, *map(str, arguments)], capture_output=True)
        assert result.returncode == 0, f"{arguments}: {result.stderr.decode()}"
        return result.stdout

    def refused(self, *arguments):
        result = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        assert result.returncode not in (0, None) and result.returncode > 0, arguments
        assert result.stderr.strip(), f"{arguments}: no sentence"
        self.checks += 1

    def shape(self):
        rank = self.random.choice([0, 1, 1, 2, 2, 3, 4, 6])
        return tuple(self.random.choice([0, 1, 2, 3, 5, 17]) for _ in range(rank))

    def array(self, dtype):
        dtype = np.dtype(dtype)
        shape = self.shape()
        count = int(np.prod(shape, dtype=int))
        if dtype.kind == "b":
            return self.numpy_random.integers(0, 2, count).astype(bool).reshape(shape)
        raw = self.numpy_random.bytes(count * dtype.itemsize)
        return np.frombuffer(raw, dtype).reshape(shape)

    def arrays(self, types):
        chosen = self.random.sample(types, self.random.randint(0, len(types)))
        return {f"{self.random.choice(['a', 'b/c', 'ü'])}/{name}_{i}": self.array(name)
                for i, name in enumerate(chosen)}

    def dumped(self, path):
        output = self.run("dump", path)
        tensors, position = {}, 0
        while position < len(output):
            end = output.index(b"\n", position)
            dtype, shape, name_size, size = output[position:end].decode().split(" ")
            name_end = end + 1 + int(name_size)
            name = output[end + 1:name_end].decode()
            position = name_end + int(size)
            tensors[name] = (dtype, shape, output[name_end:position])
        return tensors

    def check_dump(self, path, arrays, names=None):
        """What narrow reads from `path` is `arrays`."""
        tensors = self.dumped(path)
        assert set(tensors) == set(arrays), (path, sorted(tensors), sorted(arrays))
        for name, array in arrays.items():
            native = array.dtype.newbyteorder("=").name
            dtype = EXTRA_TYPES.get(native, native)
            plain = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
            found_dtype, found_shape, found_bytes = tensors[name]
            dims = tuple(int(dim) for dim in found_shape.strip("[]").replace(",", " ").split()
                         if dim != "-")
            assert found_dtype == dtype, (path, name, found_dtype, dtype)
            assert dims == array.shape, (path, name, found_shape, array.shape)
            assert found_bytes == plain.tobytes(), (path, name)
            self.checks += 1

    def check_same(self, found, arrays):
        """What the real package read is `arrays`."""
        assert set(found) == set(arrays), (sorted(found), sorted(arrays))
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype.newbyteorder("="), name
            assert found[name].shape == array.shape, name
            native = array.astype(array.dtype.newbyteorder("="), copy=False)
            assert found[name].tobytes() == native.tobytes(), name
            self.checks += 1

    def disorder(self, arrays):
        """Some arrays Fortran-ordered, some big-endian."""
        changed = {}
        for name, array in arrays.items():
            if self.random.random() < 0.5:
                array = np.asfortranarray(array)
            if self.random.random() < 0.5:
                array = array.astype(array.dtype.newbyteorder(">"))
            changed[name] = array
        return changed

    def npz_round(self):
        arrays = self.disorder(self.arrays(NUMPY_TYPES))
        path = self.folder / "in.npz"
        self.random.choice([np.savez, np.savez_compressed])(path, **arrays)
        self.check_dump(path, arrays)

        out = self.folder / "out.npz"
        out.unlink(missing_ok=True)
        self.run("copy", path, "npz", out)
        with np.load(out) as loaded:
            self.check_same({name: loaded[name] for name in loaded.files}, arrays)
        with zipfile.ZipFile(out) as archive:
            assert archive.testzip() is None
        self.check_dump(out, arrays)

    def npy_round(self):
        array = self.array(self.random.choice(NUMPY_TYPES))
        path = self.folder / "in.npy"
        np.save(path, array)
        self.check_dump(path, {"in": array})
        out = self.folder / "out.npy"
        out.unlink(missing_ok=True)
        self.run("copy", path, "npy", out)
        assert out.read_bytes() == path.read_bytes(), "numpy.save writes other bytes"
        if array.size > 0:
            mapped = np.load(out, mmap_mode="r")
            assert mapped.tobytes() == array.tobytes()
        disordered = self.disorder({"in": array})["in"]
        np.save(path, disordered)
        self.check_dump(path, {"in": disordered})

    def safetensors_round(self):
        arrays = self.arrays(SAFETENSORS_TYPES)
        path = self.folder / "in.safetensors"
        safetensors.numpy.save_file(arrays, path, metadata={"k": "ä\"b"})
        self.check_dump(path, arrays)
        out = self.folder / "out.safetensors"
        out.unlink(missing_ok=True)
        self.run("copy", path, "safetensors", out)
        self.check_same(safetensors.numpy.load_file(out), arrays)
        with safetensors.safe_open(out, framework="np") as opened:
            self.check_same({name: opened.get_tensor(name) for name in opened.keys()}, arrays)

    def unaligned_safetensors(self):
        """Our order is the order of adding: 8-byte types may follow three single bytes."""
        arrays = {"a": np.arange(3, dtype="int8"), "b": np.array([1.5, -2.5]),
                  "c": np.array(True), "d": np.arange(5, dtype="complex64")}
        path = self.folder / "in.npz"
        np.savez(path, **arrays)
        out = self.folder / "unaligned.safetensors"
        self.run("copy", path, "safetensors", out)
        self.check_same(safetensors.numpy.load_file(out), arrays)
        with safetensors.safe_open(out, framework="np") as opened:
            self.check_same({name: opened.get_tensor(name) for name in opened.keys()}, arrays)

    def extra_types(self):
        """bfloat16 and float8: safetensors both ways, refused by NumPy's formats."""
        for code in EXTRA_TYPES:
            array = self.array(getattr(ml_dtypes, code))
            spec = safetensors.TensorSpec(dtype=code, shape=array.shape,
                                          data_ptr=array.ctypes.data, data_len=array.nbytes)
            path = self.folder / "extra.safetensors"
            path.write_bytes(bytes(safetensors.serialize({"x": spec})))
            self.check_dump(path, {"x": array})
            out = self.folder / "extra_out.safetensors"
            out.unlink(missing_ok=True)
            self.run("copy", path, "safetensors", out)
            ((name, entry),) = safetensors.deserialize(out.read_bytes())
            assert name == "x" and bytes(entry["data"]) == array.tobytes()
            assert tuple(entry["shape"]) == array.shape
            self.refused("copy", path, "npz", self.folder / "extra.npz")

    def between_formats(self):
        arrays = self.arrays(SAFETENSORS_TYPES)
        path = self.folder / "between.npz"
        np.savez(path, **arrays)
        middle = self.folder / "between.safetensors"
        back = self.folder / "back.npz"
        for file in (middle, back):
            file.unlink(missing_ok=True)
        self.run("copy", path, "safetensors", middle)
        self.run("copy", middle, "npz", back)
        with np.load(back) as loaded:
            assert loaded.files == list(arrays), "the order has changed"
            self.check_same({name: loaded[name] for name in loaded.files}, arrays)


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        interop = Interop(program, seed, pathlib.Path(folder))
        for _ in range(ROUNDS):
            interop.npz_round()
            interop.npy_round()
            interop.safetensors_round()
            interop.between_formats()
        interop.unaligned_safetensors()
        interop.extra_types()
        print(f"seed {seed}: {interop.checks} tensors agree bit for bit")


if __name__ == "__main__":
    main()
