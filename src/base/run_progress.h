// What jobs say to their observer, who may be absent.
#pragma once

#include <cstdint>
#include <string>

#include "narrow/error.h"
#include "narrow/run_options.h"

namespace narrow {

// Throws Error(kInterrupted) when the observer wants the job to stop.
inline void report_progress(Observer* observer, std::uint64_t done, std::uint64_t total,
                            ProgressUnit unit) {
  if (observer != nullptr && !observer->on_progress(done, total, unit)) {
    throw Error(ErrorCategory::kInterrupted, "interrupted; nothing was written");
  }
}

inline void report_note(Observer* observer, const std::string& sentence) {
  if (observer != nullptr) observer->on_note(sentence);
}

}  // namespace narrow
