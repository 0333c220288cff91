#!/usr/bin/env python3
"""narrow.quantize and narrow.fake_quantize on an array, with the call from C++, NumPy written out
and torch.ao's fake quantization (where PyTorch is installed): one affine range, 8 bits. All results
are compared before anything is timed.

    tools/bench_python.sh     # builds, and runs this and python_checkpoints.py
    PYTHONPATH=build/release/python bench/python_arrays.py [--cpp build/release/bench/bench_array]

The figures are the least of the rounds, taken in turns.
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

import narrow
import numpy as np

OPTIONS = {"scheme": "affine", "bits": 8}


def by_numpy(x):
    """The same codes and error, written out: docs/numerics.md computes in double."""
    low, high = float(min(x.min(), 0)), float(max(x.max(), 0))
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    values = x.astype(np.float64)
    codes = np.clip(np.rint(values / scale) + zero, 0, 255)
    restored = ((codes - zero) * scale).astype(np.float32)
    difference = restored - values
    error = np.sqrt((difference @ difference) / (values @ values))
    return codes.astype(np.uint8), restored, error


def of_torch(x, check):
    """torch.ao's module: an observer of the least and the greatest value, and what it says."""
    try:
        import torch
        from torch.ao.quantization import FakeQuantize, MinMaxObserver
    except ImportError:
        return {}
    tensor = torch.from_numpy(x)
    module = FakeQuantize(observer=MinMaxObserver, quant_min=0, quant_max=255, dtype=torch.quint8)
    check("torch.ao", module(tensor).numpy())

    def run():
        module.activation_post_process.reset_min_max_vals()
        return module(tensor)

    return {"torch.ao FakeQuantize": run}


class CallFromCpp:
    """The program bench_array: answers every line with the seconds of a call."""

    def __init__(self, program, x):
        self.file = tempfile.NamedTemporaryFile(suffix=".f32")
        x.tofile(self.file.name)
        self.process = subprocess.Popen(
            [program, self.file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.sum = int(self.process.stdout.readline())

    def seconds(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def candidates(x, out):
    """name -> what is called."""
    q = narrow.quantize(x, **OPTIONS)
    scale = q.params[0].scale

    def check(name, restored):
        worst = np.abs(restored - q.restored).max()
        assert worst <= 1.01 * scale, f"{name} restores other values"

    codes, restored, error = by_numpy(x)
    assert np.array_equal(codes, q.codes), "NumPy gives other codes"
    assert np.array_equal(restored, q.restored), "NumPy restores other values"
    assert abs(error - q.errors.relative_l2) < 1e-9 * error
    check("fake_quantize", narrow.fake_quantize(x, out=out, **OPTIONS))
    return {
        "narrow.quantize": lambda: narrow.quantize(x, **OPTIONS),
        "narrow.quantize(...).codes": lambda: narrow.quantize(x, **OPTIONS).codes,
        "narrow.fake_quantize(out=)": lambda: narrow.fake_quantize(x, out=out, **OPTIONS),
        "NumPy": lambda: by_numpy(x),
        **of_torch(x, check),
    }, int(q.codes.sum())


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpp", type=pathlib.Path, help="the program bench_array")
    args = parser.parse_args()
    values = np.random.default_rng(0).normal(size=args.megabytes * 250_000)
    x = values.astype(np.float32)
    functions, sum_of_codes = candidates(x, np.empty_like(x))
    clocks = {name: (lambda call=call: timed(call)) for name, call in functions.items()}
    if args.cpp:
        cpp = CallFromCpp(args.cpp, x)
        assert cpp.sum == sum_of_codes, "C++ gives other codes"
        clocks["quantize from C++"] = cpp.seconds
    least = dict.fromkeys(clocks, float("inf"))
    for _ in range(args.rounds):
        for name, clock in clocks.items():
            least[name] = min(least[name], clock())
    ours = least["narrow.quantize"]
    faked = least["narrow.fake_quantize(out=)"]
    print(f"{args.megabytes} MB of float32, 8 bits; times that of narrow.quantize, fake_quantize")
    for name, seconds in least.items():
        speed = args.megabytes / 1e3 / seconds
        print(
            f"{name:<28} {seconds * 1e3:8.1f} ms {speed:6.2f} GB/s"
            f" {seconds / ours:7.2f} {seconds / faked:7.2f}"
        )


if __name__ == "__main__":
    main()
