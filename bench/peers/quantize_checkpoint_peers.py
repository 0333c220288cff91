"""Quantizing a ResNet V1 50 checkpoint: narrow and what a user would pick instead, in one run.

Makes the checkpoint with `narrow init` and environments for the peers (kept in the user's cache),
checks that narrow and NumPy restore the same values, and only then times, in rounds that visit all
contenders. Tables show medians and how they relate to narrow.

usage: quantize_checkpoint_peers.py --narrow PROGRAM [--bench-kernels PROGRAM] [--rounds 7]
       [--large-gigabytes 8]

--large-gigabytes also measures one safetensors file of that size (made here, removed after).
"""

import argparse
import json
import pathlib
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

from peer_environments import AnsweringProcess, environment_python

HERE = pathlib.Path(__file__).resolve().parent


# A process begins as a copy of its parent, whose memory then counts as its peak: so a small one,
# without this script's arrays, starts what is measured.
MEASURE = """
import os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss * 1024)
sys.exit(status != 0)
"""


def run_measured(command):
    """Seconds and peak memory in bytes of a whole process."""
    done = subprocess.run([sys.executable, "-S", "-c", MEASURE, *map(str, command)],
                          stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak)


def start_peer(python, name, folder):
    return AnsweringProcess(name, [python, HERE / "quantize_checkpoint_peer.py", name, folder])


def copy_files(source, target):
    """What cp does to the files of a checkpoint, to names that are new."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    return run_measured(["cp", *source.glob("model.ckpt-0*"), target])


def quantize(narrow, scheme, source, target):
    shutil.rmtree(target, ignore_errors=True)
    return run_measured([narrow, "quantize", source / "model.ckpt-0", "--scheme", scheme, "--bits",
                         "8", "-o", f"{target}/model.ckpt-0"])


def print_table(title, rows, base):
    print(f"\n{title}")
    width = max(len(name) for name in rows)
    for name, samples in rows.items():
        seconds = statistics.median(s for s, _ in samples)
        ratio = statistics.median(s / b for (s, _), (b, _) in zip(samples, rows[base]))
        memory = [m for _, m in samples if m is not None]
        text = f"{name:<{width}}  {seconds:8.3f} s  {ratio:8.2f} times {base}"
        if memory:
            text += f"  peak {max(memory) / 2**20:7.1f} MiB"
        print(text)


def quantize_dynamic_process(python, folder):
    """What a user's script would be, imports included."""
    return run_measured([python, "-c", "import logging, sys; logging.disable(); "
                         "from onnxruntime.quantization import QuantType, quantize_dynamic; "
                         "quantize_dynamic(*sys.argv[1:], weight_type=QuantType.QUInt8, "
                         "op_types_to_quantize=['Conv', 'Gemm', 'MatMul'])",
                         folder / "network.onnx", folder / "process.onnx"])


def whole_program(options, folder):
    source = folder / "source"
    contenders = {
        "narrow bin": lambda: quantize(options.narrow, "bin", source, folder / "bin"),
        "narrow fixed-point": lambda: quantize(options.narrow, "fixed-point", source, folder / "fp"),
        "cp": lambda: copy_files(source, folder / "copy"),
    }
    peers = {
        "onnxruntime quantize_dynamic": start_peer(environment_python("onnx"),
                                             "quantize_dynamic", folder),
        "NumPy and TensorFlow script": start_peer(environment_python("tensorflow"),
                                            "checkpoint_script", folder),
    }
    contenders.update({name: lambda peer=peer: (peer.ask("run"), None)
                       for name, peer in peers.items()})
    onnx_python = environment_python("onnx")
    contenders["onnxruntime, whole process"] = lambda: quantize_dynamic_process(onnx_python, folder)
    rows = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, measure in contenders.items():
            rows[name].append(measure())
    for name, peer in peers.items():
        rows[name].append((rows[name][-1][0], peer.stop()))
    print_table("checkpoint to checkpoint, ResNet V1 50, 8 bits, warm cache", rows, "narrow bin")


