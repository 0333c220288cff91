#include "narrow/checkpoint.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/special_file.h"
#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/container/formats.h"
#include "narrow/error.h"

namespace narrow {

namespace {

const CheckpointDriver& driver_of(CheckpointFormat format) {
  for (const CheckpointDriver& driver : checkpoint_drivers()) {
    if (driver.traits.format == format) return driver;
  }
  throw Error(ErrorCategory::kUsage, "unknown checkpoint format");
}

}  // namespace

std::vector<CheckpointFormatTraits> checkpoint_formats() {
  std::vector<CheckpointFormatTraits> formats;
  for (const CheckpointDriver& driver : checkpoint_drivers()) formats.push_back(driver.traits);
  return formats;
}

const CheckpointFormatTraits& traits_of(CheckpointFormat format) {
  return driver_of(format).traits;
}

std::string_view to_string(CheckpointFormat format) noexcept {
  for (const CheckpointDriver& driver : checkpoint_drivers()) {
    if (driver.traits.format == format) return driver.traits.name;
  }
  return "unknown";
}

std::vector<std::string> CheckpointReader::read_strings(std::size_t index) const {
  const TensorInfo& info = tensors().at(index);
  throw Error(ErrorCategory::kUsage,
              fmt::format("tensor '{}' of {} holds {} values, not strings", info.name,
                          location().path.string(), info.type_name()));
}

std::optional<std::size_t> CheckpointReader::find(std::string_view name) const {
  std::call_once(positions_found_, [this] {
    const auto& infos = tensors();
    positions_.reserve(infos.size());
    for (std::size_t i = 0; i < infos.size(); ++i) positions_.emplace(infos[i].name, i);
  });
  const auto found = positions_.find(name);
  if (found == positions_.end()) return std::nullopt;
  return found->second;
}

void CheckpointReader::read(std::size_t index, std::span<std::byte> out) const {
  const TensorInfo& info = tensors().at(index);
  const auto stream = open(index);
  if (out.size() != info.byte_size()) {
    throw Error(ErrorCategory::kUsage, fmt::format("tensor '{}' has {} bytes, not {}", info.name,
                                                   info.byte_size(), out.size()));
  }
  stream->read(out);
}

void CheckpointWriter::set_metadata(const std::map<std::string, std::string>& metadata) {
  refuse_metadata(metadata);
}

void CheckpointWriter::write_strings(std::span<const std::string> /*values*/) {
  throw Error(ErrorCategory::kUnsupported,
              "this checkpoint format cannot hold strings: leave the tensor out or write a "
              "TensorFlow checkpoint");
}

std::unique_ptr<CheckpointReader> open_checkpoint(const std::filesystem::path& path) {
  const std::filesystem::path source = path == "-" ? "/dev/stdin" : path;
  // Whoever looks at a pipe next finds what was read from it as long as this holds it.
  std::optional<InputFile> held;
  if (is_input_stream(source) && special_kind(source) != "a directory") held.emplace(source);
  const CheckpointLocation location = locate_checkpoint(source);
  return driver_of(location.format).open(location);
}

std::unique_ptr<CheckpointWriter> create_checkpoint(const CheckpointLocation& location,
                                                    Overwrite overwrite) {
  const CheckpointDriver& driver = driver_of(location.format);
  if (driver.create != nullptr) return driver.create(location, overwrite);
  throw Error(ErrorCategory::kUnsupported, std::string(driver.no_create),
              {Remedy::Kind::kOtherFormat, std::string(driver.instead)});
}

std::unique_ptr<CheckpointWriter> create_checkpoint_like(const CheckpointReader& source,
                                                         const CheckpointLocation& location,
                                                         Overwrite overwrite) {
  const CheckpointDriver& driver = driver_of(location.format);
  if (driver.create_like == nullptr || source.location().format != location.format) {
    return create_checkpoint(location, overwrite);
  }
  return driver.create_like(source.location().path, location, overwrite);
}

}  // namespace narrow
