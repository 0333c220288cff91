// One attempt at a transfer, and what to do after it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "data/download/download.h"
#include "narrow/error.h"

namespace narrow {

enum class TransferOutcome {
  kComplete,
  kUnsatisfiable,  // the server says that there is nothing after the part
  kCannotResume,   // the server does not send parts of a file
  kBroken,         // worth another attempt
  kRefused,        // not worth one
};

struct TransferReport {
  TransferOutcome outcome = TransferOutcome::kComplete;
  std::string reason;                           // empty when complete
  ErrorCategory category = ErrorCategory::kIo;  // of kRefused
};

// Throws Error(kUsage) unless the URL begins with http://, https:// or file://.
void check_url(const std::string& url);

// Appends what follows the `resume_from` bytes in `part`. Throws Error(kIo) when the file cannot be
// written, Error(kInterrupted) when the observer stops it, Error(kCorrupt) beyond max_bytes.
TransferReport transfer(const DownloadRequest& request, const std::filesystem::path& part,
                        std::uint64_t resume_from, TransferObserver& observer);

}  // namespace narrow
