"""Compares running real models with ONNX Runtime: python onnx_models.py NARROW [MODEL...]

NARROW is the program. Exit status 0 when every output of every model and size is within 1e-4 of
ONNX Runtime's largest value of that output; so must be what ONNX Runtime computes of the model that
narrow convert --to onnx makes of it, in which int8 weights are float32. Sizes are small where they are free; bench/peers has
the models at their usual ones."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from PIL import Image, ImageDraw

from package_models import MODELS, model_bytes

TOLERANCE = 1e-4
# The shapes of the input in each run; three where sizes are free.
SHAPES = {
    "efficientnet_lite0": [(1, 3, 224, 224), (3, 3, 224, 224)],
    "open_nsfw": [(1, 224, 224, 3), (2, 224, 224, 3)],
    "ocr_det": [(1, 3, 64, 96), (2, 3, 96, 64), (1, 3, 160, 224)],
    "ocr_rec": [(1, 3, 48, 64), (2, 3, 48, 160), (1, 3, 48, 328)],
    "ocr_cls": [(1, 3, 48, 192), (3, 3, 48, 192), (2, 3, 48, 100)],
    "magika": [(1, 2048), (2, 2048), (5, 2048)],
    "basic_pitch": [(1, 43844, 1), (2, 43844, 1), (3, 43844, 1)],
    "silero_vad": [(1, 576), (1, 288), (2, 576)],
    "minilm_int8": [(1, 6), (2, 17), (3, 32)],
    "minilm_float": [(1, 6), (2, 17), (3, 32)],
}


def token_inputs(rng, shape):
    """Sentences of different lengths, with padding behind them."""
    lengths = rng.integers(2, shape[1] + 1, shape[0])
    lengths[0] = shape[1]
    mask = (np.arange(shape[1]) < lengths[:, None]).astype(np.int64)
    return {"input_ids": rng.integers(1000, 30000, shape) * mask, "attention_mask": mask,
            "token_type_ids": np.zeros(shape, np.int64)}


def text_pictures(rng, shape):
    """Lines of dark letters on light ground, from -1 to 1: what OCR finds nothing in makes sigmoids
    and softmaxes of next to nothing, whose last bits are nobody's."""
    count, _, height, width = shape
    pictures = np.empty((count, height, width, 3), np.float32)
    letters = np.array(list("abcdefghiklmnopqrstuvwxyzABCDEFGH 0123456789"))
    for picture in pictures:
        image = Image.new("RGB", (width, height), (235, 230, 220))
        pen = ImageDraw.Draw(image)
        for top in range(8, height - 16, 26):
            pen.text((6, top), "".join(rng.choice(letters, width // 10)), fill=(20, 20, 60),
                     font_size=20)
        picture[:] = np.asarray(image) / 127.5 - 1
    return pictures.transpose(0, 3, 1, 2).copy()


def inputs_of(model, session, shape, rng):
    if model.startswith("minilm"):
        return token_inputs(rng, shape)
    if model == "silero_vad":  # one of two branches by the rate, both with an LSTM
        return {"input": (0.1 * rng.standard_normal(shape)).astype(np.float32),
                "state": (0.1 * rng.standard_normal((2, shape[0], 128))).astype(np.float32),
                "sr": np.array(16000 if shape[1] == 576 else 8000)}
    (info,) = session.get_inputs()
    if model.startswith("ocr"):
        return {info.name: text_pictures(rng, shape)}
    if model == "magika":  # bytes, and 256 where the file has none
        return {info.name: rng.integers(0, 257, shape).astype(np.int32)}
    scale = {"open_nsfw": 100, "basic_pitch": 0.1}.get(model, 1)
    return {info.name: (scale * rng.standard_normal(shape)).astype(np.float32)}


def run_narrow(program, path, inputs):
    source, target = path.with_name("in.npz"), path.with_name("out.npz")
    np.savez(source, **inputs)
    target.unlink(missing_ok=True)
    subprocess.run([program, "run", path, "--inputs", source, "-o", target], check=True,
                   stdout=subprocess.DEVNULL)
    with np.load(target) as outputs:
        return dict(outputs)


def largest_difference(found, expected, place):
    """Of all outputs, as a share of each one's largest value."""
    assert set(found) == set(expected), f"{place}: outputs {sorted(found)}"
    shares = []
    for name, values in expected.items():
        other = found[name]
        assert (other.dtype, other.shape) == (values.dtype, values.shape), \
            f"{place}: {name} is {other.dtype} {other.shape}, expected {values.dtype} {values.shape}"
        share = np.abs(other - values).max() / np.abs(values).max()
        assert share <= TOLERANCE, f"{place}: {name} differs by {share:.2e} of its largest value"
        shares.append(share)
    return max(shares)


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def export(program, path):
    """The model as narrow writes it, in place of the file; gives the number of its nodes."""
    exported = path.with_suffix(".exported.onnx")
    subprocess.run([program, "convert", path, "--to", "onnx", "-o", exported], check=True,
                   stdout=subprocess.DEVNULL)
    exported.rename(path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert all(tensor.data_type != onnx.TensorProto.INT8 for tensor in model.graph.initializer)
    return len(model.graph.node)


def check_model(program, model, folder):
    path = folder / f"{model}.onnx"
    path.write_bytes(model_bytes(model))
    session = open_session(path)
    names = [output.name for output in session.get_outputs()]
    rng = np.random.default_rng(5)
    shares = []
    for shape in SHAPES[model]:
        inputs = inputs_of(model, session, shape, rng)
        expected = dict(zip(names, session.run(None, inputs)))
        found = run_narrow(program, path, inputs)
        shares.append(largest_difference(found, expected, f"{model} {shape}"))
    nodes = export(program, path)
    found = dict(zip(names, open_session(path).run(names, inputs)))
    share = largest_difference(found, expected, f"{model} {shape} exported")
    path.unlink()
    print(f"{model} exported: {nodes} nodes, difference {share:.1e}")
    print(f"{model}: {len(shares)} sizes, {len(names)} outputs, largest difference "
          f"{max(shares):.1e} of the largest value", flush=True)


def main(program, models):
    failed = 0
    for model in models or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check_model(program, model, pathlib.Path(folder))
            except (AssertionError, subprocess.CalledProcessError) as error:
                print(f"FAILED {model}: {error}", flush=True)
                failed += 1
    sys.exit(failed != 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
