"""TensorFlow computes the same logits from a checkpoint whose channel scales were moved.

usage: channel_scales.py NARROW

A thin ResNet V1 of tf_slim with random values is saved by Saver. `narrow quantize --equalize
--absorb-channel-scales` at 24 bits, where quantization itself does next to nothing, moves scales
between its variables; Saver restores the result and that of `narrow unscale` into the graph, and
the logits are compared with those of the original.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
from slim_resnet import SlimResnet
from small_classifier import initial_value

BLOCKS = [(8, 2, 2), (16, 2, 1)]
TOLERANCE = 1e-4


def main(narrow):
    import tensorflow.compat.v1 as tf
    net = SlimResnet("small", 10, BLOCKS)
    random = np.random.default_rng(5)
    images = random.normal(0, 60, (8, 48, 48, 3)).astype(np.float32)
    net.assign([initial_value(random, name, shape) for name, shape in net.names_and_shapes()])
    expected = net.logits(images)
    with tempfile.TemporaryDirectory() as folder, net.graph.as_default():
        saver = tf.train.Saver(net.variables)
        prefix = os.path.join(folder, "model.ckpt-7")
        saver.save(net.session, prefix, write_meta_graph=False)
        original = net.session.run(net.variables)
        scaled = os.path.join(folder, "scaled", "model.ckpt-7")
        again = os.path.join(folder, "again", "model.ckpt-7")
        for command in (["quantize", prefix, "--scheme", "bin", "--bits", "24", "--equalize",
                         "--absorb-channel-scales", "-o", scaled],
                        ["unscale", scaled, "-o", again]):
            subprocess.run([narrow, *command], check=True, stdout=subprocess.DEVNULL)
        for path, changes in ((scaled, True), (again, False)):
            saver.restore(net.session, path)
            difference = np.abs(net.logits(images) - expected).max() / np.abs(expected).max()
            assert difference < TOLERANCE, (path, difference)
            moved = [np.abs(a - b).max() > 0.01 * np.abs(a).max()
                     for a, b in zip(original, net.session.run(net.variables))]
            assert any(moved) == changes, path
            print(f"{os.path.basename(os.path.dirname(path))}: logits differ by "
                  f"{difference:.1e} of the largest, {sum(moved)} of {len(moved)} variables moved")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
