// What ThreadSanitizer must be told. The libraries that run our threads, oneTBB and GNU OpenMP, are
// not compiled with it: it does not see how they make one thread wait for another, and would call
// all that a loop and its caller share a race. So whoever hands work to these libraries names the
// order that they promise, and no more. In all other builds nothing of this leaves any code.
#pragma once

#ifdef NARROW_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace narrow {

// All that a thread does before happens_before(place) happens before all that another thread does
// after its next happens_after(place). `place` is an address and nothing more.
inline void happens_before([[maybe_unused]] const void* place) {
#ifdef NARROW_THREAD_SANITIZER
  __tsan_release(const_cast<void*>(place));
#endif
}
inline void happens_after([[maybe_unused]] const void* place) {
#ifdef NARROW_THREAD_SANITIZER
  __tsan_acquire(const_cast<void*>(place));
#endif
}

// One call that runs tasks on several threads, from its begin to its end: a task sees what the
// caller did before, and the caller sees afterwards what all tasks did. Nothing orders two tasks.
class ForkJoin {
 public:
  ForkJoin() { happens_before(&fork_); }
  ~ForkJoin() { happens_after(&join_); }
  ForkJoin(const ForkJoin&) = delete;
  ForkJoin& operator=(const ForkJoin&) = delete;

  // Lives as long as the task runs.
  class Task {
   public:
    explicit Task(const ForkJoin& call) : call_(call) { happens_after(&call.fork_); }
    ~Task() { happens_before(&call_.join_); }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

   private:
    const ForkJoin& call_;
  };

 private:
  // Two places.
  char fork_ = 0;
  char join_ = 0;
};

// What one task at a time does: each sees what those before it did.
class InTurn {
 public:
  explicit InTurn(const void* place) : place_(place) { happens_after(place); }
  ~InTurn() { happens_before(place_); }
  InTurn(const InTurn&) = delete;
  InTurn& operator=(const InTurn&) = delete;

 private:
  const void* place_;
};

}  // namespace narrow
