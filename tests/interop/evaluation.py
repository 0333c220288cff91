"""Compares `narrow eval` with tf_slim on the same records and checkpoints, and its event file with
what TensorFlow reads.

usage: evaluation.py NARROW

Fashion-MNIST is converted by the program; classifiers are fitted and saved by TensorFlow. Accuracy
and recall must be the same float32. tf_slim's line also gives the smallest gap between the two largest
logits of an image, relative to the largest: should a case ever differ, that says whether an
undecided image is why.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

from slim_evaluation import evaluate
from small_classifier import write_classifier

SMALL = [(8, 2, 2), (16, 3, 2), (16, 2, 1)]
LOSS_TOLERANCE = 1e-3
FITTED = 1000
# name, blocks, crop, side, batch size, batches, moving_average_decay
CASES = [
    ("resnet_v1_small", SMALL, 28, 28, 100, 20, None),
    ("resnet_v1_small", SMALL, 32, 40, 64, 11, 0.99),
    ("resnet_v1_50", None, 32, 32, 100, 3, None),
    ("resnet_v1_50", None, 224, 256, 16, 2, None),
]


def narrow_eval(program, folder, events, name, size, side, batch, batches, decay):
    arguments = [
        program, "eval", f"--checkpoint_path={folder}/{name}", f"--model_name={name}",
        "--dataset_name=fashion_mnist", f"--dataset_dir={folder}", f"--batch_size={batch}",
        f"--max_num_batches={batches}", f"--eval_image_size={size}", f"--resize_side={side}",
        "--slim_batches", f"--moving_average_decay={decay or 0}",
    ]
    text = subprocess.run(
        [*arguments, f"--eval_dir={events}"], check=True, text=True, capture_output=True
    ).stdout
    found = {
        key: float(re.search(rf"eval/{tag}\[([^]]*)\]", text)[1])
        for key, tag in (("accuracy", "Accuracy"), ("recall_5", "Recall_5"))
    }
    text = subprocess.run(
        [*arguments, "--json"], check=True, text=True, capture_output=True
    ).stdout
    found["loss"] = json.loads(text)["checkpoints"][0]["loss"]
    return found


def check_events(directory, expected):
    import tensorflow as tf

    path, = pathlib.Path(directory).glob("events.out.tfevents.*")
    events = list(tf.compat.v1.train.summary_iterator(str(path)))
    assert events[0].file_version == "brain.Event:2"
    assert events[1].step == 7, events[1]
    scalars = {value.tag: value.simple_value for value in events[1].summary.value}
    assert scalars == {
        "eval/Accuracy": expected["accuracy"], "eval/Recall_5": expected["recall_5"]
    }, scalars


def main(program):
    import numpy as np

    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [program, "download", "fashion_mnist", "--dataset_dir", folder],
            check=True, stdout=subprocess.DEVNULL,
        )
        records = f"{folder}/fashion_mnist_test.tfrecord"
        for number, (name, blocks, size, side, batch, batches, decay) in enumerate(CASES):
            prefix = f"{folder}/{name}"
            fitted = FITTED if size < 100 else batch
            write_classifier(prefix, records, fitted, name, blocks, 10, size, side, seed=1)
            expected = evaluate(
                prefix, records, name, blocks, 10, batch, batches, size, side, decay
            )
            events = f"{folder}/events{number}"
            found = narrow_eval(program, folder, events, name, size, side, batch, batches, decay)
            good = abs(found["loss"] / expected["loss"] - 1) < LOSS_TOLERANCE and all(
                np.float32(found[key]) == np.float32(expected[key])
                for key in ("accuracy", "recall_5")
            )
            failures += not good
            print(
                f"{name} {size} px, {batches} x {batch} images: narrow {found} tf_slim {expected} "
                f"{'ok' if good else 'FAILED'}"
            )
            check_events(events, expected)
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
