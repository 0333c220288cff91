"""A small network as an ONNX file, and pictures for it."""
import numpy as np

from onnx_messages import ints, model, node, tensor, value
from program_case import ProgramCase
from records_program_test import find_jpegs

SIZE, CLASSES = 28, 10
SIZES = (f"--eval_image_size={SIZE}", f"--resize_side={SIZE}")
VGG = "--preprocessing_name=vgg"


def values(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("<f4")


KERNEL, BIAS = values(6, 3, 1, 1) / 100, values(6, seed=1)
DENSE, LAST = values(6, CLASSES, seed=2), values(CLASSES, seed=3)


def network(sizes=("N", 3, SIZE, SIZE), dense=DENSE, softmax=False, turned=False):
    """Pointwise convolution, ReLU, mean of the pixels, dense layer. `turned`: the dense matrix goes
    through a transpose, so that it is a constant from which another one is computed."""
    x, nodes = "x", []
    if sizes[1] != 3:
        nodes.append(node("Transpose", ["x"], "planes", ints("perm", [0, 3, 1, 2])))
        x = "planes"
    if turned:
        nodes.append(node("Transpose", ["dense"], "matrix", ints("perm", [1, 0])))
        dense = np.ascontiguousarray(dense.T)
    nodes += [node("Conv", [x, "kernel", "bias"], "a"), node("Relu", ["a"], "b"),
              node("GlobalAveragePool", ["b"], "c"), node("Flatten", ["c"], "d"),
              node("MatMul", ["d", "matrix" if turned else "dense"], "e"),
              node("Add", ["e", "last"], "logits")]
    output = "logits"
    if softmax:
        nodes.append(node("Softmax", ["logits"], "probabilities"))
        output = "probabilities"
    return model(nodes, [tensor("kernel", KERNEL), tensor("bias", BIAS), tensor("dense", dense),
                         tensor("last", LAST[:dense.shape[0 if turned else 1]])],
                 inputs=[value("x", sizes)], outputs=[value(output, ["N", CLASSES])])


class OnnxCase(ProgramCase):
    def setUp(self):
        super().setUp()
        (self.dir / "m.onnx").write_bytes(network())
        self.images = 50 * values(24, 3, SIZE, SIZE, seed=4)
        self.labels = np.random.default_rng(5).integers(0, CLASSES, 24)
        np.savez(self.dir / "labelled.npz", x=self.images, labels=self.labels)
        np.savez(self.dir / "bare.npz", x=self.images)

    def pictures(self):
        jpegs = find_jpegs()
        for i in range(20):
            path = self.dir / "pictures" / f"class{i % CLASSES}" / f"{i:02d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpegs[i % len(jpegs)])
        return "--images=pictures", VGG, f"--resize_side={SIZE}"
