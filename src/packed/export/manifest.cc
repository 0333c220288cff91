#include "packed/export/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "base/json_text.h"
#include "narrow/channel_axes.h"
#include "narrow/error.h"
#include "narrow/version.h"
#include "packed/export/block_fields.h"
#include "quant/scheme_json.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kWriteBytes = std::size_t{1} << 16;
// More parameters are in the manifest only: a memory image is not for reading them.
constexpr std::uint64_t kMostCommentedNumbers = 512;
constexpr std::size_t kLevelsInLine = 8;
constexpr const char* kKind = "narrow export";

ordered_json signs_json(const CodeFacts& facts) {
  if (facts.has_signed_blocks && facts.has_unsigned_blocks) return "by block";
  return facts.has_signed_blocks;
}

// The scheme with axes as they are counted from the first.
Scheme with_counted_axes(const PackedTensor& tensor) {
  Scheme scheme = *tensor.scheme;
  const auto axes = channel_axes_of(scheme, tensor.info);
  scheme.granularity.axis = axes ? std::optional(axes->first) : std::nullopt;
  return scheme;
}

ordered_json tensor_json(const PackedTensor& tensor, const ExportedCodes& exported,
                         const CodeFacts& facts, CodeFormat format) {
  ordered_json json = {{"name", exported.tensor},
                       {"identifier", exported.identifier},
                       {"file", exported.file.filename().string()},
                       {"format", to_string(format)},
                       {"dtype", to_string(tensor.info.dtype)},
                       {"shape", tensor.info.shape},
                       {"order", "row-major"}};
  json.update(scheme_json(with_counted_axes(tensor)));
  json["signed"] = signs_json(facts);
  if (format == CodeFormat::kNpy || format == CodeFormat::kCHeader) {
    json["stored_as"] = to_string(code_dtype(tensor.scheme->bits, facts));
  } else {
    json["radix"] = 16;
  }
  json["codes"] = facts.count;
  json["sum"] = facts.sum;
  json["first_codes"] = facts.first;
  json["crc32c"] = fmt::format("{:08x}", exported.crc32c);
  json["blocks"] = tensor.blocks;
  json["run"] = block_layout(tensor.scheme->granularity, tensor.info, 0).run;
  json["value"] = value_formula(*tensor.scheme);
  if (has_format(*tensor.scheme)) {
    const bool wraps = tensor.scheme->format.overflow == Overflow::kWrap;
    json[wraps ? "wrapped_values" : "saturated_values"] = tensor.overflowed;
  }
  return json;
}

// "levels 0: 0.25 0.5 ..." in lines that a person can look at.
void add_levels(std::uint64_t block, const std::vector<float>& levels,
                std::vector<std::string>& lines) {
  for (std::size_t first = 0; first < levels.size(); first += kLevelsInLine) {
    std::vector<double> part;
    for (std::size_t i = first; i < std::min(levels.size(), first + kLevelsInLine); ++i) {
      part.push_back(levels[i]);
    }
    lines.push_back(
        fmt::format("block {}, levels from code {}: {}", block, first, fmt::join(part, " ")));
  }
}

