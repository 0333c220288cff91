// How a job runs, whatever it does: on how many threads, and who is told of its progress.
#pragma once

#include <cstdint>
#include <string>

#include "narrow/export.h"

namespace narrow {

enum class ProgressUnit { kBytes, kImages, kSteps };

// Follows a job. Called by one thread at a time, which need not be the caller's. Jobs with more to
// tell derive an observer of their own. A function may also throw; that stops the job.
class NARROW_EXPORT Observer {
 public:
  virtual ~Observer() = default;
  // `done` of `total` units are worked on; `total` 0: not known. False stops the job, which then
  // throws Error(kInterrupted); what it promises for that case holds.
  virtual bool on_progress(std::uint64_t /*done*/, std::uint64_t /*total*/, ProgressUnit /*unit*/) {
    return true;
  }
  // A sentence worth reading: where values come from, what is ignored, a retry.
  virtual void on_note(const std::string& /*sentence*/) {}
};

template <typename ObserverType>
struct RunOptionsFor {
  int threads = 0;  // 0: all available cores
  ObserverType* observer = nullptr;

  // For the jobs inside, which know less.
  template <typename Base>
  operator RunOptionsFor<Base>() const {
    return {threads, observer};
  }
};
using RunOptions = RunOptionsFor<Observer>;

}  // namespace narrow
