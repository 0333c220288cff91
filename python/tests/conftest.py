"""What the tests of the package share."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import narrow

SOURCE = pathlib.Path(__file__).resolve().parents[2]
EVALUATION = SOURCE / "tests/golden/evaluation"
sys.path.append(str(SOURCE / "tests/cli"))  # messages of ONNX files


@pytest.fixture(autouse=True)
def no_other_process(request, monkeypatch):
    """All work is done in this process: whoever starts another one fails."""
    if request.node.get_closest_marker("program"):
        return

    def refuse(*_args, **_options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    for name in ("system", "execv", "execve", "fork", "posix_spawn"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def tensors():
    random = np.random.default_rng(7)
    return {
        "conv/weights": random.normal(size=(3, 3, 4, 8)).astype(np.float32),
        "conv/biases": random.normal(size=8).astype(np.float32),
        "global_step": np.array(12, np.int64),
    }


@pytest.fixture
def model(tmp_path, tensors):
    path = tmp_path / "model.safetensors"
    narrow.save(path, tensors)
    return path


@pytest.fixture
def classifier(tmp_path):
    """A thin ResNet V1's checkpoint, and 120 labelled images."""
    for name in ("model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"):
        shutil.copy(EVALUATION / name, tmp_path)
    for split in ("train", "test"):
        shutil.copy(
            EVALUATION / "fashion_mnist_test.tfrecord", tmp_path / f"fashion_mnist_{split}.tfrecord"
        )
    return tmp_path / "model.ckpt-7"


@pytest.fixture
def images(classifier):
    return {
        "dataset_name": "fashion_mnist",
        "dataset_dir": classifier.parent,
        "eval_image_size": 28,
        "resize_side": 28,
    }


@pytest.fixture
def onnx_file(tmp_path):
    """y = x W + b with W of shape (2, 3)."""
    import onnx_messages as onnx

    weights = np.array([[1, 0, 2], [0, 1, -1]], np.float32)
    bias = np.array([0, 10, 0], np.float32)
    path = tmp_path / "dense.onnx"
    path.write_bytes(
        onnx.model(
            [onnx.node("MatMul", ["x", "w"], "h"), onnx.node("Add", ["h", "b"], "y")],
            [onnx.tensor("w", weights), onnx.tensor("b", bias)],
            inputs=[onnx.value("x", ["N", 2])],
            outputs=[onnx.value("y", ["N", 3])],
        )
    )
    return path
