"""Compares `narrow train` with tf_slim: the same initial checkpoint, the same batches.

usage: slim_training.py NARROW

A small ResNet V1 is trained by both for ten steps with each optimizer: the loss of every step, and
then weights, moving statistics, slots and moving averages have to agree. Then each continues from
the other's checkpoint, slots included.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from slim_evaluation import image_batches
from slim_trainer import SlimTrainer
from small_classifier import write_classifier

NAME = "resnet_v1_small"
BLOCKS = [(8, 2, 2), (16, 3, 2), (16, 2, 1)]
CLASSES = 10
SIZE = 28
BATCH = 16
STEPS = 10
MORE_STEPS = 3
RECORDS = 10000
TOLERANCE = 1e-4
LOGITS = f"{NAME}/logits"
CASES = [
    {"optimizer": "rmsprop"},
    {"optimizer": "momentum"},
    {"optimizer": "adam"},
    {"optimizer": "sgd"},
    {"optimizer": "adagrad", "rate": 0.001},
    {"optimizer": "adadelta"},
    {"optimizer": "ftrl", "rate": 0.001},
    {"optimizer": "rmsprop", "trainable_scope": LOGITS},
    {"optimizer": "adam", "trainable_scope": LOGITS},
    {"optimizer": "momentum", "label_smoothing": 0.1, "moving_average_decay": 0.99,
     "batch_norm_decay": 0.9, "weight_decay": 0.001},
]


def take_batches(records, count):
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    with tf.Graph().as_default(), tf.Session() as session:
        batch = image_batches(records, BATCH, SIZE, SIZE)
        return [session.run(batch) for _ in range(count)]


def narrow_train(program, folder, train_dir, steps, case):
    flags = {
        "train_dir": train_dir, "dataset_name": "fashion_mnist", "dataset_dir": folder,
        "dataset_split_name": "test", "model_name": NAME, "checkpoint_path": f"{folder}/initial",
        "batch_size": BATCH, "train_image_size": SIZE, "resize_side": SIZE, "augment": "none",
        "shuffle": "false", "log_every_n_steps": 1, "max_number_of_steps": steps,
        "optimizer": case["optimizer"], "learning_rate": case.get("rate", 0.01),
    }
    for name in ("label_smoothing", "moving_average_decay", "batch_norm_decay", "weight_decay"):
        if name in case:
            flags[name] = case[name]
    if "trainable_scope" in case:
        flags["trainable_scopes"] = case["trainable_scope"]
    done = subprocess.run(
        [program, "train", "--json", *(f"--{name}={value}" for name, value in flags.items())],
        check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    report = json.loads(done.stdout)
    return [line["loss"] for line in report["log"]], report["checkpoint"]


def slim_trainer(case):
    options = {k: v for k, v in case.items() if k not in ("optimizer", "rate")}
    decay_steps = int(RECORDS * 2.0 / BATCH)
    return SlimTrainer(NAME, BLOCKS, CLASSES, case["optimizer"], case.get("rate", 0.01),
                       decay_steps, **options)


def worst_loss(expected, found):
    assert len(expected) == len(found), (expected, found)
    return max(abs(a / b - 1) for a, b in zip(found, expected))


def worst_tensor(expected_prefix, found_prefix):
    """The largest difference of a tensor relative to its largest value, and whose it is."""
    import tensorflow as tf

    expected = tf.train.load_checkpoint(str(expected_prefix))
    found = tf.train.load_checkpoint(str(found_prefix))
    shapes = expected.get_variable_to_shape_map()
    assert shapes == found.get_variable_to_shape_map(), (
        set(shapes) ^ set(found.get_variable_to_shape_map()))
    worst = (0.0, "")
    for name in shapes:
        a, b = expected.get_tensor(name), found.get_tensor(name)
        assert a.dtype == b.dtype, name
        if name == "global_step":
            assert a == b
            continue
        scale = np.abs(a).max()
        difference = np.abs(a.astype(np.float64) - b).max()
        worst = max(worst, (difference / scale if scale else float(difference > 0), name))
    return worst


def check(program, folder, number, case, batches):
    ours, theirs = f"{folder}/ours{number}", f"{folder}/theirs{number}"
    os.mkdir(theirs)
    slim = slim_trainer(case)
    slim.warm_start(f"{folder}/initial")
    losses = [slim.step(*batch) for batch in batches[:STEPS]]
    their_checkpoint = slim.save(theirs, STEPS)
    further = [slim.step(*batch) for batch in batches[STEPS:]]
    their_end = slim.save(f"{folder}/ends{number}", STEPS + MORE_STEPS)

    our_losses, our_checkpoint = narrow_train(program, folder, ours, STEPS, case)
    found = {"loss": worst_loss(losses, our_losses)}
    found["tensor"], name = worst_tensor(their_checkpoint, our_checkpoint)

    slim.restore(our_checkpoint)  # TensorFlow continues ours
    found["continued by TensorFlow"] = worst_loss(
        further, [slim.step(*batch) for batch in batches[STEPS:]])
    our_further, our_end = narrow_train(program, folder, theirs, STEPS + MORE_STEPS, case)
    found["continued by narrow"] = worst_loss(further, our_further)
    found["tensor then"], _ = worst_tensor(their_end, our_end)

    good = all(value < TOLERANCE for value in found.values())
    figures = ", ".join(f"{key} {value:.1e}" for key, value in found.items())
    print(f"{case}: {figures} (worst {name}) {'ok' if good else 'FAILED'}", flush=True)
    return good


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "download", "fashion_mnist", "--dataset_dir", folder],
                       check=True, stdout=subprocess.DEVNULL)
        records = f"{folder}/fashion_mnist_test.tfrecord"
        write_classifier(f"{folder}/initial", records, 200, NAME, BLOCKS, CLASSES, SIZE, SIZE,
                         seed=1)
        batches = take_batches(records, STEPS + MORE_STEPS)
        results = [check(program, folder, number, case, batches)
                   for number, case in enumerate(CASES)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
