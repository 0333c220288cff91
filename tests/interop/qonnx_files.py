"""Compares files of `quantize --to qonnx` with what the executor of the package qonnx makes of them:
python qonnx_files.py NARROW

Both compute in float32, each in its own order: where a sum is next to a tie, a code is its neighbour
and what follows from it moves. So most numbers have to be the same within 1e-5 of the largest, and
the mean difference stays below a code."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from PIL import Image
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from onnx_integers import RNG, SIZE, network, run_narrow

COUNT = 8


def run_qonnx(path, images):
    model = ModelWrapper(str(path))
    model.set_tensor_shape("images", list(images.shape))
    model = model.transform(InferShapes())
    return execute_onnx(model, {"images": images})


def main():
    narrow = str(pathlib.Path(sys.argv[1]).resolve())
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        onnx.save(network(), folder / "float.onnx")
        (folder / "pictures").mkdir()
        for i in range(COUNT):
            pixels = RNG.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / f"{i}.png")
        images = RNG.standard_normal((COUNT, 3, SIZE, SIZE)).astype(np.float32)
        for bits, activations in ((8, "8"), (4, "4"), (3, "6:symmetric"), (8, "8:fixed-point")):
            path = folder / "quant.onnx"
            subprocess.run([narrow, "quantize", folder / "float.onnx", "--scheme", "symmetric",
                            "--bits", str(bits), "--granularity", "channel", "--activations",
                            activations, "--to", "qonnx", "--images", folder / "pictures",
                            "--preprocessing_name", "vgg", "--mean", "127,127,127", "--std",
                            "64,64,64", "--eval_image_size", str(SIZE), "--resize_side", str(SIZE),
                            "-o", path, "--force"], check=True, stdout=subprocess.DEVNULL)
            ours = run_narrow(narrow, path, {"images": images}, folder, "simulate")
            for output, expected in run_qonnx(path, images).items():
                distance = np.abs(ours[output] - expected) / np.abs(expected).max()
                same, mean = np.mean(distance <= 1e-5), np.mean(distance)
                is_wrong = same < 0.97 or mean > 2.0 ** -bits / 4
                failed |= is_wrong
                print(f"{'FAILED' if is_wrong else 'same  '} {bits} bits, {activations}, {output}: "
                      f"{100 * same:.2f} % the same, mean difference {mean:.2g}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
