#!/usr/bin/env python3
"""Which methods, plans and sweeps take which of TF-Slim's networks: the table of docs/slim.md.

usage: slim_methods.py NARROW [NETWORK ...] [--jobs JOB ...]

One network a family, with the values that `narrow init` writes and pictures of noise: what holds
depends on the structure alone. Prints Markdown: a row a network, and below it what the program says
where something does not hold. VGG and OverFeat take minutes and 2 GB each.
"""

import argparse
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zlib

CLASSES = 5
# Of every family the network with the fewest weights, and images as small as it takes.
NETWORKS = {
    "resnet_v1_50": 32, "resnet_v2_50": 32, "vgg_a": 224, "overfeat": 231, "alexnet_v2": 224,
    "inception_v1": 224, "inception_v2": 64, "inception_v3": 96, "inception_v4": 96,
    "inception_resnet_v2": 96, "mobilenet_v1_025": 32, "mobilenet_v2_035": 32, "cifarnet": 32,
    "lenet": 28}
IMAGES = ["--calibration_images", "4"]
BIN = ["--scheme", "bin", "--bits", "4"]
BUDGET = ["--average-bits", "4", "--vector-bits", "plan"]
# Name of a column: command, its options, and whether it takes images.
JOBS = {
    "flips": ("quantize", [*BIN, "--round", "flips"], False),
    "absorb": ("quantize", [*BIN, "--absorb-channel-scales"], False),
    "correct": ("quantize", [*BIN, "--bias-correct"], False),
    "correct, images": ("quantize", [*BIN, "--bias-correct", *IMAGES], True),
    "gptq": ("quantize", [*BIN, "--round", "gptq", *IMAGES], True),
    "equalize": ("quantize", [*BIN, "--equalize"], False),
    "calibrate": ("calibrate", IMAGES, True),
    "plan, output": ("plan", ["--damage", "output", *BUDGET], False),
    "plan, measured": ("plan", ["--damage", "measured", "--bits", "3,6", *BUDGET, *IMAGES], True),
    "plan, fisher": ("plan", ["--damage", "fisher", "--batch_size", "2", *BUDGET], True),
    "sweep": ("sweep", ["--bits", "4", "--granularity", "tensor,channel"], True),
}


def write_noise(path, side, rng):
    """An RGB picture as a PNG file."""
    rows = b"".join(b"\0" + rng.randbytes(3 * side) for _ in range(side))

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    path.write_bytes(b"\x89PNG\r\n\x1a\n"
                     + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_pictures(folder, side):
    rng = random.Random(side)
    lines = ["file,label"]
    for i in range(4):
        write_noise(folder / f"{i}.png", side, rng)
        lines.append(f"{i}.png,{i}")
    table = folder / "pictures.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def run(program, *words):
    """What the program says when it refuses; empty when it does not."""
    done = subprocess.run([str(word) for word in (program, *words)], text=True, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode == 0:
        return ""
    if done.returncode != 2:
        raise RuntimeError(f"status {done.returncode}: {words}\n{done.stderr}")
    return done.stderr.strip().splitlines()[-1]


def try_network(program, name, jobs, folder):
    size = NETWORKS[name]
    checkpoint = folder / "model.ckpt-0"
    said = run(program, "init", name, "-o", checkpoint, "--classes", CLASSES)
    if said:
        raise RuntimeError(said)
    pictures = write_pictures(folder, size)
    look = ["--eval_image_size", size]
    images = ["--images", pictures, "--resize_side", size]
    if name in ("overfeat", "alexnet_v2"):  # Slim names no preprocessing for them
        images += ["--preprocessing_name", "vgg"]
    results = {}
    for job in jobs:
        command, options, needs_images = JOBS[job]
        words = [command, checkpoint, *options, *(look + images if needs_images else look)]
        if command != "plan":
            words += ["-o", folder / "out", "--force"]
        results[job] = run(program, *words).replace(str(folder) + "/", "")
        print(f"{name}, {job}: {results[job] or 'holds'}", file=sys.stderr, flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("narrow")
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    options = parser.parse_args()
    said = []
    print("| network | " + " | ".join(options.jobs) + " |\n| --- |" + " :---: |" * len(options.jobs))
    for name in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            results = try_network(options.narrow, name, options.jobs, pathlib.Path(folder))
        cells = []
        for text in results.values():
            if text and text not in said:
                said.append(text)
            cells.append(str(said.index(text) + 1) if text else "yes")
        print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)
    print()
    for number, text in enumerate(said, 1):
        print(f"{number}. {text}")


if __name__ == "__main__":
    main()
