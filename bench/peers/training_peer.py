"""TF-Slim as a contender of training_speed.py, run in an environment that has TensorFlow.

usage: training_peer.py inputs FOLDER NETWORK CLASSES SIZE IMAGES
       training_peer.py all|logits FOLDER NETWORK CLASSES SIZE BATCH THREADS

The first writes FOLDER/variables, images and labels; of a network other than ResNet V1 with the
initial values of the variables that FOLDER/names lists, in this order. The other answers every line on standard input
with the seconds that a step for each batch of the images took; "loss" takes one step and is
answered with its loss.
"""

import os
import sys
import time

import numpy as np
from resnet_peer import UNITS, read_variables, write_inputs

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/interop"))


def make_trainer(trained, network, classes, size):
    """With initial values, which are others in every run."""
    from slim_trainer import SlimTrainer, resnet_v1_maker
    from slim_training_networks import training_network

    if network in UNITS:
        blocks = [(64 << i, count, 2 if i < 3 else 1) for i, count in enumerate(UNITS[network])]
        make, fixed = resnet_v1_maker(network, blocks), None
    else:
        make, fixed = training_network(network), size
    trainer = SlimTrainer(
        make, classes, "rmsprop", 0.0001, 10**9,
        trainable_scope=f"{network}/logits" if trained == "logits" else None, size=fixed)
    trainer.initialize()
    return trainer


def write_initial_values(folder, network, classes, size, images, names):
    trainer = make_trainer("all", network, classes, size)
    values = {v.op.name: trainer.session.run(v) for v in trainer.model_variables}
    with open(f"{folder}/variables", "wb") as file:
        for name in names:
            file.write(values[name].astype(np.float32).tobytes())
    random = np.random.default_rng(52)
    pixels = random.normal(0, 1, (images, size, size, 3))
    pixels.astype(np.float32).tofile(f"{folder}/images")


def load_variables(trainer, folder, network, classes):
    if network in UNITS:
        values = read_variables(folder, network, classes)
    else:
        with open(f"{folder}/names") as file:
            names = file.read().split()
        flat = np.fromfile(f"{folder}/variables", np.float32)
        shapes = {v.op.name: v.shape.as_list() for v in trainer.model_variables}
        values, place = {}, 0
        for name in names:
            count = int(np.prod(shapes[name]))
            values[name] = flat[place:place + count].reshape(shapes[name])
            place += count
    for variable in trainer.model_variables:
        variable.load(values[variable.op.name], trainer.session)


def main():
    kind, folder, network = sys.argv[1:4]
    numbers = [int(text) for text in sys.argv[4:]]
    if kind == "inputs":
        classes, _, count = numbers
        if network in UNITS:
            write_inputs(folder, network, *numbers)
        else:
            with open(f"{folder}/names") as file:
                write_initial_values(folder, network, *numbers, file.read().split())
        labels = np.random.default_rng(51).integers(0, classes, count)
        labels.astype(np.int32).tofile(f"{folder}/labels")
        return
    classes, size, batch, threads = numbers
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # TensorFlow takes them all
    trainer = make_trainer(kind, network, classes, size)
    load_variables(trainer, folder, network, classes)
    images = np.fromfile(f"{folder}/images", np.float32).reshape(-1, batch, size, size, 3)
    labels = np.fromfile(f"{folder}/labels", np.int32).reshape(-1, batch)
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "loss\n":
            print(trainer.step(images[0], labels[0]), flush=True)
            continue
        start = time.perf_counter()
        for batch_images, batch_labels in zip(images, labels):
            trainer.step(batch_images, batch_labels)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
