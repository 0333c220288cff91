#!/usr/bin/env python3
"""What few bits cost EfficientNet-Lite0 with and without methods: the table of docs/results.md.

usage: lite0_methods.py MODEL.onnx FOLDER --narrow PROGRAM [--bits 4,5,6,8] [--rows best,...]
                        [--widths ROW=BITS,... ...] [--threads 2] [--folded] [--equalized]

MODEL.onnx takes the input of peers/lite0_accuracy.py, FOLDER has its labels.csv and pictures. The
pictures are cut in two, every second one. A network that was made without pictures is measured on
both halves; with pictures each half is measured with the network that the other one calibrated: no
picture was seen by its network. Prints a line for each result as it comes and, at the end, Markdown:
top-1 in percent, the difference from float with its 95 % interval for paired proportions (Bonett and
Price, 2012), and how many pictures get the same class as from float.

Rows: minmax, mse, uniform, best without pictures; uniform_pictures, best_pictures with them; tensor,
tensor_flips, tensor_pictures with one range for each tensor. --widths limits the widths of a row.
--folded: the same of the network whose batch norms are multiplied into its weights, what is left of
them being biases; needs the package onnx. --equalized: of what `convert --to onnx --equalize` makes
of it, for the rows tensor... Rows with pictures take some 70 s of processor time for each half and
width, those of folded files up to 120, all others together 10 minutes.
"""

import argparse
import json
import math
import pathlib
import tempfile
import time

from measured_program import RECIPE, add_program_options, halves, run

PLAIN = ["--scheme", "symmetric", "--granularity", "channel"]
ROWS = {
    "minmax": ("none (minimum to maximum)", PLAIN, False),
    "mse": ("`--range mse`", [*PLAIN, "--range", "mse"], False),
    "uniform": ("`--best --uniform`", ["--best", "--uniform"], False),
    "best": ("`--best`", ["--best"], False),
    "uniform_pictures": ("`--best --uniform`, 250 pictures", ["--best", "--uniform"], True),
    "best_pictures": ("`--best`, 250 pictures", ["--best"], True),
    "tensor": ("`--best --granularity tensor`", ["--best", "--granularity", "tensor"], False),
    "tensor_flips": ("`--granularity tensor --range mse --round flips`",
                     ["--scheme", "symmetric", "--granularity", "tensor", "--range", "mse",
                      "--round", "flips"], False),
    "tensor_pictures": ("`--best --granularity tensor`, 250 pictures",
                        ["--best", "--granularity", "tensor"], True),
}


def fold(model, out):
    """Convolution, then batch norm: the same as a convolution with biases."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    network = onnx.load(model)
    graph = network.graph
    values = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        conv = made_by[norm.input[0]]
        if conv.op_type != "Conv" or len(conv.input) != 2:
            raise ValueError(f"{norm.name} does not follow a convolution without biases")
        epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        gamma, beta, mean, variance = (values[name].astype("f8") for name in norm.input[1:5])
        slope = gamma / np.sqrt(variance + epsilon)
        kernel = values[conv.input[1]]
        values[conv.input[1]] = (kernel * slope[:, None, None, None]).astype("f4")
        values[norm.input[2]] = (beta - slope * mean).astype("f4")
        conv.input.append(norm.input[2])
        conv.output[0] = norm.output[0]
        graph.node.remove(norm)
    used = {name for node in graph.node for name in node.input}
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(array, name)
                             for name, array in values.items() if name in used)
    onnx.checker.check_model(network)
    onnx.save(network, out)


class Counts:
    """Of pictures, over several tables."""

    def __init__(self):
        self.images = self.right = self.lost = self.won = self.same = 0

    def add(self, options, model, table):
        result = json.loads(run(options, "eval", options.model, model, "--images", table, *RECIPE,
                                "--json"))
        compared = result["comparisons"][0]
        self.images += result["images"]
        self.right += result["checkpoints"][1]["accuracy"]["hits"]
        self.lost += compared["only_first_correct"]
        self.won += compared["only_other_correct"]
        self.same += compared["same_argmax"]

    def text(self):
        n = self.images
        lost, won = (self.lost + 1) / (n + 2), (self.won + 1) / (n + 2)
        middle = won - lost
        half = 1.959964 * math.sqrt((won + lost - middle ** 2) / (n + 2))
        return (f"{100 * self.right / n:.1f} ({100 * (self.won - self.lost) / n:+.1f}, "
                f"{100 * (middle - half):+.1f} to {100 * (middle + half):+.1f}; {self.same})")


def measured(options, row, bits, tables, out):
    _, words, with_pictures = ROWS[row]
    counts = Counts()
    made = [options.model, *words, "--bits", bits, "-o", out, "--force"]
    if not with_pictures:
        run(options, "quantize", *made)
    for calibration, table in (tables, tables[::-1]):
        if with_pictures:
            run(options, "quantize", *made, "--images", calibration, *RECIPE)
        counts.add(options, out, table)
    return counts.text()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    add_program_options(parser)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--bits", default="4,5,6,8")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--widths", action="append", default=[], metavar="ROW=BITS,...")
    parser.add_argument("--folded", action="store_true")
    parser.add_argument("--equalized", action="store_true")
    options = parser.parse_args()
    widths = options.bits.split(",")
    limits = {row: bits.split(",") for row, bits in (one.split("=") for one in options.widths)}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if options.folded:
            fold(options.model, folder / "folded.onnx")
            options.model = folder / "folded.onnx"
        if options.equalized:
            run(options, "convert", options.model, "--to", "onnx", "--equalize", "-o",
                folder / "level.onnx")
            options.model = folder / "level.onnx"
        tables = halves(options.folder.resolve() / "labels.csv", folder)
        exact = Counts()
        for table in tables:
            exact.add(options, options.model, table)
        lines = [f"| options (float: {100 * exact.right / exact.images:.1f}) | "
                 + " | ".join(f"{bits} bits" for bits in widths) + " |",
                 "| --- |" + " ---: |" * len(widths)]
        for row in options.rows.split(","):
            cells = []
            for bits in widths:
                if bits not in limits.get(row, widths):
                    cells.append("")
                    continue
                begin = time.monotonic()
                cells.append(measured(options, row, bits, tables, folder / "out.onnx"))
                print(f"{row} {bits} bits: {cells[-1]}, {time.monotonic() - begin:.0f} s",
                      flush=True)
            lines.append(f"| {ROWS[row][0]} | {' | '.join(cells)} |")
        print("\n".join(lines))


if __name__ == "__main__":
    main()
