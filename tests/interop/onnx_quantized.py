"""Compares operators on codes, recurrent ones and branches with ONNX Runtime, and the weights that
`compare` sees in a quantized file with those of its float twin: python onnx_quantized.py NARROW

NARROW is the program. Weights of 8 bits stay within -64..64: above that ONNX Runtime's sums
saturate on processors without VNNI. Codes have to be the same, real numbers within 1e-5 of the
largest."""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from onnx_models import run_narrow
from package_models import model_bytes

RNG = np.random.default_rng(11)
TYPES = {np.dtype("f4"): TensorProto.FLOAT, np.dtype("u1"): TensorProto.UINT8,
         np.dtype("i1"): TensorProto.INT8, np.dtype("i4"): TensorProto.INT32,
         np.dtype("i8"): TensorProto.INT64, np.dtype("bool"): TensorProto.BOOL}


def model_of(nodes, inputs, outputs, stored, opset=21):
    """A model whose inputs have the types and shapes of these arrays, whose outputs only types."""
    def value(name, array):
        return helper.make_tensor_value_info(name, TYPES[array.dtype], array.shape)
    tensors = [array if isinstance(array, TensorProto) else numpy_helper.from_array(array, name)
               for name, array in stored.items()]
    graph = helper.make_graph(nodes, "g", [value(*item) for item in inputs.items()],
                              [helper.make_tensor_value_info(name, kind, None)
                               for name, kind in outputs.items()], tensors)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", opset)])


def u8(*shape):
    return RNG.integers(0, 256, shape).astype(np.uint8)


def s8(*shape):
    return RNG.integers(-64, 65, shape).astype(np.int8)


def f4(*shape):
    return RNG.uniform(0.004, 0.03, shape).astype(np.float32)


def quantized_conv():
    stored = {"sx": f4(), "zx": np.uint8(7), "w": s8(12, 3, 3, 3), "sw": f4(12),
              "zw": np.zeros(12, np.int8), "sy": np.float32(0.09), "zy": np.uint8(120),
              "b": RNG.integers(-5000, 5000, 12).astype(np.int32)}
    node = helper.make_node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "b"],
                            ["y"], pads=[1, 1, 0, 1], strides=[2, 1])
    inputs = {"x": u8(2, 3, 17, 15)}
    return model_of([node], inputs, {"y": TensorProto.UINT8}, stored), inputs


def quantized_product():
    stored = {"sa": f4(), "za": np.uint8(130), "b": s8(40, 24), "sb": f4(24),
              "zb": np.zeros(24, np.int8), "sy": np.float32(0.05), "zy": np.uint8(99)}
    node = helper.make_node("QLinearMatMul", ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"], ["y"])
    inputs = {"a": u8(3, 19, 40)}
    return model_of([node], inputs, {"y": TensorProto.UINT8}, stored), inputs


def integer_sums():
    stored = {"w": s8(6, 1, 3, 3), "zx": np.uint8(3), "b": s8(21, 9), "za": np.uint8(200)}
    nodes = [helper.make_node("ConvInteger", ["x", "w", "zx"], ["y"], group=6, pads=[1] * 4),
             helper.make_node("MatMulInteger", ["a", "b", "za"], ["z"])]
    inputs = {"x": u8(1, 6, 9, 11), "a": u8(5, 21)}
    return model_of(nodes, inputs, {"y": TensorProto.INT32, "z": TensorProto.INT32}, stored), inputs


def dynamic_codes():
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"]),
             helper.make_node("QuantizeLinear", ["x", "scale"], ["q"], axis=1)]
    inputs = {"x": (3 * RNG.standard_normal((7, 33)) + 1).astype(np.float32)}
    outputs = {"y": TensorProto.UINT8, "s": TensorProto.FLOAT, "z": TensorProto.UINT8,
               "q": TensorProto.UINT8}
    return model_of(nodes, inputs, outputs, {"scale": f4(33)}), inputs


def four_bit_weights():
    codes = helper.make_tensor("w", TensorProto.INT4, [8, 3, 3, 3],
                               RNG.integers(-8, 8, 216).tolist())
    nodes = [helper.make_node("Cast", ["w"], ["w8"], to=TensorProto.INT8),
             helper.make_node("DequantizeLinear", ["w8", "s"], ["real"], axis=0),
             helper.make_node("Conv", ["x", "real"], ["y"])]
    inputs = {"x": RNG.standard_normal((2, 3, 12, 12)).astype(np.float32)}
    return model_of(nodes, inputs, {"y": TensorProto.FLOAT}, {"w": codes, "s": f4(8)}), inputs


