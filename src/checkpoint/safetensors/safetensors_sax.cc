#include "checkpoint/safetensors/safetensors_sax.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

namespace narrow {
namespace {

constexpr const char* kMetadataKey = "__metadata__";

// TensorFlow's limit, the widest of the formats.
constexpr std::size_t kMaxRank = 254;

// Longer than any type; a name from the file must not fill the terminal.
constexpr std::size_t kMaxTypeNameBytes = 64;

}  // namespace

std::string excerpt(const std::string& text) {
  constexpr std::size_t kLongest = 200;
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

bool SafetensorsSax::fail(std::string problem, ErrorCategory category) {
  problem_ = std::move(problem);
  category_ = category;
  return false;
}

bool SafetensorsSax::unexpected(const std::string& what) {
  switch (place_) {
    case Place::kOutside:
      return fail("is " + what + " instead of a JSON object");
    case Place::kTop:
    case Place::kTopValue:
      return fail(fmt::format("has {} for {} instead of an object", what, excerpt(key_)));
    case Place::kMetadata:
      return fail(
          fmt::format("has {} for {} in {} instead of a text", what, excerpt(key_), kMetadataKey));
    case Place::kTensor:
    case Place::kDType:
    case Place::kShape:
    case Place::kOffsets:
      break;
  }
  return fail(fmt::format("has {} for {} of tensor {}, where a {} is expected", what, field_,
                          excerpt(entry_.info.name),
                          place_ == Place::kDType ? "text" : "list of whole numbers"));
}

bool SafetensorsSax::number_integer(std::int64_t value) {
  return unexpected("the negative number " + std::to_string(value));
}

bool SafetensorsSax::number_unsigned(std::uint64_t value) {
  if (!in_array_) return unexpected("the number " + std::to_string(value));
  if (place_ == Place::kOffsets) {
    if (offsets_.size() == 2) return unexpected("a third number");
    offsets_.push_back(value);
    return true;
  }
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return unexpected("the too large number " + std::to_string(value));
  }
  if (entry_.info.shape.size() == kMaxRank) {
    return fail(fmt::format("gives tensor {} more than {} dimensions, which is not supported",
                            excerpt(entry_.info.name), kMaxRank),
                ErrorCategory::kUnsupported);
  }
  entry_.info.shape.push_back(static_cast<std::int64_t>(value));
  return true;
}

bool SafetensorsSax::string(std::string& text) {
  if (place_ == Place::kMetadata) {
    header.metadata.emplace(key_, text);
    return true;
  }
  if (place_ != Place::kDType) return unexpected("a text");
  if (text.empty() || text.size() > kMaxTypeNameBytes) {
    return fail(fmt::format("gives tensor {} the type '{}', which cannot be one",
                            excerpt(entry_.info.name), excerpt(text)));
  }
  set_safetensors_type(text, &entry_.info);
  place_ = Place::kTensor;
  return true;
}

bool SafetensorsSax::start_object(std::size_t) {
  if (place_ == Place::kOutside) {
    place_ = Place::kTop;
    return true;
  }
  if (place_ != Place::kTopValue) return unexpected("an object");
  if (key_ == kMetadataKey) {
    place_ = Place::kMetadata;
    return true;
  }
  place_ = Place::kTensor;
  entry_ = {};
  entry_.info.name = key_;
  fields_.clear();
  offsets_.clear();
  return true;
}

bool SafetensorsSax::key(std::string& text) {
  if (place_ == Place::kTensor) return tensor_key(text);
  key_ = text;
  if (place_ == Place::kMetadata) {
    return !header.metadata.contains(text) ||
           fail(fmt::format("has {} twice in {}", excerpt(text), kMetadataKey));
  }
  place_ = Place::kTopValue;
  return names_.insert(text).second ||
         fail(fmt::format("lists {} twice; names have to be unique", excerpt(text)));
}

bool SafetensorsSax::tensor_key(const std::string& text) {
  static const std::map<std::string, Place> kFields = {
      {"dtype", Place::kDType}, {"shape", Place::kShape}, {"data_offsets", Place::kOffsets}};
  const auto field = kFields.find(text);
  if (field == kFields.end()) {
    return fail(fmt::format("has {} for tensor {}; known are dtype, shape and data_offsets",
                            excerpt(text), excerpt(entry_.info.name)),
                ErrorCategory::kUnsupported);
  }
  if (!fields_.insert(text).second) {
    return fail(fmt::format("has {} twice for tensor {}", text, excerpt(entry_.info.name)));
  }
  field_ = text;
  place_ = field->second;
  return true;
}

bool SafetensorsSax::end_object() {
  switch (place_) {
    case Place::kMetadata:
      place_ = Place::kTop;
      return true;
    case Place::kTensor:
      place_ = Place::kTop;
      return finish_tensor();
    default:
      place_ = Place::kOutside;
      return true;
  }
}

bool SafetensorsSax::finish_tensor() {
  if (fields_.size() != 3) {
    return fail(
        fmt::format("lacks dtype, shape or data_offsets for tensor {}", excerpt(entry_.info.name)));
  }
  if (offsets_.size() != 2) {
    return fail(fmt::format("has {} data_offsets for tensor {}, not begin and end", offsets_.size(),
                            excerpt(entry_.info.name)));
  }
  entry_.begin = offsets_[0];
  entry_.end = offsets_[1];
  header.entries.push_back(std::move(entry_));
  return true;
}

bool SafetensorsSax::start_array(std::size_t) {
  const bool wanted = (place_ == Place::kShape || place_ == Place::kOffsets) && !in_array_;
  if (!wanted) return unexpected("a list");
  in_array_ = true;
  return true;
}

bool SafetensorsSax::end_array() {
  in_array_ = false;
  place_ = Place::kTensor;
  return true;
}

bool SafetensorsSax::parse_error(std::size_t position, const std::string&,
                                 const nlohmann::json::exception&) {
  return fail(
      fmt::format("is not valid JSON at byte {} of the file", kSafetensorsPrefixBytes + position));
}

}  // namespace narrow
