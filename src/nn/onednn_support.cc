#include "nn/onednn_support.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "base/fork_join.h"

// oneDNN is built on GNU OpenMP; its header is not on clang's path, these functions suffice. The
// last one is what `#pragma omp parallel` calls.
extern "C" {
int omp_get_max_threads(void);
void omp_set_num_threads(int count);
// NOLINTNEXTLINE(readability-identifier-naming): the name that the compiler emits
void GOMP_parallel(void (*body)(void*), void* argument, unsigned threads, unsigned flags);
}

namespace narrow {
namespace {

struct Loop {
  const std::function<void(int)>& body;
  const int count;
  std::atomic<int> next = 0;
  std::once_flag failed;
  std::exception_ptr failure;

  // Relaxed: it numbers the calls of body, and puts no order between them.
  int take() { return next.fetch_add(1, std::memory_order_relaxed); }

  void work() {
    try {
      for (int i = take(); i < count; i = take()) body(i);
    } catch (...) {
      std::call_once(failed, [&] { failure = std::current_exception(); });
      next.store(count, std::memory_order_relaxed);
    }
  }
};

// A loop on several threads.
struct Team {
  Loop& loop;
  ForkJoin call{};

  static void run(void* argument) {
    auto& team = *static_cast<Team*>(argument);
    const ForkJoin::Task task(team.call);
    team.loop.work();
  }
};

}  // namespace

OneDnnThreads::OneDnnThreads(int count) : previous_(omp_get_max_threads()) {
  omp_set_num_threads(count);
}

OneDnnThreads::~OneDnnThreads() { omp_set_num_threads(previous_); }

int onednn_threads() { return omp_get_max_threads(); }

void onednn_parallel_for(int count, const std::function<void(int)>& body) {
  if (count == 1) {
    body(0);
    return;
  }
  Loop loop{body, count, 0, {}, {}};
  const int threads = std::min(count, omp_get_max_threads());
  if (threads <= 1) {
    loop.work();
  } else {
    Team team{loop};
    GOMP_parallel(&Team::run, &team, static_cast<unsigned>(threads), 0);
  }
  if (loop.failure) std::rethrow_exception(loop.failure);
}

bool has_avx512() {
  const auto bits = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto wanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core);
  return (bits & wanted) == wanted;
}

dnnl::memory::format_tag activation_format() {
  return has_avx512() ? dnnl::memory::format_tag::nChw16c : dnnl::memory::format_tag::nChw8c;
}

int activation_channel_block() { return has_avx512() ? 16 : 8; }

dnnl::memory::desc float_desc(const dnnl::memory::dims& dims, dnnl::memory::format_tag format) {
  return {dims, dnnl::memory::data_type::f32, format};
}

dnnl::primitive_attr shared_primitive_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

}  // namespace narrow
