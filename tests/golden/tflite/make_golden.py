#!/usr/bin/env python3
"""Writes the TFLite models of this folder and, beside each, what they hold.

Needs TensorFlow 2.15 and NumPy. NAME.txt has a line a tensor, in file order: type, shape ("-" for a
scalar), the values in hexadecimal ("-" for none), name. Tensors of types that are not computed with
are left out. types.tflite is built with the classes that TensorFlow generates from TFLite's schema;
the others are made by the converter, and their values are those of the interpreter.
"""
import os
import pathlib
import struct

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

HERE = pathlib.Path(__file__).parent
PLAIN = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16",
         8: "complex64", 9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 15: "uint32",
         16: "uint16"}
CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, FULLY_CONNECTED, BATCH_MATMUL = 3, 4, 6, 9, 126
FAR = bytes(range(1, 25))


def line(dtype, shape, data, name):
    return f"{dtype} {','.join(map(str, shape)) or '-'} {data.hex() or '-'} {name}\n"


def packed(codes, bits):
    """Codes of `bits` bits, the first in the lowest bits of a byte."""
    data = bytearray((len(codes) * bits + 7) // 8)
    for i, code in enumerate(codes):
        data[i * bits // 8] |= (code & ((1 << bits) - 1)) << (i * bits % 8)
    return bytes(data)


class Builder:
    def __init__(self):
        empty = schema.BufferT()
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [empty]
        self.model.subgraphs = []
        self.model.operatorCodes = []
        self.lines = []

    def subgraph(self, name):
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs = name, [], [], [], []
        self.model.subgraphs.append(graph)

    def tensor(self, name, number, shape, data=None):
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.shape = name, number, list(shape)
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(data)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.model.subgraphs[-1].tensors.append(tensor)
        return tensor, len(self.model.subgraphs[-1].tensors) - 1

    def plain(self, name, number, shape):
        array = (np.arange(np.prod(shape, dtype=int)) % 50).astype(PLAIN[number]).reshape(shape)
        self.lines.append(line(PLAIN[number], shape, array.tobytes(), name))
        return self.tensor(name, number, shape, array.tobytes())[1]

    def codes(self, name, number, codes, data, scales, zeros, axis=0):
        """`codes`: an array of integers that `data` encodes."""
        tensor, index = self.tensor(name, number, codes.shape, data)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = scales
        tensor.quantization.zeroPoint = zeros
        tensor.quantization.quantizedDimension = axis
        wide = [1] * codes.ndim
        wide[axis] = -1 if len(scales) > 1 else 1
        scale = np.array(scales, np.float32).astype(np.float64).reshape(wide)
        zero = np.array(zeros).reshape(wide) if len(zeros) > 1 else np.array((zeros or [0])[0])
        values = (scale * (codes.astype(np.int64) - zero)).astype(np.float32)
        self.lines.append(line("float32", codes.shape, values.tobytes(), name))
        return index

    def operator(self, code, inputs, output, options=None):
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode = code, min(code, 127)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            operator.builtinOptionsType, operator.builtinOptions = 101, options
        self.model.operatorCodes.append(entry)
        self.model.subgraphs[-1].operators.append(operator)

    def write(self, name):
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        data = bytes(builder.Output())
        # What lies behind the tables: where is known only now.
        mark = struct.pack("<Q", 0x1122334455667788)
        assert data.count(mark) == 1
        data = data.replace(mark, struct.pack("<Q", len(data))) + FAR
        (HERE / f"{name}.tflite").write_bytes(data)
        (HERE / f"{name}.tflite.txt").write_text("".join(self.lines), encoding="utf-8")


def make_types():
    made = Builder()
    made.subgraph("main")
    for number, kind in PLAIN.items():
        made.plain(f"plain/{kind}", number, (2, 3))
    made.plain("scalar", 0, ())
    made.tensor("activation", 0, (1, 4))
    int8 = np.array([-128, -1, 0, 1, 2, 127, 3, -4, 5, -6, 7, -8], np.int8).reshape(3, 2, 2)
    made.codes("codes/first_axis", 9, int8, int8.tobytes(), [0.5, 0.1, 3.0], [0, -3, 7])
    made.codes("codes/last_axis", 9, int8, int8.tobytes(), [0.25, 1e-3], [], 2)
    made.codes("codes/one_zero", 9, int8, int8.tobytes(), [0.3, 0.7], [5], 1)
    for number, kind in ((3, "uint8"), (7, "int16"), (2, "int32"), (4, "int64"), (16, "uint16")):
        limits = np.iinfo(kind if kind != "int64" else "int32")
        array = np.array([limits.min, limits.max, 0, 1, 100], kind) * (9 if kind == "int64" else 1)
        made.codes(f"codes/{kind}", number, array, array.tobytes(), [0.0123], [128])
    int4 = np.array([-8, -1, 0, 1, 7, 3, -5, 2, 6], np.int8).reshape(3, 3)
    made.codes("codes/int4", 17, int4, packed(int4.ravel().tolist(), 4), [0.5, 0.1, 2.0], [], 1)
    for number, kind, bits, array in ((17, "int8", 4, int4.ravel()),
                                      (19, "int8", 2, np.array([-2, -1, 0, 1, 1], np.int8)),
                                      (20, "uint8", 4, np.array([15, 0, 8], np.uint8))):
        made.tensor(f"plain/{kind}_{bits}", number, array.shape, packed(array.tolist(), bits))
        made.lines.append(line(kind, array.shape, array.tobytes(), f"plain/{kind}_{bits}"))
    far, _ = made.tensor("far", 0, (2, 3), b"")
    buffer = made.model.buffers[far.buffer]
    buffer.data, buffer.offset, buffer.size = None, 0x1122334455667788, len(FAR)
    made.lines.append(line("float32", (2, 3), FAR, "far"))
    made.tensor("strings", 5, (2,), struct.pack("<4i", 2, 16, 17, 19) + b"abc")
    make_sparse(made)
    custom, _ = made.tensor("custom", 9, (2,), b"ab")
    custom.quantization = schema.QuantizationParametersT()
    custom.quantization.detailsType = 1
    custom.quantization.details = schema.CustomQuantizationT()
    make_operators(made)
    made.subgraph("body")
    made.lines.append(line("bool", (1,), b"\1", "tensor_0"))
    made.tensor(None, 6, (1,), b"\1")
    for name in ("subgraph_1/scalar", "subgraph_1/scalar#2"):
        made.lines.append(line("int8", (1,), b"\5", name))
        made.tensor("scalar", 9, (1,), b"\5")
    made.write("types")


def make_sparse(made):
    """One with rows of indices, one of 2 x 2 blocks whose dimensions come last first, codes."""
    rows = np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0]], np.float32)
    tensor, _ = made.tensor("sparse/rows", 0, rows.shape, rows[rows != 0].tobytes())
    tensor.sparsity = sparsity([0, 1], None, [dimension(size=3),
                                              dimension([0, 2, 2, 3], [1, 3, 0], 3)])
    made.lines.append(line("float32", rows.shape, rows.tobytes(), "sparse/rows"))
    blocks = np.zeros((4, 6), np.float16)
    blocks[2:, :2] = [[1, 2], [3, 4]]
    blocks[:2, 4:] = [[5, 6], [7, 8]]
    stored = np.concatenate([blocks[2:, :2].T.ravel(), blocks[:2, 4:].T.ravel()])
    tensor, _ = made.tensor("sparse/blocks", 1, blocks.shape, stored.tobytes())
    tensor.sparsity = sparsity([1, 0, 3, 2], [0, 1], [
        dimension(size=3), dimension([0, 1, 1, 2], [1, 0], 2), dimension(size=2),
        dimension(size=2)])
    made.lines.append(line("float16", blocks.shape, blocks.tobytes(), "sparse/blocks"))
    tensor, _ = made.tensor("sparse/codes", 9, (4, 4), bytes(8))
    tensor.sparsity = sparsity([0, 1], None, [dimension(size=4)])
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = [0.5]


