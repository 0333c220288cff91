"""Reading a 1 GB HDF5 file, every value into sums: narrow against h5py, in one run.

Makes the file as Keras lays it out (groups of kernels and biases, contiguous float32), reads it
once so that it is in memory, then times whole processes in rounds that visit both: `narrow inspect
--stats` (smallest, largest, mean, squares of every tensor) and a Python that adds up every dataset.

usage: read_hdf5.py --narrow PROGRAM [--gigabytes 1] [--rounds 7] [--folder DIR]

Needs h5py and numpy.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

import h5py
import numpy as np

from quantize_checkpoint_peers import run_measured

SUM = """
import sys, h5py
total = 0.0
def add(name, item):
    global total
    if isinstance(item, h5py.Dataset):
        total += float(item[()].sum(dtype="float64"))
with h5py.File(sys.argv[1]) as file:
    file.visititems(add)
print(total)
"""
KERNEL = (3, 3, 512, 1024)


def make(path, gigabytes):
    kernel_bytes = 4 * int(np.prod(KERNEL))
    random = np.random.default_rng(1)
    kernel = random.standard_normal(KERNEL, dtype="float32")
    with h5py.File(path, "w") as file:
        for i in range(max(1, round(gigabytes * 1e9 / kernel_bytes))):
            file[f"model_weights/conv2d_{i}/conv2d_{i}/kernel:0"] = kernel * (1 + i)
            file[f"model_weights/conv2d_{i}/conv2d_{i}/bias:0"] = kernel[0, 0, 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--narrow", required=True)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = pathlib.Path(folder) / "model.h5"
        make(path, args.gigabytes)
        contenders = {"narrow inspect --stats": [args.narrow, "inspect", "--stats", path],
                      "h5py, sum": [sys.executable, "-c", SUM, path]}
        rows = {name: [] for name in contenders}
        for _ in range(args.rounds):
            for name, command in contenders.items():
                rows[name].append(run_measured(command))
        for name, measured in rows.items():
            seconds = statistics.median(row[0] for row in measured)
            peak = max(row[1] for row in measured)
            print(f"{name}: {seconds:.2f} s, {path.stat().st_size / seconds / 1e9:.2f} GB/s, "
                  f"{peak / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
