"""One contender of quantize_checkpoint_peers.py, run in an environment that has its packages.

usage: quantize_checkpoint_peer.py quantize_dynamic|checkpoint_script|numpy_arrays|fake_quant FOLDER

FOLDER/weights.npz has the tensors, FOLDER/expected.npz what narrow restores with `bin` at 8 bits.
Answers every line on standard input with the seconds one pass took; imports are not counted.
"""

import os
import shutil
import sys
import time

import numpy as np

BITS = 8


def trainable(name):
    return "/moving_" not in name and name != "global_step"


def bin_round_trip(x):
    """Range, codes and restored values of one float32 array, vectorised, in double."""
    values = x.astype(np.float64)
    lo, hi = values.min(), values.max()
    count = 2 ** BITS
    if lo == hi:
        return np.zeros(x.shape, np.int64), x.copy()
    codes = np.clip(np.floor((values - lo) * (count / (hi - lo))), 0, count - 1)
    return codes, (lo + (codes + 0.5) * ((hi - lo) / count)).astype(np.float32)


def relative_error(x, restored):
    difference = restored.astype(np.float64) - x
    return np.linalg.norm(difference) / max(np.linalg.norm(x.astype(np.float64)), 1e-300)


def weights(folder):
    with np.load(os.path.join(folder, "weights.npz")) as file:
        return {name: file[name] for name in file.files}


def check(folder, restored):
    with np.load(os.path.join(folder, "expected.npz")) as expected:
        for name, values in restored.items():
            if not np.array_equal(expected[name], values):
                sys.exit(f"{name} differs from what narrow restores")


def numpy_arrays(folder):
    arrays = {name: x for name, x in weights(folder).items() if trainable(name)}
    check(folder, {name: bin_round_trip(x)[1] for name, x in arrays.items()})

    def run():
        for x in arrays.values():
            relative_error(x, bin_round_trip(x)[1])
    return run


def fake_quant(folder):
    import tensorflow as tf
    arrays = [tf.constant(x) for name, x in weights(folder).items() if trainable(name)]

    @tf.function
    def quantize(x):
        lo, hi = tf.reduce_min(x), tf.reduce_max(x)
        restored = tf.quantization.fake_quant_with_min_max_vars(x, lo, hi, num_bits=BITS)
        return restored, tf.norm(restored - x) / tf.norm(x)

    def run():
        for x in arrays:
            quantize(x)[1].numpy()
    return run


def checkpoint_script(folder):
    """What one would write: read with TensorFlow, quantize with NumPy, write with Saver."""
    import tensorflow as tf
    v1 = tf.compat.v1
    prefix = os.path.join(folder, "source", "model.ckpt-0")

    def run():
        reader = tf.train.load_checkpoint(prefix)
        with tf.Graph().as_default(), v1.Session() as session:
            feeds, errors = {}, []
            for name in reader.get_variable_to_shape_map():
                x = reader.get_tensor(name)
                if trainable(name):
                    restored = bin_round_trip(x)[1]
                    errors.append(relative_error(x, restored))
                    x = restored
                start = v1.placeholder(x.dtype, x.shape)
                variable = v1.get_variable(name, initializer=start)
                feeds[start] = x
            session.run(v1.global_variables_initializer(), feeds)
            v1.train.Saver().save(session, os.path.join(folder, "script", "model.ckpt-0"),
                                  write_meta_graph=False)
    return run


def quantize_dynamic(folder):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic as quantize
    import resnet_peer
    variables = weights(folder)
    model = resnet_peer.onnx_model(variables, "resnet_v1_50", 1000, 224, 1)
    source = os.path.join(folder, "network.onnx")
    onnx.save(model, source)

    def run():
        quantize(source, os.path.join(folder, "quantized.onnx"), weight_type=QuantType.QUInt8,
                 op_types_to_quantize=["Conv", "Gemm", "MatMul"])
    return run


def main():
    run = globals()[sys.argv[1]](sys.argv[2])
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        shutil.rmtree(os.path.join(sys.argv[2], "script"), ignore_errors=True)
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
