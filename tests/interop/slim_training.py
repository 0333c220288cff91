"""Compares `narrow train` with tf_slim: the same initial checkpoint, the same batches.

usage: slim_training.py NARROW

A small ResNet V1 is trained by both for ten steps with each optimizer: the loss of every step, and
then weights, moving statistics, slots and moving averages have to agree. Then each continues from
the other's checkpoint, slots included. slim_network_training.py has the other networks.

Two float32 implementations cannot agree always. An activation that is zero up to rounding may pass
one ReLU and not the other, and a single such image changes gradients by a thousandth of their scale.
TensorFlow compared with itself, initial values changed by 1e-7, shows the same. So a case may try a
few initial values; a wrong formula fails with all of them. And at Slim's learning rate of 0.01 the
first steps from initial values are chaotic: that comparison loses a digit in every step. Small rates
keep the figures comparable; slots are compared at their own scale. FTRL is not here: its first step
forgets the initial values, so the whole network is decided by gradients of the size of rounding; its
formula is tested alone, in optimizer_test.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from slim_evaluation import image_batches
from slim_trainer import SlimTrainer, resnet_v1_maker

NAME = "resnet_v1_small"
BLOCKS = [(8, 2, 2), (16, 3, 2), (16, 2, 1)]
CLASSES = 10
SIDE = 28
SIZE = 16
BATCH = 8
ATTEMPTS = 6
STEPS = 10
MORE_STEPS = 3
RECORDS = 10000
TOLERANCE = 1e-4
LOGITS = f"{NAME}/logits"
CASES = [
    {"optimizer": "rmsprop", "rate": 1e-5},
    {"optimizer": "momentum", "rate": 1e-5},
    {"optimizer": "adam", "rate": 0.001},
    {"optimizer": "sgd", "rate": 1e-5},
    {"optimizer": "adagrad", "rate": 1e-6},
    {"optimizer": "adadelta", "rate": 1e-5},
    {"optimizer": "rmsprop", "rate": 0.01, "trainable_scope": LOGITS},
    {"optimizer": "adam", "rate": 0.01, "trainable_scope": LOGITS},
    {"optimizer": "momentum", "rate": 1e-5, "label_smoothing": 0.1, "moving_average_decay": 0.99,
     "batch_norm_decay": 0.9, "weight_decay": 0.001},
]


def take_batches(records, count):
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    with tf.Graph().as_default(), tf.Session() as session:
        batch = image_batches(records, BATCH, SIZE, SIDE)
        return [session.run(batch) for _ in range(count)]


def narrow_train(program, flags):
    """Images in their order and as they are; the losses of all steps and the last checkpoint."""
    flags = {"augment": "none", "shuffle": "false", "log_every_n_steps": 1, **flags}
    done = subprocess.run(
        [program, "train", "--json", *(f"--{name}={value}" for name, value in flags.items())],
        check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    report = json.loads(done.stdout)
    return [line["loss"] for line in report["log"]], report["checkpoint"]


def train_resnet(program, folder, train_dir, steps, case):
    names = {"rate": "learning_rate", "trainable_scope": "trainable_scopes"}
    flags = {
        "train_dir": train_dir, "dataset_name": "fashion_mnist", "dataset_dir": folder,
        "dataset_split_name": "test", "model_name": NAME, "checkpoint_path": f"{folder}/initial",
        "preprocessing_name": "vgg", "batch_size": BATCH, "train_image_size": SIZE,
        "resize_side": SIDE, "max_number_of_steps": steps,
    }
    return narrow_train(program, flags | {names.get(k, k): v for k, v in case.items()})


def slim_trainer(case):
    options = {k: v for k, v in case.items() if k not in ("optimizer", "rate", "batch_norm_decay")}
    make = resnet_v1_maker(NAME, BLOCKS, case.get("batch_norm_decay", 0.997))
    decay_steps = int(RECORDS * 2.0 / BATCH)
    return SlimTrainer(make, CLASSES, case["optimizer"], case["rate"], decay_steps, **options)


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


def compare(program, folder, case, batches, slim):
    """Names and sizes of the differences, and the tensor with the largest."""
    ours, theirs = f"{folder}/ours", f"{folder}/theirs"
    os.mkdir(theirs)
    slim.initialize()
    slim.save_model(f"{folder}/initial")
    losses = [slim.step(*batch) for batch in batches[:STEPS]]
    their_checkpoint = slim.save(theirs, STEPS)
    further = [slim.step(*batch) for batch in batches[STEPS:]]
    their_end = slim.save(f"{folder}/ends", STEPS + MORE_STEPS)

    our_losses, our_checkpoint = train_resnet(program, folder, ours, STEPS, case)
    found = {"loss": worst_loss(losses, our_losses)}
    found["tensor"], worst = worst_tensor(their_checkpoint, our_checkpoint)
    slim.restore(our_checkpoint)
    found["continued by TensorFlow"] = worst_loss(
        further, [slim.step(*batch) for batch in batches[STEPS:]])
    our_further, our_end = train_resnet(program, folder, theirs, STEPS + MORE_STEPS, case)
    found["continued by narrow"] = worst_loss(further, our_further)
    found["tensor then"], _ = worst_tensor(their_end, our_end)
    return found, worst


def check(program, data, case, batches):
    slim = slim_trainer(case)
    for attempt in range(1, ATTEMPTS + 1):
        with tempfile.TemporaryDirectory() as folder:
            for path in os.listdir(data):
                os.symlink(f"{data}/{path}", f"{folder}/{path}")
            found, worst = compare(program, folder, case, batches, slim)
        good = all(value < TOLERANCE for value in found.values())
        figures = ", ".join(f"{key} {value:.1e}" for key, value in found.items())
        print(f"{case}, initial values {attempt}: {figures} (worst {worst}) "
              f"{'ok' if good else 'differs'}", flush=True)
        if good:
            return True
    print(f"{case}: FAILED")
    return False


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "download", "fashion_mnist", "--dataset_dir", folder],
                       check=True, stdout=subprocess.DEVNULL)
        batches = take_batches(f"{folder}/fashion_mnist_test.tfrecord", STEPS + MORE_STEPS)
        results = [check(program, folder, case, batches) for case in CASES]
    return 0 if all(results) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
