import ml_dtypes
import numpy as np
import pytest
from conftest import SOURCE

import narrow


def test_a_checkpoint_is_a_mapping(model, tensors):
    with narrow.open(model) as checkpoint:
        assert list(checkpoint) == list(tensors) and len(checkpoint) == 3
        assert checkpoint.format == "safetensors" and checkpoint.path == str(model)
        weights = checkpoint["conv/weights"]
        assert weights.shape == (3, 3, 4, 8) and weights.ndim == 4 and len(weights) == 3
        assert weights.dtype == np.float32 and weights.nbytes == 3 * 3 * 4 * 8 * 4
        for name, tensor in checkpoint.items():
            assert np.array_equal(tensor[...], tensors[name])
        assert np.array_equal(np.asarray(weights), tensors["conv/weights"])
        assert np.array_equal(weights[0, 1], tensors["conv/weights"][0, 1])
        assert checkpoint["global_step"][...] == 12
        assert "conv/gamma" not in checkpoint
        with pytest.raises(KeyError):
            checkpoint["conv/gamma"]
    with pytest.raises(narrow.Error, match="closed"):
        weights.read()


@pytest.mark.parametrize(
    "name", ["model.npz", "model.safetensors", "model.pt", "model.h5", "model"]
)
def test_every_format_gives_back_what_was_saved(tmp_path, tensors, name):
    extra = {"half": np.arange(6, dtype=np.float16).reshape(2, 3), "flags": np.array([True, False])}
    path = tmp_path / name
    narrow.save(path, {**tensors, **extra})
    with narrow.open(path) as checkpoint:
        for key, value in {**tensors, **extra}.items():
            assert np.array_equal(checkpoint[key].read(), value), key
            assert checkpoint[key].dtype == value.dtype


def test_one_checkpoint_is_saved_as_another(tmp_path, model, tensors):
    with narrow.open(model) as checkpoint:
        narrow.save(tmp_path / "copy.npz", checkpoint)
    assert narrow.compare(model, tmp_path / "copy.npz").identical == 3


def test_brain_floats_and_texts(tmp_path):
    values = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    narrow.save(tmp_path / "b.safetensors", {"x": values}, metadata={"who": "me"})
    with narrow.open(tmp_path / "b.safetensors") as checkpoint:
        assert checkpoint["x"].read().dtype == values.dtype
        assert np.array_equal(checkpoint["x"].read(), values)
        assert checkpoint.metadata == {"who": "me"}
    narrow.save(tmp_path / "t", {"s": np.array([[b"a\0b", b""]], object)})
    with narrow.open(tmp_path / "t") as checkpoint:
        assert checkpoint["s"].read().tolist() == [[b"a\0b", b""]]


def test_files_of_every_format_open_without_a_framework():
    golden = SOURCE / "tests/golden"
    for name in (
        "tensorflow/v2_types",
        "tensorflow/v1_types",
        "npz/types.npz",
        "gguf/Q4_0.gguf",
        "pytorch/types.pt",
        "hdf5/keras2.keras",
        "tflite/types.tflite",
        "onnx/types.onnx",
        "safetensors/types.safetensors",
    ):
        with narrow.open(golden / name) as checkpoint:
            assert len(checkpoint) > 0, name
            for tensor in checkpoint.values():
                assert tensor.read().size == np.prod(tensor.shape) or tensor.type_name, name
                repr(tensor)


def test_what_is_there_is_kept(model, tensors):
    with pytest.raises(narrow.Error, match="force=True") as caught:
        narrow.save(model, tensors)
    assert caught.value.category == "exists"
    narrow.save(model, {"w": np.zeros(2, np.float32)}, force=True)
    assert list(narrow.open(model)) == ["w"]


def test_mistakes_are_told(tmp_path):
    with pytest.raises(narrow.Error, match="there is no checkpoint") as caught:
        narrow.open(tmp_path / "nothing")
    assert caught.value.category == "not_found"
    with pytest.raises(narrow.Error, match="format="):
        narrow.save(tmp_path / "model.blob", {})
    with pytest.raises(narrow.Error, match="there is no format 'zip'"):
        narrow.save(tmp_path / "model", {}, format="zip")
    with pytest.raises(narrow.Error, match="cannot be written"):
        narrow.save(tmp_path / "model", {"x": np.zeros(2, "datetime64[s]")})
    (tmp_path / "broken.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(narrow.Error) as caught:
        narrow.open(tmp_path / "broken.safetensors")
    assert caught.value.category in ("corrupt", "unsupported")
