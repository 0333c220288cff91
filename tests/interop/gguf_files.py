#!/usr/bin/env python3
"""GGUF files both ways between this program and the Python package gguf, bit for bit.

usage: gguf_files.py BUILD_DIR [SEED]

Codes that the package decodes as narrow reads them; values that narrow packs as the package
quantizes them; metadata that narrow copies as the package reads it. Exit status 0 when all agree.
"""
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

# Bytes of a block at which a float16 begins: of the scale, and of the minimum where there is one.
HALVES = {Type.Q4_0: (0,), Type.Q4_1: (0, 2), Type.Q5_0: (0,), Type.Q5_1: (0, 2), Type.Q8_0: (0,),
          Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2),
          Type.Q6_K: (208,)}
WRITTEN = (Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0)
ROUNDS = 4


def write(path, tensors, random):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32("llama.block_count", 3)
    writer.add_float32("llama.rope.freq_base", 1e4)
    writer.add_array("tokenizer.ggml.tokens", [f"töken {i}" for i in range(1000)])
    writer.add_array("tokenizer.ggml.scores", [float(score) for score in random.normal(0, 1, 50)])
    writer.add_custom_alignment(int(random.choice([8, 32, 64])))
    for name, array, kind in tensors:
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def run(*words):
    result = subprocess.run([str(word) for word in words], capture_output=True)
    assert result.returncode == 0, f"{words}: {result.stderr.decode()}"
    return result.stdout


def dumped(dump, path):
    """name -> (type, shape, bytes), as checkpoint_dump prints them."""
    text, tensors = run(dump, "dump", path), {}
    while text:
        line, _, text = text.partition(b"\n")
        dtype, shape, name_size, size = line.split()
        name_size, size = int(name_size), int(size)
        name, values = text[:name_size], text[name_size:name_size + size]
        tensors[name.decode()] = (dtype.decode(), shape.decode(), values)
        text = text[name_size + size:].removeprefix(b"\n")
    return tensors


def random_blocks(random, kind):
    rows, blocks = int(random.integers(1, 40)), int(random.integers(1, 6))
    data = random.integers(0, 256, (rows, blocks, gguf.GGML_QUANT_SIZES[kind][1]), "uint8")
    for place in HALVES[kind]:
        # Every finite float16, subnormal ones and both zeros among them.
        scales = random.integers(0, 0x7C00, (rows, blocks)) | random.integers(0, 2, (rows, blocks)) << 15
        data[..., place:place + 2] = scales.astype("<u2").view("uint8").reshape(rows, blocks, 2)
    return data.reshape(rows, -1)


def check_decoding(dump, folder, random):
    tensors = [(kind.name, random_blocks(random, kind), kind) for kind in HALVES]
    write(folder / "codes.gguf", tensors, random)
    found = dumped(dump, folder / "codes.gguf")
    with np.errstate(all="ignore"):
        for name, blocks, kind in tensors:
            values = gguf.quants.dequantize(blocks, kind)
            expected = ("float32", ",".join(map(str, values.shape)), values.tobytes())
            assert found[name] == expected, f"{name} is decoded otherwise"
    return len(tensors)


def weights(random):
    """Normal and wide ones, zeros, ties, subnormal ones, of one sign. No negative zeros: which of two
    zeros is the least of a block depends on the instructions that NumPy finds on a machine."""
    rows = int(random.integers(4, 60))
    values = random.normal(0, 1, (rows, 96)).astype("float32")
    values *= np.exp(random.normal(0, 3, (rows, 1))).astype("float32")
    values[0] = 0
    values[1] = (np.arange(96) - 47.5) * np.float32(2.0 ** random.integers(-20, 8))
    values[2] *= np.float32(10.0 ** -random.integers(36, 44))
    values[3] = np.abs(values[3]) + 1
    return np.clip(values, -60000, 60000) + np.float32(0)


def check_encoding(narrow, folder, random):
    arrays = {f"blk.{i}.ffn_up.weight": weights(random) for i in range(3)}
    arrays["odd.weight"] = random.normal(0, 1, (5, 7)).astype("float32")
    arrays["blk.0.attn_norm.weight"] = random.normal(0, 1, 96).astype("float32")
    write(folder / "plain.gguf", [(name, array, None) for name, array in arrays.items()], random)
    source = gguf.GGUFReader(folder / "plain.gguf")
    for kind in WRITTEN:
        run(narrow, "pack", folder / "plain.gguf", "--to", "gguf", "--type", kind.name, "-o",
            folder / "out.gguf", "--force")
        packed = gguf.GGUFReader(folder / "out.gguf")
        assert [tensor.name for tensor in packed.tensors] == list(arrays)
        for tensor in packed.tensors:
            array, own = arrays[tensor.name], kind
            if array.ndim == 1:
                own = Type.F32
            elif array.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
                own = Type.F16
            assert tensor.tensor_type == own, f"{tensor.name} is {tensor.tensor_type.name}"
            with np.errstate(all="ignore"):
                expected = gguf.quants.quantize(array, own)
            assert tensor.data.tobytes() == expected.tobytes(), f"{tensor.name} as {own.name}"
        for key, field in source.fields.items():
            if not key.startswith("GGUF.") and key != "general.file_type":
                assert packed.fields[key].contents() == field.contents(), key
    return len(WRITTEN) * len(arrays)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    random, checks = np.random.default_rng(seed), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for _ in range(ROUNDS):
            checks += check_decoding(build / "tests/interop/checkpoint_dump", folder, random)
            checks += check_encoding(build / "narrow", folder, random)
    print(f"{checks} tensors agree bit for bit (seed {seed})")


if __name__ == "__main__":
    main()
