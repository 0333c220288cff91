#include "packed/export/memory_image.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "base/utf8.h"
#include "narrow/channel_axes.h"
#include "packed/export/manifest.h"

namespace narrow {
namespace {

// Names go into comments: nothing in them may end one, continue it on the next line or make it look
// like code.
std::string in_comment(std::string_view text) {
  std::string safe(text);
  std::ranges::replace_if(
      safe,
      [](unsigned char c) { return c < ' ' || c == '*' || c == '\\' || c == '?' || c == 0x7f; },
      '_');
  safe = shown(safe);
  std::ranges::replace(safe, '\\', '_');  // of what was escaped
  return safe;
}

std::string_view signs_text(const CodeFacts& facts) {
  if (!facts.has_signed_blocks) return "unsigned";
  return facts.has_unsigned_blocks
             ? "two's complement in blocks with negative values, else unsigned"
             : "two's complement";
}

// Before every line of the comment. $readmemh of Verilog takes those of Verilog.
std::string_view comment_of(CodeFormat format) {
  switch (format) {
    case CodeFormat::kMem:
    case CodeFormat::kHex:
      return "// ";
    case CodeFormat::kCoe:
      return "; ";
    case CodeFormat::kMif:
      return "-- ";
    default:
      return "";
  }
}

}  // namespace

std::vector<std::string> test_vector(const PackedTensor& tensor, const CodeFacts& facts,
                                     std::uint32_t crc32c) {
  const Scheme& scheme = *tensor.scheme;
  const bool is_decimal =
      scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kDecimal;
  const auto axes = channel_axes_of(scheme, tensor.info);
  std::string format;
  if (has_format(scheme)) {
    format = fmt::format("; {}; values that overflowed: {}", to_text(scheme.format, scheme.bits),
                         tensor.overflowed);
  }
  return {
      fmt::format("{}: {} {}", in_comment(tensor.info.name), tensor.info.type_name(),
                  to_string(tensor.info.shape)),
      fmt::format("{}{}, {} bits, {}; {}{}", to_string(scheme.kind), is_decimal ? " decimal" : "",
                  scheme.bits, to_string(scheme.granularity), signs_text(facts), format),
      fmt::format("code i, in row-major order, belongs to block (i / {}) mod {}{}",
                  block_layout(scheme.granularity, tensor.info, 0).run, tensor.blocks,
                  axes ? fmt::format(", channels along axis {}", to_string(*axes)) : ""),
      fmt::format("value = {}, in double, rounded once to {}", value_formula(scheme),
                  to_string(tensor.info.dtype)),
      fmt::format("{} codes, sum {}, first codes {}", facts.count, facts.sum,
                  fmt::join(facts.first, " ")),
      fmt::format("CRC-32C of the codes side by side, {} bits each from the lowest bit on: {:08x}",
                  scheme.bits, crc32c)};
}

MemoryImage::MemoryImage(CodeFormat format, const PackedTensor& tensor, const CodeFacts& facts,
                         std::uint32_t crc32c, const std::vector<std::string>& parameters,
                         OutputFile& file)
    : format_(format), bits_(tensor.scheme->bits), count_(facts.count), file_(file) {
  std::vector<std::string> comments = test_vector(tensor, facts, crc32c);
  comments.push_back(fmt::format("radix 16, words of {} bits", bits_));
  comments.insert(comments.end(), parameters.begin(), parameters.end());
  write_head(comments);
}

void MemoryImage::write_head(const std::vector<std::string>& comments) {
  const std::string_view comment = comment_of(format_);
  for (const std::string& line : comments) file_.write(fmt::format("{}{}\n", comment, line));
  if (format_ == CodeFormat::kCoe) {
    file_.write("memory_initialization_radix=16;\nmemory_initialization_vector=\n");
  } else if (format_ == CodeFormat::kMif) {
    file_.write(
        fmt::format("DEPTH = {};\nWIDTH = {};\nADDRESS_RADIX = HEX;\nDATA_RADIX = HEX;\n"
                    "CONTENT BEGIN\n",
                    count_, bits_));
  }
}

void MemoryImage::add(std::span<const std::int64_t> codes) {
  const std::int64_t mask = (std::int64_t{1} << bits_) - 1;
  const int digits = (bits_ + 3) / 4;
  text_.clear();
  auto out = std::back_inserter(text_);
  for (const std::int64_t code : codes) {
    const std::int64_t word = code & mask;
    ++next_;
    switch (format_) {
      case CodeFormat::kCoe:
        fmt::format_to(out, "{:0{}x}{}\n", word, digits, next_ == count_ ? ";" : ",");
        break;
      case CodeFormat::kMif:
        fmt::format_to(out, "{:x} : {:0{}x};\n", next_ - 1, word, digits);
        break;
      default:
        fmt::format_to(out, "{:0{}x}\n", word, digits);
    }
  }
  file_.write(text_);
}

void MemoryImage::finish() {
  if (format_ == CodeFormat::kMif) file_.write("END;\n");
}

}  // namespace narrow
