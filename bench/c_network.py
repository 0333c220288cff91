#!/usr/bin/env python3
"""A quantized network in C beside `narrow run`: the same integers for every example, and how long
gcc's program takes.

    c_network.py NARROW Q.onnx INPUTS.npz [--requantize MODE] [--cflags "-O3 -march=native"]

INPUTS.npz has the one input of the network, an example a row. The function is compiled with the
strict flags that docs/deploy.md promises, 64 bits and, where gcc can, 32 bits; every output of
every example is compared with what `narrow run` computes."""
import argparse
import ctypes
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np

STRICT = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]


def channels_last(array):
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array)


def exported(narrow, network, inputs, how, folder):
    done = subprocess.run([narrow, "export", network, "--to=c-network", "--name=net", *how, "-o",
                           folder, "--inputs", inputs, "--json"], check=True, capture_output=True)
    return json.loads(done.stdout)


def computed(narrow, network, inputs, how, report, folder):
    """What C has as outputs and the codes of its input, as narrow has them."""
    out = folder / "out.npz"
    nodes = [f"--nodes={result['value']}" for result in report["outputs"]]
    subprocess.run([narrow, "run", network, "--inputs", inputs, *how, "--nodes=*_codes", *nodes,
                    "-o", out], check=True, stdout=subprocess.DEVNULL)
    with np.load(out) as arrays:
        return dict(arrays)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("narrow")
    parser.add_argument("network")
    parser.add_argument("inputs")
    parser.add_argument("--requantize", default="float")
    parser.add_argument("--cflags", default="-O2")
    args = parser.parse_args()
    how = ["--requantize", args.requantize]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        report = exported(args.narrow, args.network, args.inputs, how, folder / "c")
        source, library = folder / "c" / "net.c", folder / "net.so"
        subprocess.run([*STRICT, *args.cflags.split(), "-shared", "-fPIC", source, "-o", library],
                       check=True)
        subprocess.run([*STRICT, "-O2", "-mgeneral-regs-only", "-c", source, "-o",
                        folder / "general.o"], check=True)
        narrow_bits = subprocess.run([*STRICT, "-O2", "-m32", "-ffreestanding", "-c", source, "-o",
                                      folder / "narrow.o"], capture_output=True, check=False)
        values = computed(args.narrow, args.network, args.inputs, how, report, folder)
        entry, results = report["inputs"][0], report["outputs"]
        net = ctypes.CDLL(str(library))
        size = subprocess.run(["size", folder / "general.o"], check=True, capture_output=True,
                              text=True).stdout.split()
        codes = next(array for key, array in values.items()
                     if key.startswith(entry["value"]) and array.dtype.kind in "ui")
        memory = ctypes.create_string_buffer(report["memory_bytes"] + 64)
        different, seconds = 0, []
        for i, example in enumerate(channels_last(codes)):
            outputs = [np.zeros(np.prod(result["shape"]),
                                np.dtype(result["type"].removesuffix("_t")))
                       for result in results]
            start = time.process_time()
            net.net_run(memory, *(array.ctypes.data_as(ctypes.c_void_p)
                                  for array in (np.ascontiguousarray(example), *outputs)))
            seconds.append(time.process_time() - start)
            for result, found in zip(results, outputs):
                expected = channels_last(values[result["value"]][i:i + 1]).ravel()
                if expected.dtype == np.float32:
                    units = np.ctypeslib.as_array((ctypes.c_float * result["shape"][1]).in_dll(
                        net, f"net_{result['parameter']}_units"))
                    found = (found.astype(np.float32).reshape(-1, units.size) * units).ravel()
                different += np.count_nonzero(found != expected)
        print(f"{len(codes)} examples, {different} different numbers; requantization "
              f"{report['requantization']}")
        print(f"weights {report['weight_bytes']}, constants {report['constant_bytes']}, memory "
              f"{report['memory_bytes']}, text and data of gcc -O2 {int(size[6]) + int(size[7])}")
        print(f"32 bits: {'compiled' if narrow_bits.returncode == 0 else 'gcc cannot'}; "
              f"{sorted(seconds)[len(seconds) // 2]:.3f} s of processor time an example "
              f"({args.cflags}), {report['multiply_adds']} multiplications")
    return different != 0


if __name__ == "__main__":
    raise SystemExit(main())
