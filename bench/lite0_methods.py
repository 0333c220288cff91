#!/usr/bin/env python3
"""What few bits cost EfficientNet-Lite0 with and without methods: a table for docs/results.md.

usage: lite0_methods.py MODEL.onnx FOLDER --narrow PROGRAM [--bits 4,5,6,8] [--threads 2]

MODEL.onnx takes the input of peers/lite0_accuracy.py, FOLDER has its labels.csv and pictures. Weights
are quantized per channel. Without methods every picture is measured; with them the pictures are cut in
two, every second one, each half is measured with the network that the other one calibrated, and the
figure is over both: no picture was seen by its network.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import tempfile

RECIPE = ["--preprocessing_name", "vgg", "--mean", "127,127,127", "--std", "128,128,128",
          "--resize_side", "256", "--eval_image_size", "224"]
PLAIN = ["--scheme", "symmetric", "--granularity", "channel"]
METHODS = PLAIN + ["--range", "mse", "--round", "gptq", "--bias-correct"]


def run(options, command, *words):
    words = [options.narrow, command, *words, "--threads", options.threads]
    return subprocess.run([str(word) for word in words], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def right(options, model, table):
    """How many pictures of a table have their class, and how many there are."""
    result = json.loads(run(options, "eval", model, "--images", table, *RECIPE, "--json"))
    accuracy = result["checkpoints"][0]["accuracy"]
    return round(accuracy["value"] * result["images"]), result["images"]


def halves(labels, folder):
    with open(labels, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tables = []
    for half in range(2):
        table = folder / f"half{half}.csv"
        with open(table, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [("file", "label"), *((labels.parent / row["file"], row["label"])
                                      for row in rows[half::2])])
        tables.append(table)
    return tables


def percent(counts):
    return f"{100 * sum(count[0] for count in counts) / sum(count[1] for count in counts):.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--bits", default="4,5,6,8")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    options.narrow = options.narrow.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tables = halves(options.folder.resolve() / "labels.csv", folder)
        print("float:", percent([right(options, options.model, table) for table in tables]))
        print("| bits | minmax | mse | methods |\n| ---: | ---: | ---: | ---: |")
        out = folder / "out.onnx"
        for bits in options.bits.split(","):
            cells = []
            for scheme in (PLAIN, [*PLAIN, "--range", "mse"]):
                run(options, "quantize", options.model, *scheme, "--bits", bits, "-o", out, "--force")
                cells.append(percent([right(options, out, table) for table in tables]))
            counts = []
            for calibration, measured in (tables, tables[::-1]):
                run(options, "quantize", options.model, *METHODS, "--bits", bits, "--images",
                    calibration, *RECIPE, "-o", out, "--force")
                counts.append(right(options, out, measured))
            print(f"| {bits} | {' | '.join(cells)} | {percent(counts)} |", flush=True)


if __name__ == "__main__":
    main()
