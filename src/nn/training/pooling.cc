#include "nn/training/pooling.h"

#include <algorithm>

#include "nn/buffer_layout.h"

namespace narrow {
namespace {

using dnnl::memory;

dnnl::algorithm algorithm_of(PoolKind kind) {
  return kind == PoolKind::kMax ? dnnl::algorithm::pooling_max
                                : dnnl::algorithm::pooling_avg_exclude_padding;
}

}  // namespace

WindowPooling::WindowPooling(PoolKind kind, const PoolGeometry& geometry, int images, int channels,
                             bool trained)
    : engine_(dnnl::engine::kind::cpu, 0), images_(images) {
  const OneDnnThreads single_threaded(1);
  const dnnl::algorithm algorithm = algorithm_of(kind);
  const auto [height, width] = geometry.in;
  const auto [out_height, out_width] = geometry.out;
  x_ = float_desc({1, channels, height, width}, memory::format_tag::nhwc);
  y_ = float_desc({1, channels, out_height, out_width}, memory::format_tag::nhwc);

  const dnnl::pooling_forward::primitive_desc forward(
      {trained ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference, algorithm,
       x_, y_, geometry.strides, geometry.kernel, geometry.before, geometry.after},
      shared_primitive_attributes(), engine_);
  forward_ = dnnl::pooling_forward(forward);
  forward_scratch_ = forward.scratchpad_desc();
  scratch_bytes_ = aligned_size(forward_scratch_.get_size());
  if (!trained) return;
  workspace_ = forward.workspace_desc();
  workspace_bytes_ = aligned_size(workspace_.get_size());
  const dnnl::pooling_backward::primitive_desc backward(
      {algorithm, x_, y_, geometry.strides, geometry.kernel, geometry.before, geometry.after},
      shared_primitive_attributes(), engine_, forward);
  backward_ = dnnl::pooling_backward(backward);
  backward_scratch_ = backward.scratchpad_desc();
  scratch_bytes_ = std::max(scratch_bytes_, aligned_size(backward_scratch_.get_size()));
}

void WindowPooling::forward(const float* x, float* y, std::byte* workspace,
                            std::byte* scratch) const {
  run(forward_, DNNL_ARG_SRC, x, DNNL_ARG_DST, y, forward_scratch_, workspace, scratch);
}

void WindowPooling::backward(const float* dy, float* dx, std::byte* workspace,
                             std::byte* scratch) const {
  run(backward_, DNNL_ARG_DIFF_SRC, dx, DNNL_ARG_DIFF_DST, dy, backward_scratch_, workspace,
      scratch);
}

template <typename Primitive>
void WindowPooling::run(const Primitive& primitive, int x_argument, const float* x, int y_argument,
                        const float* y, const memory::desc& scratchpad, std::byte* workspace,
                        std::byte* scratch) const {
  const std::size_t x_size = x_.get_size() / sizeof(float);
  const std::size_t y_size = y_.get_size() / sizeof(float);
  onednn_parallel_for(images_, [&](int index) {
    const OneDnnThreads single_threaded(1);
    const auto image = static_cast<std::size_t>(index);
    std::unordered_map<int, memory> arguments = {
        {x_argument, memory(x_, engine_, const_cast<float*>(x + image * x_size))},
        {y_argument, memory(y_, engine_, const_cast<float*>(y + image * y_size))},
        {DNNL_ARG_SCRATCHPAD, memory(scratchpad, engine_, scratch + image * scratch_bytes_)}};
    if (workspace_bytes_ > 0) {
      arguments.emplace(DNNL_ARG_WORKSPACE,
                        memory(workspace_, engine_, workspace + image * workspace_bytes_));
    }
    dnnl::stream stream(engine_);
    primitive.execute(stream, arguments);
    stream.wait();
  });
}

void mean_of_pixels(const float* x, int images, std::int64_t pixels, int channels, float* y) {
  onednn_parallel_for(images, [&](int image) {
    const float* in = x + image * pixels * channels;
    float* out = y + static_cast<std::int64_t>(image) * channels;
    std::fill_n(out, channels, 0.0F);
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel, in += channels) {
      for (int c = 0; c < channels; ++c) out[c] += in[c];
    }
    for (int c = 0; c < channels; ++c) out[c] /= static_cast<float>(pixels);
  });
}

void mean_of_pixels_backward(const float* dy, int images, std::int64_t pixels, int channels,
                             float* dx) {
  onednn_parallel_for(images, [&](int image) {
    const float* gradient = dy + static_cast<std::int64_t>(image) * channels;
    float* out = dx + image * pixels * channels;
    for (int c = 0; c < channels; ++c) out[c] = gradient[c] / static_cast<float>(pixels);
    for (std::int64_t pixel = 1; pixel < pixels; ++pixel) {
      std::copy_n(out, channels, out + pixel * channels);
    }
  });
}

void subsample_backward(const Subsampling& sampling, const float* dy, float* dx) {
  onednn_parallel_for(sampling.images, [&](int image) {
    const std::int64_t channels = sampling.channels;
    const std::int64_t in_size = channels * sampling.in_height * sampling.in_width;
    const float* from = dy + image * channels * sampling.out_height * sampling.out_width;
    float* to = dx + image * in_size;
    std::fill_n(to, in_size, 0.0F);
    for (std::int64_t y = 0; y < sampling.out_height; ++y) {
      for (std::int64_t x = 0; x < sampling.out_width; ++x, from += channels) {
        const std::int64_t pixel = y * sampling.stride * sampling.in_width + x * sampling.stride;
        std::copy_n(from, channels, to + pixel * channels);
      }
    }
  });
}

}  // namespace narrow