// Whatever wrote it last: a manifest keeps its meaning when it is formatted differently.
std::optional<ordered_json> read_manifest(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return std::nullopt;
  try {
    ordered_json json =
        parse_json(read_small_file(file, std::numeric_limits<std::uint64_t>::max()));
    if (json.at("kind") != kKind || !json.at("tensors").is_array()) return std::nullopt;
    for (const ordered_json& tensor : json.at("tensors")) {
      static_cast<void>(tensor.at("file").get<std::string>());
    }
    return json;
  } catch (const ordered_json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

bool is_manifest(const std::filesystem::path& file) { return read_manifest(file).has_value(); }

std::string value_formula(const Scheme& scheme) {
  switch (scheme.kind) {
    case SchemeKind::kBin:
      return "lo + (code + 0.5) * width, or lo where lo = hi";
    case SchemeKind::kFixedPoint:
      return scheme.scaling == Scaling::kBinary ? "code * 2^-fraction_bits"
                                                : "code * 2^-fraction_bits * 10^-decimal_exponent";
    case SchemeKind::kAffine:
      return "(code - zero) * scale";
    case SchemeKind::kSymmetric:
      return "code * scale";
    case SchemeKind::kCodebook:
      return "levels[code]";
  }
  return "";
}

std::vector<std::string> parameter_lines(const PackedFile& packed, std::size_t index) {
  const PackedTensor& tensor = packed.contents().tensors[index];
  const Scheme& scheme = *tensor.scheme;
  const bool is_codebook = scheme.kind == SchemeKind::kCodebook;
  const auto fields = block_fields(scheme);
  const std::uint64_t of_block = is_codebook ? std::uint64_t{1} << scheme.bits : fields.size();
  if (tensor.blocks > kMostCommentedNumbers / of_block) {
    return {fmt::format("the parameters of the {} blocks are in the manifest", tensor.blocks)};
  }
  std::vector<std::string> lines;
  std::uint64_t block = 0;
  for_each_params(packed, index, [&](std::span<const BlockParams> params) {
    for (const BlockParams& one : params) {
      if (is_codebook) {
        add_levels(block++, one.levels, lines);
        continue;
      }
      std::string line = fmt::format("block {}:", block++);
      for (const BlockField& field : fields) {
        line += fmt::format(" {} {}", field.name, field.text(one));
      }
      lines.push_back(std::move(line));
    }
  });
  return lines;
}

Manifest::Manifest(const PackedFile& packed, CodeFormat format, OutputFile& file)
    : packed_(packed), format_(format), file_(file) {
  const PackedContents& contents = packed.contents();
  const ordered_json head = {{"schema", 1},
                             {"kind", kKind},
                             {"narrow", build_info().version},
                             {"format", to_string(format)},
                             {"input_format", to_string(contents.input_format)},
                             {"input_digest", contents.input_digest}};
  std::string text = dump_json(head, 2);
  text.resize(text.size() - 2);  // without "\n}"
  file_.write(text + ",\n  \"tensors\": [");
}

void Manifest::add(std::size_t index, const ExportedCodes& exported, const CodeFacts& facts) {
  const PackedTensor& tensor = packed_.contents().tensors[index];
  std::string text = dump_any_json(tensor_json(tensor, exported, facts, format_));
  text.pop_back();  // "}"
  file_.write(fmt::format("{}\n    {}, \"params\": {{", has_tensors_ ? "," : "", text));
  has_tensors_ = true;
  add_params(index);
  file_.write("}}");
}

// A list for each field. The blocks are read again for each.
void Manifest::add_params(std::size_t index) {
  bool is_first_field = true;
  for (const BlockField& field : block_fields(*packed_.contents().tensors[index].scheme)) {
    std::string text = fmt::format("{}\"{}\": [", is_first_field ? "" : ", ", field.name);
    is_first_field = false;
    bool is_first = true;
    for_each_params(packed_, index, [&](std::span<const BlockParams> params) {
      for (const BlockParams& one : params) {
        if (!is_first) text += ", ";
        is_first = false;
        text += field.text(one);
        if (text.size() < kWriteBytes) continue;
        file_.write(text);
        text.clear();
      }
    });
    file_.write(text + "]");
  }
}

void Manifest::carry_over(const std::filesystem::path& before,
                          const std::set<std::string>& replaced) {
  const auto manifest = read_manifest(before);
  if (!manifest) return;
  for (const ordered_json& tensor : manifest->at("tensors")) {
    const auto name = tensor.at("file").get<std::string>();
    std::error_code error;
    if (replaced.contains(name) || !std::filesystem::exists(before.parent_path() / name, error)) {
      continue;
    }
    file_.write(fmt::format("{}\n    {}", has_tensors_ ? "," : "", dump_any_json(tensor)));
    has_tensors_ = true;
  }
}

void Manifest::finish() { file_.write("\n  ]\n}\n"); }

}  // namespace narrow
