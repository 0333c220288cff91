// Waiting for another process, which takes as long as that one pleases.
#pragma once

#include <functional>
#include <string>

namespace narrow {

// What a program does while the library waits.
class WaitObserver {
 public:
  virtual ~WaitObserver() = default;
  virtual void on_begin() {}
  // Many times a second. What it throws ends the waiting.
  virtual void on_poll() {}
  // Once, after two seconds. `sentence`: "waiting for another process that ...".
  virtual void on_long_wait(const std::string& /*sentence*/) {}
  virtual void on_end() noexcept {}
};

// Of the whole process; nullptr: none. Not to be called while something waits.
void set_wait_observer(WaitObserver* observer);

// Returns once `is_ready` does not say no; without a pause when it never does. Throws what
// `is_ready` and the observer throw.
void wait_until(const std::function<bool()>& is_ready, const std::string& sentence);

}  // namespace narrow
