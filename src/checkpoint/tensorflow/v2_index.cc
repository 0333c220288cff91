#include "checkpoint/tensorflow/v2_index.h"

#include <fmt/format.h>

#include <unordered_map>
#include <utility>

#include "base/checked.h"
#include "base/crc32c.h"
#include "checkpoint/container/known_files.h"
#include "checkpoint/tensorflow/slices/ordered_code.h"
#include "checkpoint/tensorflow/table/table_reader.h"
#include "checkpoint/tensorflow/tensor_meta.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using tensorflow::BundleEntryProto;
using tensorflow::BundleHeaderProto;

// The keys of a table share prefixes, so that names can take far more memory than the file: enough
// for millions of tensors.
constexpr std::size_t kMaxNameBytes = std::size_t{1} << 28;

// Builds a V2Index from the entries of one index file.
class IndexBuilder {
 public:
  explicit IndexBuilder(const std::filesystem::path& prefix)
      : prefix_(prefix), table_(InputFile(v2_index_path(prefix))) {}

  V2Index build();

 private:
  [[noreturn]] void fail(ErrorCategory category, const std::string& where,
                         const std::string& problem) const;
  [[nodiscard]] std::string where(std::string_view name) const;
  void read_header(const TableCursor& cursor);
  void read_entries(TableCursor cursor);
  const InputFile& shard(int number, const std::string& where);
  V2Piece make_piece(const BundleEntryProto& entry, const TensorInfo& info,
                     const std::string& where);
  V2Tensor make_tensor(const std::string& name, const BundleEntryProto& entry);
  void add_slices(const BundleEntryProto& entry, V2Tensor* tensor);
  void set_opaque_size(V2Tensor* tensor);

  std::filesystem::path prefix_;
  TableReader table_;
  int shard_count_ = 0;
  std::vector<std::pair<std::string, BundleEntryProto>> entries_;
  std::unordered_map<std::string, BundleEntryProto> slice_entries_;
  V2Index index_;
};

void IndexBuilder::fail(ErrorCategory category, const std::string& where,
                        const std::string& problem) const {
  throw Error(category, where + ": " + problem);
}

std::string IndexBuilder::where(std::string_view name) const {
  return fmt::format("{}, tensor '{}'", table_.path().string(), name);
}

void IndexBuilder::read_header(const TableCursor& cursor) {
  const std::string file = table_.path().string();
  if (!cursor.valid() || !cursor.key().empty()) {
    fail(ErrorCategory::kCorrupt, file, "the table has no header, so it is no checkpoint index");
  }
  BundleHeaderProto header;
  parse_message(cursor.value(), file + ", header", &header);
  if (header.endianness() != 0) {
    fail(ErrorCategory::kUnsupported, file,
         "the values are big-endian: save the checkpoint on a little-endian machine");
  }
  check_version(header.version(), file);
  shard_count_ = header.num_shards();
  if (shard_count_ < 1) {
    fail(ErrorCategory::kCorrupt, file,
         fmt::format("the header counts {} data files, at least 1 is expected", shard_count_));
  }
}

void IndexBuilder::read_entries(TableCursor cursor) {
  std::size_t name_bytes = 0;
  std::string last;
  for (; cursor.valid(); cursor.next()) {
    const std::string key(cursor.key());
    if (key <= last) {
      fail(ErrorCategory::kCorrupt, where(key), "the name does not come after the one before it");
    }
    name_bytes += key.size();
    if (name_bytes > kMaxNameBytes) {
      fail(ErrorCategory::kUnsupported, table_.path().string(),
           fmt::format("the names take more than {} bytes", kMaxNameBytes));
    }
    BundleEntryProto entry;
    parse_message(cursor.value(), where(key), &entry);
    if (key.front() == '\0') {
      slice_entries_.emplace(key, std::move(entry));
    } else {
      entries_.emplace_back(key, std::move(entry));
    }
    last = key;
  }
}

const InputFile& IndexBuilder::shard(int number, const std::string& where) {
  if (number < 0 || number >= shard_count_) {
    fail(ErrorCategory::kCorrupt, where,
         fmt::format("the values are in data file {}, but there are {}", number, shard_count_));
  }
  const auto found = index_.shards.find(number);
  if (found != index_.shards.end()) return found->second;
  const auto path = v2_data_path(prefix_, number, shard_count_);
  try {
    return index_.shards.emplace(number, InputFile(path)).first->second;
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kNotFound) throw;
    fail(ErrorCategory::kNotFound, where,
         fmt::format("the values are in {}, which is missing: put it beside the index",
                     path.string()));
  }
}

