"""Compares ONNX files that narrow wrote with what the onnx package and ONNX Runtime see in them:
python onnx_checkpoints.py BUILD_DIR

Real models and made ones are copied, quantized and given external data. Exit status 0 when unchanged
copies are the same bytes, quantized files differ from their originals in the values of weights
alone, and these are those of the schemes' definitions."""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from package_models import model_bytes

REAL_MODELS = ("efficientnet_lite0", "open_nsfw", "ocr_cls", "magika", "basic_pitch", "minilm_int8")
# Those whose weights are all their own, so that 8 bits keep what the network says.
RUNNING_MODELS = {"efficientnet_lite0": (1, 3, 224, 224), "ocr_cls": (1, 3, 48, 192)}
LARGEST_OUTPUT_ERROR = 0.3  # of 8 bits, relative L2
SCHEMES = (("bin", 8, "tensor"), ("symmetric", 8, "channel"), ("symmetric", 4, "channel"))
TYPES = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "INT16", "INT32", "INT64", "UINT8",
         "UINT16", "UINT32", "UINT64", "BOOL", "COMPLEX64", "COMPLEX128", "FLOAT8E4M3FN",
         "FLOAT8E5M2", "FLOAT8E4M3FNUZ", "FLOAT8E5M2FNUZ", "FLOAT8E8M0", "FLOAT4E2M1", "INT4",
         "UINT4", "INT2", "UINT2", "STRING")


class Programs:
    def __init__(self, build, folder):
        self.narrow, self.folder = build / "narrow", folder
        self.dump = build / "tests/interop/checkpoint_dump"

    def quantize(self, source, target, scheme, *options):
        """The rows of the report of tensors that were quantized, by name."""
        kind, bits, granularity = scheme
        done = subprocess.run([self.narrow, "quantize", source, "--scheme", kind, "--bits",
                               str(bits), "--granularity", granularity, "-o", target, "--force",
                               "--json", *options], check=True, capture_output=True)
        return {row["name"]: row for row in json.loads(done.stdout)["tensors"] if row["quantized"]}

    def copy(self, source, target):
        subprocess.run([self.dump, "copy", source, "onnx", target], check=True)


def tensors_of(model):
    """Initializers and constants by name, as messages."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    tensors[node.output[0]] = attribute.t
    return tensors


def values_of(model):
    return {name: numpy_helper.to_array(tensor) for name, tensor in tensors_of(model).items()}


def same_bits(a, b):
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def without_values(model):
    """What a quantized file must keep; its recipe is among the metadata."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for tensor in tensors_of(bare).values():
        for field in ("raw_data", "float_data", "int32_data", "external_data"):
            tensor.ClearField(field)
    bare.ClearField("metadata_props")
    return bare.SerializeToString()


def restored(values, row):
    """The definition of docs/numerics.md, in double; `row` names the axis of the channels."""
    x = values.astype(np.float64)
    axis = row.get("axis")
    per_channel = row["granularity"] == "channel" and axis is not None and x.ndim > 1
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim) if per_channel else None
    lo, hi = x.min(others, keepdims=True), x.max(others, keepdims=True)
    if row["scheme"] == "bin":
        count = 2.0 ** row["bits"]
        if lo == hi:
            return values
        codes = np.clip(np.floor((x - lo) * (count / (hi - lo))), 0, count - 1)
        return (lo + (codes + 0.5) * ((hi - lo) / count)).astype(values.dtype)
    most = 2.0 ** (row["bits"] - 1) - 1
    largest = np.maximum(-lo, hi)
    scale = np.where(largest == 0, 1, largest / most)
    codes = np.clip(np.rint(x / scale), -most, most) + 0.0  # a code has no sign of zero
    return (codes * scale).astype(values.dtype)


def check_copies(programs):
    for name in REAL_MODELS:
        source, target = programs.folder / f"{name}.onnx", programs.folder / "copy.onnx"
        source.write_bytes(model_bytes(name))
        programs.copy(source, target)
        assert target.read_bytes() == source.read_bytes(), f"the copy of {name} differs"
    print(f"copy: {len(REAL_MODELS)} models, the same bytes")


def check_quantized_model(programs, name):
    source, target = programs.folder / f"{name}.onnx", programs.folder / "quantized.onnx"
    model = onnx.load(source)
    before, weights = values_of(model), 0
    for scheme in SCHEMES:
        rows = programs.quantize(source, target, scheme)
        quantized = onnx.load(target)
        onnx.checker.check_model(quantized)
        assert without_values(quantized) == without_values(model), f"{name}: more than weights"
        for key, values in values_of(quantized).items():
            expected = restored(before[key], rows[key]) if key in rows else before[key]
            assert same_bits(values, expected), f"{name} {scheme}: {key} differs"
        tensors = programs.folder / "quantized.safetensors"
        programs.quantize(source, tensors, scheme, "--format", "safetensors")
        for key, values in load_file(tensors).items():
            if key in rows:
                assert values.tobytes() == values_of(quantized)[key].tobytes(), f"{key} differs"
        weights = len(rows)
    print(f"quantize: {name}, {weights} weights, {len(SCHEMES)} schemes as defined", flush=True)


