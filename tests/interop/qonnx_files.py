"""Compares files of `quantize --to qonnx` with what the executor of the package qonnx makes of them:
python qonnx_files.py NARROW

Both compute in float32, each in its own order: where a sum is next to a tie, a code is its neighbour.
So all but one number of a thousand have to be the same within 1e-5 of the largest."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from onnx_integers import compare_closely, RNG, SIZE, network, run_narrow

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
        np.savez(folder / "calibration.npz",
                 images=RNG.standard_normal((COUNT, 3, SIZE, SIZE)).astype(np.float32))
        images = RNG.standard_normal((COUNT, 3, SIZE, SIZE)).astype(np.float32)
        for bits, activations in ((8, "8"), (4, "4"), (3, "6:symmetric"), (8, "8:fixed-point")):
            path = folder / "quant.onnx"
            subprocess.run([narrow, "quantize", folder / "float.onnx", "--scheme", "symmetric",
                            "--bits", str(bits), "--granularity", "channel", "--activations",
                            activations, "--to", "qonnx", "--inputs", folder / "calibration.npz",
                            "-o", path, "--force"], check=True, stdout=subprocess.DEVNULL)
            ours = run_narrow(narrow, path, {"images": images}, folder, "simulate")
            failed |= compare_closely(f"{bits} bits, {activations},", ours,
                                      run_qonnx(path, images), 1e-5, 0.999)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
