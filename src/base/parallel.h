// The one thread runtime of the project: oneTBB.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace narrow {

// Cores this process may use, or the limit that is in force.
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

namespace internal {
void run_pipeline(std::size_t max_in_flight, const std::function<void*()>& produce,
                  const std::function<void(void*)>& work,
                  const std::function<void(void*)>& consume);
}  // namespace internal

// Items flow through three stages, at most `max_in_flight` at once: `produce` gives the next item
// or null at the end, one call at a time; `work` runs on several items at once; `consume` gets the
// items in the order they were produced, one at a time. The stages overlap. Items are the caller's:
// the pipeline only passes the pointers on. The first exception stops the flow and is rethrown.
template <typename Item, typename Produce, typename Work, typename Consume>
void run_pipeline(std::size_t max_in_flight, Produce produce, Work work, Consume consume) {
  internal::run_pipeline(
      max_in_flight, [&]() -> void* { return static_cast<Item*>(produce()); },
      [&](void* item) { work(*static_cast<Item*>(item)); },
      [&](void* item) { consume(*static_cast<Item*>(item)); });
}

}  // namespace narrow
