"""Compares integer execution with ONNX Runtime's exact mode on networks that its own tool quantized,
and ours as ONNX Runtime runs them: python onnx_integers.py NARROW

Every output is the value of a code, so all of them have to be the same number. ONNX Runtime is told
not to add products in 16 bits (session.x64quantprecision), which it otherwise does on processors
without VNNI."""
import logging
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                      quantize_static)
from PIL import Image

from onnx_builder import OnnxBuilder

RNG = np.random.default_rng(5)
logging.disable()
SIZE = 16


def weights(name, shape):
    if name.endswith("running_var"):
        return RNG.uniform(0.5, 1.5, shape)
    fan_in = max(1, int(np.prod(shape[1:])))
    return RNG.standard_normal(shape) / np.sqrt(fan_in)


def network():
    """Outputs after every kind of operator, so that all of them are compared."""
    net = OnnxBuilder(weights)
    x = net.node("Relu", [net.conv("images", "first", (3, 12), 3, 2, (0, 0, 1, 1), bias=True)])
    y = net.conv(x, "depthwise", (12, 12), 3, 1, (1, 1, 1, 1), groups=12, bias=True)
    y = net.node("Clip", [y, net.constant("zero", np.float32(0)), net.constant("six", np.float32(6))])
    total = net.node("Add", [x, y], "total")
    pool = net.node("MaxPool", [total], kernel_shape=[2, 2], strides=[2, 2])
    both = net.node("Concat", [pool, net.conv(pool, "side", (12, 7), 1, bias=True)], "both", axis=1)
    wide = net.conv(both, "wide", (19, 24), (3, 1), 1, (1, 0, 1, 0), bias=True)
    gate = net.node("Sigmoid", [net.node("GlobalAveragePool", [wide])], "gate")
    scaled = net.node("Mul", [wide, gate], "scaled")
    flat = net.node("Flatten", [net.node("GlobalAveragePool", [scaled])])
    net.node("Gemm", [flat, net.weight("last.weight", 10, 24), net.weight("last.bias", 10)],
             "logits", transB=1)
    outputs = {"total": 4, "both": 4, "gate": 4, "scaled": 4, "logits": 2}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank)
              for name, rank in outputs.items()]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])
    graph = helper.make_graph(net.nodes, "small", [images], values, list(net.initializers.values()))
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


class Images(CalibrationDataReader):
    def __init__(self, images):
        self.images = iter(images)

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"images": image[None]}


def run_onnxruntime(path, inputs):
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def run_narrow(narrow, path, inputs, folder, execution="integer"):
    np.savez(folder / "inputs.npz", **inputs)
    subprocess.run([narrow, "run", path, "--inputs", folder / "inputs.npz", "-o", folder / "out.npz",
                    "--execution", execution, "--force"], check=True, stdout=subprocess.DEVNULL)
    with np.load(folder / "out.npz") as results:
        return dict(results)


def compare(title, ours, theirs):
    failed = False
    counts = []
    for name, expected in theirs.items():
        different = np.count_nonzero(ours[name] != expected)
        counts.append(f"{name} {different}/{expected.size}")
        failed |= different > 0
    print(f"{'FAILED' if failed else 'same  '} {title}: {', '.join(counts)}")
    return failed


def compare_closely(title, ours, theirs, within, least):
    """Whether of an output less than the share `least` is as near as `within` of the largest."""
    failed = False
    for name, expected in theirs.items():
        distance = np.abs(ours[name] - expected) / np.abs(expected).max()
        same = np.mean(distance <= within)
        failed |= same < least
        print(f"{'FAILED' if same < least else 'same  '} {title} {name}: {100 * same:.2f} % the "
              f"same, at most {distance.max():.2g} apart")
    return failed


def quantized_by_onnxruntime(narrow, folder):
    onnx.save(network(), folder / "float.onnx")
    images = RNG.standard_normal((24, 3, SIZE, SIZE)).astype(np.float32)
    inputs = {"images": RNG.standard_normal((32, 3, SIZE, SIZE)).astype(np.float32)}
    failed = False
    for form in (QuantFormat.QDQ, QuantFormat.QOperator):
        for activations in (QuantType.QUInt8, QuantType.QInt8):
            if form == QuantFormat.QOperator and activations == QuantType.QInt8:
                continue  # ONNX Runtime has no QGemm of signed codes
            for per_channel in (False, True):
                path = folder / "quantized.onnx"
                quantize_static(folder / "float.onnx", path, Images(images), quant_format=form,
                                activation_type=activations, weight_type=QuantType.QInt8,
                                per_channel=per_channel)
                title = f"{form} {activations} {'channel' if per_channel else 'tensor'}"
                failed |= compare(title, run_narrow(narrow, path, inputs, folder),
                                  run_onnxruntime(path, inputs))
    return failed


def quantized_here(narrow, folder):
    """Files of `quantize --to qdq` are loaded, and run as we say."""
    pictures = folder / "pictures"
    for i in range(8):
        (pictures / str(i % 2)).mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(pictures / str(i % 2) / f"{i}.png")
    inputs = {"images": RNG.standard_normal((32, 3, SIZE, SIZE)).astype(np.float32)}
    failed = False
    for bits, activations, target in ((8, "8", "onnxruntime"), (8, "8:symmetric", "portable"),
                                      (4, "8:affine", "openvino"), (8, "6:fixed-point", "portable")):
        path = folder / "ours.onnx"
        subprocess.run([narrow, "quantize", folder / "float.onnx", "--scheme", "symmetric", "--bits",
                        str(bits), "--granularity", "channel", "--activations", activations, "--to",
                        "qdq", "--target", target, "--images", pictures, "--preprocessing_name",
                        "vgg", "--mean", "127,127,127", "--std", "128,128,128", "--eval_image_size",
                        str(SIZE), "--resize_side", str(SIZE), "-o", path, "--force"], check=True,
                       stdout=subprocess.DEVNULL)
        onnx.checker.check_model(onnx.load(path), full_check=True)
        theirs = run_onnxruntime(path, inputs)
        ours = run_narrow(narrow, path, inputs, folder)
        # Outputs of the graph stay numbers, which both round in float32, each in its own order.
        worst = max(float(np.abs(ours[name] - value).max() / np.abs(value).max())
                    for name, value in theirs.items())
        print(f"{'FAILED' if worst > 0.1 else 'close '} ours {bits} bits, {activations}: {worst:.2g}")
        failed |= worst > 0.1
    return failed


def main():
    narrow = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        failed = quantized_by_onnxruntime(narrow, pathlib.Path(folder))
        failed |= quantized_here(narrow, pathlib.Path(folder))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
