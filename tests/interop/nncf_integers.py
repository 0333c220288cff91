"""Compares integer execution of networks that NNCF quantized with ONNX Runtime's exact mode:
python nncf_integers.py NARROW

NNCF leaves biases as numbers. Exact integers have them in units of s_x s_w; ONNX Runtime computes such
layers in float32. So sums are apart by half a unit at most, and where one is next to a tie, a code is
its neighbour: all but one number of a hundred have to be the same within 1e-3 of the largest."""
import pathlib
import sys
import tempfile

import numpy as np
import nncf
import onnx

from onnx_integers import compare_closely, RNG, SIZE, network, run_narrow, run_onnxruntime

SAMPLES = 24


def main():
    narrow = str(pathlib.Path(sys.argv[1]).resolve())
    failed = False
    samples = RNG.standard_normal((SAMPLES, 3, SIZE, SIZE)).astype(np.float32)
    inputs = {"images": RNG.standard_normal((32, 3, SIZE, SIZE)).astype(np.float32)}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for preset in (nncf.QuantizationPreset.PERFORMANCE, nncf.QuantizationPreset.MIXED):
            dataset = nncf.Dataset([{"images": sample[None]} for sample in samples])
            model = nncf.quantize(network(), dataset, preset=preset, subset_size=SAMPLES)
            onnx.save(model, folder / "nncf.onnx")
            kinds = {node.op_type for node in model.graph.node}
            assert {"QuantizeLinear", "DequantizeLinear"} <= kinds, kinds
            ours = run_narrow(narrow, folder / "nncf.onnx", inputs, folder)
            theirs = run_onnxruntime(folder / "nncf.onnx", inputs)
            failed |= compare_closely(preset.value, ours, theirs, 1e-3, 0.99)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
