#include "checkpoint/hdf5/structure/hdf5_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/checked.h"
#include "checkpoint/hdf5/structure/hdf5_chunk_index.h"

namespace narrow {
namespace {

const Hdf5Message* find_own(const Hdf5File& file, const Hdf5Object& object, Hdf5MessageType type,
                            std::string_view what) {
  const Hdf5Message* message = object.find(type);
  if (message != nullptr && message->is_shared) {
    file.throw_unsupported(fmt::format("a {} that several objects share", what));
  }
  return message;
}

const Hdf5Message& need(const Hdf5File& file, const Hdf5Object& object, Hdf5MessageType type,
                        std::string_view what) {
  const Hdf5Message* message = find_own(file, object, type, what);
  if (message == nullptr) {
    file.throw_corrupt(object.address, fmt::format("a dataset without {}", what));
  }
  return *message;
}

std::string_view name_of_filter(std::uint16_t id) {
  switch (id) {
    case 4:
      return "szip";
    case 5:
      return "n-bit";
    case 6:
      return "scale-offset";
    case 32000:
      return "LZF";
    default:
      return "unknown";
  }
}

Hdf5Filter to_filter(const Hdf5File& file, std::uint16_t id) {
  if (id < 1 || id > 3) {
    file.throw_unsupported(
        fmt::format("chunks under the {} filter (number {})", name_of_filter(id), id));
  }
  return static_cast<Hdf5Filter>(id);
}

// IV.A.2.l
std::vector<Hdf5Filter> read_filters(const Hdf5File& file, Hdf5Cursor cursor) {
  constexpr std::uint16_t kFirstNamed = 256;
  const std::uint8_t version = cursor.take_version(1, 2);
  const std::uint8_t count = cursor.take_u8();
  if (version == 1) cursor.skip(6);
  std::vector<Hdf5Filter> filters;
  for (std::uint8_t i = 0; i < count; ++i) {
    const std::uint16_t id = cursor.take_u16();
    const std::uint16_t name_bytes = version == 1 || id >= kFirstNamed ? cursor.take_u16() : 0;
    cursor.skip(2);
    const std::uint64_t values = cursor.take_u16();
    const bool is_padded = version == 1;
    cursor.skip(is_padded ? (name_bytes + 7U) / 8 * 8 : name_bytes);
    const Hdf5Filter filter = to_filter(file, id);
    if (std::ranges::find(filters, filter) != filters.end()) {
      file.throw_unsupported("chunks that pass a filter twice");
    }
    filters.push_back(filter);
    cursor.skip(4 * (values + (is_padded && values % 2 == 1 ? 1 : 0)));
  }
  return filters;
}

// IV.A.2.e and f: versions 1 and 2 count the bytes of the value, if there is one; 3 has flags.
std::vector<std::byte> read_fill(const Hdf5File& file, const Hdf5Object& object,
                                 std::uint64_t element_bytes) {
  const Hdf5Message* message = find_own(file, object, Hdf5MessageType::kFillValue, "fill value");
  const bool is_old = message == nullptr;
  if (is_old) message = find_own(file, object, Hdf5MessageType::kOldFillValue, "fill value");
  if (message == nullptr) return {};
  Hdf5Cursor cursor = message->cursor(file, "fill value");
  if (!is_old) {
    const std::uint8_t version = cursor.take_version(1, 3);
    if (version == 3) {
      if ((cursor.take_u8() & 1 << 5) == 0) return {};
    } else {
      cursor.skip(2);
      if (cursor.take_u8() == 0) return {};
    }
  }
  const std::uint32_t size = cursor.take_u32();
  if (size == 0) return {};
  if (size != element_bytes) cursor.throw_corrupt(fmt::format("has {} bytes", size));
  const auto bytes = cursor.take_bytes(size);
  return {bytes.begin(), bytes.end()};
}

// IV.A.2.i, of the versions 3 to 5 (the last, of HDF5 2.0, has longer sizes of filtered chunks in
// its arrays), and what 1 and 2 say in another order.
class LayoutReader {
 public:
  LayoutReader(const Hdf5File& file, const Hdf5Message& message, Hdf5Dataset* dataset)
      : file_(file),
        message_(message),
        cursor_(message.cursor(file, "data layout")),
        dataset_(*dataset) {}

  void read() {
    version_ = cursor_.take_version(1, 5);
    if (version_ < 3) return read_old();
    switch (cursor_.take_u8()) {
      case 0:
        return read_compact(cursor_.take_u16());
      case 1: {
        const std::uint64_t address = cursor_.take_u64();
        return set_contiguous(address, cursor_.take_u64());
      }
      case 2:
        dataset_.layout = Hdf5Dataset::Layout::kChunked;
        return version_ == 3 ? read_chunked_3() : read_chunked_4();
      default:
        file_.throw_unsupported("a virtual dataset, whose values lie in others");
    }
  }

