// A stream over consecutive bytes of a file.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/read_ahead.h"
#include "narrow/checkpoint.h"
#include "narrow/error.h"

namespace narrow {

// Throws the Error(kUsage) of a read past the end of a tensor.
[[noreturn]] inline void throw_past_end(const std::string& name, std::uint64_t wanted,
                                        std::uint64_t left) {
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} bytes of tensor {} were asked for, but only {} are left", wanted,
                          name, left));
}

class FileRangeStream final : public TensorStream {
 public:
  // [offset, offset + size) has been checked against the size of `file`, which must outlive this.
  FileRangeStream(const InputFile& file, std::string name, std::uint64_t offset, std::uint64_t size)
      : file_(file),
        name_(std::move(name)),
        offset_(offset),
        left_(size),
        ahead_(offset, offset + size) {}

  void read(std::span<std::byte> out) override {
    if (out.size() > left_) throw_past_end(name_, out.size(), left_);
    ahead_.reach(file_, offset_ + out.size());
    file_.read_at(offset_, out);
    offset_ += out.size();
    left_ -= out.size();
  }

 private:
  const InputFile& file_;
  std::string name_;
  std::uint64_t offset_;
  std::uint64_t left_;
  ReadAhead ahead_;
};

}  // namespace narrow
