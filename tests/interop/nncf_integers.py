"""Compares integer execution of networks that NNCF quantized with ONNX Runtime's exact mode:
python nncf_integers.py NARROW

Outputs that are values of codes have to be the same numbers. Those that NNCF leaves numbers are sums
that both round in float32, each in its own order."""
import pathlib
import sys
import tempfile

import numpy as np
import nncf
import onnx

from onnx_integers import RNG, SIZE, network, run_narrow, run_onnxruntime

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
            for output, expected in run_onnxruntime(folder / "nncf.onnx", inputs).items():
                distance = np.abs(ours[output] - expected).max() / np.abs(expected).max()
                failed |= distance > 1e-6
                print(f"{'FAILED' if distance > 1e-6 else 'same  '} {preset.value} {output}: "
                      f"{np.count_nonzero(ours[output] != expected)}/{expected.size} other numbers, "
                      f"at most {distance:.2g} of the largest")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
