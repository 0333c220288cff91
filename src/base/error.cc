#include "narrow/error.h"

namespace narrow {

const char* to_string(ErrorCategory category) noexcept {
  switch (category) {
    case ErrorCategory::kUsage:
      return "usage";
    case ErrorCategory::kNotFound:
      return "not_found";
    case ErrorCategory::kCorrupt:
      return "corrupt";
    case ErrorCategory::kUnsupported:
      return "unsupported";
    case ErrorCategory::kNumeric:
      return "numeric";
    case ErrorCategory::kExists:
      return "exists";
    case ErrorCategory::kIo:
      return "io";
    case ErrorCategory::kInterrupted:
      return "interrupted";
  }
  return "unknown";
}

}  // namespace narrow
