// tf.Example, TensorFlow's record of named features, and the five features with which TF-Slim
// stores a labelled image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace narrow {

// The monostate is a feature without any of the three lists.
using Feature = std::variant<std::monostate, std::vector<std::string>, std::vector<float>,
                             std::vector<std::int64_t>>;
using Example = std::map<std::string, Feature, std::less<>>;

// Decodes a serialized tf.Example; numbers may be packed or not. `place` names the record in
// messages. Throws Error(kCorrupt) when the bytes are no tf.Example.
Example parse_example(std::span<const std::byte> bytes, std::string_view place);

// The wire format with keys in bytewise order, so that equal examples give equal bytes.
std::string serialize_example(const Example& example);

// A labelled image as TF-Slim's converters write it.
struct ImageExample {
  std::string encoded;  // image/encoded: a whole PNG or JPEG file
  std::string format;   // image/format: "png", "jpeg"; "raw" is not read
  std::int64_t label = 0;
  std::int64_t height = 0;  // 0 when the record does not say
  std::int64_t width = 0;
  bool operator==(const ImageExample&) const = default;
};

// Throws Error(kCorrupt) when the record is no tf.Example, has no image/encoded or no single
// image/class/label, or holds a feature of the wrong type. An absent image/format reads as "png".
// (TF-Slim reads an absent label as 0; here it is an error.)
ImageExample parse_image_example(std::span<const std::byte> bytes, std::string_view place);

std::string serialize_image_example(const ImageExample& image);

}  // namespace narrow
