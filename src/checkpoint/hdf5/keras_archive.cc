#include "checkpoint/hdf5/keras_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bytes.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/hdf5/hdf5_reader.h"
#include "checkpoint/npz/zip/zip_format.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kWeights = "model.weights.h5";

}  // namespace

bool looks_like_keras(const InputFile& file) {
  std::array<std::byte, 4> start{};
  if (file.size() < start.size()) return false;
  file.read_at(0, start);
  if (load_le<std::uint32_t>(start.data()) != zip::kLocalSignature) return false;
  try {
    return std::ranges::any_of(read_zip_directory(file),
                               [](const ZipMember& member) { return member.name == kWeights; });
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::kIo) throw;
    return false;
  }
}

ZipMember find_keras_weights(const InputFile& file) {
  const std::vector<ZipMember> members = read_zip_directory(file);
  const auto found = std::ranges::find(members, kWeights, &ZipMember::name);
  if (found == members.end() || found->deflated) {
    throw Error(
        ErrorCategory::kUnsupported,
        fmt::format("{} has {} {}; keras.saving.save_model stores it uncompressed",
                    file.path().string(),
                    found == members.end() ? "no member" : "a compressed member", kWeights));
  }
  return *found;
}

std::unique_ptr<CheckpointReader> open_keras(const CheckpointLocation& location) {
  const ZipMember weights = find_keras_weights(InputFile(location.path));
  return open_hdf5_part(location, Hdf5Part{weights.data_offset, weights.stored_bytes});
}

}  // namespace narrow
