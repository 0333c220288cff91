// What each checkpoint format offers to checkpoint.cc, which decides between them.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "base/file.h"
#include "narrow/checkpoint.h"

namespace narrow {

// Probes look at a few bytes and say whether the file claims to be of the format; whether it keeps
// what it claims is for the open function to find out. They throw only Error(kIo). No two of them
// say yes to one file.

// The file ends with the magic number of a LevelDB table.
bool looks_like_tensorflow_table(const InputFile& file);
// A u64 LE header length that fits in the file, followed by '{'.
bool looks_like_safetensors(const InputFile& file);
// A JSON object with a weight_map in which .safetensors files are named.
bool looks_like_shard_index(const InputFile& file);
// The local file header (or, for an empty archive, the end record) of a ZIP archive that is none of
// the kinds below.
bool looks_like_npz(const InputFile& file);
// "\x93NUMPY".
bool looks_like_npy(const InputFile& file);
// A ZIP archive with a member data.pkl in some folder, or a pickle of torch.save's magic number.
bool looks_like_pytorch(const InputFile& file);
// A protocol buffer message with the version and the graph of a ModelProto, and nothing of the
// above.
bool looks_like_onnx(const InputFile& file);
// "TFL3" at byte 4.
bool looks_like_tflite(const InputFile& file);
// A protocol buffer message whose first field is a node with the name of an operation, and no table
// or TFLite model.
bool looks_like_frozen_graph(const InputFile& file);
// The signature of HDF5 at byte 0, 512, 1024, 2048 ...
bool looks_like_hdf5(const InputFile& file);
// A ZIP archive with a member model.weights.h5.
bool looks_like_keras(const InputFile& file);
// "GGUF".
bool looks_like_gguf(const InputFile& file);

// For a file that looks like a table: kTensorFlowV2 for an index, kTensorFlowV1 for a V1
// checkpoint, by the value of the first key. Throws Error(kCorrupt) for a table that is neither.
CheckpointFormat tensorflow_table_format(const InputFile& file);

// Readers. `location` is what locate_checkpoint returned; its format is that of the function.
std::unique_ptr<CheckpointReader> open_tensorflow_v2(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_tensorflow_v1(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_safetensors(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_safetensors_shards(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_npz(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_npy(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_pytorch(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_onnx(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_tflite(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_frozen_graph(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_hdf5(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_keras(const CheckpointLocation& location);
std::unique_ptr<CheckpointReader> open_gguf(const CheckpointLocation& location);

// Writers: everything that create_checkpoint promises, parent directory included.
std::unique_ptr<CheckpointWriter> create_tensorflow_v2(const CheckpointLocation& location,
                                                       Overwrite overwrite);
std::unique_ptr<CheckpointWriter> create_safetensors(const CheckpointLocation& location,
                                                     Overwrite overwrite);
std::unique_ptr<CheckpointWriter> create_safetensors_shards(const CheckpointLocation& location,
                                                            Overwrite overwrite);
std::unique_ptr<CheckpointWriter> create_npz(const CheckpointLocation& location,
                                             Overwrite overwrite);
std::unique_ptr<CheckpointWriter> create_npy(const CheckpointLocation& location,
                                             Overwrite overwrite);
std::unique_ptr<CheckpointWriter> create_pytorch(const CheckpointLocation& location,
                                                 Overwrite overwrite);

// A variant of the checkpoint with the index `source`: tensors of its names, in its order, lie in
// files of the same names, and what else its index says of them stays. Throws Error(kUsage) with
// the first value when one of the source's own files would be replaced.
std::unique_ptr<CheckpointWriter> create_safetensors_shards_like(
    const std::filesystem::path& source, const CheckpointLocation& location, Overwrite overwrite);
std::unique_ptr<CheckpointWriter> create_hdf5(const CheckpointLocation& location,
                                              Overwrite overwrite);

// A variant of the ONNX file `source`: see create_checkpoint_like.
std::unique_ptr<CheckpointWriter> create_onnx_like(const std::filesystem::path& source,
                                                   const CheckpointLocation& location,
                                                   Overwrite overwrite);

// Copies of the HDF5 file and of the archive .keras `source` with other values: tensors keep their
// types, those that are not added their values. Values in chunks, big-endian ones and text cannot
// change: Error(kUnsupported) by the write that would.
std::unique_ptr<CheckpointWriter> create_hdf5_like(const std::filesystem::path& source,
                                                   const CheckpointLocation& location,
                                                   Overwrite overwrite);
std::unique_ptr<CheckpointWriter> create_keras_like(const std::filesystem::path& source,
                                                    const CheckpointLocation& location,
                                                    Overwrite overwrite);
// A variant of the GGUF file `source`: its metadata, and the tensors that are added, which are
// written as F32, F16, BF16, F64 or integers, those of kOpaque as they are. general.file_type
// becomes that of most values.
std::unique_ptr<CheckpointWriter> create_gguf_like(const std::filesystem::path& source,
                                                   const CheckpointLocation& location,
                                                   Overwrite overwrite);

// All that checkpoint.cc knows of one format.
struct CheckpointDriver {
  CheckpointFormatTraits traits;
  // Nothing for TensorFlow's, whose files name each other: locate_checkpoint.cc finds them.
  bool (*looks_like)(const InputFile& file) = nullptr;
  std::unique_ptr<CheckpointReader> (*open)(const CheckpointLocation& location) = nullptr;
  // Nothing for a format that is not written from tensors alone.
  std::unique_ptr<CheckpointWriter> (*create)(const CheckpointLocation& location,
                                              Overwrite overwrite) = nullptr;
  // Of a variant of a file of the same format; nothing where that is the same as `create`.
  std::unique_ptr<CheckpointWriter> (*create_like)(const std::filesystem::path& source,
                                                   const CheckpointLocation& location,
                                                   Overwrite overwrite) = nullptr;
  std::string_view no_create = {};  // why not, as the sentence of an Error
  std::string_view instead = {};    // the formats to write then
};

// A new format is a folder beside this one, its functions above and a row here.
std::span<const CheckpointDriver> checkpoint_drivers();

}  // namespace narrow
