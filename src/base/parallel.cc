#include "base/parallel.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_pipeline.h>

#include "base/fork_join.h"

namespace narrow {

namespace tbb = oneapi::tbb;

int available_threads() {
  return static_cast<int>(
      tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism));
}

struct ThreadLimit::Control {
  explicit Control(std::size_t threads)
      : limit(tbb::global_control::max_allowed_parallelism, threads) {}
  tbb::global_control limit;
};

ThreadLimit::ThreadLimit(int threads)
    : threads_(threads > 0 ? threads : available_threads()),
      control_(std::make_unique<Control>(static_cast<std::size_t>(threads_))) {}

ThreadLimit::~ThreadLimit() = default;

void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  const ForkJoin call;
  tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) {
    const ForkJoin::Task task(call);
    body(i);
  });
}

void internal::run_pipeline(std::size_t max_in_flight, const std::function<void*()>& produce,
                            const std::function<void(void*)>& work,
                            const std::function<void(void*)>& consume) {
  const ForkJoin call;
  const char producer = 0;  // one place each
  const char consumer = 0;
  const auto source = [&](tbb::flow_control& control) -> void* {
    const ForkJoin::Task task(call);
    const InTurn turn(&producer);
    void* item = produce();
    if (item == nullptr) {
      control.stop();
    } else {
      happens_before(item);
    }
    return item;
  };
  const auto middle = [&](void* item) -> void* {
    const ForkJoin::Task task(call);
    const InTurn turn(item);
    work(item);
    return item;
  };
  const auto sink = [&](void* item) {
    const ForkJoin::Task task(call);
    const InTurn turn(&consumer);
    happens_after(item);
    consume(item);
  };
  tbb::parallel_pipeline(
      max_in_flight, tbb::make_filter<void, void*>(tbb::filter_mode::serial_in_order, source) &
                         tbb::make_filter<void*, void*>(tbb::filter_mode::parallel, middle) &
                         tbb::make_filter<void*, void>(tbb::filter_mode::serial_in_order, sink));
}

}  // namespace narrow