def recurrent(kind, gates, **attributes):
    def weights(*shape):
        return (0.5 * RNG.standard_normal(shape)).astype(np.float32)
    stored = {"w": weights(2, gates * 5, 4), "r": weights(2, gates * 5, 5),
              "b": weights(2, 2 * gates * 5), "n": np.array([6, 2, 5], np.int32),
              "h": weights(2, 3, 5)}
    names = ["x", "w", "r", "b", "n", "h"]
    if kind == "LSTM":
        stored |= {"c": weights(2, 3, 5), "p": weights(2, 15)}
        names += ["c", "p"]
    outputs = ["y", "yh", "yc"][:3 if kind == "LSTM" else 2]
    node = helper.make_node(kind, names, outputs, hidden_size=5, direction="bidirectional",
                            **attributes)
    inputs = {"x": RNG.standard_normal((6, 3, 4)).astype(np.float32)}
    return model_of([node], inputs, dict.fromkeys(outputs, TensorProto.FLOAT), stored), inputs


def branches(condition):
    def branch(name, op):
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op, ["x", "k"], [name])], name, [], [value])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("sum", "Add"),
                            else_branch=branch("product", "Mul"))
    inputs = {"c": np.array(condition), "x": RNG.standard_normal((2, 3)).astype(np.float32)}
    return model_of([node], inputs, {"y": TensorProto.FLOAT}, {"k": f4(3)}), inputs


CASES = {
    "QLinearConv": quantized_conv, "QLinearMatMul": quantized_product,
    "ConvInteger, MatMulInteger": integer_sums, "DynamicQuantizeLinear": dynamic_codes,
    "INT4 behind Cast": four_bit_weights,
    "LSTM": lambda: recurrent("LSTM", 4), "LSTM, clip": lambda: recurrent("LSTM", 4, clip=0.4),
    "GRU": lambda: recurrent("GRU", 3),
    "GRU, reset after product": lambda: recurrent("GRU", 3, linear_before_reset=1),
    "RNN": lambda: recurrent("RNN", 1),
    "If, true": lambda: branches(True), "If, false": lambda: branches(False),
}


def check_case(program, name, folder):
    model, inputs = CASES[name]()
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = run_narrow(program, path, inputs)
    for output, expected in zip(names, session.run(None, inputs)):
        values = found[output]
        assert (values.dtype, values.shape) == (expected.dtype, expected.shape), output
        if expected.dtype.kind == "f":
            share = np.abs(values - expected).max() / np.abs(expected).max()
            assert share <= 1e-5, f"{output} differs by {share:.2e} of its largest value"
        else:
            count = np.count_nonzero(values != expected)
            assert count == 0, f"{count} of {values.size} codes of {output} differ"


def check_dequantized(program, folder):
    """The weights of the int8 file as `compare` sees them are those of the float twin."""
    for model in ("minilm_int8", "minilm_float"):
        (folder / f"{model}.onnx").write_bytes(model_bytes(model))
    result = subprocess.run([program, "compare", "minilm_float.onnx", "minilm_int8.onnx",
                             "--match", "--all", "--json"], cwd=folder, capture_output=True,
                            text=True, check=False)
    tensors = json.loads(result.stdout)["tensors"]
    large = [tensor for tensor in tensors if np.prod(tensor["shape"]) >= 384 * 384]
    assert len(large) >= 36, f"{len(large)} weights were compared"
    wrong = [tensor["name"] for tensor in large if not tensor["identical"]]
    assert not wrong, f"other values in {wrong}"


def main(program):
    failed = 0
    checks = {name: lambda folder, name=name: check_case(program, name, folder) for name in CASES}
    checks["weights seen dequantized"] = lambda folder: check_dequantized(program, folder)
    for name, check in checks.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(pathlib.Path(folder))
                print(f"{name}: same", flush=True)
            except (AssertionError, subprocess.CalledProcessError) as error:
                print(f"FAILED {name}: {error}", flush=True)
                failed += 1
    sys.exit(failed != 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
