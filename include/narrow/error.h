// The one exception type of the library.
//
// The library never prints and never exits: what goes wrong is thrown as an Error whose text is a
// full sentence for the person at the terminal: what, where (file, tensor, byte offset), what was
// found, what was expected, and what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace narrow {

enum class ErrorCategory {
  kUsage,        // the request contradicts itself or is out of range
  kNotFound,     // a file, tensor or pattern does not exist
  kCorrupt,      // a file breaks the rules of its format, or a checksum
  kUnsupported,  // valid, but outside what this library does
  kNumeric,      // values that cannot be quantized: NaN, infinity
  kExists,       // a result is already there and replacing it was not asked for
  kIo,           // the operating system refused
  kInterrupted,  // the caller asked to stop
};

// One word for a category, as used in JSON output.
const char* to_string(ErrorCategory category) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorCategory category, const std::string& sentence)
      : std::runtime_error(sentence), category_(category) {}
  [[nodiscard]] ErrorCategory category() const noexcept { return category_; }

 private:
  ErrorCategory category_;
};

}  // namespace narrow
