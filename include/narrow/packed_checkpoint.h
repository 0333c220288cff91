// Packed checkpoints: the integer codes of the quantized tensors instead of floating-point numbers,
// in a plain safetensors file. docs/formats.md, "Packed checkpoints", specifies it completely.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"
#include "narrow/scheme.h"

namespace narrow {

// One tensor of the original and what it became.
struct PackedTensor {
  TensorInfo info;               // as in the original
  std::optional<Scheme> scheme;  // nothing: its values are stored unchanged
  std::uint64_t non_finite = 0;  // > 0: unchanged for so many NaN or infinite values
  // Why it is unchanged, and in how many blocks values were clipped (BlockParams::clips); known
  // when it is packed, not kept in the file.
  CopyReason reason = CopyReason::kNone;
  std::uint64_t clipped_blocks = 0;
  std::uint64_t blocks = 0;
  std::uint64_t code_bytes = 0;  // ceil(elements * bits / 8)
  std::uint64_t parameter_bytes = 0;
  std::uint64_t unchanged_bytes = 0;
  std::uint64_t overflowed = 0;  // values: see ErrorSums::overflowed

  [[nodiscard]] std::uint64_t stored_bytes() const {
    return code_bytes + parameter_bytes + unchanged_bytes;
  }
};

struct NARROW_EXPORT PackedSummary {
  std::uint64_t quantized = 0;  // tensors
  std::uint64_t unchanged = 0;
  CopyCounts unchanged_by_reason;  // as far as reasons are known
  std::uint64_t weights = 0;       // elements of the quantized tensors
  std::uint64_t code_bytes = 0;
  std::uint64_t parameter_bytes = 0;
  std::uint64_t unchanged_bytes = 0;
  std::uint64_t input_bytes = 0;  // of all tensor values of the original
  std::uint64_t file_bytes = 0;   // header included

  // Codes and parameters; 0 without weights.
  [[nodiscard]] double bits_per_weight() const;
};

// What a packed file says about itself.
struct NARROW_EXPORT PackedContents {
  std::vector<PackedTensor> tensors;  // in the order of the original
  CheckpointFormat input_format = CheckpointFormat::kSafetensors;
  std::string input_digest;  // of names, types, shapes and values, in hexadecimal
  std::string tool;          // "narrow 0.1.0"
  std::map<std::string, std::string> metadata;  // the original's own
  std::uint64_t file_bytes = 0;

  [[nodiscard]] PackedSummary summary() const;
};

// "xxh3-128:" and 32 hexadecimal digits, of names, types, shapes and values of all tensors: the
// digest that a packed file has (docs/formats.md), the same for equal tensors in files of any
// format. On `threads` threads (0: all cores).
NARROW_EXPORT std::string checkpoint_digest(const CheckpointReader& reader, int threads = 0);

struct PackOptions {
  // kKeep reads the selected tensors once more.
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
};

// Writes the packed form of a checkpoint to the file `output`. The plan covers every tensor.
// Memory does not grow with the checkpoint: the parts of a tensor, which lie apart in the file, are
// written as they come, and the head with their checksums last. A CheckpointWriter cannot do that.
// Every number of threads gives the same bytes. Progress, of all functions here, is in bytes of
// tensor values of the original.
// Throws Error: what quantize_checkpoint and require_quantized throw; kUnsupported when the
// checkpoint is packed already or a name cannot be written; kExists; kIo; kInterrupted.
NARROW_EXPORT PackedContents pack_checkpoint(const CheckpointReader& reader,
                                             const QuantizePlan& plan, const PackOptions& options,
                                             const std::filesystem::path& output,
                                             Overwrite overwrite, const RunOptions& run = {});

class PackedFile;

// A packed file, opened: its header is read and checked, every size against the recipe.
class NARROW_EXPORT PackedCheckpoint {
 public:
  // Throws Error: kNotFound, kIo; kUnsupported for a file that is not packed, or by a later version
  // of the format; kCorrupt for one whose parts do not belong together.
  explicit PackedCheckpoint(const std::filesystem::path& path);
  ~PackedCheckpoint();
  PackedCheckpoint(PackedCheckpoint&&) noexcept;
  PackedCheckpoint& operator=(PackedCheckpoint&&) noexcept;

  [[nodiscard]] const CheckpointLocation& location() const;
  [[nodiscard]] const PackedContents& contents() const;

 private:
  friend const PackedFile& file_of(const PackedCheckpoint& packed);
  std::unique_ptr<PackedFile> file_;
};

// open_checkpoint for those who want values: throws Error(kUnsupported), which names narrow unpack,
// for a packed file, whose tensors are codes. Float8 weights are restored (restore_float8).
NARROW_EXPORT std::unique_ptr<CheckpointReader> open_unpacked(
    const std::filesystem::path& path, std::optional<DType> float8_cast = std::nullopt);

// Writes the restored checkpoint: bit for bit what quantize_checkpoint writes with the same plan
// and the same writer. The caller calls finish(). Verifies the checksum of every tensor.
// Throws Error: kCorrupt for a checksum or a parameter that cannot be; what the writer throws;
// kInterrupted.
NARROW_EXPORT void unpack_checkpoint(const PackedCheckpoint& packed, CheckpointWriter& writer,
                                     const RunOptions& run = {});

// One thing in which a packed file is not what its checkpoint gives.
struct PackedDifference {
  std::string tensor;    // of the original; empty for the whole file
  std::string sentence;  // "code 17 is 5, but the checkpoint gives 6"
};

// Packs `reader` again by the recipe of the file and compares; differences in the order of the
// original, at most one for each tensor, checksums that are not those of the bytes among them.
// Empty: the file is the packed form of this checkpoint.
// Throws Error: what reading file and checkpoint throws; kInterrupted.
NARROW_EXPORT std::vector<PackedDifference> verify_packed(const PackedCheckpoint& packed,
                                                          const CheckpointReader& reader,
                                                          const RunOptions& run = {});

}  // namespace narrow
