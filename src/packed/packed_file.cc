#include "packed/packed_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "checkpoint/safetensors/safetensors_output.h"
#include "narrow/error.h"
#include "narrow/quantize_values.h"
#include "packed/stored_params.h"

namespace narrow {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

[[noreturn]] void refuse(const CheckpointLocation& location, const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("the packed file {} {}", location.path.string(), problem));
}

void require_same(const CheckpointLocation& location, const TensorInfo& found,
                  const TensorInfo& expected) {
  if (found == expected) return;
  refuse(location, fmt::format("holds {} as {} {}, but its recipe demands {} {}", expected.name,
                               found.type_name(), to_string(found.shape), expected.type_name(),
                               to_string(expected.shape)));
}

void require_padding(const CheckpointLocation& location, const TensorInfo& found) {
  if (found.dtype == DType::kUInt8 && found.byte_size() < SafetensorsOutput::kDataAlignment) return;
  refuse(location, fmt::format("has a tensor {} of {} bytes, where {} are the most", found.name,
                               found.byte_size(), SafetensorsOutput::kDataAlignment - 1));
}

}  // namespace

CheckedStream::CheckedStream(std::unique_ptr<TensorStream> stream, const TensorInfo& info,
                             std::uint32_t checksum, std::string file)
    : stream_(std::move(stream)),
      name_(info.name),
      file_(std::move(file)),
      left_(info.byte_size()),
      expected_(checksum) {}

void CheckedStream::read(std::span<std::byte> out) {
  read_any(out);
  const std::string problem = damage();
  if (problem.empty()) return;
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("tensor {} of the packed file {} {}", name_, file_, problem));
}

void CheckedStream::read_any(std::span<std::byte> out) {
  if (out.empty()) return;
  stream_->read(out);
  left_ -= out.size();
  crc_ = extend_crc32c(crc_, out);
}

std::string CheckedStream::damage() const {
  if (left_ > 0 || crc_ == expected_) return "";
  return fmt::format("has the checksum {:08x}, but the metadata say {:08x}: the file is damaged",
                     crc_, expected_);
}

PackedFile::PackedFile(const std::filesystem::path& path) : reader_(open_checkpoint(path)) {
  for (std::size_t i = 0; i < reader_->tensors().size(); ++i) {
    by_name_.emplace(reader_->tensors()[i].name, i);
  }
  PackedMetadata metadata = parse_packed_metadata(reader_->metadata(), path.string());
  contents_ = std::move(metadata.contents);
  checksums_ = std::move(metadata.checksums);
  contents_.file_bytes = InputFile(location().path).size();
  try {
    measure_packed(contents_.tensors, string_sizes());
    layout_ = packed_layout(contents_.tensors);
    find_stored();
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::kCorrupt) throw;
    refuse(location(), fmt::format("has a recipe that cannot be: {}", error.what()));
  }
}

// The one size that does not follow from the recipe.
std::vector<std::uint64_t> PackedFile::string_sizes() const {
  std::vector<std::uint64_t> sizes(contents_.tensors.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const TensorInfo& info = contents_.tensors[i].info;
    if (info.dtype != DType::kString) continue;
    const auto found = by_name_.find(info.name + std::string(suffix_of(PackedPart::kRaw)));
    if (found == by_name_.end()) {
      refuse(location(), fmt::format("lacks the strings of {}", info.name));
    }
    sizes[i] = reader_->tensors()[found->second].byte_size();
  }
  return sizes;
}

void PackedFile::find_stored() {
  // Padding belongs to an order that other programs need not have kept.
  const auto padding = by_name_.find(kPaddingName);
  const std::size_t paddings = padding == by_name_.end() ? 0 : 1;
  if (paddings == 1) require_padding(location(), reader_->tensors()[padding->second]);
  std::size_t expected_count = paddings;
  for (const TensorInfo& expected : layout_.stored) {
    if (expected.name == kPaddingName) {
      places_.push_back(reader_->tensors().size());
      continue;
    }
    ++expected_count;
    const auto found = by_name_.find(expected.name);
    if (found == by_name_.end()) refuse(location(), fmt::format("lacks {}", expected.name));
    require_same(location(), reader_->tensors()[found->second], expected);
    if (!checksums_.contains(expected.name)) {
      refuse(location(), fmt::format("has no checksum of {}", expected.name));
    }
    places_.push_back(found->second);
  }
  if (expected_count != reader_->tensors().size()) {
    refuse(location(), fmt::format("holds {} tensors, but its recipe gives {}",
                                   reader_->tensors().size(), expected_count));
  }
}

CheckedStream PackedFile::open(const StoredPart& part) const {
  const TensorInfo& info = layout_.stored[part.stored];
  return {reader_->open(places_[part.stored]), info, checksums_.at(info.name),
          location().path.string()};
}

std::optional<CheckedStream> PackedFile::open_padding() const {
  const auto found = by_name_.find(kPaddingName);
  if (found == by_name_.end()) return std::nullopt;
  const auto checksum = checksums_.find(std::string(kPaddingName));
  if (checksum == checksums_.end()) refuse(location(), "has no checksum of its padding");
  return CheckedStream(reader_->open(found->second), reader_->tensors()[found->second],
                       checksum->second, location().path.string());
}

std::vector<std::string> PackedFile::read_strings(std::size_t tensor) const {
  const TensorInfo& info = contents_.tensors[tensor].info;
  CheckedStream stream = open(layout_.parts[tensor].front());
  std::vector<std::string> strings;
  // The bytes are in the file; a count that they cannot hold is found before it matters.
  const std::uint64_t count = element_count(info.shape);
  while (stream.bytes_left() >= sizeof(std::uint64_t) && strings.size() < count) {
    std::array<std::byte, sizeof(std::uint64_t)> prefix{};
    stream.read(prefix);
    const auto length = load_le<std::uint64_t>(prefix.data());
    if (length > stream.bytes_left()) break;
    stream.read(std::as_writable_bytes(std::span(strings.emplace_back(length, '\0'))));
  }
  if (strings.size() != count || stream.bytes_left() > 0) {
    refuse(location(),
           fmt::format("holds strings for {} that are not {} strings", info.name, count));
  }
  return strings;
}

