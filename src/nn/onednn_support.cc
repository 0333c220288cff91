#include "nn/onednn_support.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

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
  int count;
  std::atomic<int> next = 0;
  std::once_flag failed;
  std::exception_ptr failure;

  static void run(void* argument) {
    auto& loop = *static_cast<Loop*>(argument);
    try {
      for (int i = loop.next++; i < loop.count; i = loop.next++) loop.body(i);
    } catch (...) {
      std::call_once(loop.failed, [&] { loop.failure = std::current_exception(); });
      loop.next = loop.count;
    }
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
    Loop::run(&loop);
  } else {
    GOMP_parallel(&Loop::run, &loop, static_cast<unsigned>(threads), 0);
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
