"""The classes of EfficientNet-Lite0 on labelled pictures: narrow eval and ONNX Runtime.

usage: lite0_accuracy.py FOLDER --narrow PROGRAM [--threads 2]

FOLDER has labels.csv (file,label) and pictures of ImageNet. ONNX Runtime sees what NumPy makes of
Pillow's pixels (Slim's vgg with mean 127 and deviation 128: resized to 256, the middle 224). narrow
evaluates the pictures twice: with their labels, and with ONNX Runtime's classes as labels, of which it
must find each one. Exit status 0 when it does.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from measured_program import RECIPE
from peer_environments import environment_python

# Run with onnx, ONNX Runtime and Pillow; prints a class a line.
CLASSIFY = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, onnx, onnxruntime
from PIL import Image
from lite0_model import lite0_model
from numpy_recipes import slim_vgg
from package_models import packaged_file
onnx.save(lite0_model(packaged_file("efficientnet_lite0")), sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
for path in sys.stdin.read().splitlines():
    pixels = np.asarray(Image.open(path).convert("RGB"))
    seen = slim_vgg(pixels, 256, 224, [127] * 3, [128] * 3).transpose(2, 0, 1)[None]
    print(session.run(None, {"images": np.ascontiguousarray(seen)})[0].argmax())
"""


def evaluate(options, model, table):
    """The share of right classes, and images a second."""
    done = subprocess.run([options.narrow, "eval", model, "--images", table, *RECIPE, "--threads",
                           str(options.threads), "--json"], check=True, stdout=subprocess.PIPE)
    result = json.loads(done.stdout)
    return result["checkpoints"][0]["accuracy"], result["images_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    options.narrow = options.narrow.resolve()
    labels = options.folder.resolve() / "labels.csv"
    with open(labels, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pictures = [str(labels.parent / row["file"]) for row in rows]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model, table = folder / "lite0.onnx", folder / "classes.csv"
        done = subprocess.run([environment_python("onnx"), "-c", CLASSIFY,
                               HERE.parent.parent / "tests/interop", model], text=True, check=True,
                              input="\n".join(pictures), stdout=subprocess.PIPE)
        classes = done.stdout.split()
        with open(table, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("file", "label"), *zip(pictures, classes)])
        right = sum(row["label"] == found for row, found in zip(rows, classes))
        print(f"ONNX Runtime: {right} of {len(rows)} right, {100 * right / len(rows):.1f} %")
        accuracy, rate = evaluate(options, model, labels)
        print(f"narrow: {100 * accuracy['value']:.1f} %, {rate:.1f} images/s")
        same, _ = evaluate(options, model, table)
        print(f"narrow finds the class of ONNX Runtime in {100 * same['value']:.1f} % of pictures")
    return int(same["value"] != 1)


if __name__ == "__main__":
    sys.exit(main())
