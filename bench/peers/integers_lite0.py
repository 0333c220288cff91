#!/usr/bin/env python3
"""One integer file of EfficientNet-Lite0, run by four: exactly by narrow, exactly by ONNX Runtime, as
ONNX Runtime runs it on this processor, and by OpenVINO.

usage: integers_lite0.py MODEL.onnx FOLDER --narrow PROGRAM [--weights 8,7,4] [--images 250]

MODEL.onnx is what tests/interop/lite0_model.py writes, FOLDER has labels.csv (file,label) and the
pictures. They are cut in two, every second one; each half is measured with the file that the other one
calibrated, and a figure is over both. Engines see what NumPy makes of Pillow's pixels, as narrow does.
Prints a table in Markdown: classes that are right, and pictures a second.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from peer_environments import environment_python

HERE = pathlib.Path(__file__).resolve().parent
RECIPE = ["--preprocessing_name", "vgg", "--mean", "127,127,127", "--std", "128,128,128",
          "--resize_side", "256", "--eval_image_size", "224"]
SCHEME = ["--scheme", "symmetric", "--granularity", "channel", "--activations", "8", "--to", "qdq"]
# Run with ONNX Runtime, OpenVINO and Pillow: the class of every picture of a table by each engine.
ENGINES = """
import csv, json, pathlib, sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np, onnxruntime, openvino
from PIL import Image
from numpy_recipes import slim_vgg
table, threads = pathlib.Path(sys.argv[3]), int(sys.argv[4])
rows = list(csv.DictReader(open(table, newline="")))
def seen(row):
    pixels = np.asarray(Image.open(table.parent / row["file"]).convert("RGB"))
    image = slim_vgg(pixels, 256, 224, [127] * 3, [128] * 3).transpose(2, 0, 1)[None]
    return np.ascontiguousarray(image, np.float32)
images = [seen(row) for row in rows]
labels = [int(row["label"]) for row in rows]
def session(exact):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    made = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
    name = made.get_inputs()[0].name
    return lambda image: made.run(None, {name: image})[0]
def compiled():
    model = openvino.Core().compile_model(sys.argv[2], "CPU", {"INFERENCE_NUM_THREADS": threads})
    return lambda image: model([image])[0]
for engine, run in (("exact", session(True)), ("here", session(False)), ("openvino", compiled())):
    run(images[0])
    start = time.perf_counter()
    right = sum(int(run(image).argmax()) == label for image, label in zip(images, labels))
    seconds = time.perf_counter() - start
    print(json.dumps({"engine": engine, "right": right, "images": len(images), "seconds": seconds}))
"""


def run(options, command, *words):
    words = [options.narrow, command, *words, "--threads", options.threads]
    return subprocess.run([str(word) for word in words], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def ours(options, model, table):
    result = json.loads(run(options, "eval", model, "--images", table, *RECIPE, "--json"))
    accuracy = result["checkpoints"][0]["accuracy"]
    return {"right": accuracy["hits"], "images": accuracy["images"],
            "seconds": result["images"] / result["images_per_second"]}


def engines(options, model, table):
    done = subprocess.run([environment_python("onnx"), "-c", ENGINES, HERE.parent.parent /
                           "tests/interop", model, table, str(options.threads)], check=True,
                          text=True, stdout=subprocess.PIPE)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line.pop("engine"): line for line in lines}


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


def cell(counts):
    right, images, seconds = (sum(count[key] for count in counts)
                              for key in ("right", "images", "seconds"))
    return f"{100 * right / images:.1f} % ({images / seconds:.1f}/s)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--narrow", type=pathlib.Path, required=True)
    parser.add_argument("--weights", default="8,7,4")
    parser.add_argument("--images", type=int, default=250)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--more", default="", help="further options of quantize: '--best'")
    options = parser.parse_args()
    options.narrow = options.narrow.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tables = halves(options.folder.resolve() / "labels.csv", folder)
        print("float:", cell([ours(options, options.model, table) for table in tables]))
        print("| weights | narrow | ONNX Runtime, exact | ONNX Runtime here | OpenVINO |")
        print("| ---: | ---: | ---: | ---: | ---: |", flush=True)
        out = folder / "out.onnx"
        for bits in options.weights.split(","):
            found = {"narrow": [], "exact": [], "here": [], "openvino": []}
            for calibration, measured in (tables, tables[::-1]):
                run(options, "quantize", options.model, *SCHEME, "--bits", bits, "--images",
                    calibration, "--calibration_images", options.images, *RECIPE, "-o", out,
                    "--force", *options.more.split())
                found["narrow"].append(ours(options, out, measured))
                for engine, counts in engines(options, out, measured).items():
                    found[engine].append(counts)
            print(f"| {bits} | {' | '.join(cell(counts) for counts in found.values())} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
