"""EfficientNet-Lite0 (Tan and Le, "EfficientNet", ICML 2019, Lite variant of its authors) as ONNX,
with the ImageNet weights that a package has as a PyTorch file.

    python lite0_model.py OUT.onnx

Input "images" [N, 3, 224, 224], red, green, blue, (x - 127) / 128; output "logits" [N, 1000]."""
import collections
import io
import pickle
import sys

import numpy as np

from onnx_builder import OnnxBuilder, same_pads

SIZE = 224
CLASSES = 1000
HEAD_CHANNELS = 1280
# Of each stage: blocks, kernel, stride of the first block, expansion, channels.
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
          (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
STORAGE_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class TensorUnpickler(pickle.Unpickler):
    """Reads tensors as (storage key, type, offset, shape, strides) and calls nothing else."""

    def persistent_load(self, identifier):
        kind, key = identifier[1:3]
        return key, STORAGE_TYPES[kind]

    def find_class(self, module, name):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (*storage, offset, shape, strides)
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in STORAGE_TYPES:
            return name
        raise pickle.UnpicklingError(f"unexpected {module}.{name}")


def read_old_torch_file(content):
    """Arrays by name of the format before ZIP: three pickles of facts about the file, one of the
    tensors, one of the keys of the storages, then each storage as a count and raw values."""
    file = io.BytesIO(content)
    *_, tensors, keys = (TensorUnpickler(file).load() for _ in range(5))
    types = {tensor[0]: tensor[1] for tensor in tensors.values()}
    storages = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * types[key].itemsize), types[key])
    arrays = {}
    for name, (key, kind, offset, shape, strides) in tensors.items():
        # Transposed tensors are stored as they were before.
        steps = [stride * kind.itemsize for stride in strides]
        arrays[name] = np.lib.stride_tricks.as_strided(storages[key][offset:], shape, steps)
    return arrays


def lite0_model(torch_file):
    arrays = read_old_torch_file(torch_file)

    def weights(name, shape):
        assert arrays[name].shape == shape, f"{name} has the shape {arrays[name].shape}"
        return arrays[name]

    net = OnnxBuilder(weights)

    def convolution(x, conv, norm, size, channels, kernel, stride=1, groups=1):
        pads, after = same_pads(size, kernel, stride)
        x = net.conv(x, conv, channels, kernel, stride, pads, groups)
        return net.norm(x, norm, channels[1]), after

    x, size = convolution("images", "_conv_stem", "_bn0", SIZE, (3, 32), 3, 2)
    x, channels, block = net.relu6(x), 32, 0
    for blocks, kernel, first_stride, expansion, out in STAGES:
        for stride in [first_stride] + [1] * (blocks - 1):
            prefix, before, wide = f"_blocks.{block}.", x, channels * expansion
            if wide != channels:
                x, size = convolution(x, f"{prefix}_expand_conv", f"{prefix}_bn0", size,
                                      (channels, wide), 1)
                x = net.relu6(x)
            x, size = convolution(x, f"{prefix}_depthwise_conv", f"{prefix}_bn1", size,
                                  (wide, wide), kernel, stride, wide)
            x = net.relu6(x)
            x, size = convolution(x, f"{prefix}_project_conv", f"{prefix}_bn2", size, (wide, out), 1)
            if stride == 1 and channels == out:
                x = net.node("Add", [x, before])
            channels, block = out, block + 1
    x, size = convolution(x, "_conv_head", "_bn1", size, (channels, HEAD_CHANNELS), 1)
    x = net.node("Flatten", [net.node("GlobalAveragePool", [net.relu6(x)])])
    net.dense(x, "_fc", HEAD_CHANNELS, CLASSES, "logits")
    return net.model("efficientnet_lite0", [("images", ["N", 3, SIZE, SIZE])],
                     [("logits", ["N", CLASSES])])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    import onnx
    from package_models import packaged_file
    onnx.save(lite0_model(packaged_file("efficientnet_lite0")), sys.argv[1])
