#include "packed/packed_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <set>
#include <utility>

#include "base/json_text.h"
#include "narrow/error.h"
#include "narrow/float8_weights.h"
#include "narrow/version.h"
#include "packed/content_digest.h"
#include "quant/scheme_json.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;
using Metadata = std::map<std::string, std::string>;

constexpr std::string_view kVersion = "1";
constexpr const char* kToolKey = "narrow.tool";
constexpr const char* kFormatKey = "narrow.input_format";
constexpr const char* kDigestKey = "narrow.input_digest";
constexpr const char* kSchemesKey = "narrow.schemes";
constexpr const char* kTensorsKey = "narrow.tensors";
constexpr const char* kChecksumsKey = "narrow.crc32c";
constexpr std::size_t kChecksumDigits = 8;
constexpr std::size_t kCountDigits = 16;
constexpr std::size_t kMaxRank = 254;
// What a recipe needs: objects in a list, lists in these.
constexpr int kDeepestNesting = 4;
// Of tensors of an opaque type: whose it is, and the size that only its file gave.
constexpr const char* kFamilyKey = "dtype_of";
constexpr const char* kBytesKey = "bytes";
constexpr const char* kColumnMajorKey = "column_major";
using Family = std::pair<OpaqueType::Family, std::string_view>;
constexpr std::array<Family, 8> kFamilies = {{{OpaqueType::Family::kSafetensors, "safetensors"},
                                              {OpaqueType::Family::kTensorFlow, "tensorflow"},
                                              {OpaqueType::Family::kNumpy, "numpy"},
                                              {OpaqueType::Family::kOnnx, "onnx"},
                                              {OpaqueType::Family::kPyTorch, "pytorch"},
                                              {OpaqueType::Family::kGguf, "gguf"},
                                              {OpaqueType::Family::kHdf5, "hdf5"},
                                              {OpaqueType::Family::kTflite, "tflite"}}};

class Parser {
 public:
  Parser(const Metadata& metadata, const std::string& file) : metadata_(metadata), file_(file) {}

