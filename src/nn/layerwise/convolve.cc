#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/parallel.h"
#include "narrow/error.h"
#include "nn/conv_geometry.h"
#include "nn/layerwise/activations.h"
#include "nn/onednn_support.h"

namespace narrow {
namespace {

using dnnl::memory;
using Tag = dnnl::memory::format_tag;

// So many output pixels at a time share the reordering of weights, and are one thread's work.
constexpr std::int64_t kPixelsAtOnce = 4096;

// The primitive for one number of images, and its weights in the layout it wants.
class Convolution {
 public:
  Convolution(const ConvGeometry& g, std::span<const float> weights, std::int64_t images)
      : engine_(dnnl::engine::kind::cpu, 0),
        source_(float_desc({images, g.in_channels, g.in_height, g.in_width}, Tag::nhwc)),
        target_(float_desc({images, g.out_channels, g.out_height, g.out_width}, Tag::nhwc)) {
    const memory::dims dims = {g.out_channels, g.in_channels, g.kernel, g.kernel};
    primitive_desc_ = dnnl::convolution_forward::primitive_desc(
        {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source_,
         float_desc(dims, Tag::any), target_, memory::dims{g.stride, g.stride},
         memory::dims{g.padding(), g.padding()},
         memory::dims{g.padding_below(), g.padding_right()}},
        shared_primitive_attributes(), engine_);
    primitive_ = dnnl::convolution_forward(primitive_desc_);
    memory plain(float_desc(dims, Tag::hwio), engine_, const_cast<float*>(weights.data()));
    weights_ = memory(primitive_desc_.weights_desc(), engine_);
    dnnl::stream stream(engine_);
    dnnl::reorder(plain, weights_).execute(stream, plain, weights_);
    stream.wait();
  }

  void run(const float* from, float* to) const {
    const OneDnnThreads single_threaded(1);
    dnnl::stream stream(engine_);
    primitive_.execute(stream,
                       {{DNNL_ARG_SRC, memory(source_, engine_, const_cast<float*>(from))},
                        {DNNL_ARG_WEIGHTS, weights_},
                        {DNNL_ARG_DST, memory(target_, engine_, to)},
                        {DNNL_ARG_SCRATCHPAD, memory(primitive_desc_.scratchpad_desc(), engine_)}});
    stream.wait();
  }

 private:
  dnnl::engine engine_;
  memory::desc source_;
  memory::desc target_;
  dnnl::convolution_forward::primitive_desc primitive_desc_;
  dnnl::convolution_forward primitive_;
  memory weights_;
};

Activations convolve_images(const Layer& layer, std::span<const float> weights,
                            const Activations& x) {
  const ConvGeometry geometry = conv_geometry(layer, static_cast<int>(x.images), x.height, x.width);
  Activations y =
      Activations::zeros(x.images, geometry.out_height, geometry.out_width, geometry.out_channels);
  const std::int64_t pixels = static_cast<std::int64_t>(y.height) * y.width;
  const std::int64_t together =
      std::clamp(kPixelsAtOnce / pixels, std::int64_t{1}, std::max(x.images, std::int64_t{1}));
  const std::int64_t rest = x.images % together;
  const OneDnnThreads single_threaded(1);
  const Convolution whole(geometry, weights, together);
  std::optional<Convolution> last;
  if (rest > 0) last.emplace(geometry, weights, rest);
  const auto parts = static_cast<std::size_t>((x.images + together - 1) / together);
  parallel_for(parts, [&](std::size_t part) {
    const std::size_t first = part * static_cast<std::size_t>(together);
    const bool is_rest = rest > 0 && part + 1 == parts;
    (is_rest ? *last : whole)
        .run(x.values.data() + first * x.floats_per_image(),
             y.values.data() + first * y.floats_per_image());
  });
  return y;
}

}  // namespace

Activations convolve(const Layer& layer, std::span<const float> weights, const Activations& x) {
  try {
    return convolve_images(layer, weights, x);
  } catch (const dnnl::error& error) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("oneDNN cannot run {} on {} images of {} x {}: {}.", layer.name,
                            x.images, x.height, x.width, error.what()));
  }
}

}  // namespace narrow