PackedCheckpoint::PackedCheckpoint(const std::filesystem::path& path)
    : file_(std::make_unique<PackedFile>(path)) {}
PackedCheckpoint::~PackedCheckpoint() = default;
PackedCheckpoint::PackedCheckpoint(PackedCheckpoint&&) noexcept = default;
PackedCheckpoint& PackedCheckpoint::operator=(PackedCheckpoint&&) noexcept = default;

const PackedFile& file_of(const PackedCheckpoint& packed) { return *packed.file_; }

const CheckpointLocation& PackedCheckpoint::location() const { return file_->location(); }
const PackedContents& PackedCheckpoint::contents() const { return file_->contents(); }

void PackedPiece::restore(DType dtype) {
  if (restorer == nullptr) return;
  bytes.resize(elements * element_size(dtype));
  if (bytes.empty()) return;
  restorer->restore(first_element, packed, params, bytes);
}

bool PackedPieceSource::next(PackedPiece& piece) {
  if (!is_open_) {
    if (chosen_index_ == chosen_.size()) return false;
    begin_tensor();
  }
  piece.tensor = chosen_[chosen_index_];
  piece.first_element = first_element_;
  piece.strings.clear();
  piece.bytes.clear();
  piece.packed.clear();
  piece.are_signed.clear();
  piece.params.clear();
  if (restorer_ != nullptr) {
    fill_codes(piece);
  } else {
    fill_values(piece);
  }
  piece.restorer = restorer_;
  if (piece.last) {
    is_open_ = false;
    ++chosen_index_;
  }
  return true;
}

void PackedPieceSource::begin_tensor() {
  const std::size_t index = chosen_[chosen_index_];
  const PackedTensor& tensor = file_.contents().tensors[index];
  is_open_ = true;
  first_element_ = 0;
  first_block_ = 0;
  restorer_.reset();
  params_.clear();
  values_.clear();
  for (const StoredPart& part : file_.parts(index)) {
    const bool has_values = part.part == PackedPart::kCodes ||
                            part.part == PackedPart::kUnchanged || part.part == PackedPart::kRaw;
    (has_values ? values_ : params_).push_back(file_.open(part));
  }
  if (tensor.scheme.has_value()) {
    restorer_ = std::make_shared<TensorRestorer>(*tensor.scheme, tensor.info, 0);
  }
}

void PackedPieceSource::fill_codes(PackedPiece& piece) {
  const PackedTensor& tensor = file_.contents().tensors[piece.tensor];
  const std::uint64_t left = element_count(tensor.info.shape) - first_element_;
  piece.elements = std::min(left, restorer_->piece_elements());
  piece.last = piece.elements == left;
  if (piece.elements == 0) return;
  fill_params(piece);
  const auto bits = static_cast<std::uint64_t>(tensor.scheme->bits);
  const std::uint64_t begin_bit = first_element_ * bits % 8;
  piece.packed.resize((begin_bit + piece.elements * bits + 7) / 8);
  std::span<std::byte> fresh = piece.packed;
  if (begin_bit != 0) {
    piece.packed.front() = shared_byte_;
    fresh = fresh.subspan(1);
  }
  values_.front().read(fresh);
  shared_byte_ = piece.packed.back();
  first_element_ += piece.elements;
}

void PackedPieceSource::fill_params(PackedPiece& piece) {
  const PackedTensor& tensor = file_.contents().tensors[piece.tensor];
  const bool stores_blocks = restorer_->stores_blocks();
  for (std::uint64_t left = restorer_->params_with_piece(first_element_); left > 0;) {
    piece.params.resize(stores_blocks ? std::min(left, restorer_->most_at_once()) : left);
    read_params(tensor, piece.params);
    for (const BlockParams& block : piece.params) {
      piece.are_signed.push_back(code_range(*tensor.scheme, block).min < 0);
    }
    left -= piece.params.size();
    if (stores_blocks) restorer_->store_blocks(piece.params);
  }
  if (stores_blocks) piece.params.clear();
}

void PackedPieceSource::read_params(const PackedTensor& tensor, std::span<BlockParams> params) {
  const Scheme& scheme = *tensor.scheme;
  std::size_t stream = 0;
  for (const PackedPart part : parameter_parts(scheme)) {
    param_bytes_.resize(params.size() * parameters_per_block(part, scheme) *
                        element_size(parameter_type(part)));
    params_[stream++].read(param_bytes_);
    params_from_bytes(part, scheme, param_bytes_, params);
  }
  complete_params(scheme, tensor.info.name, first_block_, params);
  first_block_ += params.size();
}

void PackedPieceSource::fill_values(PackedPiece& piece) {
  const PackedTensor& tensor = file_.contents().tensors[piece.tensor];
  if (tensor.info.dtype == DType::kString) {
    piece.strings = file_.read_strings(piece.tensor);
    piece.last = true;
    return;
  }
  const std::size_t size = element_size(tensor.info.dtype);
  CheckedStream& stream = values_.front();
  piece.bytes.resize(std::min<std::uint64_t>(stream.bytes_left(), kReadBytes / size * size));
  stream.read(piece.bytes);
  piece.elements = piece.bytes.size() / size;
  first_element_ += piece.elements;
  piece.last = stream.bytes_left() == 0;
}

}  // namespace narrow
