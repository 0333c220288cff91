"""Compares integer execution with multipliers and the reference kernels of TensorFlow Lite, code by
code: python tflite_integers.py NARROW

A small network (strided convolution with padding behind only, depthwise one, residual sum, dense
layer) is quantized by TensorFlow Lite's converter; its tensors, scales and zero points go into an
ONNX file of QuantizeLinear and DequantizeLinear, which narrow runs."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
# pylint: disable=wrong-import-position
from onnx_messages import int_attribute, ints, model, node, tensor, value  # noqa: E402

RNG = np.random.default_rng(3)
SIZE, CHANNELS = 12, 6
INT8, INT32 = 3, 6


def converted():
    image = tf.keras.Input((SIZE, SIZE, 3), batch_size=1)
    first = tf.keras.layers.Conv2D(CHANNELS, 3, 2, "same", activation="relu6")(image)
    deep = tf.keras.layers.DepthwiseConv2D(3, 1, "same")(first)
    total = tf.keras.layers.Add()([first, deep])
    flat = tf.keras.layers.Flatten()(total)
    # Add writes its sums over an operand that nobody else reads, unless that is an output.
    network = tf.keras.Model(image, [tf.keras.layers.Dense(7)(flat), first, deep])
    network.set_weights([0.4 * RNG.normal(size=one.shape).astype("f4")
                         for one in network.get_weights()])
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([RNG.normal(size=(1, SIZE, SIZE, 3)).astype("f4")]
                                                for _ in range(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


class OnnxWriter:
    """Values are named v0, v1 ... after the tensors; n0 ... are the numbers of codes."""

    def __init__(self, interpreter):
        self.interpreter = interpreter
        self.details = {d["index"]: d for d in interpreter.get_tensor_details()}
        self.nodes, self.stored = [], []

    def store(self, name, array, kind):
        self.stored.append(tensor(name, np.ascontiguousarray(array), kind))
        return name

    def parameters(self, index, name, kind=INT8):
        quantization = self.details[index]["quantization_parameters"]
        scales, zeros = quantization["scales"], quantization["zero_points"]
        shape = () if len(scales) == 1 else scales.shape
        type_of_zeros = "i1" if kind == INT8 else "<i4"
        return [self.store(name + "_s", scales.reshape(shape).astype("<f4"), 1),
                self.store(name + "_z", zeros.reshape(shape).astype(type_of_zeros), kind)]

    def weights(self, index, array, kind=INT8, axis=0):
        name = f"w{index}"
        codes = self.store(name + "_c", array, kind)
        self.nodes.append(node("DequantizeLinear", [codes, *self.parameters(index, name, kind)],
                               name, int_attribute("axis", axis)))
        return name

    def rounded(self, index, numbers):
        """Codes of the tensor and their numbers."""
        by = self.parameters(index, f"v{index}")
        self.nodes.append(node("QuantizeLinear", [numbers, *by], f"v{index}"))
        self.nodes.append(node("DequantizeLinear", [f"v{index}", *by], f"n{index}"))

    def operator(self, op):
        inputs, output = list(op["inputs"]), op["outputs"][0]
        name, numbers = op["op_name"], f"a{output}"
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            array = self.interpreter.get_tensor(inputs[1])
            deep = name == "DEPTHWISE_CONV_2D"
            kernel = array.transpose(3, 0, 1, 2) if deep else array.transpose(0, 3, 1, 2)
            how = (int_attribute("group", CHANNELS) + ints("pads", [1, 1, 1, 1]) if deep else
                   ints("strides", [2, 2]) + ints("pads", [0, 0, 1, 1]))
            bias = self.weights(inputs[2], self.interpreter.get_tensor(inputs[2]), INT32)
            self.nodes.append(node("Conv", [f"n{inputs[0]}", self.weights(inputs[1], kernel), bias],
                                   numbers if deep else "before", how))
            if not deep:
                self.store("zero", np.zeros((), "<f4"), 1)
                self.store("six", np.full((), 6, "<f4"), 1)
                self.nodes.append(node("Clip", ["before", "zero", "six"], numbers))
        elif name == "ADD":
            self.nodes.append(node("Add", [f"n{inputs[0]}", f"n{inputs[1]}"], numbers))
        elif name == "RESHAPE":  # rows of pixels
            self.nodes.append(node("Transpose", [f"n{inputs[0]}"], "turned",
                                   ints("perm", [0, 2, 3, 1])))
            self.rounded_as(inputs[0], "turned")
            self.nodes.append(node("Flatten", ["turned_n"], numbers))
        elif name == "FULLY_CONNECTED":
            weights = self.weights(inputs[1], self.interpreter.get_tensor(inputs[1]))
            bias = self.weights(inputs[2], self.interpreter.get_tensor(inputs[2]), INT32)
            self.nodes.append(node("Gemm", [f"n{inputs[0]}", weights, bias], numbers,
                                   int_attribute("transB", 1)))
        else:
            raise ValueError(name)
        self.rounded(output, numbers)
        return output

    def rounded_as(self, index, name):
        by = self.parameters(index, name)
        self.nodes.append(node("QuantizeLinear", [name, *by], name + "_q"))
        self.nodes.append(node("DequantizeLinear", [name + "_q", *by], name + "_n"))


def main():
    narrow = str(pathlib.Path(sys.argv[1]).resolve())
    interpreter = tf.lite.Interpreter(
        model_content=converted(), experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    writer = OnnxWriter(interpreter)
    writer.rounded(entry["index"], "images")
    operators = [op for op in interpreter._get_ops_details()  # pylint: disable=protected-access
                 if op["op_name"] != "DELEGATE"]
    outputs = [writer.operator(op) for op in operators]
    scale, zero = entry["quantization"]
    codes = RNG.integers(-128, 128, (8, SIZE, SIZE, 3)).astype(np.int8)
    different = dict.fromkeys((op["op_name"] for op in operators), 0)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sizes = {i: [1, *(interpreter.get_tensor(i).shape[1:])] for i in outputs}
        (folder / "net.onnx").write_bytes(model(
            writer.nodes, writer.stored, inputs=[value("images", [1, 3, SIZE, SIZE])],
            outputs=[value(f"v{outputs[-1]}", sizes[outputs[-1]], INT8)]))
        images = (codes.astype("f4") - zero) * np.float32(scale)
        np.savez(folder / "in.npz", images=images.transpose(0, 3, 1, 2).astype("f4"))
        subprocess.run([narrow, "run", folder / "net.onnx", "--inputs", folder / "in.npz",
                        "--requantize=multiplier", "--nodes=v*", "-o", folder / "out.npz"],
                       check=True, stdout=subprocess.DEVNULL)
        with np.load(folder / "out.npz") as arrays:
            ours = dict(arrays)
    for i, image in enumerate(codes):
        interpreter.set_tensor(entry["index"], image[None])
        interpreter.invoke()
        for op, index in zip(operators, outputs):
            theirs = interpreter.get_tensor(index)
            found = ours[f"v{index}"][i:i + 1]
            found = found.transpose(0, 2, 3, 1) if found.ndim == 4 else found
            different[op["op_name"]] += np.count_nonzero(found != theirs)
    for name, count in different.items():
        print(f"{'FAILED' if count else 'same  '} {name}: {count} codes differ")
    sys.exit(1 if any(different.values()) else 0)


main()
