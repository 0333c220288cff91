// The values of one slice of a TensorFlow V1 checkpoint: a TensorProto inside a SavedTensorSlices
// message, decoded where it lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensorflow/slices/tensor_slices.h"
#include "narrow/tensor.h"

namespace narrow {

// Finds the TensorProto in `value`, a table entry that must hold `slice` of the tensor `name`.
// Throws Error(kCorrupt); `where` names file and tensor.
std::string_view find_v1_tensor(std::string_view value, const std::string& name,
                                const TensorSlice& slice, const std::string& where);

// The number of the field of a TensorProto that holds the elements of a type; nothing for one that
// V1 files do not have.
std::optional<std::uint32_t> v1_value_field(DType dtype);

// Delivers the elements of a TensorProto in order, whatever mixture of packed, unpacked and
// tensor_content fields it uses.
class V1ValueDecoder {
 public:
  // `tensor` must outlive the decoder; it holds `element_count` elements of `dtype`, which is not
  // kString. Throws Error(kUnsupported) for a type that V1 files do not have.
  V1ValueDecoder(std::string_view tensor, DType dtype, std::uint64_t element_count,
                 std::string where);

  // Fills `out`. Throws Error: kCorrupt for too few values, and with the last byte for too many;
  // kUsage beyond the end.
  void read(std::span<std::byte> out);

 private:
  void next_chunk();
  void read_varints(std::span<std::byte> out);
  void decode_element();
  void check_nothing_follows();

  std::string where_;
  DType dtype_;
  std::size_t element_bytes_;
  std::uint64_t undelivered_bytes_;
  std::string_view rest_;   // of the TensorProto, after the current chunk
  std::string_view chunk_;  // raw values, or varints
  bool chunk_is_varints_ = false;
  // A varint element that did not fit in the caller's buffer.
  std::byte element_[sizeof(std::uint64_t)] = {};
  std::size_t element_left_ = 0;
};

// The `element_count` strings of a TensorProto. Throws Error(kCorrupt).
std::vector<std::string> decode_v1_strings(std::string_view tensor, std::uint64_t element_count,
                                           const std::string& where);

}  // namespace narrow
