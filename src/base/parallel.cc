#include "base/parallel.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>

namespace narrow {

int available_threads() { return oneapi::tbb::info::default_concurrency(); }

struct ThreadLimit::Control {
  explicit Control(std::size_t threads)
      : limit(oneapi::tbb::global_control::max_allowed_parallelism, threads) {}
  oneapi::tbb::global_control limit;
};

ThreadLimit::ThreadLimit(int threads)
    : threads_(threads > 0 ? threads : available_threads()),
      control_(std::make_unique<Control>(static_cast<std::size_t>(threads_))) {}

ThreadLimit::~ThreadLimit() = default;

void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) {
  oneapi::tbb::parallel_for(std::size_t{0}, count, body);
}

}  // namespace narrow
