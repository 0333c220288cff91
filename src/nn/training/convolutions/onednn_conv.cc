#include <algorithm>
#include <type_traits>
#include <vector>

#include "nn/buffer_layout.h"
#include "nn/onednn_support.h"
#include "nn/training/convolutions/part_sums.h"
#include "nn/training/convolutions/training_conv.h"

namespace narrow {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

constexpr auto kDirect = dnnl::algorithm::convolution_direct;
// The images are cut into so many parts at most; for the gradient of the weights into fewer, whose
// sums take so many values at most.
constexpr int kMostImageParts = 64;
constexpr int kMostSummedParts = 16;
constexpr std::int64_t kMostSummedGradients = std::int64_t{1} << 24;

// What the three primitives of a layer have in common.
struct ConvDescription {
  memory::desc x;
  memory::desc y;
  memory::desc any_weights;
  memory::desc plain_weights;
  memory::dims strides;
  memory::dims before;
  memory::dims after;

  ConvDescription(const WindowConv& conv, int images)
      : x(float_desc({images, conv.in_channels, conv.in[0], conv.in[1]}, Tag::nhwc)),
        y(float_desc({images, conv.out_channels, conv.out[0], conv.out[1]}, Tag::nhwc)),
        strides(conv.strides.begin(), conv.strides.end()),
        before(conv.before.begin(), conv.before.end()),
        after{conv.after(0), conv.after(1)} {
    memory::dims weights = {conv.out_channels / conv.groups, conv.in_channels / conv.groups,
                            conv.kernel[0], conv.kernel[1]};
    if (conv.groups > 1) weights.insert(weights.begin(), conv.groups);
    any_weights = float_desc(weights, Tag::any);
    // The outputs of a group lie together.
    plain_weights = float_desc(weights, conv.groups > 1 ? Tag::hwigo : Tag::hwio);
  }
};

// With this layout of the weights.
template <typename Primitive>
typename Primitive::primitive_desc describe(const ConvDescription& d, const memory::desc& weights,
                                            const dnnl::engine& engine) {
  if constexpr (std::is_same_v<Primitive, Forward>) {
    return {{dnnl::prop_kind::forward_training, kDirect, d.x, weights, d.y, d.strides, d.before,
             d.after},
            shared_primitive_attributes(),
            engine};
  } else {
    // Both backward ones are made with the forward one of any layout beside them.
    return {{kDirect, d.x, weights, d.y, d.strides, d.before, d.after},
            shared_primitive_attributes(),
            engine,
            describe<Forward>(d, d.any_weights, engine)};
  }
}

memory::desc layout_of(const Forward::primitive_desc& made) { return made.weights_desc(); }
memory::desc layout_of(const BackwardData::primitive_desc& made) { return made.weights_desc(); }
memory::desc layout_of(const BackwardWeights::primitive_desc& made) {
  return made.diff_weights_desc();
}

template <typename Value>
memory bind(const memory::desc& desc, const dnnl::engine& engine, Value* values) {
  return {desc, engine, const_cast<std::remove_const_t<Value>*>(values)};
}

void reorder(const dnnl::engine& engine, memory from, memory to) {
  dnnl::stream stream(engine);
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
}

// One of the three for all images. How oneDNN cuts the work, sums among it, depends on the number
// of threads; so the images are cut here, into parts that depend on the sizes alone, and each part
// is computed by one thread. The weights, or their gradient, have the layout that the primitive
// wants: they are reordered at every call, which costs little where images have many pixels, and
// elsewhere there are other kinds of TrainingConv.
template <typename Primitive>
class PartedPass {
 public:
  PartedPass(const WindowConv& conv, const dnnl::engine& engine, int parts)
      : engine_(engine),
        images_(conv.images),
        parts_(std::min(parts, conv.images)),
        x_size_(static_cast<std::size_t>(conv.in[0]) * conv.in[1] * conv.in_channels),
        y_size_(static_cast<std::size_t>(conv.out[0]) * conv.out[1] * conv.out_channels) {
    const OneDnnThreads single_threaded(1);
    const auto add_kind = [&](int images) {
      const ConvDescription description(conv, images);
      // All parts have the layout that the first kind wants.
      const auto made = describe<Primitive>(
          description, kinds_.empty() ? description.any_weights : layout_, engine_);
      layout_ = layout_of(made);
      kinds_.push_back({description.x, description.y, made.scratchpad_desc(), Primitive(made)});
      scratch_of_part_ =
          std::max(scratch_of_part_, aligned_size(made.scratchpad_desc().get_size()));
    };
    add_kind(images_ / parts_);
    if (images_ % parts_ != 0) add_kind(images_ / parts_ + 1);
  }

  [[nodiscard]] int parts() const { return parts_; }
  [[nodiscard]] const memory::desc& layout() const { return layout_; }
  [[nodiscard]] std::size_t weight_bytes() const { return aligned_size(layout_.get_size()); }
  // What the primitives of all parts ask for.
  [[nodiscard]] std::size_t scratch_bytes() const {
    return static_cast<std::size_t>(parts_) * scratch_of_part_;
  }

