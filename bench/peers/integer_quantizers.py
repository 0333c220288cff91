#!/usr/bin/env python3
"""Integer files of one classifier that narrow, ONNX Runtime and NNCF make from the same pictures.

usage: integer_quantizers.py MODEL.onnx FOLDER --narrow PROGRAM [--images 250] [--only NAME ...]
                             [--mean 127,127,127] [--std 128,128,128] [--resize_side 256]
                             [--eval_image_size 224]

MODEL.onnx, FOLDER and the preprocessing are as in integers.py. The pictures are cut in two, every
second one; each half is measured with the files that the other one calibrated, and a figure is over
both. Weights and activations have 8 bits, each tool at the setting that its documentation has for
processors: quantize_static in QDQ form with ranges of channels after quant_pre_process, NNCF's
post-training quantization as it comes. All files are evaluated in exact integers, by narrow; ONNX
Runtime's exact mode gives the same codes (tests/interop/onnx_integers.py). Prints a table in Markdown.
"""

import argparse
import json
import pathlib
import tempfile

from integers import add_common_options, output_of, prepared_halves, recipe_of, run
from peer_environments import environment_python

# Arguments: the float model, the arrays that calibrate, the file to make.
ONNX_RUNTIME = """
import sys
import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
model, arrays, result = sys.argv[1:]
class Images(CalibrationDataReader):
    def __init__(self):
        [(name, images)] = np.load(arrays).items()
        self.images = iter([{name: image[None]} for image in images])
    def get_next(self):
        return next(self.images, None)
quant_pre_process(model, result + ".pre", skip_symbolic_shape=True)
quantize_static(result + ".pre", result, Images(), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
"""
NNCF = """
import sys
import numpy as np, nncf, onnx
model, arrays, result = sys.argv[1:]
[(name, images)] = np.load(arrays).items()
data = nncf.Dataset([{name: image[None]} for image in images])
onnx.save(nncf.quantize(onnx.load(model), data, subset_size=len(images)), result)
"""
OWN = {"narrow": [], "narrow --activation-range mse": ["--activation-range", "mse"],
       "narrow --best": ["--best"]}
PEERS = {"ONNX Runtime quantize_static": ("onnx", ONNX_RUNTIME), "NNCF": ("nncf", NNCF)}


class Maker:
    def __init__(self, options, words, folder):
        self.options, self.words, self.folder = options, words, folder
        self.pythons = {name: environment_python(PEERS[name][0])
                        for name in PEERS if name in options.only}

    def make(self, name, half, table):
        path = self.folder / "integers.onnx"
        path.unlink(missing_ok=True)
        if name in PEERS:
            output_of([self.pythons[name], "-c", PEERS[name][1], self.options.model,
                       self.folder / f"some{half}.npz", path])
        else:
            scheme = [] if "--best" in OWN[name] else ["--scheme", "symmetric", "--granularity",
                                                       "channel"]
            run(self.options, "quantize", self.options.model, *scheme, *OWN[name], "--bits", "8",
                "--activations", "8", "--to", "qdq", "--images", table, "--calibration_images",
                self.options.images, *self.words, "-o", path)
        return path

    def hits(self, model, table):
        done = json.loads(run(self.options, "eval", model, "--images", table, *self.words,
                              "--json"))
        accuracy = done["checkpoints"][0]["accuracy"]
        return accuracy["hits"], accuracy["images"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_common_options(parser)
    parser.add_argument("--images", type=int, default=250, help="that calibrate")
    parser.add_argument("--only", nargs="*", default=[*OWN, *PEERS], choices=[*OWN, *PEERS])
    options = parser.parse_args()
    words, recipe = recipe_of(options)
    python = environment_python("onnx")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tables = prepared_halves(options, python, recipe, options.images, folder)
        maker = Maker(options, words, folder)
        exact = None
        print("\n| made by | top-1 | right of | points |\n| --- | ---: | ---: | ---: |", flush=True)
        for row in ["float", *options.only]:
            right, count = 0, 0
            for half, table in enumerate(tables):
                model = options.model if row == "float" else maker.make(row, 1 - half,
                                                                        tables[1 - half])
                hits, images = maker.hits(model, table)
                right, count = right + hits, count + images
            exact = right if exact is None else exact
            print(f"| {row} | {100 * right / count:.1f} | {right} of {count} | "
                  f"{100 * (right - exact) / count:+.1f} |", flush=True)


if __name__ == "__main__":
    main()
