#!/usr/bin/env python3
"""One integer file of a classifier, run by four: in exact integers by narrow, exactly by ONNX Runtime,
as ONNX Runtime runs it on this processor, and by OpenVINO. Beside them the float network.

usage: integers.py MODEL.onnx FOLDER --narrow PROGRAM [--bits 8,7,4] [--images 250] [--rounds 5]
                   [--timed 64] [--mean 127,127,127] [--std 128,128,128] [--resize_side 256]
                   [--eval_image_size 224]

MODEL.onnx has one input of RGB pictures and gives logits; the options of the preprocessing are those
of `narrow eval`, by default what EfficientNet-Lite0 wants (tests/interop/lite0_model.py writes it).
Times of a network do not depend on its training: for ResNet-50, `narrow init resnet_v1_50`, `narrow
convert --to onnx`, and --mean 123.68,116.78,103.94 --std 1,1,1.

FOLDER has labels.csv (file,label) and the pictures. They are cut in two, every second one; each half
is measured with the file that the other one calibrated, and a figure is over both. All contenders
get the same arrays, what NumPy makes of Pillow's pixels. Times are taken in turns on the first
pictures of a half, each engine at the faster of two settings (one picture on all threads, or one on
each thread). Prints a table in Markdown for each width of weights: classes that are right, classes
that are those of narrow's integers, the greatest difference of a logit from narrow's, pictures a
second, and how many times faster narrow's integers are. The exit status is 1 where they are not 1.2 times as fast as ONNX Runtime's exact mode and 1.1 times as
fast as narrow's float.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from measured_program import add_program_options, halves, output_of, run
from onnx_networks import Narrow, Peer, time_rounds
from peer_environments import environment_python

INTEROP = HERE.parent.parent / "tests/interop"
SCHEME = ["--scheme", "symmetric", "--granularity", "channel", "--activations", "8", "--to", "qdq"]
ENGINES = {"onnxruntime_exact": "ONNX Runtime, exact", "onnxruntime": "ONNX Runtime here",
           "openvino": "OpenVINO"}
INTEGERS, FLOAT = "narrow", "narrow, float"
ASKED = {FLOAT: 1.1, ENGINES["onnxruntime_exact"]: 1.2}

# Run with NumPy, Pillow and ONNX Runtime, which knows the input.
PREPARE = """
import csv, json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import onnxruntime
from PIL import Image
from numpy_recipes import slim_vgg
table, whole, some, count, model, recipe = sys.argv[2:]
rows = list(csv.DictReader(open(table, newline="")))
[given] = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()
axes = (0, 1, 2) if given.shape[-1] == 3 else (2, 0, 1)
def seen(row):
    pixels = np.asarray(Image.open(row["file"]).convert("RGB"))
    return slim_vgg(pixels, *json.loads(recipe)).transpose(axes)
