#include "checkpoint/onnx/onnx_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <system_error>
#include <tuple>
#include <unordered_map>

#include "base/checked.h"
#include "base/special_file.h"
#include "base/staging/interrupted_results.h"
#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/wire_cursor.h"
#include "checkpoint/onnx/number_stream.h"
#include "checkpoint/onnx/onnx_scanner.h"
#include "checkpoint/onnx/onnx_weights.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse_location(const InputFile& model, const OnnxTensor& tensor,
                                  std::string_view why) {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("tensor '{}' of {} has its values in '{}', which {}", tensor.info.name,
                          model.path().string(), tensor.external.location.c_str(), why));
}

// Whether the model is a link, and `path` a link too, to a file in the directory of the model's. So
// caches have it that keep each file by its digest and link to it by name, as Hugging Face's do:
// snapshots/REVISION/model.onnx -> ../../blobs/DIGEST.
bool is_linked_beside(const fs::path& path, const InputFile& model) {
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(model.path(), error))) return false;
  const fs::path data = fs::canonical(path, error);
  const fs::path target = error ? fs::path() : fs::canonical(model.path(), error);
  return !error && data.parent_path() == target.parent_path();
}

// The file that a location below `folder` means, which is the model's directory or that of the file
// which the model links to; an empty path when there is none.
fs::path path_below(const fs::path& folder, const InputFile& model, const OnnxTensor& tensor) {
  const fs::path relative(tensor.external.location);
  fs::path path = folder;
  for (auto part = relative.begin(); part != relative.end(); ++part) {
    path /= *part;
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    const bool is_last = std::next(part) == relative.end();
    if (fs::is_symlink(status) && !(is_last && is_linked_beside(path, model))) {
      refuse_location(model, tensor, "is or passes a symbolic link");
    }
    if (!fs::exists(status)) return {};
  }
  if (!fs::is_regular_file(path)) refuse_location(model, tensor, "is no regular file");
  return path;
}

// The file that a location means. It must lie below the model's directory without detours, so that
// a model from somewhere else cannot name any other file of this machine.
fs::path external_path(const InputFile& model, const OnnxTensor& tensor) {
  const std::string& location = tensor.external.location;
  if (location.empty() || location.find('\0') != std::string::npos) {
    refuse_location(model, tensor, "is no name of a file");
  }
  if (model.is_from_pipe() || is_input_stream(model.path())) {
    refuse_location(model, tensor, "cannot be found beside a model that comes out of a stream");
  }
  const fs::path relative(location);
  const auto leaves = [](const fs::path& part) { return part == ".." || part.empty(); };
  if (relative.is_absolute() || std::ranges::any_of(relative, leaves)) {
    refuse_location(model, tensor, "is not a path within the model's directory");
  }
  const fs::path folder = model.path().parent_path();
  fs::path path = path_below(folder, model, tensor);
  std::error_code error;
  if (path.empty() && fs::is_symlink(fs::symlink_status(model.path(), error))) {
    const fs::path target = fs::canonical(model.path(), error);
    if (!error) path = path_below(target.parent_path(), model, tensor);
  }
  if (!path.empty()) return path;
  throw Error(ErrorCategory::kNotFound,
              fmt::format("tensor '{}' of {} has its values in {}, which is missing",
                          tensor.info.name, model.path().string(), (folder / relative).string()));
}

}  // namespace

OnnxSource::OnnxSource(const fs::path& path) : file_(path) {
  layout_ = scan_onnx(file_);
  find_onnx_weights(layout_);
  places_.resize(layout_.tensors.size());
  const auto is_external = [](const OnnxTensor& tensor) {
    return tensor.storage == OnnxStorage::kExternal;
  };
  if (std::ranges::any_of(layout_.tensors, is_external)) open_external_files();
}

void OnnxSource::open_external_files() {
  // A variant of two files that a run was putting in place when it was interrupted is finished.
  const auto lock =
      is_input_stream(file_.path())
          ? std::nullopt
          : lock_for_reading(file_.path().parent_path(), file_.path().filename().string(), {});
  std::unordered_map<std::string, std::size_t> opened;
  for (std::size_t i = 0; i < layout_.tensors.size(); ++i) {
    const OnnxTensor& tensor = layout_.tensors[i];
    if (tensor.storage != OnnxStorage::kExternal) continue;
    const fs::path path = external_path(file_, tensor);
    const auto [found, is_new] =
        opened.emplace(path.lexically_normal().string(), external_files_.size());
    if (is_new) external_files_.emplace_back(path);
    place_external(i, found->second);
  }
  check_overlaps();
}

void OnnxSource::place_external(std::size_t index, std::size_t file) {
  const OnnxTensor& tensor = layout_.tensors[index];
  const InputFile& data = external_files_[file];
  const std::uint64_t offset = tensor.external.offset.value_or(0);
  if (!range_fits(offset, tensor.stored_bytes, data.size())) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("tensor '{}' of {} has its {} bytes from byte {} on in {}, which has "
                            "only {}",
                            tensor.info.name, file_.path().string(), tensor.stored_bytes, offset,
                            data.path().string(), data.size()));
  }
  places_[index] = {file, offset};
}

void OnnxSource::check_overlaps() const {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < layout_.tensors.size(); ++i) {
    const OnnxTensor& tensor = layout_.tensors[i];
    if (tensor.storage == OnnxStorage::kExternal && tensor.stored_bytes > 0) order.push_back(i);
  }
  std::ranges::sort(
      order, {}, [&](std::size_t i) { return std::tuple(places_[i].file, places_[i].offset, i); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const ExternalPlace& before = places_[order[i - 1]];
    const ExternalPlace& here = places_[order[i]];
    const OnnxTensor& first = layout_.tensors[order[i - 1]];
    if (before.file != here.file || here.offset - before.offset >= first.stored_bytes) continue;
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("the values of tensor '{}' of {} lie in the place of those of tensor "
                    "'{}': both have byte {} of {}",
                    layout_.tensors[order[i]].info.name, file_.path().string(), first.info.name,
                    here.offset, external_files_[here.file].path().string()));
  }
}

std::unique_ptr<TensorStream> OnnxSource::open(std::size_t index) const {
  const OnnxTensor& tensor = layout_.tensors.at(index);
  switch (tensor.storage) {
    case OnnxStorage::kStrings:
      throw Error(ErrorCategory::kUsage, fmt::format("tensor '{}' of {} holds strings, not values",
                                                     tensor.info.name, file_.path().string()));
    case OnnxStorage::kVarints:
    case OnnxStorage::kFixed:
      return std::make_unique<NumberStream>(file_, tensor);
    case OnnxStorage::kExternal:
      return std::make_unique<FileRangeStream>(external_files_[places_[index].file],
                                               tensor.info.name, places_[index].offset,
                                               tensor.stored_bytes);
    case OnnxStorage::kNothing:
    case OnnxStorage::kBytes:
      break;
  }
  return std::make_unique<FileRangeStream>(file_, tensor.info.name, tensor.values.begin,
                                           tensor.values.size());
}

std::vector<std::string> OnnxSource::read_strings(std::size_t index) const {
  const OnnxTensor& tensor = layout_.tensors.at(index);
  std::vector<std::string> strings;
  WireCursor cursor(file_, tensor.values.begin, tensor.values.end);
  while (!cursor.at_end()) {
    cursor.tag();
    strings.push_back(cursor.text(cursor.length()));
  }
  return strings;
}

}  // namespace narrow
