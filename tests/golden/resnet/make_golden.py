"""Writes logits.txt: logits of a small ResNet V1 from TensorFlow and tf_slim.

Needs tensorflow-cpu 2.15, tf-slim 1.1 and numpy 1. The variables and images are those of
src/graph/testing/hashed_values.h. Each case: height, width, number of images, then the logits.

usage: make_golden.py [OUT]
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../interop"))
import numpy as np
from slim_resnet import SlimResnet

BLOCKS = [(8, 2, 2), (64, 3, 2), (16, 2, 1)]
SIZES = [(32, 32), (33, 33), (64, 64), (71, 46), (224, 224)]
IMAGES = 2


def hashed_uniform(index):
    x = (index + 0x9E3779B9).astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return (x ^ (x >> np.uint32(16))).astype(np.float64) / 2.0**32


def hashed_variables(names_and_shapes):
    first, fan_in, values = 0, 1, []
    for name, shape in names_and_shapes:
        count = int(np.prod(shape))
        u = hashed_uniform(np.arange(first, first + count, dtype=np.uint64))
        if name.endswith("weights"):
            fan_in = count // shape[-1]
            u = (2 * u - 1) * np.sqrt(3 / fan_in)
        elif name.endswith(("gamma", "moving_variance")):
            u = 0.5 + u
        else:
            u = u - 0.5
        values.append(u.astype(np.float32).reshape(shape))
        first += count
    return values


def hashed_images(count, height, width):
    index = np.arange(count * height * width * 3, dtype=np.uint64) + 0x40000000
    return (255 * hashed_uniform(index) - 115).astype(np.float32).reshape(count, height, width, 3)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "logits.txt")
    network = SlimResnet("resnet_v1_small", 10, blocks=BLOCKS)
    network.assign(hashed_variables(network.names_and_shapes()))
    with open(out, "w") as file:
        for height, width in SIZES:
            logits = network.logits(hashed_images(IMAGES, height, width))
            file.write(f"{height} {width} {IMAGES}\n")
            for row in logits:
                file.write(" ".join(f"{value:.9g}" for value in row) + "\n")


if __name__ == "__main__":
    main()
