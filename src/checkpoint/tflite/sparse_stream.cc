// The dimensions of a sparse tensor, in an order of their own and some of them cut into blocks, are
// the levels of a tree. A dense level has all its indices below every node; a sparse one has lists
// of indices, one a node. The leaves in order are the stored values.
#include "checkpoint/tflite/sparse_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "base/checked.h"
#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/tflite/flat_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

struct Indices {
  FlatVector numbers;
  unsigned bytes = 1;  // of a number
};

struct Level {
  std::uint64_t size = 0;
  std::uint64_t step = 0;           // elements of the dense tensor from one index to the next
  std::optional<Indices> segments;  // of a sparse level: where the list of each node begins
  Indices indices;
};

class SparseTree {
 public:
  SparseTree(const InputFile& file, const TfliteTensor& tensor, std::uint64_t values)
      : flat_(file), tensor_(tensor), values_(values) {}

  // For each stored value the element of the dense tensor that it is.
  std::vector<std::uint64_t> leaves() {
    read_levels();
    std::vector<std::uint64_t> nodes = {0};
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      nodes = levels_[i].segments ? expand_sparse(levels_[i], nodes) : expand_dense(i, nodes);
    }
    if (nodes.size() != values_) refuse("has other places than values");
    return nodes;
  }

 private:
  [[noreturn]] void refuse(std::string_view problem) const {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is damaged: the sparse tensor '{}' {}",
                            flat_.file().path().string(), tensor_.info.name, problem));
  }

  std::vector<std::int32_t> numbers(const FlatTable& table, unsigned field) {
    const FlatVector found = table.vector(field, sizeof(std::int32_t));
    flat_.charge(found.count * sizeof(std::int32_t));
    std::vector<std::int32_t> all;
    for (std::uint32_t i = 0; i < found.count; ++i) {
      all.push_back(flat_.scalar<std::int32_t>(found.offset + 4 * std::uint64_t{i}));
    }
    return all;
  }

  // A union SparseIndexVector: its kind in `field`, its table in the next one.
  Indices index_vector(const FlatTable& table, unsigned field) {
    constexpr unsigned kBytes[] = {4, 2, 1};  // Int32Vector, Uint16Vector, Uint8Vector
    const auto kind = table.scalar<std::uint8_t>(field, 0);
    const auto vector = table.table(field + 1);
    if (kind < 1 || kind > 3 || !vector) refuse("has no indices");
    const unsigned bytes = kBytes[kind - 1];
    const Indices found{vector->vector(0, bytes), bytes};
    flat_.charge(std::uint64_t{found.numbers.count} * bytes);
    return found;
  }

  std::uint64_t index_at(const Indices& indices, std::uint64_t i) {
    const std::uint64_t place = indices.numbers.offset + i * indices.bytes;
    if (indices.bytes == 1) return flat_.scalar<std::uint8_t>(place);
    if (indices.bytes == 2) return flat_.scalar<std::uint16_t>(place);
    return flat_.scalar<std::uint32_t>(place);  // one below 0 is too large
  }

  void read_levels() {
    constexpr unsigned kOrder = 0;
    constexpr unsigned kBlockMap = 1;
    constexpr unsigned kDimensions = 2;
    constexpr unsigned kFormat = 0;
    constexpr unsigned kDenseSize = 1;
    constexpr unsigned kSegments = 2;
    constexpr unsigned kIndices = 4;
    const FlatTable table(flat_, tensor_.sparsity);
    const std::vector<std::int32_t> order = numbers(table, kOrder);
    const std::vector<std::int32_t> blocks = numbers(table, kBlockMap);
    const FlatVector dimensions = table.vector(kDimensions, sizeof(std::uint32_t));
    std::vector<std::int32_t> sorted = order;
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (std::cmp_not_equal(sorted[i], i)) refuse("has an order of dimensions that is none");
    }
    const std::size_t rank = tensor_.info.shape.size();
    if (blocks.size() > rank || order.size() != rank + blocks.size() ||
        dimensions.count != order.size()) {
      refuse("has another number of dimensions than its shape");
    }
    for (std::uint32_t i = 0; i < dimensions.count; ++i) {
      const FlatTable dimension = FlatTable::at(flat_, dimensions.offset + 4 * std::uint64_t{i});
      Level& level = levels_.emplace_back();
      level.size = dimension.scalar<std::uint32_t>(kDenseSize, 0);
      if (dimension.scalar<std::int8_t>(kFormat, 0) == 0) continue;
      level.segments = index_vector(dimension, kSegments);
      level.indices = index_vector(dimension, kIndices);
    }
    set_steps(order, blocks);
  }

  // Of a dimension in blocks the number of the block is one level, the place in it another.
  void set_steps(std::span<const std::int32_t> order, std::span<const std::int32_t> blocks) {
    const Shape& shape = tensor_.info.shape;
    std::vector<std::uint64_t> steps(shape.size(), 1);
    for (std::size_t i = shape.size(); i-- > 1;) {
      steps[i - 1] = steps[i] * static_cast<std::uint64_t>(shape[i]);
    }
    std::vector<std::uint64_t> block_sizes(shape.size(), 1);
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (std::cmp_less(order[i], shape.size())) continue;
      const std::int32_t dim = blocks[static_cast<std::size_t>(order[i]) - shape.size()];
      if (dim < 0 || std::cmp_greater_equal(dim, shape.size()))
        refuse("has blocks of no dimension");
      const auto at = static_cast<std::size_t>(dim);
      const std::uint64_t size = levels_[i].size;
      const bool fits = size > 0 && static_cast<std::uint64_t>(shape[at]) % size == 0;
      if (levels_[i].segments || block_sizes[at] != 1 || !fits) {
        refuse("has blocks that do not fit its shape");
      }
      block_sizes[at] = size;
      levels_[i].step = steps[at];
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (std::cmp_greater_equal(order[i], shape.size())) continue;
      const auto at = static_cast<std::size_t>(order[i]);
      const std::uint64_t size = static_cast<std::uint64_t>(shape[at]) / block_sizes[at];
      if (!levels_[i].segments && levels_[i].size != size) {
        refuse("has a dense dimension of another size than its shape");
      }
      levels_[i].size = size;
      levels_[i].step = steps[at] * block_sizes[at];
    }
  }

  std::vector<std::uint64_t> expand_dense(std::size_t at, std::span<const std::uint64_t> nodes) {
    // What is below must exist in the file before this takes memory.
    std::uint64_t below = nodes.size();
    std::uint64_t expected = values_;
    for (std::size_t i = at; i < levels_.size(); ++i) {
      if (levels_[i].segments) {
        expected = std::uint64_t{levels_[i].segments->numbers.count} - 1;
        break;
      }
      if (!checked_mul(below, levels_[i].size, &below)) refuse("has too many places");
    }
    if (below != expected) refuse("has other places than values");
    std::vector<std::uint64_t> expanded;
    for (const std::uint64_t node : nodes) {
      for (std::uint64_t i = 0; i < levels_[at].size; ++i) {
        expanded.push_back(node + i * levels_[at].step);
      }
    }
    return expanded;
  }

  std::vector<std::uint64_t> expand_sparse(const Level& level,
                                           std::span<const std::uint64_t> nodes) {
    if (level.segments->numbers.count != nodes.size() + 1) {
      refuse("has another number of lists of indices than it needs");
    }
    std::vector<std::uint64_t> expanded;
    std::uint64_t begin = index_at(*level.segments, 0);
    if (begin != 0) refuse("has lists of indices that do not follow each other");
    for (std::size_t node = 0; node < nodes.size(); ++node) {
      const std::uint64_t end = index_at(*level.segments, node + 1);
      if (end < begin || end > level.indices.numbers.count) {
        refuse("has lists of indices that do not follow each other");
      }
      for (; begin < end; ++begin) {
        const std::uint64_t index = index_at(level.indices, begin);
        if (index >= level.size) refuse("has an index outside of its shape");
        expanded.push_back(nodes[node] + index * level.step);
      }
    }
    return expanded;
  }

  FlatFile flat_;
  const TfliteTensor& tensor_;
  std::uint64_t values_;
  std::vector<Level> levels_;
};

