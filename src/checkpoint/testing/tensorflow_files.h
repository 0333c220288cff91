// For tests: the checkpoints in tests/golden/tensorflow and what TensorFlow reads from them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "narrow/checkpoint.h"
#include "narrow/error.h"

namespace narrow {

// An empty directory that goes away with its content.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "narrow-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch directory");
    path_ = name;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void put_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good()) << path;
}

// "01 ab": the bytes that hexadecimal digits stand for; spaces and line ends are skipped.
inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ' || c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return bytes;
}

inline std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(std::getenv("NARROW_SOURCE_DIR")) / "tests/golden/tensorflow" / name;
}

inline DType dtype_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(DType::kFloat8E5M2); ++i) {
    if (to_string(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  }
  throw std::runtime_error("no type " + name);
}

struct GoldenTensor {
  TensorInfo info;
  std::string bytes;                 // unless `crc` says it all
  std::optional<std::uint32_t> crc;  // of the bytes
  std::vector<std::string> strings;
};

// The format is described in make_golden.py.
inline std::vector<GoldenTensor> golden_values(const std::string& name) {
  std::vector<GoldenTensor> tensors;
  std::istringstream lines(file_bytes(golden_path(name + ".values")));
  for (std::string tensor_name, dtype, shape, values;
       lines >> tensor_name >> dtype >> shape >> values;) {
    GoldenTensor tensor;
    tensor.info = {.name = tensor_name, .dtype = dtype_named(dtype), .shape = {}};
    std::istringstream dims(shape == "-" ? "" : shape);
    for (std::string dim; std::getline(dims, dim, ',');) {
      tensor.info.shape.push_back(std::stoll(dim));
    }
    if (values.starts_with("crc32c:")) {
      tensor.crc = static_cast<std::uint32_t>(std::stoul(values.substr(7), nullptr, 16));
    } else if (tensor.info.dtype == DType::kString) {
      std::istringstream elements(values == "-" ? "" : values);
      for (std::string element; std::getline(elements, element, ',');) {
        tensor.strings.push_back(from_hex(element.substr(1)));
      }
    } else if (values != "-") {
      tensor.bytes = from_hex(values);
    }
    tensors.push_back(std::move(tensor));
  }
  EXPECT_FALSE(tensors.empty()) << name;
  return tensors;
}

inline std::string tensor_bytes(const CheckpointReader& reader, std::size_t index) {
  std::string bytes(reader.tensors()[index].byte_size(), '\0');
  reader.read(index, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// Whether tensor `index` has the expected values; throws what reading throws.
inline bool has_values(const CheckpointReader& reader, std::size_t index,
                       const GoldenTensor& expected) {
  if (expected.info.dtype == DType::kString) return reader.read_strings(index) == expected.strings;
  const std::string bytes = tensor_bytes(reader, index);
  return expected.crc ? crc32c(as_byte_span(bytes)) == *expected.crc : bytes == expected.bytes;
}

// Copies every tensor, in order, and finishes.
inline void copy_checkpoint(const CheckpointReader& reader, CheckpointWriter* writer) {
  for (const TensorInfo& info : reader.tensors()) writer->add(info);
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    if (reader.tensors()[i].dtype == DType::kString) {
      writer->write_strings(reader.read_strings(i));
    } else {
      writer->write(as_byte_span(tensor_bytes(reader, i)));
    }
  }
  writer->finish();
}

}  // namespace narrow
