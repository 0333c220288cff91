"""TF-Slim's networks as ONNX files: python slim_onnx.py NARROW [--all]

NARROW is the program. A network a family, with random values for all variables: what ONNX Runtime
computes of the file that narrow convert --to onnx writes has to be within 1e-4 of the largest logit
that narrow run computes of the checkpoint. Without --all those that take longest are left out."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file

from slim_values import random_value

TOLERANCE = 1e-4
CLASSES = 10
# With sizes of images that leave something for the last pool; the usual one where that is fixed.
FAMILIES = {
    "lenet": 28, "cifarnet": 32, "mobilenet_v1_025": 64, "mobilenet_v2_035": 64,
    "resnet_v1_50": 32, "resnet_v2_50": 64, "inception_v1": 224, "inception_v2": 64,
    "inception_v3": 75, "inception_v4": 75, "inception_resnet_v2": 75, "alexnet_v2": 224,
    "overfeat": 231, "vgg_a": 224,
}
LARGE = {"resnet_v2_50", "inception_v1", "inception_v3", "inception_v4", "inception_resnet_v2",
         "alexnet_v2", "overfeat", "vgg_a"}


def run(*command, folder):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL,
                   cwd=folder)


def difference(narrow, name, size, folder, random):
    run(narrow, "init", name, "--classes", CLASSES, "-o", "start/model", folder=folder)
    run(narrow, "convert", "start", "-o", "model.safetensors", folder=folder)
    values = {variable: random_value(variable, value.shape, random) if value.ndim else value
              for variable, value in load_file(folder / "model.safetensors").items()}
    save_file(values, folder / "model.safetensors")
    run(narrow, "convert", "model.safetensors", "--to", "onnx", "--model_name", name,
        "--eval_image_size", size, "-o", "model.onnx", folder=folder)
    onnx.checker.check_model(folder / "model.onnx", full_check=True)
    images = random.normal(0, 1, (2, 3, size, size)).astype(np.float32)
    np.savez(folder / "images.npz", images=images)
    run(narrow, "run", "model.safetensors", "--model_name", name, "--inputs", "images.npz",
        "-o", "logits.npz", folder=folder)
    with np.load(folder / "logits.npz") as outputs:
        (expected,) = outputs.values()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options,
                                           providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": images})
    assert np.ptp(expected) > 100 * TOLERANCE * np.abs(expected).max()
    return np.abs(found - expected).max() / np.abs(expected).max()


def main(narrow, chosen):
    narrow = pathlib.Path(narrow).resolve()
    random = np.random.default_rng(18)
    failed = 0
    for name, size in FAMILIES.items():
        if name in LARGE and chosen != ["--all"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = difference(narrow, name, size, pathlib.Path(folder), random)
        failed += found > TOLERANCE
        print(f"{name} at {size}: difference {found:.1e} of the largest logit "
              f"{'FAILED' if found > TOLERANCE else 'ok'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
