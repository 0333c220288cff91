#!/usr/bin/env python3
"""How long it takes to read a GGUF file and to sum up its values, here and in the package gguf.

usage: read_gguf.py NARROW [--type Q4_K] [--megabytes 1000] [--folder DIR]

Makes a file of random blocks of the type, then times `narrow inspect --stats`, which reads and sums
every value, and dequantize and sum of the Python package gguf tensor by tensor, one after the
other, in one run with a warm page cache. Prints seconds, those of the processor beside them, and the peak
memory of both.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

TENSOR_VALUES = 4096 * 4096
PEER = """
import sys, time
import gguf, numpy as np
start, used = time.perf_counter(), time.process_time()
total = 0.0
for tensor in gguf.GGUFReader(sys.argv[1]).tensors:
    total += float(gguf.quants.dequantize(tensor.data, tensor.tensor_type).sum(dtype="float64"))
print(time.perf_counter() - start, time.process_time() - used)
"""


def make_file(path, kind, megabytes):
    import gguf
    block_values, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    blocks = TENSOR_VALUES // block_values
    data = np.random.default_rng(1).integers(0, 256, (blocks, block_bytes), "uint8")
    data[:, -2:] = data[:, :2] = 0, 0x20  # float16 scales, wherever the type has them
    if block_values == 256:
        data[:, 2:4] = 0, 0x20
    data = data.reshape(4096, -1)
    writer = gguf.GGUFWriter(path, "llama", use_temp_file=False)
    for i in range(max(1, round(megabytes * 1e6 / data.nbytes))):
        writer.add_tensor(f"blk.{i}.ffn_up.weight", data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def measured(command):
    """Seconds, those of the processor, peak memory in MiB and output of a process."""
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("narrow")
    parser.add_argument("--type", default="Q4_K")
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    options = parser.parse_args()
    import gguf
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        path = pathlib.Path(name) / "codes.gguf"
        make_file(path, gguf.GGMLQuantizationType[options.type], options.megabytes)
        print(f"{options.type}, {path.stat().st_size / 1e6:.0f} MB")
        line = "{}: {:.2f} s, {:.2f} s of processor, {:.0f} MiB"
        seconds, used, memory, _ = measured([options.narrow, "inspect", "--stats", path])
        print(line.format("narrow", seconds, used, memory), flush=True)
        _, _, memory, text = measured([sys.executable, "-c", PEER, path])
        print(line.format("gguf", *map(float, text.split()), memory) + " (imports not counted)")


if __name__ == "__main__":
    main()