def sparsity(order, blocks, dimensions):
    made = schema.SparsityParametersT()
    made.traversalOrder, made.blockMap, made.dimMetadata = order, blocks, dimensions
    return made


def dimension(segments=None, indices=None, kind=0, size=0):
    """`kind` of vectors: 2 for numbers of 16 bits, 3 for 8."""
    made = schema.DimensionMetadataT()
    if segments is None:
        made.format, made.denseSize = 0, size
        return made
    make = schema.Uint16VectorT if kind == 2 else schema.Uint8VectorT
    made.format = 1
    made.arraySegmentsType = made.arrayIndicesType = kind
    made.arraySegments, made.arrayIndices = make(), make()
    made.arraySegments.values, made.arrayIndices.values = segments, indices
    return made


def make_operators(made):
    inputs = made.tensor("input", 0, (1, 8, 8, 2))[1]
    output = made.tensor("output", 0, (1, 8))[1]
    conv = made.plain("weights/conv", 0, (3, 2, 2, 2))
    bias = made.plain("weights/bias", 0, (3,))
    made.operator(CONV_2D, [inputs, conv, bias], output)
    half = made.plain("weights/half", 1, (1, 2, 2, 3))
    passed = made.tensor("weights/half_dequantize", 0, (1, 2, 2, 3))[1]
    made.operator(DEQUANTIZE, [half], passed)
    made.operator(DEPTHWISE_CONV_2D, [inputs, passed, -1], output)
    made.operator(FULLY_CONNECTED, [inputs, made.plain("weights/dense", 0, (4, 2)), -1], output)
    options = schema.BatchMatMulOptionsT()
    made.operator(BATCH_MATMUL, [inputs, made.plain("weights/right", 0, (2, 3))], output, options)
    options = schema.BatchMatMulOptionsT()
    options.adjY = True
    made.operator(BATCH_MATMUL, [inputs, made.plain("weights/adjoint", 0, (2, 3))], output, options)


