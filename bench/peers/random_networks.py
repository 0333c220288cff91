"""Networks of known papers with random weights as ONNX models: what they compute is as much work as
with trained ones, and their activations stay of one size."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests/interop"))
from onnx_builder import OnnxBuilder, same_pads

CLASSES = 1000


def random_weights(seed):
    rng = np.random.default_rng(seed)

    def values(name, shape):
        part = name.rsplit(".", 1)[1]
        if part == "weight" and len(shape) > 1:  # He et al., "Delving Deep into Rectifiers"
            return rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[1:]))
        if part in ("weight", "running_var"):
            return rng.uniform(0.8, 1.2, shape)
        return rng.normal(0, 0.05, shape)
    return values


class Network(OnnxBuilder):
    """Layers that follow each other, with the size and channels of the last one of each branch."""

    def __init__(self, name, size, has_norms=True):
        super().__init__(random_weights(len(name)))
        self.name, self.input_size, self.has_norms, self.layers = name, size, has_norms, 0

    def layer(self, state, channels, kernel, stride=1, padding="same", groups=1, activation="relu"):
        """A convolution, a norm or bias and an activation. `state`: value, channels, size."""
        x, inputs, size = state
        name, self.layers = f"layer{self.layers}", self.layers + 1
        rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        pads, after = (0, 0, 0, 0), (size - rows) // stride + 1
        if padding == "same":
            (top, _, bottom, _), after = same_pads(size, rows, stride)
            (_, left, _, right), _ = same_pads(size, columns, stride)
            pads = (top, left, bottom, right)
        x = self.conv(x, name, (inputs, channels), kernel, stride, pads, groups, not self.has_norms)
        if self.has_norms:
            x = self.norm(x, f"{name}.norm", channels)
        if activation == "relu":
            x = self.node("Relu", [x])
        elif activation == "relu6":
            x = self.relu6(x)
        return x, channels, after

    def pool(self, operator, state, kernel, stride, padding="valid"):
        x, channels, size = state
        pads, after = (0, 0, 0, 0), (size - kernel) // stride + 1
        if padding == "same":
            pads, after = same_pads(size, kernel, stride)
        x = self.node(operator, [x], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)
        return x, channels, after

    def concat(self, states):
        x = self.node("Concat", [state[0] for state in states], axis=1)
        return x, sum(state[1] for state in states), states[0][2]

    def start(self):
        return "images", 3, self.input_size

    def classifier(self, state):
        x = self.node("Flatten", [self.node("GlobalAveragePool", [state[0]])])
        self.dense(x, "logits", state[1], CLASSES, "classes")
        return self.finished()

    def finished(self):
        size = self.input_size
        return self.model(self.name, [("images", ["N", 3, size, size])], [("classes", ["N", CLASSES])])


def resnet_v1_50(size=224):
    """He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; strides as in Slim."""
    net = Network("resnet_v1_50", size)
    state = net.pool("MaxPool", net.layer(net.start(), 64, 7, 2), 3, 2, "same")
    for block, (units, base) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512))):
        for unit in range(units):
            stride = 2 if unit == units - 1 and block < 3 else 1
            shortcut = state
            if state[1] != 4 * base:
                shortcut = net.layer(state, 4 * base, 1, stride, activation=None)
            elif stride > 1:
                shortcut = net.pool("MaxPool", state, 1, stride)
            inner = net.layer(net.layer(state, base, 1), base, 3, stride)
            x, channels, after = net.layer(inner, 4 * base, 1, activation=None)
            state = net.node("Relu", [net.node("Add", [x, shortcut[0]])]), channels, after
    return net.classifier(state)


def vgg_16(size=224):
    """Simonyan and Zisserman, "Very Deep Convolutional Networks", ICLR 2015, configuration D."""
    net = Network("vgg_16", size, has_norms=False)
    state = net.start()
    for layers, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(layers):
            state = net.layer(state, channels, 3)
        state = net.pool("MaxPool", state, 2, 2)
    x = net.node("Flatten", [state[0]])
    features = state[1] * state[2] ** 2
    x = net.node("Relu", [net.dense(x, "fc6", features, 4096)])
    x = net.node("Relu", [net.dense(x, "fc7", 4096, 4096)])
    net.dense(x, "logits", 4096, CLASSES, "classes")
    return net.finished()


def mobilenet_v1(size=224):
    """Howard et al., "MobileNets", 2017, width 1."""
    net = Network("mobilenet_v1", size)
    state = net.layer(net.start(), 32, 3, 2, activation="relu6")
    widths = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2),
              (1024, 1))
    for channels, stride in widths:
        state = net.layer(state, state[1], 3, stride, groups=state[1], activation="relu6")
        state = net.layer(state, channels, 1, activation="relu6")
    return net.classifier(state)


def branches_35(net, state, pooled):
    return net.concat([
        net.layer(state, 64, 1), net.layer(net.layer(state, 48, 1), 64, 5),
        net.layer(net.layer(net.layer(state, 64, 1), 96, 3), 96, 3),
        net.layer(net.pool("AveragePool", state, 3, 1, "same"), pooled, 1)])


def branches_17(net, state, width):
    second = net.layer(net.layer(net.layer(state, width, 1), width, (1, 7)), 192, (7, 1))
    third = net.layer(state, width, 1)
    for kernel, channels in (((7, 1), width), ((1, 7), width), ((7, 1), width), ((1, 7), 192)):
        third = net.layer(third, channels, kernel)
    pooled = net.layer(net.pool("AveragePool", state, 3, 1, "same"), 192, 1)
    return net.concat([net.layer(state, 192, 1), second, third, pooled])


def branches_8(net, state):
    second = net.layer(state, 384, 1)
    third = net.layer(net.layer(state, 448, 1), 384, 3)
    return net.concat([
        net.layer(state, 320, 1),
        net.concat([net.layer(second, 384, (1, 3)), net.layer(second, 384, (3, 1))]),
        net.concat([net.layer(third, 384, (1, 3)), net.layer(third, 384, (3, 1))]),
        net.layer(net.pool("AveragePool", state, 3, 1, "same"), 192, 1)])


def inception_v3(size=299):
    """Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, without auxiliary head."""
    net = Network("inception_v3", size)
    state = net.layer(net.start(), 32, 3, 2, "valid")
    state = net.layer(net.layer(state, 32, 3, 1, "valid"), 64, 3)
    state = net.layer(net.pool("MaxPool", state, 3, 2), 80, 1)
    state = net.pool("MaxPool", net.layer(state, 192, 3, 1, "valid"), 3, 2)
    for pooled in (32, 64, 64):
        state = branches_35(net, state, pooled)
    reduced = net.layer(net.layer(net.layer(state, 64, 1), 96, 3), 96, 3, 2, "valid")
    state = net.concat([net.layer(state, 384, 3, 2, "valid"), reduced,
                        net.pool("MaxPool", state, 3, 2)])
    for width in (128, 160, 160, 192):
        state = branches_17(net, state, width)
    reduced = net.layer(net.layer(net.layer(state, 192, 1), 192, (1, 7)), 192, (7, 1))
    state = net.concat([net.layer(net.layer(state, 192, 1), 320, 3, 2, "valid"),
                        net.layer(reduced, 192, 3, 2, "valid"), net.pool("MaxPool", state, 3, 2)])
    for _ in range(2):
        state = branches_8(net, state)
    return net.classifier(state)
