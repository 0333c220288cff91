#!/usr/bin/env python3
"""Compares narrow.quantize and narrow.fake_quantize on arrays with NumPy written out, and with
torch.ao's fake quantization where PyTorch is installed; results are compared before anything is timed.

    PYTHONPATH=build/release/python bench/python_arrays.py [--megabytes N] [--rounds N]

8 bits, one affine range for the array. The figures are the least of the rounds, taken in turns.
"""

import argparse
import time

import narrow
import numpy as np
from narrow import _narrow
from narrow._arrays import make_scheme

OPTIONS = {"scheme": "affine", "bits": 8}


def by_numpy(x, params):
    """The same codes and restored values, with as few passes as NumPy needs."""
    codes = np.clip(np.rint(x / np.float64(params.scale)) + params.zero, 0, 255)
    return codes.astype(np.uint8), ((codes - params.zero) * params.scale).astype(
        np.float32
    )


def candidates(x, out):
    q = narrow.quantize(x, **OPTIONS)
    params = q.params[0]
    codes, restored = by_numpy(x, params)
    assert np.mean(codes != q.codes) < 1e-5, "NumPy gives other codes"
    assert np.abs(restored - q.restored).max() <= 1.01 * params.scale
    native = make_scheme(OPTIONS)
    found = {
        "narrow.quantize": lambda: narrow.quantize(x, **OPTIONS),
        "the library's quantize": lambda: _narrow.quantize(x, native),
        "narrow.fake_quantize(out=)": lambda: narrow.fake_quantize(
            x, out=out, **OPTIONS
        ),
        "NumPy, range, codes and values": lambda: (
            x.min(),
            x.max(),
            by_numpy(x, params),
        ),
    }
    try:
        import torch
    except ImportError:
        return found
    tensor = torch.from_numpy(x)

    def by_torch():
        low, high = tensor.min(), tensor.max()
        return (
            torch.fake_quantize_per_tensor_affine(
                tensor, params.scale, params.zero, 0, 255
            ),
            low,
            high,
        )

    assert np.abs(by_torch()[0].numpy() - q.restored).max() <= 1.01 * params.scale
    return {**found, "torch.fake_quantize": by_torch}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    x = (
        np.random.default_rng(0)
        .normal(size=args.megabytes * 250_000)
        .astype(np.float32)
    )
    functions = candidates(x, np.empty_like(x))
    least = dict.fromkeys(functions, float("inf"))
    for _ in range(args.rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            least[name] = min(least[name], time.perf_counter() - start)
    for name, seconds in least.items():
        print(
            f"{name:<32} {seconds * 1e3:8.1f} ms  {args.megabytes / 1e3 / seconds:6.2f} GB/s"
        )


if __name__ == "__main__":
    main()