V2Piece IndexBuilder::make_piece(const BundleEntryProto& entry, const TensorInfo& info,
                                 const std::string& where) {
  const InputFile& file = shard(entry.shard_id(), where);
  const auto byte_offset = static_cast<std::uint64_t>(entry.offset());
  const auto byte_count = static_cast<std::uint64_t>(entry.size());
  if (entry.offset() < 0 || entry.size() < 0 || !range_fits(byte_offset, byte_count, file.size())) {
    // A small file may be what was fetched instead of the values.
    constexpr std::uint64_t kSmallBytes = 1 << 16;
    const auto known = file.size() < kSmallBytes ? describe_known_file(file) : std::nullopt;
    if (known) {
      fail(ErrorCategory::kCorrupt, where, fmt::format("{} {}", file.path().string(), *known));
    }
    fail(
        ErrorCategory::kCorrupt, where,
        fmt::format("the values are {} bytes at byte {} of {}, which has {} bytes: it is truncated "
                    "or belongs to another checkpoint",
                    entry.size(), entry.offset(), file.path().string(), file.size()));
  }
  const bool has_own_size = info.dtype == DType::kString || info.dtype == DType::kOpaque;
  if (!has_own_size && byte_count != info.byte_size()) {
    fail(ErrorCategory::kCorrupt, where,
         fmt::format("the values have {} bytes, but {} {} needs {}", byte_count,
                     to_string(info.dtype), to_string(info.shape), info.byte_size()));
  }
  if (byte_count == 0 && entry.crc32c() != mask_crc(0)) {
    fail(ErrorCategory::kCorrupt, where, "the checksum of an empty tensor is wrong");
  }
  return V2Piece{.shard = &file,
                 .byte_offset = byte_offset,
                 .byte_count = byte_count,
                 .masked_crc = entry.crc32c()};
}

void IndexBuilder::add_slices(const BundleEntryProto& entry, V2Tensor* tensor) {
  const std::string& name = tensor->info.name;
  for (const auto& proto : entry.slices()) tensor->slices.push_back(slice_from_proto(proto));
  check_tiling(tensor->info.shape, tensor->slices, where(name));
  for (const TensorSlice& slice : tensor->slices) {
    const auto found = slice_entries_.find(slice_key(name, slice));
    const TensorInfo info{
        .name = name, .dtype = tensor->info.dtype, .shape = slice_shape(tensor->info.shape, slice)};
    if (found == slice_entries_.end() || found->second.dtype() != entry.dtype() ||
        shape_from_proto(found->second.shape(), info.dtype, where(name)) != info.shape) {
      fail(ErrorCategory::kCorrupt, where(name),
           fmt::format("its slice of shape {} is missing or of another type or shape",
                       to_string(info.shape)));
    }
    tensor->pieces.push_back(make_piece(found->second, info, where(name)));
  }
}

// The bytes of all pieces together, which have to be equally many for each element of a tensor in
// several pieces.
void IndexBuilder::set_opaque_size(V2Tensor* tensor) {
  std::uint64_t& total = tensor->info.opaque.byte_size;
  for (const V2Piece& piece : tensor->pieces) {
    if (!checked_add(total, piece.byte_count, &total)) {
      fail(ErrorCategory::kCorrupt, where(tensor->info.name), "its sizes do not fit in 64 bits");
    }
  }
  if (tensor->pieces.size() == 1) return;
  const std::uint64_t elements = element_count(tensor->info.shape);
  const std::uint64_t element_bytes = elements == 0 ? 0 : total / elements;
  for (std::size_t i = 0; i < tensor->pieces.size(); ++i) {
    const std::uint64_t count = element_count(slice_shape(tensor->info.shape, tensor->slices[i]));
    if (tensor->pieces[i].byte_count == count * element_bytes) continue;
    fail(ErrorCategory::kCorrupt, where(tensor->info.name),
         fmt::format("its slices have {} bytes for {} elements of type {}, which are not equally "
                     "large",
                     total, elements, tensor->info.type_name()));
  }
}

V2Tensor IndexBuilder::make_tensor(const std::string& name, const BundleEntryProto& entry) {
  V2Tensor tensor;
  tensor.info.name = name;
  set_tensorflow_type(entry.dtype(), where(name), &tensor.info);
  tensor.info.shape = shape_from_proto(entry.shape(), tensor.info.dtype, where(name));
  if (entry.slices_size() > 0) {
    add_slices(entry, &tensor);
  } else {
    tensor.slices.emplace_back(tensor.info.shape.size());
    tensor.pieces.push_back(make_piece(entry, tensor.info, where(name)));
  }
  if (tensor.info.dtype == DType::kOpaque) set_opaque_size(&tensor);
  return tensor;
}

V2Index IndexBuilder::build() {
  TableCursor cursor = table_.begin();
  read_header(cursor);
  cursor.next();
  read_entries(std::move(cursor));
  index_.tensors.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) index_.tensors.push_back(make_tensor(name, entry));
  return std::move(index_);
}

}  // namespace

V2Index read_v2_index(const std::filesystem::path& prefix) { return IndexBuilder(prefix).build(); }

std::filesystem::path v2_index_path(const std::filesystem::path& prefix) {
  std::filesystem::path path = prefix;
  path += ".index";
  return path;
}

std::filesystem::path v2_data_path(const std::filesystem::path& prefix, int shard,
                                   int shard_count) {
  std::filesystem::path path = prefix;
  path += fmt::format(".data-{:05}-of-{:05}", shard, shard_count);
  return path;
}

}  // namespace narrow
