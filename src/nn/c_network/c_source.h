// The text of a C source while it is put together: functions as they are needed, arrays, layers and
// the calls in their order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "nn/c_network/c_kernels.h"

namespace narrow::c_network {

// What may stand in a comment: one line, in which nothing begins or ends one.
std::string comment_text(std::string_view text);

// Where elements lie: in an array of the caller, or in memory that is lent.
struct Buffer {
  ElementType type;
  std::uint64_t elements = 0;
  std::string parameter;  // of the caller; empty for memory
};
// Index of a buffer.
using BufferId = std::size_t;

class CSource {
 public:
  explicit CSource(const IntegerArithmetic& arithmetic) : arithmetic_(arithmetic) {}

  BufferId add_buffer(Buffer buffer);
  // Makes it an array of the caller.
  void name_buffer(BufferId id, const std::string& parameter) {
    buffers_[id].parameter = parameter;
  }
  [[nodiscard]] const Buffer& buffer(BufferId id) const { return buffers_[id]; }

  // A constant array; counted in constant_bytes.
  void add_array(ElementType type, const std::string& name,
                 const std::vector<std::int64_t>& values);
  // Weights, two a byte where all of them have 4 bits. The type that they take.
  ElementType add_weights(const std::string& name, const std::vector<std::int64_t>& values);
  // "static const TYPE NAME = { FIELDS };"
  void add_layer(const std::string& type, const std::string& name, const std::string& fields);
  // NAME(&LAYER, FROM..., TO). The kernel's text appears once.
  void add_call(const Kernel& kernel, const std::string& layer, std::vector<BufferId> from,
                BufferId to, const std::string& comment);
  // A function that kernels use.
  void add_helper(const Kernel& kernel);

  RequantizationUse use;

  // Places buffers in memory. After the last call.
  void plan_memory();
  [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }
  [[nodiscard]] std::uint64_t constant_bytes() const { return constant_bytes_; }
  [[nodiscard]] std::uint64_t weight_bytes() const { return weight_bytes_; }

  // Everything but the head of the file and the signature: structures, functions, constants.
  [[nodiscard]] std::string definitions() const;
  // What the function does, line by line.
  [[nodiscard]] std::string body() const;

 private:
  struct Call {
    std::string kernel;
    std::string layer;
    std::vector<BufferId> from;
    BufferId to = 0;
    std::string comment;
  };
  [[nodiscard]] std::string place_of(BufferId id, bool is_read) const;
  [[nodiscard]] bool has(const std::string& kernel) const;

  IntegerArithmetic arithmetic_;
  std::vector<Buffer> buffers_;
  std::vector<std::uint64_t> byte_offsets_;  // by buffer
  std::vector<Kernel> helpers_;
  std::vector<Kernel> kernels_;
  std::map<std::string, bool> layer_types_;
  std::string constants_;
  std::vector<Call> calls_;
  std::uint64_t constant_bytes_ = 0;
  std::uint64_t weight_bytes_ = 0;
  std::uint64_t memory_bytes_ = 0;
};

}  // namespace narrow::c_network
