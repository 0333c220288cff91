// Checkpoints whose values lie at places that are known before the values are: writers fill them in
// any order, in this process or in several, each with consecutive tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/staging/staged_output.h"
#include "checkpoint/container/write_order.h"
#include "narrow/checkpoint.h"

namespace narrow {

// Writes the tensors that are added to their places in a file that others may write to as well.
class SectionWriter : public CheckpointWriter {
 public:
  // The file at `path` is made if it is missing; `begins`: where each tensor begins in it. Throws
  // Error(kIo), also for lack of room.
  SectionWriter(const std::filesystem::path& path, std::vector<std::uint64_t> begins)
      : begins_(std::move(begins)), file_(path, ScatteredOutputFile::Existing::kKeep) {}

  void add(const TensorInfo& info) override { order_.add(info); }
  void write(std::span<const std::byte> values) override;
  void write_strings(std::span<const std::string> /*values*/) override {}  // there from the start
  // All values are there. Does not make them durable.
  void finish() override;

  // What completing the checkpoint takes to know of tensor `index` of those that were added, once
  // it is written.
  [[nodiscard]] virtual std::uint32_t checksum(std::size_t /*index*/) const { return 0; }

 protected:
  // `values` of tensor `index` of those that were added, front to back.
  virtual void add_to_checksum(std::size_t /*index*/, std::span<const std::byte> /*values*/) {}
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return order_.tensors(); }

 private:
  std::vector<std::uint64_t> begins_;
  WriteOrder order_;
  ScatteredOutputFile file_;
  std::size_t tensor_ = 0;
  std::uint64_t written_ = 0;  // of this tensor
  bool has_begun_ = false;
};

class SectionedCheckpoint {
 public:
  // Gives the place of the file of that name.
  using PathOf = std::function<std::filesystem::path(const std::string& name)>;

  virtual ~SectionedCheckpoint() = default;

  // The files of the result (plain names): those that hold values, then the one by which it is
  // found. And what comes last, see StagedOutput.
  [[nodiscard]] virtual std::vector<std::string> names() const = 0;
  [[nodiscard]] virtual std::optional<LateFile> late_file() const { return std::nullopt; }
  // In which of names() a tensor lies; it never falls.
  [[nodiscard]] virtual std::size_t file_of(std::size_t tensor) const = 0;
  // A writer of the tensors [first, last), which lie in one file, to that file at `path`.
  [[nodiscard]] virtual std::unique_ptr<SectionWriter> write(const std::filesystem::path& path,
                                                             std::size_t first,
                                                             std::size_t last) const = 0;
  // When all values are there: adds what a whole checkpoint has beside them. `checksums`: of all
  // tensors, in order. Throws Error(kIo).
  virtual void complete(const PathOf& path_of, std::span<const std::uint32_t> checksums) const = 0;
};

// The elements of string tensor `tensor`.
using StringsOf = std::function<std::vector<std::string>(std::size_t tensor)>;

// One file; several (see lay_out_shards for `source`); the files of a prefix. Bytes are those of
// create_checkpoint's writers. Throw Error: kUnsupported for a tensor or metadata that the format
// does not hold, kUsage for a path that cannot be, and what `strings` throws.
std::unique_ptr<SectionedCheckpoint> section_safetensors(
    const std::filesystem::path& path, std::vector<TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata);
std::unique_ptr<SectionedCheckpoint> section_shards(
    const std::filesystem::path& path, const std::filesystem::path& source,
    std::vector<TensorInfo> tensors, const std::map<std::string, std::string>& metadata);
std::unique_ptr<SectionedCheckpoint> section_tensorflow_v2(
    const std::filesystem::path& prefix, std::vector<TensorInfo> tensors, const StringsOf& strings,
    const std::map<std::string, std::string>& metadata);

}  // namespace narrow
