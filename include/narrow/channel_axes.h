// Which axes of a tensor are its channels: a matter of the tensor, not of the file alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/scheme.h"
#include "narrow/tensor.h"

namespace narrow {

// `count` adjacent axes from `first` on, negative from the last, whose indices together are the
// channels.
struct ChannelAxes {
  int first = -1;
  int count = 1;
  bool operator==(const ChannelAxes&) const = default;
};

// "3", "-1", "2,3", "-2,-1"; parse_channel_axes takes the same and throws Error(kUsage).
NARROW_EXPORT std::string to_string(const ChannelAxes& axes);
NARROW_EXPORT ChannelAxes parse_channel_axes(std::string_view text);

// The axes of tensors whose name matches a shell pattern (see Selection).
struct AxisRule {
  std::string pattern;
  ChannelAxes axes;
  bool operator==(const AxisRule&) const = default;
};

// What was asked for. The first rule that matches counts, then `others`, then the default.
struct AxisRules {
  std::vector<AxisRule> by_name;
  std::optional<ChannelAxes> others;
  bool operator==(const AxisRules&) const = default;
};

// Whether a tensor is a depthwise kernel [.., C, M] of TensorFlow or Keras by its name: the last
// part is depthwise_weights or depthwise_kernel (":0" after it, what a variable of an object graph
// ends in, and the names of optimizer slots and averages count nothing), and the rank is 3 or more.
NARROW_EXPORT bool is_depthwise_kernel(const TensorInfo& info);

// The channels of a tensor when nothing names them: the axis that the network in the file tells
// (TensorInfo::channel_axis); else the last axis in TensorFlow and NumPy files, the first in
// safetensors and ONNX. The last two together for is_depthwise_kernel (in safetensors unless
// axis 1 has length 1, as in PyTorch's [C, 1, kh, kw]), and for a kernel of rank 3 and more in a
// TensorFlow or NumPy file whose last axis has length 1, but not the one before.
NARROW_EXPORT ChannelAxes default_channel_axes(CheckpointFormat format, const TensorInfo& info);

// The channel axis of a format for tensors of which nothing else is known (default_channel_axes):
// TensorFlow and NumPy -1, safetensors (PyTorch) and ONNX 0.
NARROW_EXPORT int default_channel_axis(CheckpointFormat format);

// The scheme with the channel axes of this tensor written into it: those that it names, or what
// rules and default give. Without axes for granularities other than kChannel.
NARROW_EXPORT Scheme with_channel_axes(Scheme scheme, const TensorInfo& info,
                                       CheckpointFormat format, const AxisRules& rules = {});

// The axes of a scheme that names them, counted from the first of the shape; none for another
// granularity and for tensors of rank 0 and 1.
NARROW_EXPORT std::optional<ChannelAxes> channel_axes_of(const Scheme& scheme,
                                                         const TensorInfo& info);

// What a user should hear about the axes that with_channel_axes chose.
enum class AxisDoubt {
  kNone,
  kSingleChannel,     // a tensor of rank 2 and more has one channel, an axis of length 1
  kTakenAsDepthwise,  // by its shape only: nobody named its axes
};
// `scheme` as it was given to with_channel_axes.
NARROW_EXPORT AxisDoubt axis_doubt(const Scheme& scheme, const TensorInfo& info,
                                   CheckpointFormat format, const AxisRules& rules = {});

// Throws Error(kNotFound) for a rule whose pattern matches none of the tensors.
NARROW_EXPORT void require_axis_matches(const AxisRules& rules,
                                        const std::vector<TensorInfo>& tensors);

}  // namespace narrow
