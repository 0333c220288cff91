#include "data/records/example.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <limits>
#include <utility>

#include "example.pb.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kEncoded = "image/encoded";
constexpr std::string_view kFormat = "image/format";
constexpr std::string_view kLabel = "image/class/label";
constexpr std::string_view kHeight = "image/height";
constexpr std::string_view kWidth = "image/width";

void parse_wire(std::span<const std::byte> bytes, std::string_view place, wire::Example* example) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !example->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is no tf.Example: its {} bytes do not parse", place, bytes.size()));
  }
}

// The one value of a feature of type `kind`, or null when there is no such feature.
template <typename List>
auto* single_value(const wire::Features& features, std::string_view key, std::string_view place,
                   wire::Feature::KindCase kind, const List& (wire::Feature::*list)() const) {
  using Value = std::remove_reference_t<decltype((std::declval<const List&>()).value(0))>;
  const auto found = features.feature().find(std::string(key));
  if (found == features.feature().end()) return static_cast<const Value*>(nullptr);
  const wire::Feature& feature = found->second;
  if (feature.kind_case() != kind || (feature.*list)().value_size() != 1) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{}: the feature {} is not the single {} that TF-Slim's image records hold",
                    place, key, kind == wire::Feature::kBytesList ? "byte string" : "integer"));
  }
  return static_cast<const Value*>(&(feature.*list)().value().Get(0));
}

const std::string* bytes_value(const wire::Features& features, std::string_view key,
                               std::string_view place) {
  return single_value(features, key, place, wire::Feature::kBytesList, &wire::Feature::bytes_list);
}

std::int64_t integer_or(const wire::Features& features, std::string_view key,
                        std::string_view place, std::int64_t otherwise) {
  const auto* value =
      single_value(features, key, place, wire::Feature::kInt64List, &wire::Feature::int64_list);
  return value == nullptr ? otherwise : *value;
}

Feature from_wire(const wire::Feature& feature) {
  switch (feature.kind_case()) {
    case wire::Feature::kBytesList: {
      const auto& values = feature.bytes_list().value();
      return std::vector<std::string>(values.begin(), values.end());
    }
    case wire::Feature::kFloatList: {
      const auto& values = feature.float_list().value();
      return std::vector<float>(values.begin(), values.end());
    }
    case wire::Feature::kInt64List: {
      const auto& values = feature.int64_list().value();
      return std::vector<std::int64_t>(values.begin(), values.end());
    }
    case wire::Feature::KIND_NOT_SET:
      break;
  }
  return std::monostate{};
}

}  // namespace

Example parse_example(std::span<const std::byte> bytes, std::string_view place) {
  wire::Example parsed;
  parse_wire(bytes, place, &parsed);
  Example example;
  for (const auto& [key, feature] : parsed.features().feature()) {
    example.emplace(key, from_wire(feature));
  }
  return example;
}

std::string serialize_example(const Example& example) {
  wire::Example message;
  auto& features = *message.mutable_features()->mutable_feature();
  for (const auto& [key, feature] : example) {
    wire::Feature& out = features[key];
    if (const auto* texts = std::get_if<std::vector<std::string>>(&feature)) {
      auto* list = out.mutable_bytes_list();
      for (const auto& text : *texts) list->add_value(text);
    } else if (const auto* floats = std::get_if<std::vector<float>>(&feature)) {
      out.mutable_float_list()->mutable_value()->Add(floats->begin(), floats->end());
    } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&feature)) {
      out.mutable_int64_list()->mutable_value()->Add(integers->begin(), integers->end());
    }
  }
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

ImageExample parse_image_example(std::span<const std::byte> bytes, std::string_view place) {
  wire::Example parsed;
  parse_wire(bytes, place, &parsed);
  const wire::Features& features = parsed.features();
  const auto missing = [&](std::string_view key) {
    return Error(ErrorCategory::kCorrupt,
                 fmt::format("{} has no feature {}; TF-Slim's image records need it", place, key));
  };
  ImageExample image;
  const std::string* encoded = bytes_value(features, kEncoded, place);
  if (encoded == nullptr) throw missing(kEncoded);
  image.encoded = *encoded;
  const std::string* format = bytes_value(features, kFormat, place);
  image.format = format == nullptr ? "png" : *format;
  if (!features.feature().contains(std::string(kLabel))) throw missing(kLabel);
  image.label = integer_or(features, kLabel, place, 0);
  image.height = integer_or(features, kHeight, place, 0);
  image.width = integer_or(features, kWidth, place, 0);
  return image;
}

std::string serialize_image_example(const ImageExample& image) {
  return serialize_example({
      {std::string(kEncoded), std::vector<std::string>{image.encoded}},
      {std::string(kFormat), std::vector<std::string>{image.format}},
      {std::string(kLabel), std::vector<std::int64_t>{image.label}},
      {std::string(kHeight), std::vector<std::int64_t>{image.height}},
      {std::string(kWidth), std::vector<std::int64_t>{image.width}},
  });
}

}  // namespace narrow
