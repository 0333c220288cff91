"""Builds ONNX models of convolutional networks, a line a layer."""
import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


class OnnxBuilder:
    """Appends nodes; `weights` gives the array of a name and a shape."""

    def __init__(self, weights, epsilon=1e-3):
        self.weights, self.epsilon = weights, epsilon
        self.nodes, self.initializers = [], {}

    def node(self, operator, inputs, output=None, **attributes):
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def constant(self, name, values):
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.array(values, order="C"), name)
        return name

    def weight(self, name, *shape):
        return self.constant(name, np.asarray(self.weights(name, shape), np.float32))

    def conv(self, x, name, channels, kernel, stride=1, pads=(0, 0, 0, 0), groups=1, bias=False):
        """`channels` are those of input and output; `kernel` is one number or height and width."""
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        inputs = [x, self.weight(f"{name}.weight", channels[1], channels[0] // groups, height, width)]
        if bias:
            inputs.append(self.weight(f"{name}.bias", channels[1]))
        return self.node("Conv", inputs, kernel_shape=[height, width], strides=[stride] * 2,
                         pads=pads, group=groups)

    def norm(self, x, name, channels):
        parts = [self.weight(f"{name}.{part}", channels) for part in NORM_PARTS]
        return self.node("BatchNormalization", [x, *parts], epsilon=self.epsilon)

    def relu6(self, x):
        limits = [self.constant("zero", np.float32(0)), self.constant("six", np.float32(6))]
        return self.node("Clip", [x, *limits])

    def dense(self, x, name, inputs, outputs, output=None):
        return self.node("Gemm", [x, self.weight(f"{name}.weight", outputs, inputs),
                                  self.weight(f"{name}.bias", outputs)], output, transB=1)

    def model(self, name, inputs, outputs):
        """The checked model; `inputs` and `outputs` are pairs of a name and dimensions."""
        def infos(values):
            return [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape)
                    for key, shape in values]

        graph = helper.make_graph(self.nodes, name, infos(inputs), infos(outputs),
                                  list(self.initializers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model)
        return model


def same_pads(size, kernel, stride):
    """TensorFlow's SAME for a square image: top, left, bottom, right; and the size behind it."""
    after = (size + stride - 1) // stride
    missing = max((after - 1) * stride + kernel - size, 0)
    return (missing // 2, missing // 2, missing - missing // 2, missing - missing // 2), after
