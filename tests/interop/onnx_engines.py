"""Compares what `inspect --engines` says of ONNX Runtime and OpenVINO with what these compute in
integers of the same files: python onnx_engines.py NARROW

The files are small networks that ONNX Runtime's own tool and ours quantized, with and without what
keeps layers in floating point."""
import collections
import json
import logging
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import openvino
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from onnx_integers import RNG, SIZE, Images, network

logging.disable()
# What ONNX Runtime calls what it computes in integers, by the operators that become so.
INTEGER = {"QLinearConv": "Conv", "QGemm": "Gemm", "QLinearMatMul": "MatMul",
           "MatMulIntegerToFloat": "MatMul", "QLinearAdd": "Add", "QLinearMul": "Mul",
           "QLinearConcat": "Concat", "QLinearAveragePool": "AveragePool",
           "QLinearGlobalAveragePool": "GlobalAveragePool", "QLinearSigmoid": "Sigmoid",
           "QLinearLeakyRelu": "LeakyRelu", "QLinearSoftmax": "Softmax"}


def integers_of_onnxruntime(path, folder):
    """How many nodes of each operator it computes in integers."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    counts = {}
    for node in onnx.load(folder / "optimized.onnx").graph.node:
        op = INTEGER.get(node.op_type)
        if op:
            counts[op] = counts.get(op, 0) + 1
    return counts


def convolutions_of_openvino(path):
    """How many it computes from codes."""
    network = openvino.Core().compile_model(str(path), "CPU").get_runtime_model()
    info = [{key: operation.get_rt_info()[key].astype(str)
             for key in ("layerType", "runtimePrecision")} for operation in network.get_ops()]
    return sum(one["layerType"] == "Convolution" and one["runtimePrecision"] in ("u8", "i8")
               for one in info)


def integers_of_narrow(narrow, path, engine):
    found = subprocess.run([narrow, "inspect", path, "--engines", "--json"], check=True,
                           capture_output=True, text=True)
    return collections.Counter(node["operator"] for node in json.loads(found.stdout)["operators"]
                               if node[engine] == "integers")


def compare(narrow, path, what, folder):
    """The number of differences."""
    theirs = integers_of_onnxruntime(path, folder)
    ours = integers_of_narrow(narrow, path, "onnxruntime")
    convolutions = convolutions_of_openvino(path)
    said = integers_of_narrow(narrow, path, "openvino")["Conv"]
    print(f"{what}: ONNX Runtime {theirs}, said {dict(ours)}; "
          f"OpenVINO {convolutions} convolutions, said {said}")
    return (theirs != dict(ours)) + (convolutions != said)


def main():
    narrow = pathlib.Path(sys.argv[1]).resolve()
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        onnx.save(network(), folder / "float.onnx")
        images = RNG.standard_normal((8, 3, SIZE, SIZE)).astype(np.float32)
        path = folder / "quantized.onnx"
        for activations, weights, per_channel in [
                (QuantType.QUInt8, QuantType.QInt8, True),
                (QuantType.QUInt8, QuantType.QUInt8, False),
                (QuantType.QInt8, QuantType.QInt8, True),
                (QuantType.QUInt16, QuantType.QInt8, False)]:
            quantize_static(folder / "float.onnx", path, Images(images), QuantFormat.QDQ,
                            activation_type=activations, weight_type=weights,
                            per_channel=per_channel,
                            extra_options={"UseQDQContribOps": activations is QuantType.QUInt16})
            failures += compare(narrow, path, f"{activations} {weights}", folder)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
