#include "checkpoint/hdf5/hdf5_reader.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bytes.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/hdf5/hdf5_contents.h"
#include "checkpoint/hdf5/hdf5_stream.h"

namespace narrow {
namespace {

class Hdf5Reader final : public CheckpointReader {
 public:
  Hdf5Reader(const CheckpointLocation& location, std::optional<Hdf5Part> part)
      : location_(location), contents_(location.path, part) {}

  [[nodiscard]] const CheckpointLocation& location() const override { return location_; }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override {
    return contents_.tensors();
  }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override {
    const TensorInfo& info = tensors().at(index);
    return open_hdf5_values(contents_.file(), contents_.dataset(index), info.name);
  }
  [[nodiscard]] std::vector<std::string> read_strings(std::size_t index) const override {
    if (tensors().at(index).dtype != DType::kString) return CheckpointReader::read_strings(index);
    return contents_.texts(index);
  }

 private:
  CheckpointLocation location_;
  Hdf5Contents contents_;
};

}  // namespace

// An archive may have such a file in it, at one of these places by chance.
bool looks_like_hdf5(const InputFile& file) {
  constexpr std::string_view kZip = "PK";
  std::array<std::byte, kZip.size()> start{};
  if (file.size() < start.size()) return false;
  file.read_at(0, start);
  return !std::ranges::equal(start, as_byte_span(kZip)) &&
         has_hdf5_signature(file, {0, file.size()});
}

std::unique_ptr<CheckpointReader> open_hdf5(const CheckpointLocation& location) {
  return open_hdf5_part(location, {});
}

std::unique_ptr<CheckpointReader> open_hdf5_part(const CheckpointLocation& location,
                                                 std::optional<Hdf5Part> part) {
  return std::make_unique<Hdf5Reader>(location, part);
}

}  // namespace narrow
