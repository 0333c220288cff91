"""Compares TF-Slim's networks with TensorFlow: the variables of every network and the logits of one
network a family.

usage: slim_networks.py NARROW            logits of one network a family, the largest left out
       slim_networks.py NARROW --all      of all
       slim_networks.py NARROW --names    variables of every network, and the table of
                                          slim_networks_test.cc, which takes minutes

Variables are compared with what narrow init writes, logits with narrow run on a checkpoint of
random values. A logit may differ by 1e-4 of the largest one.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import tensorflow.compat.v1 as tf
from safetensors.numpy import save_file
from slim_layers import slim
from slim_values import random_value
from slim_zoo import networks

TOLERANCE = 1e-4
CLASSES = 10
# One network a family with the smallest images that TensorFlow's pools allow.
FAMILIES = {
    "lenet": 28,
    "cifarnet": 32,
    "mobilenet_v1_025": 64,
    "mobilenet_v2_035": 64,
    "resnet_v2_50": 64,
    "inception_v1": 224,
    "inception_v2": 64,
    "inception_v3": 75,
    "inception_v4": 75,
    "inception_resnet_v2": 75,
    "alexnet_v2": 224,
    "overfeat": 231,
    "vgg_a": 224,
}
# Whose graphs or weights take TensorFlow longest; with --all they are compared too.
LARGE = {"inception_v4", "inception_resnet_v2", "overfeat", "vgg_a"}


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


def crc32c(data, table=crc32c_table()):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def variables(make, size):
    """Of the network with its auxiliary head: [(name, shape)], sorted."""
    with tf.Graph().as_default():
        make(tf.placeholder(tf.float32, [1, size, size, 3]), CLASSES, True)
        return sorted((v.op.name, tuple(v.shape.as_list())) for v in slim.get_model_variables())


def initial_variables(narrow, name, folder):
    """What narrow init writes."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        command = [narrow, "init", name, "--classes", str(CLASSES), "-o", f"{own}/model"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return sorted(
            (variable, tuple(shape))
            for variable, shape in tf.train.list_variables(f"{own}/model")
            if variable != "global_step"
        )


def tensorflow_logits(make, images, random):
    """With random values, which are given too."""
    config = tf.ConfigProto(graph_options=tf.GraphOptions())
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        given = tf.placeholder(tf.float32, images.shape)
        logits = make(given, CLASSES, False)
        found = slim.get_model_variables()
        values = {
            v.op.name: random_value(v.op.name, tuple(v.shape.as_list()), random) for v in found
        }
        for variable in found:
            variable.load(values[variable.op.name], session)
        return session.run(logits, {given: images}), values


def narrow_logits(narrow, name, values, images, folder):
    folder = pathlib.Path(folder)
    save_file(values, folder / "model.safetensors")
    np.savez(folder / "images.npz", images=np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    command = [narrow, "run", "model.safetensors", "--model_name", name]
    command += ["--inputs", "images.npz", "-o", "logits.npz", "--force"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    (logits,) = np.load(folder / "logits.npz").values()
    return logits


def check_logits(narrow, name, make, size, folder, random):
    images = random.normal(0, 1, (1, size, size, 3)).astype(np.float32)
    expected, values = tensorflow_logits(make, images, random)
    found = narrow_logits(narrow, name, values, images, folder)
    largest = np.abs(expected).max()
    difference = np.abs(found - expected).max() / largest
    good = difference <= TOLERANCE and np.ptp(expected) > 100 * TOLERANCE * largest
    print(f"{name} at {size}: largest logit {largest:.4g}, difference {difference:.3g}", end=" ")
    print("ok" if good else "FAILED", flush=True)
    return good


def print_row(name, found):
    lines = "".join(f"{variable} [{', '.join(map(str, shape))}]\n" for variable, shape in found)
    elements = sum(int(np.prod(shape)) for _, shape in found)
    print(f'{{"{name}", {len(found)}, {elements}, 0x{crc32c(lines.encode()):08x}}},', flush=True)


def main():
    narrow = str(pathlib.Path(sys.argv[1]).resolve())
    random = np.random.default_rng(18)
    zoo = networks()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[2:] == ["--names"]:
            for name, (size, make) in zoo.items():
                expected = variables(make, size)
                good &= initial_variables(narrow, name, folder) == expected
                print_row(name, expected)
            return 0 if good else 1
        for name, size in FAMILIES.items():
            if name in LARGE and sys.argv[2:] != ["--all"]:
                continue
            start = time.monotonic()
            good &= check_logits(narrow, name, zoo[name][1], size, folder, random)
            print(f"  {time.monotonic() - start:.0f} s", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
