"""TF-Slim as a contender of training_speed.py, run in an environment that has TensorFlow.

usage: training_peer.py inputs FOLDER NETWORK CLASSES SIZE IMAGES
       training_peer.py all|logits FOLDER NETWORK CLASSES SIZE BATCH THREADS

The first writes FOLDER/variables, images and labels. The other answers every line on standard input
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


def make_trainer(trained, network, classes, variables):
    from slim_trainer import SlimTrainer

    trainer = SlimTrainer(
        network,
        [(64 << i, count, 2 if i < 3 else 1) for i, count in enumerate(UNITS[network])],
        classes, "rmsprop", 0.0001, 10**9,
        trainable_scope=f"{network}/logits" if trained == "logits" else None)
    trainer.initialize()  # the slots and the step
    for variable in trainer.model_variables:
        variable.load(variables[variable.op.name], trainer.session)
    return trainer


def main():
    kind, folder, network = sys.argv[1:4]
    numbers = [int(text) for text in sys.argv[4:]]
    if kind == "inputs":
        classes, _, count = numbers
        write_inputs(folder, network, *numbers)
        labels = np.random.default_rng(51).integers(0, classes, count)
        labels.astype(np.int32).tofile(f"{folder}/labels")
        return
    classes, size, batch, threads = numbers
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # TensorFlow takes them all
    trainer = make_trainer(kind, network, classes, read_variables(folder, network, classes))
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
