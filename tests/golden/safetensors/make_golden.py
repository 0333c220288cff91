#!/usr/bin/env python3
"""Writes the safetensors files of this folder and, beside each, what they hold.

Needs numpy, ml_dtypes and safetensors. NAME.txt has a line a tensor, in file order: type, shape
("-" for a scalar), the values in hexadecimal ("-" for none), name.
"""
import json
import pathlib
import struct

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

HERE = pathlib.Path(__file__).parent
NAMES = {"BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16",
         "F16": "float16", "BF16": "bfloat16", "I32": "int32", "U32": "uint32", "F32": "float32",
         "F64": "float64", "I64": "int64", "U64": "uint64", "F8_E4M3": "float8_e4m3",
         "F8_E5M2": "float8_e5m2", "C64": "complex64"}


def values(dtype, shape):
    """Small numbers with the extremes of the type in front."""
    dtype = np.dtype(dtype)
    array = (np.arange(np.prod(shape, dtype=int)) % 50).astype(dtype)
    flat = array.reshape(-1)
    if dtype.kind in "iu" and flat.size > 1:
        flat[:2] = np.iinfo(dtype).min, np.iinfo(dtype).max
    if dtype.kind == "f" and flat.size > 3:
        flat[:4] = np.nan, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal
    return flat.reshape(shape)


def expect(name):
    """Reads the header with json: a second opinion on the order and the offsets."""
    content = (HERE / name).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    data = content[8 + length:]
    lines = []
    for tensor, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        shape = ",".join(map(str, entry["shape"])) or "-"
        lines.append(f"{NAMES[entry['dtype']]} {shape} {data[begin:end].hex() or '-'} {tensor}\n")
    (HERE / f"{name}.txt").write_text("".join(lines), encoding="utf-8")


def main():
    tensors = {f"types/{name}": values(name, (2, 3)) for name in
               "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 "
               "complex64".split()}
    tensors["types/bfloat16"] = values(ml_dtypes.bfloat16, (2, 3))
    tensors["scalar"] = np.array(2.5, "float32")
    tensors["empty"] = np.zeros((0, 3), "uint8")
    tensors["größe"] = values("int8", (3,))
    arrays = {name: (array.dtype.name, array) for name, array in tensors.items()}
    for name in ("float8_e4m3fn", "float8_e5m2"):
        arrays[f"types/{name}"] = (name, np.array([0x38, 0xC0, 0x01], "uint8"))
    specs = {name: safetensors.TensorSpec(dtype=dtype, shape=array.shape,
                                          data_ptr=array.ctypes.data, data_len=array.nbytes)
             for name, (dtype, array) in arrays.items()}
    metadata = {"format": "np", "größe": "\"quoted\"\n"}
    content = bytes(safetensors.serialize(specs, metadata=metadata))
    (HERE / "types.safetensors").write_bytes(content)
    expect("types.safetensors")

    safetensors.numpy.save_file({"a": values("float32", (2, 2)), "b": np.arange(3, dtype="int8")},
                                HERE / "small.safetensors", metadata={"k": "v"})
    expect("small.safetensors")


if __name__ == "__main__":
    main()