class SparseStream final : public TensorStream {
 public:
  SparseStream(const InputFile& file, const TfliteTensor& tensor)
      : name_(tensor.info.name),
        element_bytes_(element_size(tensor.info.dtype)),
        bytes_(tensor.info.byte_size()),
        values_(tensor.bytes) {
    const std::uint64_t count = tensor.bytes / element_bytes_;
    const std::vector<std::uint64_t> leaves = SparseTree(file, tensor, count).leaves();
    for (std::size_t i = 0; i < leaves.size(); ++i) places_.push_back({leaves[i], i});
    std::ranges::sort(places_, {}, &Place::element);
    const auto twin = std::ranges::adjacent_find(places_, {}, &Place::element);
    if (twin != places_.end()) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{} is damaged: the sparse tensor '{}' has two values for element {}",
                              file.path().string(), name_, twin->element));
    }
    file.read_at(tensor.offset, values_);
  }

  void read(std::span<std::byte> out) override {
    if (out.size() > bytes_ - begin_) throw_past_end(name_, out.size(), bytes_ - begin_);
    std::ranges::fill(out, std::byte{0});
    const std::uint64_t end = begin_ + out.size();
    for (; next_ < places_.size(); ++next_) {
      const std::uint64_t first = places_[next_].element * element_bytes_;
      const std::uint64_t from = std::max(first, begin_);
      const std::uint64_t to = std::min(first + element_bytes_, end);
      if (first >= end) break;
      std::memcpy(out.data() + (from - begin_),
                  values_.data() + places_[next_].value * element_bytes_ + (from - first),
                  to - from);
      if (first + element_bytes_ > end) break;
    }
    begin_ = end;
  }

 private:
  struct Place {
    std::uint64_t element = 0;
    std::uint64_t value = 0;  // which of those stored
  };

  std::string name_;
  std::size_t element_bytes_;
  std::uint64_t bytes_;
  std::uint64_t begin_ = 0;
  std::vector<Place> places_;  // by element
  std::size_t next_ = 0;
  std::vector<std::byte> values_;
};

}  // namespace

std::unique_ptr<TensorStream> open_sparse(const InputFile& file, const TfliteTensor& tensor) {
  return std::make_unique<SparseStream>(file, tensor);
}

}  // namespace narrow
