#!/usr/bin/env python3
"""What narrow copies without computing with it is what the other side saved: the position of an
iterator in a TensorFlow checkpoint, a SavedModel, NumPy's strings and objects.

usage: foreign_types.py NARROW
"""
import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np
import tensorflow as tf

NARROW = sys.argv[1]


def quantize(source, target):
    subprocess.run([NARROW, "quantize", source, "--scheme", "bin", "--bits", "8", "-o", target],
                   check=True, stdout=subprocess.DEVNULL)


def fresh_iterator():
    return iter(tf.data.Dataset.range(100).shuffle(8, seed=3).batch(7))


def check_iterator(folder):
    """The copied checkpoint continues the data set where the original does."""
    iterator = fresh_iterator()
    next(iterator)
    weights = tf.Variable(np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32))
    tf.train.Checkpoint(w=weights, iterator=iterator).write(str(folder / "it" / "ckpt-3"))
    quantize(folder / "it" / "ckpt-3", folder / "quantized" / "ckpt-3")
    continued = []
    for prefix in (folder / "it" / "ckpt-3", folder / "quantized" / "ckpt-3"):
        restored = fresh_iterator()
        variable = tf.Variable(tf.zeros([4, 4]))
        status = tf.train.Checkpoint(w=variable, iterator=restored).read(str(prefix))
        status.assert_existing_objects_matched()
        continued.append([next(restored).numpy().tolist() for _ in range(3)])
    assert continued[0] == continued[1], continued
    assert np.abs(variable.numpy() - weights.numpy()).max() < 0.05
    assert not np.array_equal(variable.numpy(), weights.numpy())


def check_saved_model(folder):
    module = tf.Module()
    module.kernel = tf.Variable(np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4), name="kernel")
    tf.saved_model.save(module, str(folder / "saved"))
    listed = subprocess.run([NARROW, "inspect", folder / "saved"], check=True, text=True,
                            capture_output=True).stdout
    assert "kernel/.ATTRIBUTES/VARIABLE_VALUE" in listed, listed


def check_numpy(folder):
    arrays = {"w": np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8),
              "names": np.array(["sigmoid", "tanh"]), "objects": np.array([{"a": 1}, None], object),
              "half": np.linspace(-1, 1, 6).astype(ml_dtypes.bfloat16)}
    np.savez(folder / "n.npz", **arrays)
    quantize(folder / "n.npz", folder / "q.npz")
    with np.load(folder / "q.npz", allow_pickle=True) as loaded:
        assert loaded["names"].tolist() == ["sigmoid", "tanh"]
        assert loaded["objects"].tolist() == [{"a": 1}, None]
        assert loaded["half"].tobytes() == arrays["half"].tobytes()


def main():
    with tempfile.TemporaryDirectory() as name:
        for check in (check_iterator, check_saved_model, check_numpy):
            check(pathlib.Path(name))
            print(check.__name__, "passed")


if __name__ == "__main__":
    main()
