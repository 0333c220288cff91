// Structures that are written, as little-endian fields one after another.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace narrow {

class Hdf5Record {
 public:
  template <typename T>
  Hdf5Record& add(T value) {
    const std::size_t end = text_.size();
    text_.resize(end + sizeof(T));
    store_le(text_.data() + end, value);
    return *this;
  }
  Hdf5Record& add_text(std::string_view text) {
    text_ += text;
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace narrow
