#!/usr/bin/env python3
"""Initial values of a thin ResNet V1 for CIFAR-10 as an NPZ file, which `narrow convert --format tf`
makes a checkpoint of: thin_resnet_v1.py OUT.npz

A root of 32 channels and three blocks of two units, of 16, 32 and 64 channels, four times as many
behind each: 225,962 trained numbers. Kernels as He et al. have them, batch norms with gamma 1."""
import sys

import numpy as np

SCOPE = "resnet_v1_thin"
CLASSES = 10
random = np.random.default_rng(1)
values = {}


def kernel(size, inputs, outputs):
    normal = np.clip(random.standard_normal((size, size, inputs, outputs)), -2, 2)
    return normal.astype(np.float32) * np.float32(np.sqrt(2.6 / (size * size * inputs)))


def layer(scope, size, inputs, outputs):
    values[f"{scope}/weights"] = kernel(size, inputs, outputs)
    for name, value in (("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1)):
        values[f"{scope}/BatchNorm/{name}"] = np.full(outputs, value, np.float32)


layer(f"{SCOPE}/conv1", 7, 3, 32)
channels = 32
for block, base in enumerate((16, 32, 64)):
    for unit in range(2):
        scope = f"{SCOPE}/block{block + 1}/unit_{unit + 1}/bottleneck_v1"
        if channels != 4 * base:
            layer(f"{scope}/shortcut", 1, channels, 4 * base)
        layer(f"{scope}/conv1", 1, channels, base)
        layer(f"{scope}/conv2", 3, base, base)
        layer(f"{scope}/conv3", 1, base, 4 * base)
        channels = 4 * base
values[f"{SCOPE}/logits/weights"] = kernel(1, channels, CLASSES)
values[f"{SCOPE}/logits/biases"] = np.zeros(CLASSES, np.float32)
np.savez(sys.argv[1], **values)
