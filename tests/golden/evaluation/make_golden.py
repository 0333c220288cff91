"""Writes what tests/cli/evaluation_program_test.py compares with: a small classifier saved by the
real TensorFlow, records of Fashion-MNIST, and what tf_slim counts on them.

Needs tensorflow-cpu 2.15, tf-slim 1.1, numpy 1 and Debian's dataset-fashion-mnist.

usage: make_golden.py NARROW
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "interop"))
from slim_evaluation import evaluate
from small_classifier import write_classifier

NAME = "resnet_v1_small"
BLOCKS = [(8, 2, 2), (8, 2, 1)]
CLASSES = 10
RECORDS = 120
SIZE = SIDE = 28
LEAST_GAP = 1e-4
# batch size, batches, moving_average_decay, crop, side; Slim's own counting in each.
CASES = [
    (60, 2, None, SIZE, SIDE),
    (50, 3, None, SIZE, SIDE),
    (100, 1, None, SIZE, SIDE),
    (40, 3, 0.9, SIZE, SIDE),
    (40, 3, None, 32, 48),
]


def first_records(path, count):
    import tensorflow as tf

    return [r.numpy() for r in tf.data.TFRecordDataset(str(path)).take(count)]


def main(program):
    import tensorflow as tf

    target = HERE / "fashion_mnist_test.tfrecord"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "download", "fashion_mnist", "--dataset_dir", folder], check=True)
        records = first_records(f"{folder}/fashion_mnist_test.tfrecord", RECORDS)
    with tf.io.TFRecordWriter(str(target)) as writer:
        for record in records:
            writer.write(record)
    os.chdir(HERE)  # so that the state file holds a relative path
    write_classifier(
        "model.ckpt-7", target, RECORDS, NAME, BLOCKS, CLASSES, SIZE, SIDE, seed=5
    )
    cases = []
    for batch_size, batches, decay, size, side in CASES:
        found = evaluate(
            HERE / "model.ckpt-7", target, NAME, BLOCKS, CLASSES, batch_size, batches, size, side,
            decay,
        )
        assert found["gap"] > LEAST_GAP, f"an image is undecided ({found}): choose another seed"
        cases.append(
            {"batch_size": batch_size, "max_num_batches": batches, "moving_average_decay": decay,
             "eval_image_size": size, "resize_side": side, **found}
        )
        print(cases[-1])
    (HERE / "expected.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(os.path.abspath(sys.argv[1]))
