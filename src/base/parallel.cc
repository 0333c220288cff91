#include "base/parallel.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_pipeline.h>

namespace narrow {

namespace tbb = oneapi::tbb;

int available_threads() { return tbb::info::default_concurrency(); }

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
  tbb::parallel_for(std::size_t{0}, count, body);
}

void internal::run_pipeline(std::size_t max_in_flight, const std::function<void*()>& produce,
                            const std::function<void(void*)>& work,
                            const std::function<void(void*)>& consume) {
  const auto source = [&](tbb::flow_control& control) -> void* {
    void* item = produce();
    if (item == nullptr) control.stop();
    return item;
  };
  const auto middle = [&](void* item) -> void* {
    work(item);
    return item;
  };
  const auto sink = [&](void* item) { consume(item); };
  tbb::parallel_pipeline(
      max_in_flight, tbb::make_filter<void, void*>(tbb::filter_mode::serial_in_order, source) &
                         tbb::make_filter<void*, void*>(tbb::filter_mode::parallel, middle) &
                         tbb::make_filter<void*, void>(tbb::filter_mode::serial_in_order, sink));
}

}  // namespace narrow
