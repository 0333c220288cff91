"""Files of onnx_networks.py, made and compared in an environment with onnx and NumPy.

usage: network_files.py make NETWORK EXAMPLES MODEL.onnx INPUTS.npz
       network_files.py compare TOLERANCE OUTPUTS.npz...      the first with all others
"""

import pathlib
import sys

import numpy as np
import onnx

import random_networks

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests/interop"))
from onnx_models import text_pictures
from package_models import MODELS, model_bytes

# The shape of one example; 224 x 224 pictures without a row.
SHAPES = {"open_nsfw": (224, 224, 3), "ocr_det": (3, 480, 640), "inception_v3": (3, 299, 299),
          "minilm_float": (128,)}


def make(network, examples, model, inputs):
    if network in MODELS:
        pathlib.Path(model).write_bytes(model_bytes(network))
    else:
        onnx.save(getattr(random_networks, network)(), model)
    shape = (int(examples), *SHAPES.get(network, (3, 224, 224)))
    rng = np.random.default_rng(1)
    if network == "minilm_float":
        np.savez(inputs, input_ids=rng.integers(1000, 30000, shape),
                 attention_mask=np.ones(shape, np.int64), token_type_ids=np.zeros(shape, np.int64))
        return
    name = {"open_nsfw": "input_0", "ocr_det": "x"}.get(network, "images")
    if network == "ocr_det":
        values = text_pictures(rng, shape)
    else:
        values = rng.standard_normal(shape) * (100 if network == "open_nsfw" else 1)
    np.savez(inputs, **{name: values.astype(np.float32)})


def compare(tolerance, *paths):
    first, *others = [dict(np.load(path)) for path in paths]
    largest = 0
    for path, outputs in zip(paths[1:], others):
        for name, expected in first.items():
            difference = np.abs(outputs[name] - expected).max() / np.abs(expected).max()
            if not difference <= float(tolerance):
                sys.exit(f"{pathlib.Path(path).stem}: {name} differs by {difference:.2e}")
            largest = max(largest, difference)
    print(f"outputs differ by at most {largest:.1e} of the largest")


if __name__ == "__main__":
    {"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])
