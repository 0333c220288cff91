#!/usr/bin/env python3
"""Writes the Keras files of this folder and, beside each, what they hold (see make_golden.py).

    make_keras.py      with TensorFlow 2.15 (Keras 2), or with Keras 3 and jax

Keras 2 makes keras2_model.h5 (a model with its optimizer), keras2_weights.h5 and keras2.keras; Keras
3 makes keras3.weights.h5, keras3_bfloat16.weights.h5 and keras3.keras. The values are small counts,
so that the files are the same but for times.
"""
import io
import os
import pathlib
import zipfile

import h5py
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "jax")
import keras  # noqa: E402

HERE = pathlib.Path(__file__).parent


def model(dtype="float32"):
    layers = keras.layers
    net = keras.Sequential([
        layers.Input((4, 4, 1)),
        layers.Conv2D(3, 2, name="stem", dtype=dtype),
        layers.BatchNormalization(name="norm", dtype=dtype),
        layers.Flatten(name="flat"),
        layers.Dense(2, name="a_head", dtype=dtype),
    ], name="small")
    count = 0
    for weight in net.weights:
        shape = tuple(weight.shape)
        size = int(np.prod(shape))
        weight.assign((np.arange(count, count + size) / 16).astype("float32").reshape(shape))
        count += size
    return net


def line(path, dataset):
    array = np.asarray(dataset[()])
    name = array.dtype.name
    if dataset.attrs.get("dtype") == "bfloat16":
        name = "bfloat16"
    shape = ",".join(map(str, array.shape)) or "-"
    return f"{name} {shape} {array.tobytes().hex() or '-'} {path}\n"


def in_order(group):
    """The paths of the datasets: by name, and by layer_names and weight_names where these are."""
    paths = []
    for name in sorted(group, key=lambda name: (len(name) if name.isdigit() else 0, name)):
        item = group[name]
        paths += [name] if isinstance(item, h5py.Dataset) else [
            f"{name}/{path}" for path in in_order(item)]
    first = [name.decode() if isinstance(name, bytes) else name
             for key in ("layer_names", "weight_names") for name in group.attrs.get(key, ())]

    def rank(path):
        ranks = [i for i, name in enumerate(first) if f"{path}/".startswith(f"{name}/")]
        return ranks[0] if ranks else len(first)

    return sorted(paths, key=rank)


def write_expected(name, file):
    lines = [line(path, file[path]) for path in in_order(file)]
    (HERE / f"{name}.txt").write_text("".join(lines), encoding="utf-8")


def expect(name):
    if name.endswith(".keras"):
        data = io.BytesIO(zipfile.ZipFile(HERE / name).read("model.weights.h5"))
        with h5py.File(data) as file:
            write_expected(name, file)
        return
    with h5py.File(HERE / name) as file:
        write_expected(name, file)


def main():
    net = model()
    net.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    if keras.__version__.startswith("2."):
        net.fit(np.ones((2, 4, 4, 1)), np.ones((2, 2)), verbose=0)
        net.save(HERE / "keras2_model.h5")
        net.save_weights(HERE / "keras2_weights.h5")
        net.save(HERE / "keras2.keras")
        names = ["keras2_model.h5", "keras2_weights.h5", "keras2.keras"]
    else:
        net.save_weights(HERE / "keras3.weights.h5")
        net.save(HERE / "keras3.keras")
        model("bfloat16").save_weights(HERE / "keras3_bfloat16.weights.h5")
        names = ["keras3.weights.h5", "keras3.keras", "keras3_bfloat16.weights.h5"]
    for name in names:
        expect(name)


if __name__ == "__main__":
    main()
