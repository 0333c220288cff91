#include "tasks/evaluation/image_arrays.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "model/image_classifier.h"
#include "narrow/error.h"
#include "nn/inference/inference_network.h"
#include "tasks/input_arrays.h"

namespace narrow {
namespace {

constexpr std::int64_t kChannels = 3;

const std::string& input_name(const Graph& network) {
  return network.value(network.inputs.front()).name;
}

bool fits(const Dimension& declared, std::int64_t size) {
  return size >= 1 && size <= kLargestImageSide && (declared.is_free() || declared.size == size);
}

}  // namespace

ImageArrays::ImageArrays(const std::filesystem::path& path, const Graph& network, int labels_offset)
    : path_(path) {
  const ImageInput input = image_input(network);
  name_ = input_name(network);
  channels_last_ = input.channels_last;
  const InputArrays file(path);
  NamedArray array = std::move(file.read(std::vector<std::string>{name_}).front());
  const Shape& shape = array.info.shape;
  const std::size_t rows = channels_last_ ? 1 : 2;
  const std::size_t channels = channels_last_ ? 3 : 1;
  if (array.info.dtype != DType::kFloat32 || shape.size() != 4 || shape[channels] != kChannels ||
      !fits(input.height, shape[rows]) || !fits(input.width, shape[rows + 1])) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the array {} of {} is {}{}, but the input of {} is float32{}", name_,
                            path.string(), array.info.type_name(), to_string(shape), network.name,
                            to_string(network.value(network.inputs.front()).dimensions)));
  }
  if (shape[0] == 0) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the array {} of {} has no examples", name_, path.string()));
  }
  size_ = static_cast<std::size_t>(shape[0]);
  height_ = static_cast<int>(shape[rows]);
  width_ = static_cast<int>(shape[rows + 1]);
  values_ = std::move(array.values);
  labels_ = ExampleLabels(file, path, size_, labels_offset);
}

void ImageArrays::require_fit(const Graph& network) const {
  const ImageInput input = image_input(network);
  if (input_name(network) == name_ && input.channels_last == channels_last_) return;
  throw Error(
      ErrorCategory::kUsage,
      fmt::format("the input of {} is {}{}, but the examples of {} are for an input {} with "
                  "channels {}",
                  network.name, input_name(network),
                  to_string(network.value(network.inputs.front()).dimensions), path_.string(),
                  name_, channels_last_ ? "last" : "first"));
}

void ImageArrays::load(std::size_t index, std::span<float> pixels) const {
  const std::byte* const from = values_.data() + index * pixels.size_bytes();
  if (channels_last_) {
    std::memcpy(pixels.data(), from, pixels.size_bytes());
    return;
  }
  const std::size_t plane = pixels.size() / kChannels;
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    for (std::size_t i = 0; i < plane; ++i) {
      std::memcpy(&pixels[i * kChannels + channel], from + (channel * plane + i) * sizeof(float),
                  sizeof(float));
    }
  }
}

}  // namespace narrow