def outputs(path, inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: inputs})[0].astype(np.float64)


def check_running(programs):
    """ONNX Runtime opens the quantized file, external or not, and it says nearly the same."""
    for name, shape in RUNNING_MODELS.items():
        source, target = programs.folder / f"{name}.onnx", programs.folder / "running.onnx"
        inputs = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
        programs.quantize(source, target, ("symmetric", 8, "channel"))
        exact, found = outputs(source, inputs), outputs(target, inputs)
        error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
        assert 0 < error < LARGEST_OUTPUT_ERROR, f"{name}: relative error {error}"
        print(f"run: {name} at 8 bits, relative error of the output {error:.3f}")


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}


def check_external(programs, name):
    """Data that onnx's own tool put beside the model, in one file or one for each tensor."""
    whole = programs.folder / f"{name}.onnx"
    target = programs.folder / "inside.onnx"
    scheme = ("symmetric", 6, "channel")
    programs.quantize(whole, target, scheme)
    expected = values_of(onnx.load(target))
    for one_file in (True, False):
        folder = programs.folder / f"{name}-external-{one_file}"
        results = programs.folder / f"{name}-to-{one_file}"
        folder.mkdir()
        onnx.save(onnx.load(whole), folder / "m.onnx", save_as_external_data=True,
                  all_tensors_to_one_file=one_file, location="weights.bin" if one_file else None,
                  size_threshold=256, convert_attribute=True)
        assert len(digests(folder)) > 1
        before = digests(folder)
        results.mkdir()
        programs.copy(folder / "m.onnx", results / "copy.onnx")
        programs.quantize(folder / "m.onnx", results / "q.onnx", scheme)
        assert digests(folder) == before, "the input has changed"
        assert sorted(digests(results)) == ["copy.onnx", "copy.onnx.data", "q.onnx", "q.onnx.data"]
        for path, values in (("copy.onnx", values_of(onnx.load(whole))), ("q.onnx", expected)):
            onnx.checker.check_model(results / path)
            found = values_of(onnx.load(results / path))
            assert found.keys() == values.keys()
            for key, array in values.items():
                assert same_bits(found[key], array), f"{name} external {path}: {key} differs"
    if name in RUNNING_MODELS:
        inputs = np.ones(RUNNING_MODELS[name], np.float32)
        assert np.array_equal(outputs(results / "q.onnx", inputs), outputs(target, inputs))
    print(f"external data: {name} in one file and in many")


def small_values(kind, shape):
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    if kind == TensorProto.STRING:
        return np.array([b"", b"a", "größe".encode(), b"x\0y", b"e", b"f"], object).reshape(shape)
    values = np.arange(-3, 3) if kind in (TensorProto.INT4, TensorProto.FLOAT) else np.arange(6)
    limit = 2 if kind == TensorProto.INT2 else 4 if kind == TensorProto.UINT2 else 8
    return (values % limit if values[0] == 0 else values).astype(dtype).reshape(shape)


def types_model(raw):
    tensors = []
    for name in TYPES:
        kind = TensorProto.DataType.Value(name)
        values = small_values(kind, (2, 3))
        if raw and kind != TensorProto.STRING:
            tensors.append(numpy_helper.from_array(values, name))
        else:
            tensors.append(helper.make_tensor(name, kind, (2, 3), values.reshape(-1).tolist()))
    graph = helper.make_graph([helper.make_node("Identity", ["FLOAT"], ["y"])], "types", [],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3))],
                              tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=13)
    helper.set_model_props(model, {"author": "somebody"})
    return model


def check_types(programs):
    """Files with tensors of every type in their fields, as raw data and in a file of their own."""
    source, target = programs.folder / "types.onnx", programs.folder / "types-out.onnx"
    for raw in (True, False):
        model = types_model(raw)
        source.write_bytes(model.SerializeToString())
        programs.copy(source, target)
        assert target.read_bytes() == source.read_bytes(), "the copy of all types differs"
        rows = programs.quantize(source, target, ("bin", 2, "tensor"), "--include", "*FLOAT",
                                 "--include", "DOUBLE", "--include", "*FLOAT16")
        assert sorted(rows) == ["BFLOAT16", "DOUBLE", "FLOAT", "FLOAT16"], sorted(rows)
        before, after = values_of(model), values_of(onnx.load(target))
        for name, values in after.items():
            expected = before[name]
            if name in rows:
                exact = restored(expected.astype(np.float32), rows[name])
                expected = exact.astype(expected.dtype)
            equal = np.array_equal(values, expected) if name == "STRING" else \
                same_bits(values, expected)
            assert equal, f"{name} is {values}, expected {expected}"
    print(f"types: {len(TYPES)} in two representations")


def main(build):
    with tempfile.TemporaryDirectory() as name:
        programs = Programs(pathlib.Path(build).resolve(), pathlib.Path(name))
        check_types(programs)
        check_copies(programs)
        for model in REAL_MODELS:
            if model != "minilm_int8":  # its weights are codes already
                check_quantized_model(programs, model)
        check_running(programs)
        check_external(programs, "efficientnet_lite0")
        check_external(programs, "magika")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