  // Calls primitive(part, x and y of its images, scratch) on oneDNN's threads.
  template <typename X, typename Y, typename Arguments>
  void run(X* x, Y* y, std::byte* scratch, const Arguments& arguments) const {
    onednn_parallel_for(parts_, [&](int part) {
      const OneDnnThreads single_threaded(1);
      const std::size_t first = first_image(part);
      const bool has_more = first_image(part + 1) - first > first_image(1);
      const Kind& kind = has_more ? kinds_.back() : kinds_.front();
      auto bound = arguments(part, bind(kind.x, engine_, x + first * x_size_),
                             bind(kind.y, engine_, y + first * y_size_));
      bound.emplace(DNNL_ARG_SCRATCHPAD,
                    bind(kind.scratchpad, engine_,
                         scratch + static_cast<std::size_t>(part) * scratch_of_part_));
      dnnl::stream stream(engine_);
      kind.primitive.execute(stream, bound);
      stream.wait();
    });
  }

 private:
  // For so many images.
  struct Kind {
    memory::desc x;
    memory::desc y;
    memory::desc scratchpad;
    Primitive primitive;
  };

  [[nodiscard]] std::size_t first_image(int part) const {
    return static_cast<std::size_t>(static_cast<std::int64_t>(images_) * part / parts_);
  }

  dnnl::engine engine_;
  int images_;
  int parts_;
  std::size_t x_size_;  // of an image
  std::size_t y_size_;
  memory::desc layout_;
  std::vector<Kind> kinds_;  // parts of the fewest images, and with one more
  std::size_t scratch_of_part_ = 0;
};

int summed_parts(const WindowConv& conv) {
  const auto weights = static_cast<std::int64_t>(conv.kernel[0]) * conv.kernel[1] *
                       (conv.in_channels / conv.groups) * conv.out_channels;
  return static_cast<int>(
      std::clamp<std::int64_t>(kMostSummedGradients / weights, 1, kMostSummedParts));
}

class OneDnnConv : public TrainingConv {
 public:
  explicit OneDnnConv(const WindowConv& conv)
      : engine_(dnnl::engine::kind::cpu, 0),
        plain_weights_(ConvDescription(conv, 1).plain_weights),
        forward_(conv, engine_, kMostImageParts),
        backward_data_(conv, engine_, kMostImageParts),
        backward_weights_(conv, engine_, summed_parts(conv)) {}

  [[nodiscard]] std::size_t scratch_bytes() const override {
    const auto gradients = static_cast<std::size_t>(backward_weights_.parts());
    return std::max(
        {forward_.weight_bytes() + forward_.scratch_bytes(),
         backward_data_.weight_bytes() + backward_data_.scratch_bytes(),
         gradients * backward_weights_.weight_bytes() + backward_weights_.scratch_bytes()});
  }

  void forward(const float* x, const float* weights, float* y, std::byte* scratch) const override {
    const memory reordered = bind(forward_.layout(), engine_, scratch);
    reorder(engine_, bind(plain_weights_, engine_, weights), reordered);
    forward_.run(x, y, scratch + forward_.weight_bytes(),
                 [&](int, const memory& x_part, const memory& y_part) {
                   return Bound{{DNNL_ARG_SRC, x_part},
                                {DNNL_ARG_WEIGHTS, reordered},
                                {DNNL_ARG_DST, y_part}};
                 });
  }

  void backward_data(const float* dy, const float* weights, float* dx, bool /*add*/,
                     std::byte* scratch) const override {
    const memory reordered = bind(backward_data_.layout(), engine_, scratch);
    reorder(engine_, bind(plain_weights_, engine_, weights), reordered);
    backward_data_.run(dx, dy, scratch + backward_data_.weight_bytes(),
                       [&](int, const memory& dx_part, const memory& dy_part) {
                         return Bound{{DNNL_ARG_DIFF_DST, dy_part},
                                      {DNNL_ARG_WEIGHTS, reordered},
                                      {DNNL_ARG_DIFF_SRC, dx_part}};
                       });
  }

  // The parts' sums are added in their order.
  void backward_weights(const float* x, const float* dy, float* dweights,
                        std::byte* scratch) const override {
    const std::size_t bytes = backward_weights_.weight_bytes();
    const int parts = backward_weights_.parts();
    const auto gradient = [&](int part) {
      return bind(backward_weights_.layout(), engine_,
                  scratch + static_cast<std::size_t>(part) * bytes);
    };
    backward_weights_.run(x, dy, scratch + static_cast<std::size_t>(parts) * bytes,
                          [&](int part, const memory& x_part, const memory& dy_part) {
                            return Bound{{DNNL_ARG_SRC, x_part},
                                         {DNNL_ARG_DIFF_DST, dy_part},
                                         {DNNL_ARG_DIFF_WEIGHTS, gradient(part)}};
                          });
    auto* const sum = reinterpret_cast<float*>(scratch);
    add_parts(sum, sum + bytes / sizeof(float), bytes / sizeof(float), parts - 1,
              backward_weights_.layout().get_size() / sizeof(float));
    reorder(engine_, gradient(0), bind(plain_weights_, engine_, dweights));
  }

 private:
  using Bound = std::unordered_map<int, memory>;

  dnnl::engine engine_;
  memory::desc plain_weights_;
  PartedPass<Forward> forward_;
  PartedPass<BackwardData> backward_data_;
  PartedPass<BackwardWeights> backward_weights_;
};

}  // namespace

std::unique_ptr<TrainingConv> make_onednn_conv(const WindowConv& conv) {
  return std::make_unique<OneDnnConv>(conv);
}

}  // namespace narrow
