"""The real TensorFlow restores what `narrow quantizer` writes, into the real network.

usage: quantizer_restore.py NARROW

A ResNet V1 50 of tf_slim with random values is saved by Saver as V2 and as V1. `narrow quantizer`
quantizes both with both methods; Saver restores the result into the graph, and every variable is
compared: trainable ones with a NumPy round trip of the documented formulas, the others with the
original. The relative errors that the program prints are compared with NumPy's.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from slim_resnet import SlimResnet

BITS = 6


def bin_round_trip(x, bits):
    values = x.astype(np.float64)
    lo, hi, count = values.min(), values.max(), 2 ** bits
    if lo == hi:
        return x
    code = np.clip(np.floor((values - lo) * (count / (hi - lo))), 0, count - 1)
    return (lo + (code + 0.5) * ((hi - lo) / count)).astype(np.float32)


def fixed_point_round_trip(x, bits):
    values = x.astype(np.float64)
    lo, hi = values.min(), values.max()
    if lo == hi == 0:
        return x
    least, greatest = (-2 ** (bits - 1), 2 ** (bits - 1) - 1) if lo < 0 else (0, 2 ** bits - 1)
    n = 149
    while np.rint(lo * 2.0 ** n) < least or np.rint(hi * 2.0 ** n) > greatest:
        n -= 1
    code = np.clip(np.rint(values * 2.0 ** n), least, greatest)
    return (code * 2.0 ** -n).astype(np.float32)


ROUND_TRIPS = {"bin": (1, bin_round_trip), "fixed-point": (2, fixed_point_round_trip)}


def relative_l2(x, restored):
    d = restored.astype(np.float64) - x
    return np.linalg.norm(d) / np.linalg.norm(x.astype(np.float64)) if d.any() else 0.0


def check(narrow, session, saver, variables, original, prefix, scheme):
    method, round_trip = ROUND_TRIPS[scheme]
    done = subprocess.run([narrow, "quantizer", "50", prefix, "10", str(method), str(BITS),
                           "--json", "--force"], check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    result = os.path.join(os.path.dirname(prefix), f"{scheme}_{BITS}bits",
                          os.path.basename(prefix))
    saver.restore(session, result)
    rows = {row["name"]: row for row in report["tensors"]}
    errors = []
    for name, restored in session.run(variables).items():
        trainable = "/moving_" not in name and name != "global_step"
        expected = round_trip(original[name], BITS) if trainable else original[name]
        np.testing.assert_array_equal(restored, expected, err_msg=name)
        assert rows[name]["quantized"] == trainable, name
        if trainable:
            errors.append(relative_l2(original[name], expected))
            np.testing.assert_allclose(rows[name]["relative_l2"], errors[-1], rtol=1e-12,
                                       err_msg=name)
    summary = report["summary"]["relative_l2"]
    np.testing.assert_allclose([summary["min"], summary["max"], summary["mean"]],
                               [min(errors), max(errors), np.mean(errors)], rtol=1e-12)
    print(f"{scheme}, {os.path.basename(prefix)}: {len(errors)} variables quantized, "
          f"{len(rows) - len(errors)} copied, all as TensorFlow reads them")


def main(narrow):
    import tensorflow.compat.v1 as tf
    net = SlimResnet("resnet_v1_50", 10)
    random = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as folder, net.graph.as_default():
        step = tf.train.get_or_create_global_step()
        variables = {variable.op.name: variable for variable in [*net.variables, step]}
        for variable in variables.values():
            shape = variable.shape.as_list()
            value = 5000 if variable.dtype.is_integer else random.normal(0.1, 0.5, shape)
            variable.load(value, net.session)
        original = net.session.run(variables)
        for name, version in (("v2.ckpt-5000", tf.train.SaverDef.V2),
                              ("v1.ckpt", tf.train.SaverDef.V1)):
            for key, variable in variables.items():  # the checks restored other values
                variable.load(original[key], net.session)
            path = pathlib.Path(folder) / name.split(".")[0]
            path.mkdir()
            saver = tf.train.Saver(list(variables.values()), write_version=version)
            saver.save(net.session, str(path / name), write_meta_graph=False)
            for scheme in ROUND_TRIPS:
                check(narrow, net.session, saver, variables, original, str(path / name), scheme)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
