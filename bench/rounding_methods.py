#!/usr/bin/env python3
"""What each rounding of few bits leaves of a network: a table of docs/results.md.

usage: rounding_methods.py MODEL.onnx --narrow PROGRAM --calibrate 'OPTIONS' --measure 'OPTIONS'
                           [--bits 4,3,2] [--rounds nearest,gptq,learned] [--fold] [--threads 2]

Quantizes MODEL to so many bits a weight, each channel with a range of its own, with each of the
roundings, the OPTIONS of --calibrate naming the images or arrays that methods see (--images A.csv,
--inputs A.npz, ...), and compares it with the float network on those of --measure: top-1 accuracy
with the difference from float and the share of examples with the same class, where there are
labels, otherwise the ratio of signal to noise of the outputs in dB. Prints a line for each result
as it comes and, at the end, Markdown.
"""

import argparse
import json
import pathlib
import shlex
import tempfile
import time

from measured_program import add_program_options, run

METHODS = ["--scheme", "symmetric", "--granularity", "channel", "--range", "mse"]


def measured(options, model):
    result = json.loads(run(options, "eval", options.model, model, *options.measure, "--json"))
    cells = []
    for compared in result["comparisons"]:
        top1 = result["checkpoints"][1]["accuracy"]["hits"] / result["images"]
        cells.append(f"{100 * top1:.1f} % ({100 * compared['accuracy_difference']:+.1f})")
        cells.append(f"same class {100 * compared['same_argmax'] / result['images']:.1f} %")
    for outputs in result.get("outputs", []):
        cells.append(f"{outputs['sqnr_db']:.2f} dB")
    return ", ".join(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    add_program_options(parser)
    parser.add_argument("--calibrate", type=shlex.split, required=True, metavar="OPTIONS")
    parser.add_argument("--measure", type=shlex.split, required=True, metavar="OPTIONS")
    parser.add_argument("--bits", default="4,3,2")
    parser.add_argument("--rounds", default="nearest,gptq,learned")
    parser.add_argument("--fold", action="store_true")
    options = parser.parse_args()
    widths = options.bits.split(",")
    lines = ["| rounding | " + " | ".join(f"{bits} bits" for bits in widths) + " |",
             "| --- |" + " ---: |" * len(widths)]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.onnx"
        for rounding in options.rounds.split(","):
            cells = []
            for bits in widths:
                begin = time.monotonic()
                run(options, "quantize", options.model, *METHODS, "--bits", bits, "--round",
                    rounding, "--bias-correct", *(["--fold"] if options.fold else []),
                    *options.calibrate, "-o", out, "--force")
                seconds = time.monotonic() - begin
                cells.append(measured(options, out))
                print(f"{rounding} {bits} bits: {cells[-1]}, {seconds:.0f} s", flush=True)
            lines.append(f"| {rounding} | {' | '.join(cells)} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