def kernels(options, folder):
    """GB/s of input: range, codes, restored values, errors of the same tensors, in memory."""
    python = environment_python("tensorflow")
    peers = {"NumPy": start_peer(python, "numpy_arrays", folder),
             "TensorFlow fake_quant": start_peer(python, "fake_quant", folder)}
    gigabytes = (folder / "weights.npz").stat().st_size / 1e9
    rates = {}
    for _ in range(options.rounds):
        done = subprocess.run([options.bench_kernels, "--benchmark_format=json",
                               "--benchmark_filter=^(memcpy|quantize/.*)/2/"], check=True,
                              capture_output=True, text=True)
        for row in json.loads(done.stdout)["benchmarks"]:
            name = row["name"].split("/2/")[0].replace("quantize/", "narrow ")
            rates.setdefault(name, []).append(row["bytes_per_second"] / 1e9)
        for name, peer in peers.items():
            rates.setdefault(name, []).append(gigabytes / peer.ask("run"))
    for peer in peers.values():
        peer.stop()
    print("\nin memory, ResNet V1 50, 8 bits, 2 threads: range, codes, restored values, errors")
    for name, samples in rates.items():
        ratio = statistics.median(s / b for s, b in zip(samples, rates["memcpy"]))
        print(f"{name:<24} {statistics.median(samples):8.3f} GB/s  {ratio:7.3f} times memcpy")


def write_large_file(path, gigabytes):
    """Tensors of 64 MB with normally distributed values, in blocks that repeat."""
    import numpy as np
    elements = 16_000_000
    count = round(gigabytes * 1e9 / (4 * elements))
    block = np.random.default_rng(1).normal(0, 0.05, elements).astype("<f4")
    header = {f"layer{i}.weight": {"dtype": "F32", "shape": [4000, 4000],
                                   "data_offsets": [4 * elements * i, 4 * elements * (i + 1)]}
              for i in range(count)}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for i in range(count):
            file.write(np.roll(block, 997 * i).tobytes())


def large_file(options, folder):
    source = folder / "large.safetensors"
    write_large_file(source, options.large_gigabytes)
    size = source.stat().st_size
    print(f"\none safetensors file of {size / 1e9:.2f} GB, 8 bits")
    for name, command in {
            "narrow bin": [options.narrow, "quantize", source, "--scheme", "bin", "--bits", "8",
                           "-o", folder / "large-bin.safetensors", "--force"],
            "cp": ["cp", source, folder / "large-copy.safetensors"]}.items():
        seconds, memory = run_measured(command)
        print(f"{name:<12} {seconds:8.2f} s  {size / seconds / 1e9:6.2f} GB/s  "
              f"peak {memory / 2**20:.1f} MiB")
        for result in folder.glob("large-*"):
            result.unlink()
    source.unlink()


def prepare(options, folder):
    run_measured([options.narrow, "init", "resnet_v1_50", "--classes", "1000", "-o",
                  f"{folder}/source/model.ckpt-0"])
    # The same values for everybody, as the peers read them: the only tensor that is quantized here
    # holds zeros, which stay what they are.
    run_measured([options.narrow, "quantize", folder / "source", "--scheme", "bin", "--bits", "8",
                  "--include", "*/logits/biases", "--format", "npz", "-o",
                  folder / "weights.npz"])
    run_measured([options.narrow, "quantize", folder / "source", "--scheme", "bin", "--bits", "8",
                  "--format", "npz", "-o", folder / "expected.npz"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--narrow", required=True)
    parser.add_argument("--bench-kernels")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large-gigabytes", type=float, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="narrow-bench-", dir=".") as name:
        folder = pathlib.Path(name).resolve()
        prepare(options, folder)
        whole_program(options, folder)
        if options.bench_kernels:
            kernels(options, folder)
        if options.large_gigabytes:
            large_file(options, folder)


if __name__ == "__main__":
    main()
