#!/usr/bin/env python3
"""Writes the GGUF files of this folder and, beside types.gguf, what it holds.

Needs gguf 0.19.0. types.gguf.txt has a line a tensor, in file order: type of the values, shape ("-"
for a scalar), the values in hexadecimal, name. weights.gguf is plain, and NAME.gguf what the
quantizer of the package makes of its weights as NAME.
"""
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

HERE = pathlib.Path(__file__).parent
DECODED = (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q2_K, Type.Q3_K, Type.Q4_K,
           Type.Q5_K, Type.Q6_K)
PLAIN = {"float32": Type.F32, "float16": Type.F16, "float64": Type.F64, "int8": Type.I8,
         "int16": Type.I16, "int32": Type.I32, "int64": Type.I64}
# Bytes of a block at which a float16 begins: of the scale, and of the minimum where there is one.
HALVES = {Type.Q4_0: (0,), Type.Q4_1: (0, 2), Type.Q5_0: (0,), Type.Q5_1: (0, 2), Type.Q8_0: (0,),
          Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2),
          Type.Q6_K: (208,)}
# File types of llama.cpp (enum llama_ftype).
QUANTIZED = {Type.F16: 1, Type.BF16: 32, Type.Q4_0: 2, Type.Q4_1: 3, Type.Q5_0: 8, Type.Q5_1: 9,
             Type.Q8_0: 7}


def write(name, metadata, tensors):
    """`tensors`: name, array, type, shape of the values."""
    writer = gguf.GGUFWriter(HERE / name, "llama")
    metadata(writer)
    for tensor, array, kind, shape in tensors:
        writer.add_tensor(tensor, array, raw_shape=shape, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def every_value_type(writer):
    for name, value in {"uint8": 255, "int8": -128, "uint16": 65535, "int16": -32768,
                        "uint32": 2**32 - 1, "int32": -2**31, "uint64": 2**64 - 1,
                        "int64": -2**63, "float32": 0.1, "float64": 0.1, "bool": True,
                        "string": "größe \"1\"\n"}.items():
        getattr(writer, f"add_{name}")(f"test.{name}", value)
    writer.add_array("test.texts", ["<s>", "\"", "ö"])
    writer.add_array("test.numbers", list(range(20)))
    writer.add_array("test.reals", [0.5, -1.0])
    writer.add_array("test.many_texts", [f"token {i}" for i in range(17)])


def random_blocks(random, kind, rows, blocks):
    """Blocks with any codes, and scales that are small normal numbers, subnormal ones or zeros."""
    size = gguf.GGML_QUANT_SIZES[kind][1]
    data = random.integers(0, 256, (rows, blocks, size), "uint8")
    for place in HALVES[kind]:
        scales = random.normal(0, 0.02, (rows, blocks)).astype("float16")
        scales.reshape(-1)[1:3] = np.array([3e-7, -0.0], "float16")[:scales.size - 1]
        data[..., place:place + 2] = scales.view("uint8").reshape(rows, blocks, 2)
    return data.reshape(rows, -1)


def write_types():
    random = np.random.default_rng(7)
    tensors, lines = [], []

    def add(name, array, kind, values):
        # The shape of blocks is theirs in bytes for the writer of gguf.
        tensors.append((name, array, kind, None))
        shape = ",".join(map(str, values.shape)) or "-"
        lines.append(f"{values.dtype.name} {shape} {values.tobytes().hex()} {name}\n")

    for name, kind in PLAIN.items():
        array = np.array([[0, 1, -1], [2, 100, -128]], name)
        add(name, array, kind, array)
    halves = np.array([0x3F80, 0xC000, 0x7F80], "uint16")
    tensors.append(("bfloat16", halves.view("uint8"), Type.BF16, None))
    lines.append(f"bfloat16 3 {halves.tobytes().hex()} bfloat16\n")
    for kind in DECODED:
        values_in_block = gguf.GGML_QUANT_SIZES[kind][0]
        blocks = random_blocks(random, kind, *((2, 2) if values_in_block == 32 else (1, 2)))
        add(kind.name, blocks, kind, gguf.quants.dequantize(blocks, kind))
    blocks = random.integers(0, 256, (2, 34), "uint8")
    tensors.append(("MXFP4", blocks, Type.MXFP4, None))
    write("types.gguf", every_value_type, tensors)
    (HERE / "types.gguf.txt").write_text("".join(lines), encoding="utf-8")


def weight_values(random):
    """Rows of two blocks: normal numbers, zeros, ties, subnormal ones, one sign, wide ranges."""
    values = random.normal(0, 1, (8, 64)).astype("float32")
    values[1] = 0
    values[2] = np.arange(64) - 31.5
    values[3] *= np.float32(1e-40)
    values[4] = np.abs(values[4]) + np.float32(100)
    values[5] *= np.exp(random.normal(0, 8, 64)).astype("float32")
    values[6, :32] = -0.0
    values[6, 32:] = np.float32(-7) / 127 * np.arange(32)
    values[7] = np.tile([8, -8], 32) * np.float32(0.3)
    return np.clip(values, -60000, 60000)


def write_weights():
    random = np.random.default_rng(8)
    weights = {"blk.0.attn_q.weight": weight_values(random),
               "blk.0.ffn_up.weight": random.normal(0, 1, (2, 3, 32)).astype("float32"),
               "odd.weight": random.normal(0, 1, (2, 33)).astype("float32"),
               "blk.0.attn_norm.weight": random.normal(1, 0.1, 32).astype("float32"),
               "output_norm.weight": random.normal(1, 0.1, (2, 32)).astype("float32"),
               "blk.0.attn_q.bias": random.normal(0, 1, (1, 32)).astype("float32")}

    def describe(file_type, quantized):
        def metadata(writer):
            writer.add_uint32("llama.block_count", 1)
            writer.add_array("tokenizer.ggml.tokens", [f"<{i}>" for i in range(40)])
            writer.add_uint32("general.file_type", file_type)
            if quantized:
                writer.add_quantization_version(2)
        return metadata

    write("weights.gguf", describe(0, False),
          [(name, array, Type.F32, None) for name, array in weights.items()])
    for kind, file_type in QUANTIZED.items():
        tensors = []
        for name, array in weights.items():
            own = Type.F32
            if array.ndim > 1 and name.endswith(".weight") and not name.endswith("_norm.weight"):
                own = kind if array.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0 else Type.F16
            tensors.append((name, gguf.quants.quantize(array, own), own, None))
        write(f"{kind.name}.gguf", describe(file_type, gguf.GGML_QUANT_SIZES[kind][0] > 1), tensors)


if __name__ == "__main__":
    write_types()
    write_weights()
