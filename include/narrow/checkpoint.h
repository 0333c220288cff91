// Checkpoints: named tensors in a file or a few files. One reader and one writer interface for
// every format; docs/formats.md describes the formats byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/tensor.h"

namespace narrow {

enum class CheckpointFormat {
  kTensorFlowV2,  // prefix.index + prefix.data-SSSSS-of-NNNNN
  kTensorFlowV1,  // a single table file; read only
  kSafetensors,
  kNpz,
  kNpy,                // one array; its tensor is named after the file
  kOnnx,               // a network; docs/onnx.md
  kSafetensorsShards,  // model.safetensors.index.json and the files that it names
  kPyTorch,            // what torch.save writes, as a ZIP archive or as a stream of pickles
  kGguf,
  kHdf5,         // Keras' weights or model
  kKeras,        // an archive .keras
  kTflite,       // read only
  kFrozenGraph,  // the constants of a TensorFlow GraphDef; read only
};

// "tf", "tf-v1", "safetensors", "npz", "npy", "onnx", "safetensors-shards", "pytorch", "gguf",
// "hdf5", "keras", "tflite", "frozen-graph".
NARROW_EXPORT std::string_view to_string(CheckpointFormat format) noexcept;

// What this library knows of a format; the first table of docs/formats.md says the same.
struct CheckpointFormatTraits {
  enum class Writing : std::uint8_t { kNo, kYes, kFromSameFormat };

  CheckpointFormat format = CheckpointFormat::kTensorFlowV2;
  std::string_view name;       // to_string
  std::string_view title;      // "TensorFlow V2"
  std::string_view paths;      // what may be named: "the file"
  std::string_view extension;  // of written files: ".npz"; empty for a prefix or a directory
  Writing writing = Writing::kNo;
  CheckpointFormat result = CheckpointFormat::kTensorFlowV2;  // of a job that reads the format
  int channel_axis = -1;  // of weights whose network is not known: 0 where outputs come first
};

// Every format that can be read, in the order of that table.
NARROW_EXPORT std::vector<CheckpointFormatTraits> checkpoint_formats();

// The entry of `format`. Throws Error(kUsage) for one that this library cannot read.
NARROW_EXPORT const CheckpointFormatTraits& traits_of(CheckpointFormat format);

// Where a checkpoint lies, as found by looking at the bytes.
struct CheckpointLocation {
  CheckpointFormat format = CheckpointFormat::kTensorFlowV2;
  // The prefix for TensorFlow V2, the file for every other format.
  std::filesystem::path path;
};

// Finds the checkpoint that `path` means. Accepted: a file of any format, a TensorFlow V2 prefix,
// any file of a V2 checkpoint (.index, .data-?????-of-?????, .meta), a directory with a
// `checkpoint` state file, of which model_checkpoint_path is taken, or that of a SavedModel, whose
// variables are taken. The format is decided by the content of the file, never by its name.
// Throws Error: kNotFound (nothing there; a directory without usable state file), kUnsupported (not
// a format this library reads: says what it is instead, if that is known), kIo.
NARROW_EXPORT CheckpointLocation locate_checkpoint(const std::filesystem::path& path);

// The values of one tensor from first to last element, row-major, little-endian.
class NARROW_EXPORT TensorStream {
 public:
  virtual ~TensorStream() = default;
  // Fills `out` completely. Throws Error(kCorrupt) when the file ends too early or, on the read
  // that delivers the last byte, when the tensor's checksum does not match; reading past the end is
  // Error(kUsage).
  virtual void read(std::span<std::byte> out) = 0;
};

// Reads one checkpoint. Opening reads and verifies the directory of tensors, not the values.
// A reader may be used from several threads at once; a stream from one thread at a time.
class NARROW_EXPORT CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;

  [[nodiscard]] virtual const CheckpointLocation& location() const = 0;

  // Name, type and shape of every tensor, in file order. Partitioned TensorFlow variables appear
  // once, whole. Names are unique.
  [[nodiscard]] virtual const std::vector<TensorInfo>& tensors() const = 0;