images = np.ascontiguousarray([seen(row) for row in rows], np.float32)
np.savez(whole, **{given.name: images})
count = min(int(count), len(images))  # those that narrow takes of so many
np.savez(some, **{given.name: images[[i * len(images) // count for i in range(count)]]})
"""
# Arguments: the table, then files of logits, the first of narrow's integers.
SCORE = """
import csv, json, sys
import numpy as np
labels = [int(row["label"]) for row in csv.DictReader(open(sys.argv[1], newline=""))]
logits = [next(iter(np.load(path).values())).reshape(len(labels), -1) for path in sys.argv[2:]]
own = logits[0].argmax(1)
print(json.dumps([{"images": len(labels), "right": int((one.argmax(1) == labels).sum()),
                   "same": int((one.argmax(1) == own).sum()),
                   "difference": float(np.abs(one - logits[0]).max())} for one in logits]))
"""


class Measurement:
    """Of one file and one half of the pictures."""

    def __init__(self, options, python, integers, folder, half):
        self.options, self.python, self.integers = options, python, integers
        self.folder, self.half = folder, half

    def narrow(self, name, model, inputs):
        contender = Narrow(self.options.narrow, model, inputs, self.options.threads)
        contender.name = name
        return contender

    def contenders(self, inputs, examples, streams):
        made = [self.narrow(INTEGERS, self.integers, inputs),
                self.narrow(FLOAT, self.options.model, inputs)]
        for engine in ENGINES:
            for count in streams:
                made.append(Peer(self.python, (engine, 1, count), self.integers, inputs, examples,
                                 self.options.threads))
        return made

    def scores(self):
        found = self.contenders(self.folder / f"half{self.half}.npz", 1, (1,))
        paths = [self.folder / f"logits{index}.npz" for index in range(len(found))]
        for contender, path in zip(found, paths):
            path.unlink(missing_ok=True)
            contender.outputs(path)
            contender.stop()
        table = self.folder / f"half{self.half}.csv"
        scores = json.loads(output_of([self.python, "-c", SCORE, table, *paths]))
        return dict(zip((INTEGERS, FLOAT, *ENGINES.values()), scores))

    def seconds(self):
        """By contender, a list over the rounds; of each engine those of its faster setting."""
        timed = self.options.timed
        found = self.contenders(self.folder / f"some{self.half}.npz", timed,
                                sorted({1, self.options.threads}))
        taken = time_rounds(found, timed, self.options.rounds)
        for contender in found:
            contender.stop()
        best = {name: taken[name] for name in (INTEGERS, FLOAT)}
        for engine, name in ENGINES.items():
            best[name] = min((of for key, of in taken.items() if key.startswith(engine + ",")),
                             key=statistics.median)
        return best


def add_common_options(parser):
    """Model, pictures and program; the preprocessing, by default that of EfficientNet-Lite0."""
    add_program_options(parser)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--mean", default="127,127,127")
    parser.add_argument("--std", default="128,128,128")
    parser.add_argument("--resize_side", type=int, default=256)
    parser.add_argument("--eval_image_size", type=int, default=224)


def recipe_of(options):
    """What narrow sees, and what NumPy is to make of a picture: side, size, mean and deviation."""
    words = ["--preprocessing_name", "vgg"]
    for name in ("mean", "std", "resize_side", "eval_image_size"):
        words += [f"--{name}", str(getattr(options, name))]
    numbers = [[float(part) for part in text.split(",")] for text in (options.mean, options.std)]
    return words, json.dumps([options.resize_side, options.eval_image_size, *numbers])


def prepared_halves(options, python, recipe, count, folder):
    """The tables; halfN.npz has the arrays of one, someN.npz `count` of them."""
    tables = halves(options.folder.resolve() / "labels.csv", folder)
    for half, table in enumerate(tables):
        output_of([python, "-c", PREPARE, INTEROP, table, folder / f"half{half}.npz",
                   folder / f"some{half}.npz", count, options.model, recipe])
    return tables


def print_table(bits, scores, seconds, timed):
    """Gives whether narrow is as fast as asked."""
    print(f"\n| {bits}-bit weights | top-1 | classes as narrow's | greatest difference of a logit | "
          "pictures/s | narrow is faster by |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    fast = True
    for name in scores[0]:
        of = [half[name] for half in scores]
        images, right, same = (sum(one[key] for one in of) for key in ("images", "right", "same"))
        taken = [one for half in seconds for one in half[name]]
        own = [one for half in seconds for one in half[INTEGERS]]
        ratio = statistics.median(other / mine for other, mine in zip(taken, own))
        fast &= ratio >= ASKED.get(name, 0)
        print(f"| {name} | {100 * right / images:.1f} | {100 * same / images:.1f} % | "
              f"{max(one['difference'] for one in of):.3g} | "
              f"{timed / statistics.median(taken):.1f} | {ratio:.2f} |", flush=True)
    return fast


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_common_options(parser)
    parser.add_argument("--bits", default="8,7,4", help="of the weights")
    parser.add_argument("--images", type=int, default=250, help="that calibrate")
    parser.add_argument("--timed", type=int, default=64, help="pictures of a pass that is timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--more", default="", help="further options of quantize: '--best'")
    options = parser.parse_args()
    python = environment_python("onnx")
    words, recipe = recipe_of(options)
    fast = True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tables = prepared_halves(options, python, recipe, options.timed, folder)
        for bits in options.bits.split(","):
            scores, seconds = [], []
            for half in range(2):
                integers = folder / "integers.onnx"
                run(options, "quantize", options.model, *SCHEME, "--bits", bits, "--images",
                    tables[1 - half], "--calibration_images", options.images, *words, "-o",
                    integers, "--force", *options.more.split())
                measurement = Measurement(options, python, integers, folder, half)
                scores.append(measurement.scores())
                seconds.append(measurement.seconds())
            fast &= print_table(bits, scores, seconds, options.timed)
    return int(not fast)


if __name__ == "__main__":
    sys.exit(main())