  PackedMetadata parse() {
    PackedMetadata result;
    PackedContents& contents = result.contents;
    contents.tool = text(kToolKey);
    contents.input_format = input_format();
    contents.input_digest = hexadecimal(kDigestKey, text(kDigestKey), kDigestDigits);
    const std::vector<Scheme> schemes = parse_schemes();
    parse_tensors(schemes, contents.tensors);
    parse_checksums(result.checksums);
    for (const auto& [key, value] : metadata_) {
      if (!key.starts_with(kPackedKeyPrefix)) contents.metadata.emplace(key, value);
    }
    return result;
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("the metadata of the packed file {} {}", file_, problem));
  }

  const std::string& text(const char* key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) refuse(fmt::format("lack {}", key));
    return found->second;
  }

  std::string hexadecimal(const char* key, const std::string& digits, std::size_t count) const {
    if (digits.size() == count &&
        digits.find_first_not_of("0123456789abcdef") == std::string::npos) {
      return digits;
    }
    refuse(fmt::format("have something in {} that is not {} lower-case hexadecimal digits", key,
                       count));
  }

  CheckpointFormat input_format() const {
    for (const CheckpointFormatTraits& format : checkpoint_formats()) {
      if (format.name == text(kFormatKey)) return format.format;
    }
    refuse(fmt::format("name a format in {} that is not one", kFormatKey));
  }

  ordered_json json(const char* key, ordered_json::value_t type) const {
    return parsed<ordered_json>(key, type, parse_json);
  }

  template <typename Json, typename ParseText>
  Json parsed(const char* key, typename Json::value_t type, ParseText parse_text) const {
    if (nests_deeper(text(key), kDeepestNesting)) {
      refuse(fmt::format("hold JSON that nests too deeply in {}", key));
    }
    try {
      Json value = parse_text(text(key));
      if (value.type() == type) return value;
    } catch (const ordered_json::exception&) {
      refuse(fmt::format("have something in {} that is not valid JSON", key));
    }
    refuse(fmt::format("have JSON of the wrong kind in {}", key));
  }

  std::vector<Scheme> parse_schemes() const {
    std::vector<Scheme> schemes;
    for (const ordered_json& entry : json(kSchemesKey, ordered_json::value_t::array)) {
      if (!entry.is_object()) refuse("have a scheme that is no object");
      schemes.push_back(parse_scheme_json(entry, "the recipe of the packed file " + file_));
      const Granularity& granularity = schemes.back().granularity;
      if (granularity.kind == Granularity::Kind::kChannel && !granularity.axis.has_value()) {
        refuse("have a scheme for channels that does not name their axis");
      }
    }
    return schemes;
  }

  void parse_tensors(const std::vector<Scheme>& schemes, std::vector<PackedTensor>& tensors) const {
    std::set<std::string> names;
    for (const ordered_json& entry : json(kTensorsKey, ordered_json::value_t::array)) {
      const std::string number = std::to_string(tensors.size());
      if (!entry.is_object()) refuse("have a tensor that is no object: number " + number);
      PackedTensor& tensor = tensors.emplace_back();
      const auto name = entry.find("name");
      if (name == entry.end() || !name->is_string()) refuse("lack the name of tensor " + number);
      tensor.info.name = name->get<std::string>();
      if (!names.insert(tensor.info.name).second) {
        refuse("list a tensor twice: number " + number);
      }
      set_type(entry, number, &tensor.info);
      tensor.info.shape = shape_of(entry, number);
      if (const auto kept = entry.find("non_finite"); kept != entry.end()) {
        tensor.non_finite = number_of(*kept, UINT64_MAX, "non_finite", number);
      }
      const auto scheme = entry.find("scheme");
      if (scheme == entry.end()) continue;
      if (schemes.empty()) refuse("have no scheme for tensor " + number);
      tensor.scheme = schemes[number_of(*scheme, schemes.size() - 1, "scheme", number)];
      if (const auto count = entry.find("overflowed"); count != entry.end()) {
        tensor.overflowed = overflowed_of(*count, number);
        if (tensor.overflowed > element_count(tensor.info.shape) || !has_format(*tensor.scheme)) {
          refuse(fmt::format("have an overflowed of tensor {} that cannot be", number));
        }
      }
      if (!is_floating_point(tensor.info.dtype)) {
        refuse(
            fmt::format("have codes for tensor {}, which is not of a floating-point type", number));
      }
    }
  }

  std::uint64_t number_of(const ordered_json& value, std::uint64_t largest, const char* what,
                          const std::string& number) const {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() <= largest) {
      return value.get<std::uint64_t>();
    }
    refuse(fmt::format("have a {} of tensor {} that is not a number from 0 to {}", what, number,
                       largest));
  }

  std::uint64_t overflowed_of(const ordered_json& value, const std::string& number) const {
    std::uint64_t count = 0;
    if (value.is_string()) {
      const auto digits = value.get<std::string>();
      const char* const end = digits.data() + digits.size();
      const auto [stop, error] = std::from_chars(digits.data(), end, count, 16);
      if (digits.size() == kCountDigits && error == std::errc() && stop == end) return count;
    }
    refuse(fmt::format("have an overflowed of tensor {} that is not {} hexadecimal digits", number,
                       kCountDigits));
  }

  const std::string& text_of(const ordered_json& entry, const char* key,
                             const std::string& number) const {
    const auto found = entry.find(key);
    if (found != entry.end() && found->is_string()) return found->get_ref<const std::string&>();
    refuse(fmt::format("have no {} for tensor {}", key, number));
  }

  void set_type(const ordered_json& entry, const std::string& number, TensorInfo* info) const {
    const std::string& name = text_of(entry, "dtype", number);
    const bool is_opaque = entry.contains(kFamilyKey);
    for (int i = 0; i < static_cast<int>(DType::kOpaque) && !is_opaque; ++i) {
      info->dtype = static_cast<DType>(i);
      if (to_string(info->dtype) == name) return;
    }
    const std::string family = is_opaque ? text_of(entry, kFamilyKey, number) : "";
    const auto* known = std::ranges::find(kFamilies, family, &Family::second);
    if (known == kFamilies.end()) {
      refuse(fmt::format("have no type that this version knows for tensor {}", number));
    }
    info->dtype = DType::kOpaque;
    const auto bytes = entry.find(kBytesKey);
    if (bytes == entry.end()) refuse(fmt::format("have no {} for tensor {}", kBytesKey, number));
    info->opaque = {.family = known->first,
                    .name = name,
                    .byte_size = number_of(*bytes, INT64_MAX, kBytesKey, number),
                    .column_major = entry.contains(kColumnMajorKey)};
  }

  Shape shape_of(const ordered_json& entry, const std::string& number) const {
    const auto found = entry.find("shape");
    if (found == entry.end() || !found->is_array() || found->size() > kMaxRank) {
      refuse(fmt::format("have no shape for tensor {}", number));
    }
    Shape shape;
    for (const ordered_json& dimension : *found) {
      shape.push_back(
          static_cast<std::int64_t>(number_of(dimension, INT64_MAX, "dimension", number)));
    }
    return shape;
  }

  void parse_checksums(StoredChecksums& checksums) const {
    const auto object =
        parsed<nlohmann::json>(kChecksumsKey, nlohmann::json::value_t::object, parse_large_object);
    for (const auto& [name, value] : object.items()) {
      if (!value.is_string()) refuse("have a checksum that is no text");
      const std::string digits =
          hexadecimal(kChecksumsKey, value.get<std::string>(), kChecksumDigits);
      std::uint32_t checksum = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), checksum, 16);
      checksums[name] = checksum;
    }
  }

  const Metadata& metadata_;
  const std::string& file_;
};

