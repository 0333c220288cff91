#!/usr/bin/env python3
"""Writes the NumPy files of this folder and, beside each, what they hold.

Needs numpy. NAME.txt has a line a tensor, in file order: type, shape ("-" for a scalar), the
row-major little-endian values in hexadecimal ("-" for none), name.
"""
import io
import pathlib
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).parent
TYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()


def expected_line(name, array):
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    shape = ",".join(map(str, array.shape)) or "-"
    return f"{array.dtype.newbyteorder('=').name} {shape} {plain.tobytes().hex() or '-'} {name}\n"


def expect(file, arrays):
    lines = [expected_line(name, array) for name, array in arrays.items()]
    (HERE / f"{file}.txt").write_text("".join(lines), encoding="utf-8")


def values(dtype, shape):
    """Small numbers with the extremes of the type in front."""
    dtype = np.dtype(dtype)
    array = (np.arange(np.prod(shape, dtype=int)) % 100).astype(dtype)
    flat = array.reshape(-1)
    if dtype.kind in "iu" and flat.size > 1:
        flat[:2] = np.iinfo(dtype).min, np.iinfo(dtype).max
    if dtype.kind == "f" and flat.size > 3:
        flat[:4] = np.nan, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal
    if dtype.kind == "c" and flat.size > 0:
        flat[0] = complex(1.5, -2.5)
    return flat.reshape(shape)


def all_types():
    arrays = {f"types/{name}": values(name, (2, 3)) for name in TYPES}
    arrays["types/complex64"] = values("complex64", (2,))
    arrays["types/complex128"] = values("complex128", (1, 2))
    arrays["scalar"] = np.array(2.5, "float32")
    arrays["empty"] = np.zeros((0, 3), "int16")
    arrays["deep"] = values("uint8", (2, 1, 3, 1, 2))
    arrays["größe"] = values("int8", (3,))
    return arrays


def fortran_order():
    arrays = {}
    for name in ("uint8", "float16", "int32", "float64", "complex128"):
        arrays[f"{name}/2"] = np.asfortranarray(values(name, (3, 4)))
        arrays[f"{name}/3"] = np.asfortranarray(values(name, (2, 3, 4)))
    arrays["big"] = np.asfortranarray(values(">i4", (2, 3)))
    arrays["row"] = np.asfortranarray(values("float32", (1, 5)))
    arrays["empty"] = np.zeros((3, 0, 2), "float32", order="F")
    return arrays


class Unseekable(io.BytesIO):
    """A pipe: the ZIP writer has to put sizes and checksums after the data."""

    def seekable(self):
        return False

    def seek(self, *unused):
        raise io.UnsupportedOperation("seek")

    def tell(self):
        raise io.UnsupportedOperation("tell")


def write_npz(name, arrays, compress=False):
    save = np.savez_compressed if compress else np.savez
    save(HERE / name, **arrays)
    expect(name, arrays)


def main():
    write_npz("types.npz", all_types())
    write_npz("compressed.npz", all_types(), compress=True)
    write_npz("fortran.npz", fortran_order())
    write_npz("big_endian.npz", {name: values(np.dtype(name).newbyteorder(">"), (2, 3))
                                 for name in TYPES + ["complex64", "complex128"]})
    small = {"a": values("float32", (2, 2)), "b": np.array([1, 2, 3], "int8")}
    write_npz("small.npz", small)
    write_npz("small_compressed.npz", small, compress=True)

    pipe = Unseekable()
    np.savez_compressed(pipe, **small)
    (HERE / "streamed.npz").write_bytes(pipe.getvalue())
    expect("streamed.npz", small)

    zipfile.ZIP64_LIMIT, limit = 10, zipfile.ZIP64_LIMIT
    write_npz("zip64.npz", small)
    zipfile.ZIP64_LIMIT = limit

    array = values("float32", (2, 3))
    for major in (1, 2, 3):
        with open(HERE / f"version{major}.npy", "wb") as file:
            np.lib.format.write_array(file, array, version=(major, 0))
        expect(f"version{major}.npy", {f"version{major}": array})

    np.save(HERE / "unsupported_object.npy", np.array([None, 1], object))
    np.save(HERE / "unsupported_text.npy", np.array(["ab", "c"]))
    np.save(HERE / "unsupported_record.npy", np.zeros(2, [("x", "f4"), ("y", "i2")]))
    np.save(HERE / "unsupported_time.npy", np.zeros(2, "M8[s]"))


if __name__ == "__main__":
    main()
