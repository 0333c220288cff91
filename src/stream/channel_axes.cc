#include "narrow/channel_axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>

#include "base/name_pattern.h"
#include "narrow/error.h"
#include "narrow/quantize_plan.h"
#include "narrow/selection.h"

namespace narrow {
namespace {

constexpr std::string_view kObjectSuffix = "/.ATTRIBUTES/VARIABLE_VALUE";
constexpr std::string_view kOutputSuffix = ":0";
// TF-Slim and TensorFlow's layers; Keras.
constexpr std::array<std::string_view, 2> kDepthwiseNames = {"depthwise_weights",
                                                             "depthwise_kernel"};
// Less is no kernel of a depthwise convolution: one position at least, channels, multiplier.
constexpr std::size_t kLeastKernelRank = 3;
// No format has as many.
constexpr std::int64_t kLargestAxis = 65536;

bool is_depthwise_name(std::string_view part) {
  return std::ranges::find(kDepthwiseNames, part) != kDepthwiseNames.end();
}

std::string_view without(std::string_view name, std::string_view suffix) {
  if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  return name;
}

std::optional<int> integer_of(std::string_view text) {
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::abs(std::int64_t{value}) <= kLargestAxis ? std::optional(value) : std::nullopt;
}

// What the options say about the tensor, if anything.
std::optional<ChannelAxes> named_axes(const Scheme& scheme, const TensorInfo& info,
                                      const AxisRules& rules) {
  const Granularity& granularity = scheme.granularity;
  if (granularity.axis) return ChannelAxes{*granularity.axis, granularity.axis_count};
  for (const AxisRule& rule : rules.by_name) {
    if (name_matches(rule.pattern, info.name)) return rule.axes;
  }
  return rules.others;
}

// PyTorch's and ONNX's order: the outputs come first.
bool is_outputs_first(CheckpointFormat format) { return default_channel_axis(format) == 0; }

// A kernel [.., C, 1] whose name says nothing.
bool looks_depthwise(CheckpointFormat format, const TensorInfo& info) {
  const std::size_t rank = info.shape.size();
  return !is_outputs_first(format) && rank >= kLeastKernelRank && info.shape[rank - 1] == 1 &&
         info.shape[rank - 2] > 1;
}

bool is_depthwise_in(CheckpointFormat format, const TensorInfo& info) {
  if (!is_depthwise_kernel(info)) return false;
  return !is_outputs_first(format) || info.shape[1] != 1;
}

}  // namespace

std::string to_string(const ChannelAxes& axes) {
  std::string text;
  for (int i = 0; i < axes.count; ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ",", axes.first + i);
  }
  return text;
}

ChannelAxes parse_channel_axes(std::string_view text) {
  ChannelAxes axes{0, 0};
  for (std::string_view rest = text;; rest.remove_prefix(rest.find(',') + 1)) {
    const auto axis = integer_of(rest.substr(0, rest.find(',')));
    if (axis && axes.count == 0) axes.first = *axis;
    // From -1 on there is no next one.
    const bool is_next =
        axis && *axis == axes.first + axes.count && (*axis < 0) == (axes.first < 0);
    if (!is_next) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("'{}' is no channel axis: expected a number such as 0 or -1, or "
                              "adjacent ones that are the channels together, such as 2,3 or -2,-1",
                              text));
    }
    ++axes.count;
    if (rest.find(',') == std::string_view::npos) return axes;
  }
}

bool is_depthwise_kernel(const TensorInfo& info) {
  if (info.shape.size() < kLeastKernelRank) return false;
  std::string_view name = without(without(info.name, kObjectSuffix), kOutputSuffix);
  const bool has_slot = is_training_state(info.name);
  for (;;) {
    const auto cut = name.find_last_of("/.");
    const bool is_whole = cut == std::string_view::npos;
    if (is_depthwise_name(is_whole ? name : name.substr(cut + 1))) return true;
    // What optimizers and averages keep of a kernel is called after it: kernel/Momentum.
    if (is_whole || !has_slot) return false;
    name = name.substr(0, cut);
  }
}

int default_channel_axis(CheckpointFormat format) { return traits_of(format).channel_axis; }

ChannelAxes default_channel_axes(CheckpointFormat format, const TensorInfo& info) {
  if (info.channel_axis) return {*info.channel_axis, 1};
  if (is_depthwise_in(format, info) || looks_depthwise(format, info)) return {-2, 2};
  return {default_channel_axis(format), 1};
}

Scheme with_channel_axes(Scheme scheme, const TensorInfo& info, CheckpointFormat format,
                         const AxisRules& rules) {
  Granularity& granularity = scheme.granularity;
  if (granularity.kind != Granularity::Kind::kChannel) {
    granularity.axis.reset();
    granularity.axis_count = 1;
    return scheme;
  }
  const ChannelAxes axes =
      named_axes(scheme, info, rules).value_or(default_channel_axes(format, info));
  granularity.axis = axes.first;
  granularity.axis_count = axes.count;
  return scheme;
}

std::optional<ChannelAxes> channel_axes_of(const Scheme& scheme, const TensorInfo& info) {
  const Granularity& granularity = scheme.granularity;
  if (granularity.kind != Granularity::Kind::kChannel || !granularity.axis ||
      info.shape.size() < 2) {
    return std::nullopt;
  }
  const int rank = static_cast<int>(info.shape.size());
  const int first = *granularity.axis;
  return ChannelAxes{first < 0 ? first + rank : first, granularity.axis_count};
}

AxisDoubt axis_doubt(const Scheme& scheme, const TensorInfo& info, CheckpointFormat format,
                     const AxisRules& rules) {
  const auto axes = channel_axes_of(with_channel_axes(scheme, info, format, rules), info);
  const std::uint64_t elements = element_count(info.shape);
  const int rank = static_cast<int>(info.shape.size());
  if (!axes || axes->first < 0 || axes->count > rank - axes->first || elements <= 1) {
    return AxisDoubt::kNone;
  }
  std::int64_t channels = 1;
  for (int i = 0; i < axes->count; ++i) {
    channels *= info.shape[static_cast<std::size_t>(axes->first + i)];
  }
  if (channels == 1) return AxisDoubt::kSingleChannel;
  const bool is_guess = !named_axes(scheme, info, rules) && !info.channel_axis &&
                        !is_depthwise_in(format, info) && looks_depthwise(format, info);
  return is_guess ? AxisDoubt::kTakenAsDepthwise : AxisDoubt::kNone;
}

void require_axis_matches(const AxisRules& rules, const std::vector<TensorInfo>& tensors) {
  for (const AxisRule& rule : rules.by_name) {
    const auto hit = [&](const TensorInfo& info) { return name_matches(rule.pattern, info.name); };
    if (std::ranges::any_of(tensors, hit)) continue;
    throw Error(
        ErrorCategory::kNotFound,
        fmt::format("the axis rule '{}={}' matches none of the {} tensors that are quantized",
                    rule.pattern, to_string(rule.axes), tensors.size()),
        {Remedy::Kind::kInspect});
  }
}

}  // namespace narrow
