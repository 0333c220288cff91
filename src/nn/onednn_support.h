// What every use of oneDNN in this layer shares.
#pragma once

#include <functional>
#include <oneapi/dnnl/dnnl.hpp>

namespace narrow {

// Lets oneDNN use so many threads when this thread calls it, while it lives. Primitives must be
// made and executed under the same number of threads, because it decides how their work is cut.
class OneDnnThreads {
 public:
  explicit OneDnnThreads(int count);
  ~OneDnnThreads();
  OneDnnThreads(const OneDnnThreads&) = delete;
  OneDnnThreads& operator=(const OneDnnThreads&) = delete;

 private:
  int previous_;
};

// The number that is in force.
int onednn_threads();

// Calls body(i) once for every i in [0, count), in no particular order, on the threads that oneDNN
// uses: those of another runtime would compete with them for the cores, because OpenMP's threads
// spin between two loops. One call alone runs on this thread, and may use oneDNN in parallel;
// otherwise oneDNN is single-threaded within body. The first exception is rethrown.
void onednn_parallel_for(int count, const std::function<void(int)>& body);

// Whether oneDNN may use 512-bit vectors here (the CPU has them and no setting forbids it).
bool has_avx512();

// The layout of activations that the convolutions of this CPU prefer.
dnnl::memory::format_tag activation_format();
// How many channels lie together in it.
int activation_channel_block();

// float32 values of these dimensions in that layout.
dnnl::memory::desc float_desc(const dnnl::memory::dims& dims, dnnl::memory::format_tag format);

// The attributes of every primitive here: scratch memory is the caller's, so that several threads
// may execute one primitive.
dnnl::primitive_attr shared_primitive_attributes();

}  // namespace narrow
