// The values of a constant that lie in the field of their type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "checkpoint/tensorflow/graph/graph_constants.h"
#include "checkpoint/tensorflow/v1/v1_values.h"
#include "narrow/checkpoint.h"

namespace narrow {

// Holds the TensorProto. Fewer values than elements: the last one is repeated.
class ConstantStream final : public TensorStream {
 public:
  // `where` names file and node in errors.
  ConstantStream(const InputFile& file, const GraphConstant& constant, const std::string& where);

  void read(std::span<std::byte> out) override;

 private:
  std::string name_;
  std::string tensor_;
  V1ValueDecoder decoder_;
  std::uint64_t stored_bytes_;  // that the decoder has left
  std::uint64_t left_;          // bytes that read() may give
  std::string last_;            // the element given last
  std::size_t next_ = 0;        // byte of it
};

// The strings of a constant of that type, the last one repeated.
std::vector<std::string> read_constant_strings(const InputFile& file, const GraphConstant& constant,
                                               const std::string& where);

}  // namespace narrow