 private:
  void read_old() {
    const std::uint8_t rank = cursor_.take_u8();
    const std::uint8_t kind = cursor_.take_u8();
    cursor_.skip(5);
    const std::uint64_t address = kind == 0 ? 0 : cursor_.take_u64();
    std::vector<std::uint64_t> dims;
    for (std::uint8_t i = 0; i < rank; ++i) dims.push_back(cursor_.take_u32());
    if (kind == 0) return read_compact(cursor_.take_u32());
    if (kind == 1) return set_contiguous(address, dataset_.byte_size());
    dataset_.layout = Hdf5Dataset::Layout::kChunked;
    set_chunk_shape(std::move(dims));
    read_hdf5_chunk_tree(file_, address, &dataset_);
  }

  void read_compact(std::uint64_t size) {
    dataset_.layout = Hdf5Dataset::Layout::kCompact;
    dataset_.address = cursor_.address();
    dataset_.stored_bytes = size;
    dataset_.header_block = message_.block;
    dataset_.header_block_bytes = message_.block_bytes;
    cursor_.skip(size);
    check_size();
  }

  void set_contiguous(std::uint64_t address, std::uint64_t size) {
    dataset_.address = address;
    dataset_.stored_bytes = size;
    if (address == kNoHdf5Address || dataset_.byte_size() == 0) return;
    file_.require(address, size, "dataset");
    check_size();
  }

  void check_size() const {
    if (dataset_.stored_bytes == dataset_.byte_size()) return;
    cursor_.throw_corrupt(
        fmt::format("has {} bytes for values of {}", dataset_.stored_bytes, dataset_.byte_size()));
  }

  void read_chunked_3() {
    const std::uint8_t rank = cursor_.take_u8();
    const std::uint64_t address = cursor_.take_u64();
    std::vector<std::uint64_t> dims;
    for (std::uint8_t i = 0; i < rank; ++i) dims.push_back(cursor_.take_u32());
    set_chunk_shape(std::move(dims));
    read_hdf5_chunk_tree(file_, address, &dataset_);
  }

  void read_chunked_4() {
    constexpr std::uint8_t kPlainEdges = 1 << 0;
    constexpr std::uint8_t kFilteredSingle = 1 << 1;
    const std::uint8_t flags = cursor_.take_u8();
    if ((flags & kPlainEdges) != 0)
      file_.throw_unsupported("chunks whose last ones are unfiltered");
    const std::uint8_t rank = cursor_.take_u8();
    const std::uint8_t bytes = cursor_.take_u8();
    if (bytes > 8) cursor_.throw_corrupt("has sizes of more than 8 bytes");
    std::vector<std::uint64_t> dims;
    for (std::uint8_t i = 0; i < rank; ++i) dims.push_back(cursor_.take(bytes));
    set_chunk_shape(std::move(dims));
    read_hdf5_chunk_index_4(file_, (flags & kFilteredSingle) != 0, cursor_, &dataset_);
  }

  // The last dimension is the bytes of an element.
  void set_chunk_shape(std::vector<std::uint64_t> dims) {
    const bool is_sound = dims.size() == dataset_.shape.size() + 1 && dims.size() > 1 &&
                          dims.back() == dataset_.type.size &&
                          std::ranges::find(dims, 0U) == dims.end();
    if (!is_sound) cursor_.throw_corrupt("has chunks of another shape or type than the dataset");
    std::uint64_t bytes = 1;
    for (const std::uint64_t dim : dims) {
      if (!checked_mul(bytes, dim, &bytes) || bytes > 0xffffffff) {
        cursor_.throw_corrupt("has chunks of 4 GiB or more");
      }
    }
    dims.pop_back();
    dataset_.chunk_shape = std::move(dims);
  }

  const Hdf5File& file_;
  const Hdf5Message& message_;
  Hdf5Cursor cursor_;
  Hdf5Dataset& dataset_;
  std::uint8_t version_ = 0;
};

}  // namespace

std::uint64_t Hdf5Dataset::byte_size() const {
  std::uint64_t bytes = 0;
  if (!checked_mul(element_count(shape), type.size, &bytes)) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("a dataset of {} elements of {} bytes cannot be", to_string(shape), type.size));
  }
  return bytes;
}

Hdf5Dataset read_hdf5_dataset(const Hdf5File& file, const Hdf5Object& object) {
  if (object.find(Hdf5MessageType::kExternalFiles) != nullptr) {
    file.throw_unsupported("a dataset whose values lie in other files");
  }
  Hdf5Dataset dataset;
  Hdf5Cursor type =
      need(file, object, Hdf5MessageType::kDatatype, "datatype").cursor(file, "datatype");
  dataset.type = read_hdf5_type(type);
  const auto shape = read_hdf5_shape(
      need(file, object, Hdf5MessageType::kDataspace, "dataspace").cursor(file, "dataspace"));
  dataset.shape = shape.value_or(Shape{0});
  dataset.fill = read_fill(file, object, dataset.type.size);
  if (const Hdf5Message* filters =
          find_own(file, object, Hdf5MessageType::kFilters, "filter pipeline")) {
    dataset.filters = read_filters(file, filters->cursor(file, "filter pipeline"));
  }
  const Hdf5Message& layout = need(file, object, Hdf5MessageType::kLayout, "data layout");
  LayoutReader(file, layout, &dataset).read();
  return dataset;
}

}  // namespace narrow