  // A stream over tensors()[index]; not for strings. Of kOpaque it delivers the byte_size() bytes
  // as they lie in the file. Streams use bounded memory, whatever the size of the tensor (a V1
  // slice is held whole). The reader must outlive the stream.
  [[nodiscard]] virtual std::unique_ptr<TensorStream> open(std::size_t index) const = 0;

  // The elements of a string tensor, checksums verified.
  [[nodiscard]] virtual std::vector<std::string> read_strings(std::size_t index) const;

  // Free-form text pairs that travel with the file (safetensors __metadata__, ONNX metadata_props);
  // empty elsewhere.
  [[nodiscard]] virtual std::map<std::string, std::string> metadata() const { return {}; }

  // Position of `name` in tensors(), or nothing. The first call takes time for all tensors, every
  // other a constant time.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;

  // All of tensors()[index]; `out` has exactly byte_size() bytes.
  void read(std::size_t index, std::span<std::byte> out) const;

 private:
  mutable std::once_flag positions_found_;
  mutable std::unordered_map<std::string_view, std::size_t> positions_;
};

// Opens what locate_checkpoint finds. Throws Error: what locate_checkpoint throws, and kCorrupt
// with file and byte offset for a broken file.
NARROW_EXPORT std::unique_ptr<CheckpointReader> open_checkpoint(const std::filesystem::path& path);

// Writes one checkpoint. Order of calls: set_metadata, add for every tensor, then write (in any
// piece sizes, pieces do not cross tensors) or write_strings for every tensor in the same order,
// then finish. Tensors without elements need no write. Nothing is visible under the final name
// before finish has succeeded; a writer destroyed without it removes what it wrote.
class NARROW_EXPORT CheckpointWriter {
 public:
  virtual ~CheckpointWriter() = default;
  virtual void set_metadata(const std::map<std::string, std::string>& metadata);
  // Throws Error(kUnsupported), which names a format that can, for a type the format does not have;
  // Error(kUsage) for a name that was added before.
  virtual void add(const TensorInfo& info) = 0;
  virtual void write(std::span<const std::byte> values) = 0;
  virtual void write_strings(std::span<const std::string> values);
  // Completes every file, makes it durable and gives it its final name in one step.
  // Throws Error(kUsage) when values are missing, Error(kIo) on a full disk and the like.
  virtual void finish() = 0;
};

// Keeps nothing: for those who want to know what a job would do.
class NARROW_EXPORT NullWriter final : public CheckpointWriter {
 public:
  void set_metadata(const std::map<std::string, std::string>& /*metadata*/) override {}
  void add(const TensorInfo& /*info*/) override {}
  void write(std::span<const std::byte> /*values*/) override {}
  void write_strings(std::span<const std::string> /*values*/) override {}
  void finish() override {}
};

// A writer for `location`. A missing parent directory is created. Throws Error(kUnsupported) for
// kTensorFlowV1, which is not writable, and kOnnx, which needs a source (create_checkpoint_like);
// Error(kExists) when a result is there and overwrite is kNo.
NARROW_EXPORT std::unique_ptr<CheckpointWriter> create_checkpoint(
    const CheckpointLocation& location, Overwrite overwrite);

// The same for a variant of `source`: what the target has beside tensors, and the other does not
// give, comes from there. An ONNX file is written from an ONNX file only: graph, unknown fields and
// order stay byte by byte, tensors keep their types and representations, those that are not added
// keep their values, and set_metadata, if called, replaces metadata_props. Tensors are added in the
// order of `source`. Where its values lie in other files, those of the result lie in PATH.data.
// Throws Error as create_checkpoint does, and Error(kUsage) when PATH or PATH.data is one of the
// source's files with external data, unless PATH is the source itself.
NARROW_EXPORT std::unique_ptr<CheckpointWriter> create_checkpoint_like(
    const CheckpointReader& source, const CheckpointLocation& location, Overwrite overwrite);

}  // namespace narrow
