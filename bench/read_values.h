// Files of values as they lie in memory, which benchmarks take.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace narrow {

template <typename Value>
std::vector<Value> read_values(const std::string& path) {
  const InputFile file(path);
  std::vector<Value> values(static_cast<std::size_t>(file.size()) / sizeof(Value));
  file.read_at(0, std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace narrow
