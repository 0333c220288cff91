#include "nn/onednn_support.h"

// oneDNN is built on GNU OpenMP; its header is not on clang's path, these two functions suffice.
extern "C" {
int omp_get_max_threads(void);
void omp_set_num_threads(int count);
}

namespace narrow {

SingleThreadedOneDnn::SingleThreadedOneDnn() : previous_(omp_get_max_threads()) {
  omp_set_num_threads(1);
}

SingleThreadedOneDnn::~SingleThreadedOneDnn() { omp_set_num_threads(previous_); }

bool has_avx512() {
  const auto bits = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto wanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core);
  return (bits & wanted) == wanted;
}

dnnl::memory::format_tag activation_format() {
  return has_avx512() ? dnnl::memory::format_tag::nChw16c : dnnl::memory::format_tag::nChw8c;
}

dnnl::memory::desc float_desc(const dnnl::memory::dims& dims, dnnl::memory::format_tag format) {
  return {dims, dnnl::memory::data_type::f32, format};
}

dnnl::primitive_attr shared_primitive_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

}  // namespace narrow
