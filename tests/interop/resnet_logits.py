"""Compares the logits of the inference network with those of tf_slim's ResNet V1 in TensorFlow.

Needs tensorflow-cpu 2.15, tf-slim 1.1 and numpy 1, and the program bench_resnet (configure with
-DNARROW_BUILD_BENCHMARKS=ON). A logit may differ by 1e-4 of the largest logit.

usage: resnet_logits.py BENCH_RESNET
"""

import subprocess
import sys
import tempfile

import numpy as np
from slim_resnet import SlimResnet

TOLERANCE = 1e-4
VARIANT = [(16, 2, 2), (64, 3, 2), (80, 2, 1)]
IMAGES = 5
# Name, blocks of a variant, classes, sizes.
CASES = [
    ("resnet_v1_50", None, 1000, [(224, 224), (32, 32), (97, 130)]),
    ("resnet_v1_101", None, 10, [(224, 224)]),
    ("resnet_v1_152", None, 10, [(64, 64)]),
    ("resnet_v1_200", None, 10, [(224, 224)]),
    ("resnet_v1_small", VARIANT, 10, [(224, 224), (33, 33), (32, 32), (1, 1)]),
]


def random_variables(names_and_shapes, random):
    """Every kind non-trivial; the end of a residual branch small, so that deep sums stay finite."""
    values = []
    for name, shape in names_and_shapes:
        if name.endswith("weights"):
            value = random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        elif name.endswith("conv3/BatchNorm/gamma"):
            value = random.uniform(-0.4, 0.4, shape)
        elif name.endswith("gamma"):
            value = random.uniform(0.6, 1.4, shape)
        elif name.endswith("conv1/BatchNorm/moving_variance") and "block" not in name:
            value = random.uniform(5e3, 1e4, shape)  # the images are not scaled
        elif name.endswith("moving_variance"):
            value = random.uniform(0.5, 2, shape)
        else:
            value = random.normal(0, 0.2, shape)
        values.append(value.astype(np.float32))
    return values


def narrow_logits(program, network, classes, values, images, folder):
    np.concatenate([value.ravel() for value in values]).tofile(f"{folder}/variables")
    images.tofile(f"{folder}/images")
    height, width = images.shape[1:3]
    arguments = [network, classes, f"{folder}/variables", f"{folder}/images", height, width, 3, 0]
    subprocess.run(
        [program, *map(str, arguments)],
        input=f"logits {folder}/logits\n",
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return np.fromfile(f"{folder}/logits", np.float32).reshape(len(images), classes)


def main():
    program = sys.argv[1]
    random = np.random.default_rng(2016)
    failures = 0
    for name, blocks, classes, sizes in CASES:
        slim = SlimResnet(name, classes, blocks)
        values = random_variables(slim.names_and_shapes(), random)
        slim.assign(values)
        network = name
        if blocks:
            network += ",64," + ",".join("/".join(map(str, block)) for block in blocks)
        for height, width in sizes:
            smooth = random.uniform(-110, 140, (IMAGES, 1, 1, 3))
            noise = random.normal(0, 40, (IMAGES, height, width, 3))
            images = (smooth + noise).astype(np.float32)
            expected = slim.logits(images)
            with tempfile.TemporaryDirectory() as folder:
                found = narrow_logits(program, network, classes, values, images, folder)
            largest = np.abs(expected).max()
            difference = np.abs(found - expected).max() / largest
            # What sets one image apart from another must be well above the tolerance.
            spread = np.ptp(expected, axis=0).max() / largest
            good = difference <= TOLERANCE and spread > 100 * TOLERANCE and np.isfinite(found).all()
            failures += not good
            print(
                f"{name} {height} x {width}: largest logit {largest:.4g}, spread over images "
                f"{spread:.3g}, difference {difference:.3g} {'ok' if good else 'FAILED'}"
            )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
