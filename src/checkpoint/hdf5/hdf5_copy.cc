// Writing an HDF5 file or a .keras archive as a copy of another with other values: names, shapes,
// attributes and everything else stay byte by byte.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/bytes.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/hdf5/hdf5_contents.h"
#include "checkpoint/hdf5/hdf5_stream.h"
#include "checkpoint/hdf5/keras_archive.h"
#include "checkpoint/hdf5/structure/hdf5_checksum.h"
#include "checkpoint/npz/zip/zip_crc32.h"
#include "checkpoint/npz/zip/zip_format.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kFormatsThatHold = "safetensors, tf or npz";
constexpr std::uint64_t kPieceBytes = 1 << 20;

class Hdf5CopyWriter final : public CheckpointWriter {
 public:
  // `archived`: the member of the archive `source` that is the HDF5 file.
  Hdf5CopyWriter(const std::filesystem::path& source, const std::optional<ZipMember>& archived,
                 const CheckpointLocation& location, Overwrite overwrite)
      : contents_(source,
                  archived ? std::optional(Hdf5Part{archived->data_offset, archived->stored_bytes})
                           : std::nullopt),
        archived_(archived),
        output_(location.path, overwrite) {
    const std::vector<TensorInfo>& tensors = contents_.tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) indices_.emplace(tensors[i].name, i);
  }

  void add(const TensorInfo& info) override;
  void write(std::span<const std::byte> values) override;
  void write_strings(std::span<const std::string> values) override;
  void finish() override;

 private:
  [[nodiscard]] const InputFile& input() const { return contents_.file().input(); }
  [[nodiscard]] bool is_in_place(std::size_t tensor) const;
  void start();
  void copy(std::uint64_t begin, std::uint64_t end);
  void put(std::size_t tensor, std::span<const std::byte> values);
  void compare(std::size_t tensor, std::span<const std::byte> values);
  [[noreturn]] void throw_fixed(const std::string& name) const;
  void write_header_blocks();
  void update_archive_checksum();

  Hdf5Contents contents_;
  std::optional<ZipMember> archived_;
  BasicSingleFileOutput<ScatteredOutputFile> output_;
  WriteOrder order_;
  std::unordered_map<std::string_view, std::size_t> indices_;  // of tensors by name
  std::vector<std::size_t> added_;                             // of contents_
  bool started_ = false;
  std::size_t next_text_ = 0;              // of added_
  std::size_t current_ = ~std::size_t{0};  // of added_
  std::uint64_t bytes_given_ = 0;          // of that tensor
  std::unique_ptr<TensorStream> unchanged_;
  std::map<std::size_t, std::vector<std::byte>> compact_;  // values in headers with checksums
};

void Hdf5CopyWriter::add(const TensorInfo& info) {
  const auto found = indices_.find(info.name);
  const TensorInfo* known = found == indices_.end() ? nullptr : &contents_.tensors()[found->second];
  if (known == nullptr || !known->same_tensor(info)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("tensor {} cannot be written as {} {}: {} has {}", info.name,
                            info.type_name(), to_string(info.shape), input().path().string(),
                            known == nullptr ? "none of that name"
                                             : fmt::format("it as {} {}", known->type_name(),
                                                           to_string(known->shape))),
                {Remedy::Kind::kOtherFormat, std::string(kFormatsThatHold)});
  }
  order_.add(info);
  added_.push_back(found->second);
}

// Whether other values can take the place of the tensor's.
bool Hdf5CopyWriter::is_in_place(std::size_t tensor) const {
  const Hdf5Dataset& dataset = contents_.dataset(tensor);
  return dataset.address != kNoHdf5Address && dataset.type.text == Hdf5Type::Text::kNone &&
         !dataset.type.big_endian;
}

// Copies what is not written later.
void Hdf5CopyWriter::start() {
  if (started_) return;
  started_ = true;
  std::vector<Hdf5Part> later;
  for (const std::size_t tensor : added_) {
    const Hdf5Dataset& dataset = contents_.dataset(tensor);
    if (!is_in_place(tensor) || dataset.header_block_bytes > 0) continue;
    later.push_back({contents_.file().offset_of(dataset.address), dataset.stored_bytes});
  }
  std::ranges::sort(later, {}, &Hdf5Part::begin);
  std::uint64_t done = 0;
  for (const Hdf5Part& part : later) {
    copy(done, part.begin);
    done = std::max(done, part.begin + part.size);
  }
  copy(done, input().size());
}

void Hdf5CopyWriter::copy(std::uint64_t begin, std::uint64_t end) {
  std::vector<std::byte> piece;
  while (begin < end) {
    piece.resize(std::min(end - begin, kPieceBytes));
    input().read_at(begin, piece);
    output_.file().write_at(begin, piece);
    begin += piece.size();
  }
}

void Hdf5CopyWriter::write(std::span<const std::byte> values) {
  if (values.empty()) return;
  const std::size_t index = order_.take(values.size());
  start();
  if (index != current_) {
    current_ = index;
    bytes_given_ = 0;
    unchanged_.reset();
  }
  const std::size_t tensor = added_[index];
  if (is_in_place(tensor)) {
    put(tensor, values);
  } else {
    compare(tensor, values);
  }
  bytes_given_ += values.size();
}

