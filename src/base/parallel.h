// The one thread runtime of the project: oneTBB.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace narrow {

// Cores this process may use.
int available_threads();

// Limits every parallel loop and pipeline to `threads` (0: all available cores) while it lives.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;
  [[nodiscard]] int threads() const { return threads_; }

 private:
  struct Control;
  int threads_;
  std::unique_ptr<Control> control_;
};

// Calls body(i) once for every i in [0, count), in no particular order. The first exception is
// rethrown after all running calls have ended.
void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body);

}  // namespace narrow
