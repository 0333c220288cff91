// The formats in the order of docs/formats.md.
#include <array>
#include <span>

#include "checkpoint/container/formats.h"

namespace narrow {
namespace {

using Writing = CheckpointFormatTraits::Writing;

constexpr auto kDrivers = std::to_array<CheckpointDriver>({
    {.traits = {.format = CheckpointFormat::kTensorFlowV2,
                .name = "tf",
                .title = "TensorFlow V2",
                .paths = "the prefix, any of its files, a directory with a `checkpoint` state "
                         "file, or that of a SavedModel",
                .extension = "",
                .writing = Writing::kYes,
                .result = CheckpointFormat::kTensorFlowV2,
                .channel_axis = -1},
     .open = open_tensorflow_v2,
     .create = create_tensorflow_v2},
    {.traits = {.format = CheckpointFormat::kTensorFlowV1,
                .name = "tf-v1",
                .title = "TensorFlow V1",
                .paths = "the file",
                .extension = "",
                .writing = Writing::kNo,
                .result = CheckpointFormat::kTensorFlowV2,
                .channel_axis = -1},
     .open = open_tensorflow_v1,
     .no_create = "TensorFlow V1 checkpoints can only be read; every TensorFlow since 1.0 restores "
                  "the format tf",
     .instead = "tf"},
    {.traits = {.format = CheckpointFormat::kSafetensors,
                .name = "safetensors",
                .title = "safetensors",
                .paths = "the file",
                .extension = ".safetensors",
                .writing = Writing::kYes,
                .result = CheckpointFormat::kSafetensors,
                .channel_axis = 0},
     .looks_like = looks_like_safetensors,
     .open = open_safetensors,
     .create = create_safetensors},
    {.traits = {.format = CheckpointFormat::kNpz,
                .name = "npz",
                .title = "NPZ",
                .paths = "the file",
                .extension = ".npz",
                .writing = Writing::kYes,
                .result = CheckpointFormat::kNpz,
                .channel_axis = -1},
     .looks_like = looks_like_npz,
     .open = open_npz,
     .create = create_npz},
    {.traits = {.format = CheckpointFormat::kNpy,
                .name = "npy",
                .title = "NPY",
                .paths = "the file; its array is called as the file",
                .extension = ".npy",
                .writing = Writing::kYes,
                .result = CheckpointFormat::kNpy,
                .channel_axis = -1},
     .looks_like = looks_like_npy,
     .open = open_npy,
     .create = create_npy},
    {.traits = {.format = CheckpointFormat::kPyTorch,
                .name = "pytorch",
                .title = "PyTorch",
                .paths = "the file",
                .extension = ".pt",
                .writing = Writing::kYes,
                .result = CheckpointFormat::kPyTorch,
                .channel_axis = 0},
     .looks_like = looks_like_pytorch,
     .open = open_pytorch,
     .create = create_pytorch},
    {.traits = {.format = CheckpointFormat::kOnnx,
                .name = "onnx",
                .title = "[ONNX](onnx.md)",
                .paths = "the file",
                .extension = ".onnx",
                .writing = Writing::kFromSameFormat,
                .result = CheckpointFormat::kOnnx,
                .channel_axis = 0},
     .looks_like = looks_like_onnx,
     .open = open_onnx,
     .no_create = "an ONNX file is a network, which tensors alone do not make: it can only be "
                  "written from another ONNX file",
     .instead = "safetensors, tf or npz"},
});

}  // namespace

std::span<const CheckpointDriver> checkpoint_drivers() { return kDrivers; }

}  // namespace narrow