ordered_json tensor_json(const PackedTensor& tensor, std::vector<Scheme>& schemes) {
  ordered_json json = {
      {"name", tensor.info.name}, {"dtype", tensor.info.type_name()}, {"shape", tensor.info.shape}};
  if (const OpaqueType& opaque = tensor.info.opaque; tensor.info.dtype == DType::kOpaque) {
    json[kFamilyKey] = std::ranges::find(kFamilies, opaque.family, &Family::first)->second;
    json[kBytesKey] = opaque.byte_size;
    if (opaque.column_major) json[kColumnMajorKey] = true;
  }
  if (tensor.non_finite > 0) json["non_finite"] = tensor.non_finite;
  if (!tensor.scheme.has_value()) return json;
  auto scheme = std::ranges::find(schemes, *tensor.scheme);
  if (scheme == schemes.end()) scheme = schemes.insert(scheme, *tensor.scheme);
  json["scheme"] = scheme - schemes.begin();
  // Of one length: room for it is reserved before values were counted.
  if (has_format(*tensor.scheme)) {
    json["overflowed"] = fmt::format("{:0{}x}", tensor.overflowed, kCountDigits);
  }
  return json;
}

// As JSON text. Names that are not UTF-8 are refused like everywhere in a safetensors file.
std::string utf8(const std::function<std::string()>& dump) {
  try {
    return dump();
  } catch (const ordered_json::exception&) {
    throw Error(ErrorCategory::kUnsupported,
                "the name of a tensor is not UTF-8, which a packed file demands; rename the "
                "tensor");
  }
}

}  // namespace

void refuse_packed(const CheckpointReader& reader) {
  if (!reader.metadata().contains(std::string(kPackedVersionKey))) return;
  const std::string path = reader.location().path.string();
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} is packed: it holds integer codes instead of values", path),
              {Remedy::Kind::kUnpack, path});
}

std::unique_ptr<CheckpointReader> open_unpacked(const std::filesystem::path& path,
                                                std::optional<DType> float8_cast) {
  auto reader = open_checkpoint(path);
  refuse_packed(*reader);
  return restore_float8(std::move(reader), float8_cast);
}

Metadata packed_metadata(const PackedContents& contents, const StoredChecksums& checksums) {
  Metadata metadata = contents.metadata;
  std::vector<Scheme> schemes;
  ordered_json tensors_json = ordered_json::array();
  for (const PackedTensor& tensor : contents.tensors) {
    tensors_json.push_back(tensor_json(tensor, schemes));
  }
  ordered_json schemes_json = ordered_json::array();
  for (const Scheme& scheme : schemes) schemes_json.push_back(scheme_json(scheme));
  auto checksums_json = nlohmann::json::object();
  for (const auto& [name, crc] : checksums) checksums_json[name] = fmt::format("{:08x}", crc);
  metadata[std::string(kPackedVersionKey)] = kVersion;
  metadata[kToolKey] = contents.tool;
  metadata[kFormatKey] = to_string(contents.input_format);
  metadata[kDigestKey] = contents.input_digest;
  metadata[kSchemesKey] = utf8([&] { return dump_json(schemes_json); });
  metadata[kTensorsKey] = utf8([&] { return dump_json(tensors_json); });
  metadata[kChecksumsKey] = utf8([&] { return dump_large_object(checksums_json); });
  return metadata;
}

PackedMetadata parse_packed_metadata(const Metadata& metadata, const std::string& file) {
  const auto version = metadata.find(std::string(kPackedVersionKey));
  if (version == metadata.end()) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} is not a packed checkpoint: it has no {} in its metadata", file,
                            kPackedVersionKey),
                {Remedy::Kind::kPack});
  }
  if (version->second != kVersion) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} is a packed checkpoint of another version; narrow {} reads "
                            "version {}",
                            file, build_info().version, kVersion));
  }
  return Parser(metadata, file).parse();
}

}  // namespace narrow
