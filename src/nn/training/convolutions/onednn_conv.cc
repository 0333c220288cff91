#include <algorithm>

#include "nn/onednn_support.h"
#include "nn/training/convolutions/training_conv.h"

namespace narrow {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

constexpr auto kDirect = dnnl::algorithm::convolution_direct;
constexpr std::size_t kAlignment = 64;

// What the three primitives of a layer have in common.
struct ConvDescription {
  memory::desc x;
  memory::desc y;
  memory::desc any_weights;
  memory::desc plain_weights;
  memory::dims strides;
  memory::dims before;
  memory::dims after;

  explicit ConvDescription(const WindowConv& conv)
      : x(float_desc({conv.images, conv.in_channels, conv.in[0], conv.in[1]}, Tag::nhwc)),
        y(float_desc({conv.images, conv.out_channels, conv.out[0], conv.out[1]}, Tag::nhwc)),
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

// A primitive and the layout in which it wants the weights, or gives their gradient. They are
// reordered at every call: it costs little where images have many pixels, and elsewhere there are
// other kinds of TrainingConv. The scratch memory holds them, then what the primitive asks for.
template <typename Primitive>
struct Pass {
  Primitive primitive;
  memory::desc weights;
  memory::desc scratchpad;
  dnnl::reorder reorder;
  std::size_t weight_bytes;

  Pass(const typename Primitive::primitive_desc& description, const memory::desc& weights_desc,
       const dnnl::reorder::primitive_desc& reorder_description)
      : primitive(description),
        weights(weights_desc),
        scratchpad(description.scratchpad_desc()),
        reorder(reorder_description),
        weight_bytes((weights.get_size() + kAlignment - 1) / kAlignment * kAlignment) {}

  [[nodiscard]] std::size_t scratch_bytes() const { return weight_bytes + scratchpad.get_size(); }
};

class OneDnnConv : public TrainingConv {
 public:
  explicit OneDnnConv(const WindowConv& conv)
      : engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_),
        description_(conv),
        hint_(forward_description()),
        forward_(hint_, hint_.weights_desc(), to(hint_.weights_desc())),
        backward_data_(make_backward_data()),
        backward_weights_(make_backward_weights()) {}

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return std::max({forward_.scratch_bytes(), backward_data_.scratch_bytes(),
                     backward_weights_.scratch_bytes()});
  }

  void forward(const float* x, const float* weights, float* y, std::byte* scratch) const override {
    const memory reordered = reorder_weights(forward_, weights, scratch);
    execute(forward_, scratch,
            {{DNNL_ARG_SRC, bind(description_.x, x)},
             {DNNL_ARG_WEIGHTS, reordered},
             {DNNL_ARG_DST, bind(description_.y, y)}});
  }

  void backward_data(const float* dy, const float* weights, float* dx, bool /*add*/,
                     std::byte* scratch) const override {
    const memory reordered = reorder_weights(backward_data_, weights, scratch);
    execute(backward_data_, scratch,
            {{DNNL_ARG_DIFF_DST, bind(description_.y, dy)},
             {DNNL_ARG_WEIGHTS, reordered},
             {DNNL_ARG_DIFF_SRC, bind(description_.x, dx)}});
  }

  void backward_weights(const float* x, const float* dy, float* dweights,
                        std::byte* scratch) const override {
    memory gradient = bind(backward_weights_.weights, scratch);
    execute(backward_weights_, scratch,
            {{DNNL_ARG_SRC, bind(description_.x, x)},
             {DNNL_ARG_DIFF_DST, bind(description_.y, dy)},
             {DNNL_ARG_DIFF_WEIGHTS, gradient}});
    memory plain = bind(description_.plain_weights, dweights);
    backward_weights_.reorder.execute(stream_, gradient, plain);
    stream_.wait();
  }

 private:
  [[nodiscard]] Forward::primitive_desc forward_description() const {
    const ConvDescription& d = description_;
    return {{dnnl::prop_kind::forward_training, kDirect, d.x, d.any_weights, d.y, d.strides,
             d.before, d.after},
            shared_primitive_attributes(),
            engine_};
  }

  [[nodiscard]] Pass<BackwardData> make_backward_data() const {
    const ConvDescription& d = description_;
    const BackwardData::primitive_desc made(
        {kDirect, d.x, d.any_weights, d.y, d.strides, d.before, d.after},
        shared_primitive_attributes(), engine_, hint_);
    return {made, made.weights_desc(), to(made.weights_desc())};
  }

  [[nodiscard]] Pass<BackwardWeights> make_backward_weights() const {
    const ConvDescription& d = description_;
    const BackwardWeights::primitive_desc made(
        {kDirect, d.x, d.any_weights, d.y, d.strides, d.before, d.after},
        shared_primitive_attributes(), engine_, hint_);
    return {
        made, made.diff_weights_desc(),
        dnnl::reorder::primitive_desc(engine_, made.diff_weights_desc(), engine_, d.plain_weights)};
  }

  [[nodiscard]] dnnl::reorder::primitive_desc to(const memory::desc& weights) const {
    return {engine_, description_.plain_weights, engine_, weights};
  }

  template <typename Value>
  [[nodiscard]] memory bind(const memory::desc& desc, Value* values) const {
    return {desc, engine_, const_cast<std::remove_const_t<Value>*>(values)};
  }

  template <typename Primitive>
  [[nodiscard]] memory reorder_weights(const Pass<Primitive>& pass, const float* weights,
                                       std::byte* scratch) const {
    memory plain = bind(description_.plain_weights, weights);
    memory reordered = bind(pass.weights, scratch);
    pass.reorder.execute(stream_, plain, reordered);
    return reordered;
  }

  template <typename Primitive>
  void execute(const Pass<Primitive>& pass, std::byte* scratch,
               std::unordered_map<int, memory> arguments) const {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, bind(pass.scratchpad, scratch + pass.weight_bytes));
    pass.primitive.execute(stream_, arguments);
    stream_.wait();
  }

  dnnl::engine engine_;
  mutable dnnl::stream stream_;  // running a primitive changes nothing that shows
  ConvDescription description_;
  Forward::primitive_desc hint_;
  Pass<Forward> forward_;
  Pass<BackwardData> backward_data_;
  Pass<BackwardWeights> backward_weights_;
};

}  // namespace

std::unique_ptr<TrainingConv> make_onednn_conv(const WindowConv& conv) {
  return std::make_unique<OneDnnConv>(conv);
}

}  // namespace narrow
