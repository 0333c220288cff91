// What every use of oneDNN in this folder shares.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

namespace narrow {

// Lets oneDNN use one thread on this thread while it lives. Primitives must be made and executed
// under the same number of threads, because it decides how their work is cut.
class SingleThreadedOneDnn {
 public:
  SingleThreadedOneDnn();
  ~SingleThreadedOneDnn();
  SingleThreadedOneDnn(const SingleThreadedOneDnn&) = delete;
  SingleThreadedOneDnn& operator=(const SingleThreadedOneDnn&) = delete;

 private:
  int previous_;
};

// Whether oneDNN may use 512-bit vectors here (the CPU has them and no setting forbids it).
bool has_avx512();

// The layout of activations that the convolutions of this CPU prefer.
dnnl::memory::format_tag activation_format();

// float32 values of these dimensions in that layout.
dnnl::memory::desc float_desc(const dnnl::memory::dims& dims, dnnl::memory::format_tag format);

// The attributes of every primitive here: scratch memory is the caller's, so that several threads
// may execute one primitive.
dnnl::primitive_attr shared_primitive_attributes();

}  // namespace narrow