void Hdf5CopyWriter::put(std::size_t tensor, std::span<const std::byte> values) {
  const Hdf5Dataset& dataset = contents_.dataset(tensor);
  if (dataset.header_block_bytes > 0) {
    auto& kept = compact_[tensor];
    kept.insert(kept.end(), values.begin(), values.end());
    return;
  }
  output_.file().write_at(contents_.file().offset_of(dataset.address) + bytes_given_, values);
}

// Chunks, big-endian numbers and values that have no place stay what they are.
void Hdf5CopyWriter::compare(std::size_t tensor, std::span<const std::byte> values) {
  const std::string& name = contents_.tensors()[tensor].name;
  if (unchanged_ == nullptr) {
    unchanged_ = open_hdf5_values(contents_.file(), contents_.dataset(tensor), name);
  }
  std::vector<std::byte> present;
  while (!values.empty()) {
    present.resize(std::min<std::uint64_t>(values.size(), kPieceBytes));
    unchanged_->read(present);
    if (!std::ranges::equal(present, values.first(present.size()))) throw_fixed(name);
    values = values.subspan(present.size());
  }
}

void Hdf5CopyWriter::write_strings(std::span<const std::string> values) {
  if (values.empty()) return;
  const auto has_texts = [this](std::size_t tensor) { return !contents_.texts(tensor).empty(); };
  const auto next = std::find_if(added_.begin() + static_cast<std::ptrdiff_t>(next_text_),
                                 added_.end(), has_texts);
  if (next == added_.end()) {
    throw Error(ErrorCategory::kUsage, "strings were written after the last tensor that has any");
  }
  next_text_ = static_cast<std::size_t>(next - added_.begin()) + 1;
  if (!std::ranges::equal(contents_.texts(*next), values)) {
    throw_fixed(contents_.tensors()[*next].name);
  }
}

void Hdf5CopyWriter::throw_fixed(const std::string& name) const {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("tensor {} of {} cannot get other values in a copy of the file: they lie "
                          "in chunks, have the order of a big-endian machine or are text",
                          name, input().path().string()),
              {Remedy::Kind::kOtherFormat, std::string(kFormatsThatHold)});
}

void Hdf5CopyWriter::write_header_blocks() {
  for (const auto& [tensor, values] : compact_) {
    const Hdf5Dataset& dataset = contents_.dataset(tensor);
    const std::uint64_t offset = contents_.file().offset_of(dataset.header_block);
    std::vector<std::byte> block(dataset.header_block_bytes);
    input().read_at(offset, block);
    std::ranges::copy(values, block.begin() + static_cast<std::ptrdiff_t>(dataset.address -
                                                                          dataset.header_block));
    const auto checked = std::span(block).first(block.size() - 4);
    store_le(block.data() + checked.size(), hdf5_checksum(checked));
    output_.file().write_at(offset, block);
  }
}

// The member keeps its place and size.
void Hdf5CopyWriter::update_archive_checksum() {
  std::array<std::byte, 2> flags{};
  input().read_at(archived_->header_offset + zip::kLocalFlagsAt, flags);
  if ((load_le<std::uint16_t>(flags.data()) & zip::kDescriptorFlag) != 0) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} was written as a stream, so that its checksums stand elsewhere; "
                            "save it again with keras.saving.save_model",
                            input().path().string()),
                {Remedy::Kind::kOtherFormat, std::string(kFormatsThatHold)});
  }
  const InputFile written(output_.staging_path());
  std::uint32_t checksum = 0;
  std::vector<std::byte> piece;
  for (std::uint64_t done = 0; done < archived_->stored_bytes; done += piece.size()) {
    piece.resize(std::min(archived_->stored_bytes - done, kPieceBytes));
    written.read_at(archived_->data_offset + done, piece);
    checksum = extend_zip_crc32(checksum, piece);
  }
  std::array<std::byte, 4> bytes{};
  store_le(bytes.data(), checksum);
  output_.file().write_at(archived_->header_offset + zip::kLocalChecksumAt, bytes);
  output_.file().write_at(archived_->entry_offset + zip::kCentralChecksumAt, bytes);
}

void Hdf5CopyWriter::finish() {
  order_.check_complete();
  start();
  write_header_blocks();
  if (archived_) update_archive_checksum();
  output_.file().finish();
  output_.commit();
}

}  // namespace

std::unique_ptr<CheckpointWriter> create_hdf5_like(const std::filesystem::path& source,
                                                   const CheckpointLocation& location,
                                                   Overwrite overwrite) {
  return std::make_unique<Hdf5CopyWriter>(source, std::nullopt, location, overwrite);
}

std::unique_ptr<CheckpointWriter> create_keras_like(const std::filesystem::path& source,
                                                    const CheckpointLocation& location,
                                                    Overwrite overwrite) {
  const ZipMember weights = find_keras_weights(InputFile(source));
  return std::make_unique<Hdf5CopyWriter>(source, weights, location, overwrite);
}

}  // namespace narrow
