// The network of an ONNX file with levelled channels, as `convert --to onnx --equalize` makes it.
#pragma once

#include <filesystem>
#include <memory>

#include "cli/commands/temporary_folder.h"
#include "narrow/checkpoint.h"

namespace narrow {

// What the file is called in the commands that make the same.
inline constexpr const char* kLevelledName = "level.onnx";

// In a file that is there as long as this.
class LevelledNetwork {
 public:
  // Throws what export_network throws.
  LevelledNetwork(const std::filesystem::path& model, int threads);

  [[nodiscard]] const CheckpointReader& reader() const { return *reader_; }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<CheckpointReader> reader_;
};

}  // namespace narrow