def converted(name, settings):
    rng = np.random.default_rng(7)
    model = tf.keras.Sequential([
        tf.keras.layers.Conv2D(4, 3, input_shape=(6, 6, 2), name="conv"),
        tf.keras.layers.DepthwiseConv2D(3, name="depthwise"),
        tf.keras.layers.Flatten(name="flatten"),
        tf.keras.layers.Dense(3, name="dense")])
    model.set_weights([rng.standard_normal(w.shape).astype(np.float32)
                       for w in model.get_weights()])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    settings(converter, rng)
    content = converter.convert()
    (HERE / f"{name}.tflite").write_bytes(content)
    write_values(name, content)


def write_values(name, content):
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    lines = []
    for index, tensor in enumerate(model.subgraphs[0].tensors):
        data = model.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            continue
        array = interpreter.get_tensor(index)
        details = interpreter._get_tensor_details(index, 0)["quantization_parameters"]
        if len(details["scales"]) > 0 and array.dtype.kind in "iu":
            wide = [1] * array.ndim
            if len(details["scales"]) > 1:
                wide[details["quantized_dimension"]] = -1
            zero = details["zero_points"].reshape(wide)
            array = details["scales"].reshape(wide) * (array - zero).astype(np.float32)
        lines.append(line(array.dtype.name, array.shape, array.tobytes(), tensor.name.decode()))
    (HERE / f"{name}.tflite.txt").write_text("".join(lines), encoding="utf-8")


def half(converter, _):
    converter.target_spec.supported_types = [tf.float16]


def integer(converter, rng):
    images = [rng.standard_normal((1, 6, 6, 2)).astype(np.float32) for _ in range(4)]
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def main():
    make_types()
    converted("half", half)
    converted("integer", integer)


if __name__ == "__main__":
    main()
