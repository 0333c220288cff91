#!/usr/bin/env python3
"""Writes the HDF5 files of this folder with h5py and, beside each, what they hold.

Needs h5py and numpy; keras_*.h5 and *.keras are of make_keras.py. NAME.txt has a line a tensor, in
the order in which a reader of Keras' files gives them: type, shape ("-" for a scalar), the row-major
little-endian values in hexadecimal ("-" for none), name. h5py numbers the versions of the format by
`libver`: "earliest" gives superblock 0 and symbol tables, "v110" and "latest" superblock 3 and link
messages, "latest" of h5py 3.16 the layouts and datatypes of HDF5 2.0.
"""
import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent
TYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()


def order(name):
    """Numbers by their value, other names by their bytes."""
    return [(len(part) if part.isdigit() else 0, part) for part in name.split("/")]


def expected_line(name, dataset):
    array = dataset[()] if dataset.shape != (0,) else np.zeros(dataset.shape, dataset.dtype)
    array = np.asarray(array)
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    shape = ",".join(map(str, array.shape)) or "-"
    return f"{array.dtype.newbyteorder('=').name} {shape} {plain.tobytes().hex() or '-'} {name}\n"


def write_expected(name):
    with h5py.File(HERE / name) as file:
        found = {}
        file.visititems(
            lambda path, item: found.update({path: item}) if isinstance(item, h5py.Dataset) else None)
        lines = [expected_line(path, found[path]) for path in sorted(found, key=order)]
    (HERE / f"{name}.txt").write_text("".join(lines), encoding="utf-8")


def values(dtype, shape):
    """Small numbers with the extremes of the type in front."""
    dtype = np.dtype(dtype)
    array = (np.arange(np.prod(shape, dtype=int)) % 100).astype(dtype)
    flat = array.reshape(-1)
    if dtype.kind in "iu" and flat.size > 1:
        flat[:2] = np.iinfo(dtype).min, np.iinfo(dtype).max
    if dtype.kind == "f" and flat.size > 3:
        flat[:4] = np.nan, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal
    return flat.reshape(shape)


def compact(group, name, array):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(array.shape)
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(array.dtype), space, plist).write(
        h5py.h5s.ALL, h5py.h5s.ALL, array)


def all_types(file):
    for name in TYPES:
        file[f"types/{name}"] = values(name, (2, 3))
    for name in "int16 int32 uint64 float16 float32 float64".split():
        file[f"big/{name}"] = values(name, (2, 3)).astype(np.dtype(name).newbyteorder(">"))
    file["scalar"] = np.float32(2.5)
    file["empty"] = np.zeros((0, 3), "int16")
    file["deep"] = values("uint8", (2, 1, 3, 1, 2))
    file["größe"] = values("int8", (3,))
    file.create_dataset("fill/zero", (2, 2), "float32")
    file.create_dataset("fill/seven", (2, 2), "float32", fillvalue=7)
    compact(file, "compact", values("float32", (2, 2)))


def chunks(file):
    """Every form of chunk that does not grow; under "earliest" all of them lie in B-trees."""
    array = np.arange(5 * 7, dtype="float32").reshape(5, 7)
    file.create_dataset("plain", data=array, chunks=(2, 3))
    file.create_dataset("single", data=array, chunks=(5, 7))
    file.create_dataset("single_deflated", data=array, chunks=(5, 7), compression="gzip")
    file.create_dataset("deflated", data=array, chunks=(2, 3), compression="gzip")
    file.create_dataset("shuffled", data=array, chunks=(2, 3), compression="gzip", shuffle=True)
    file.create_dataset("checked", data=array, chunks=(2, 3), shuffle=True, fletcher32=True)
    file.create_dataset("checked_bytes", data=values("uint8", (7,)), chunks=(3,), fletcher32=True)
    file.create_dataset("rows", data=values("int16", (40, 3)), chunks=(1, 3))
    file.create_dataset("columns", data=values("int16", (3, 4, 5)), chunks=(3, 1, 5))
    file.create_dataset("big", data=values(">f8", (3, 4)), chunks=(2, 2), compression="gzip")
    partly = file.create_dataset("partly", (6, 4), "int32", chunks=(2, 2), fillvalue=9)
    partly[3, 1] = 5
    file.create_dataset("never", (6, 4), "int32", chunks=(2, 2), fillvalue=3)


def early_chunks(file):
    """Chunks at places that follow from their order: allocated when the dataset is made."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2, 3))
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    array = np.arange(5 * 7, dtype="float32").reshape(5, 7)
    h5py.h5d.create(file.id, b"implicit", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((5, 7)),
                    plist).write(h5py.h5s.ALL, h5py.h5s.ALL, array)
    file.create_dataset("pages", data=np.arange(2100, dtype="uint8"), chunks=(1,))


def many_links(file, count):
    for i in range(count):
        file[f"group/{i}/a_name_that_takes_room_{i % 7}"] = np.int16(i)


def write(name, fill, libver, **options):
    with h5py.File(HERE / name, "w", libver=libver if libver == "earliest" else (libver, libver), **options) as file:
        fill(file)
    write_expected(name)


def main():
    for libver in ("earliest", "v110", "latest"):
        write(f"types_{libver}.h5", all_types, libver)
        write(f"chunks_{libver}.h5", chunks, libver)
    for libver in ("earliest", "latest"):
        write(f"links_{libver}.h5", lambda file: many_links(file, 40), libver)
    write("early_chunks.h5", early_chunks, "latest")
    write("tracked.h5", lambda file: many_links(file, 12), "earliest", track_order=True)
    write("user_block.h5", lambda file: many_links(file, 3), "v110", userblock_size=1024)


if __name__ == "__main__":
    main()
