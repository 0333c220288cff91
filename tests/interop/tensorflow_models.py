#!/usr/bin/env python3
"""Compares this project's readers of TFLite models, frozen graphs, SavedModels and TensorFlow V1
checkpoints in several files with the real TensorFlow.

    tensorflow_models.py CHECKPOINT_DUMP

Run with a Python that has TensorFlow 2.15. CHECKPOINT_DUMP is the program built from
checkpoint_dump.cc.
"""
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow_checkpoints import Checker

TFLITE = tf.lite.OpsSet


def small_model(rng):
    layers = tf.keras.layers
    model = tf.keras.Sequential([
        layers.Conv2D(8, 3, strides=2, input_shape=(16, 16, 3)), layers.DepthwiseConv2D(3),
        layers.Conv2DTranspose(5, 2), layers.Flatten(), layers.Dense(300), layers.Dense(4)])
    model.set_weights([rng.standard_normal(w.shape).astype(np.float32)
                       for w in model.get_weights()])
    return model


def lite_model(model, kind, rng):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in ("int8", "int16"):
        images = [rng.standard_normal((1, 16, 16, 3)).astype(np.float32) for _ in range(3)]
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.target_spec.supported_ops = [
            TFLITE.TFLITE_BUILTINS_INT8 if kind == "int8" else
            TFLITE.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    return converter.convert()


def dequantized(array, details):
    scales, zeros = details["scales"], details["zero_points"]
    if len(scales) == 0 or array.dtype.kind not in "iu":
        return array
    wide = [1] * array.ndim
    if len(scales) > 1:
        wide[details["quantized_dimension"]] = -1
    exact = scales.reshape(wide).astype(np.float64) * (array.astype(np.float64)
                                                       - zeros.reshape(wide))
    return exact.astype(np.float32)


def check_lite(checker, folder, model, kind, rng):
    """Every constant of the file is what the interpreter has, codes as the values they stand for."""
    content = lite_model(model, kind, rng)
    path = folder / f"{kind}.tflite"
    path.write_bytes(content)
    found = checker.dump(path)
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    for index, tensor in enumerate(parsed.subgraphs[0].tensors):
        data = parsed.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            continue
        details = interpreter._get_tensor_details(index, 0)["quantization_parameters"]
        array = dequantized(interpreter.get_tensor(index), details)
        expected = (array.dtype.name, list(array.shape), array.tobytes())
        assert found.pop(tensor.name.decode()) == expected, (kind, tensor.name)
        checker.comparisons += 1
    assert not found, (kind, sorted(found))


def check_frozen(checker, folder, model):
    loop = tf.constant(np.arange(12, dtype=np.float32).reshape(3, 4))

    @tf.function(input_signature=[tf.TensorSpec([1, 16, 16, 3], tf.float32)])
    def forward(images):
        values = model(images)
        for _ in tf.range(3):
            values = tf.matmul(tf.matmul(values, loop, transpose_b=True), loop)
        return values

    for lower in (True, False):
        frozen = convert_variables_to_constants_v2(forward.get_concrete_function(),
                                                   lower_control_flow=lower)
        graph = frozen.graph.as_graph_def()
        path = folder / "frozen.pb"
        path.write_bytes(graph.SerializeToString())
        nodes = {node.name: node for node in graph.node}
        for function in graph.library.function:
            nodes |= {f"{function.signature.name}/{n.name}": n for n in function.node_def}
        expected = {name: tf.make_ndarray(node.attr["value"].tensor)
                    for name, node in nodes.items() if node.op == "Const"}
        found = checker.dump(path)
        assert sorted(found) == sorted(expected)
        for name, array in expected.items():
            values = list(array.ravel()) if array.dtype == object else array.tobytes()
            assert found[name][1:] == (list(array.shape), values), name
            checker.comparisons += 1


def check_saved_model(checker, folder, model):
    path = folder / "saved_model"
    tf.saved_model.save(model, str(path))
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    checker.compare(path, {name: tf.convert_to_tensor(reader.get_tensor(name))
                           for name in reader.get_variable_to_shape_map()})


def check_v1_shards(checker, folder, rng):
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        for i, device in enumerate(("/cpu:0", "/cpu:1", "/cpu:2")):
            with tf.device(device):
                v1.get_variable(f"plain_{i}", initializer=rng.standard_normal((3, i + 1)))
        devices = iter(("/cpu:0", "/cpu:2"))
        with v1.variable_scope("cut", partitioner=v1.fixed_size_partitioner(2)):
            variable = v1.get_variable("w", [7, 4])
        for part in variable:
            part.op._set_device(next(devices))
        saver = v1.train.Saver(sharded=True, write_version=v1.train.SaverDef.V1)
        with v1.Session(config=v1.ConfigProto(device_count={"CPU": 3})) as session:
            session.run(v1.global_variables_initializer())
            pattern = saver.save(session, str(folder / "old.ckpt"), write_meta_graph=False)
    reader = tf.train.load_checkpoint(pattern)
    expected = {name: tf.raw_ops.RestoreV2(prefix=pattern, tensor_names=[name],
                                           shape_and_slices=[""], dtypes=[dtype])[0]
                for name, dtype in reader.get_variable_to_dtype_map().items()}
    assert "cut/w" in expected and pattern.endswith("-?????-of-00003"), pattern
    for path in (folder / "old.ckpt", pattern, folder / "old.ckpt-00002-of-00003", folder):
        checker.compare(path, expected)


def main():
    checker = Checker(sys.argv[1])
    rng = np.random.default_rng(11)
    model = small_model(rng)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_v1_shards(checker, folder, rng)
        for kind in ("float32", "float16", "dynamic", "int8", "int16"):
            check_lite(checker, folder, model, kind, rng)
        check_frozen(checker, folder, model)
        check_saved_model(checker, folder, model)
    print(f"{checker.comparisons} tensors are as TensorFlow has them")


if __name__ == "__main__":
    main()
