// Rows of TensorFlow's checkpoints, for tables of formats.
#pragma once

#include "checkpoint/container/formats.h"

namespace narrow {

inline constexpr CheckpointDriver kTensorFlowV2Driver = {
    .traits = {.format = CheckpointFormat::kTensorFlowV2,
               .name = "tf",
               .title = "TensorFlow V2",
               .paths = "the prefix, any of its files, a directory with a `checkpoint` state "
                        "file, or that of a SavedModel",
               .extension = "",
               .writing = CheckpointFormatTraits::Writing::kYes,
               .result = CheckpointFormat::kTensorFlowV2,
               .channel_axis = -1},
    .open = open_tensorflow_v2,
    .create = create_tensorflow_v2};

inline constexpr CheckpointDriver kTensorFlowV1Driver = {
    .traits = {.format = CheckpointFormat::kTensorFlowV1,
               .name = "tf-v1",
               .title = "TensorFlow V1",
               .paths = "the file; of several the prefix or any of them",
               .extension = "",
               .writing = CheckpointFormatTraits::Writing::kNo,
               .result = CheckpointFormat::kTensorFlowV2,
               .channel_axis = -1},
    .open = open_tensorflow_v1,
    .no_create =
        "TensorFlow V1 checkpoints can only be read; every TensorFlow since 1.0 restores "
        "the format tf",
    .instead = "tf"};

}  // namespace narrow
