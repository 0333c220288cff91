#!/usr/bin/env python3
"""Writes the ONNX files of this folder and, beside each, what they hold.

Needs numpy, ml_dtypes and onnx 1.20. NAME.txt has a line a tensor, in file order: type, shape ("-"
for a scalar), the values in hexadecimal ("-" for none), name.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
NAMES = {"FLOAT": "float32", "DOUBLE": "float64", "FLOAT16": "float16", "BFLOAT16": "bfloat16",
         "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64", "UINT8": "uint8",
         "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "BOOL": "bool",
         "COMPLEX64": "complex64", "COMPLEX128": "complex128", "FLOAT8E4M3FN": "float8_e4m3",
         "FLOAT8E5M2": "float8_e5m2"}


def values(kind, shape):
    """Small numbers with the extremes of the type in front."""
    dtype = helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(kind))
    array = (np.arange(np.prod(shape, dtype=int)) % 50).astype(dtype)
    flat = array.reshape(-1)
    if dtype.kind in "iu" and flat.size > 1:
        flat[:2] = np.iinfo(dtype).min, np.iinfo(dtype).max
    if kind in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16") and flat.size > 3:
        flat[:4] = np.inf, -np.inf, -0.0, 0.1
    return flat.reshape(shape)


def tensor(name, kind, shape, raw):
    array = values(kind, shape)
    number = TensorProto.DataType.Value(kind)
    if raw:
        made = TensorProto(name=name, data_type=number, dims=shape, raw_data=array.tobytes())
    else:
        made = helper.make_tensor(name, number, shape, array.reshape(-1).tolist())
    assert numpy_helper.to_array(made).tobytes() == array.tobytes(), name
    dims = ",".join(map(str, shape)) or "-"
    return made, f"{NAMES[kind]} {dims} {array.tobytes().hex() or '-'} {name}\n"


def main():
    made = [tensor(f"{'raw' if raw else 'typed'}/{kind}", kind, (2, 3), raw)
            for kind in NAMES for raw in (True, False)]
    made += [tensor("scalar", "FLOAT", (), False), tensor("größe", "INT8", (3,), True)]
    constant, line = tensor("constant", "FLOAT", (2, 2), True)
    node = helper.make_node("Constant", [], ["constant"], value=constant)
    graph = helper.make_graph([node], "types", [], [helper.make_tensor_value_info(
        "constant", TensorProto.FLOAT, (2, 2))], [one for one, _ in made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    helper.set_model_props(model, {"author": "somebody"})
    onnx.checker.check_model(model)
    (HERE / "types.onnx").write_bytes(model.SerializeToString())
    (HERE / "types.onnx.txt").write_text("".join([line] + [text for _, text in made]),
                                         encoding="utf-8")


if __name__ == "__main__":
    main()
