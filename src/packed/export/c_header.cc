#include "packed/export/c_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/bytes.h"
#include "base/identifiers.h"
#include "narrow/quantize_values.h"
#include "packed/export/memory_image.h"
#include "quant/blocks/block_layout.h"

namespace narrow {
namespace {

constexpr std::size_t kNumbersInLine = 16;
constexpr std::size_t kReadBytes = std::size_t{1} << 16;

// Numbers separated by commas, in lines.
class NumberLines {
 public:
  explicit NumberLines(OutputFile& file) : file_(file) {}

  // `number` as it is to appear.
  void add(std::string_view number) {
    if (count_ > 0) text_ += count_ % kNumbersInLine == 0 ? ",\n" : ", ";
    text_ += number;
    ++count_;
    if (text_.size() < kReadBytes) return;
    flush();
  }
  void flush() {
    file_.write(text_);
    text_.clear();
  }

 private:
  OutputFile& file_;
  std::string text_;
  std::uint64_t count_ = 0;
};

// A literal may not be -2^31 or -2^63: in C that is a minus before a number that is too large.
std::string literal(std::int64_t code, DType dtype) {
  if (dtype == DType::kUInt32) return fmt::format("{}u", code);
  if (dtype == DType::kInt64) return fmt::format("INT64_C({})", code);
  return code == INT32_MIN ? "-2147483647 - 1" : fmt::format("{}", code);
}

struct ParamArray {
  std::string_view name;  // one word, so that no two names can meet
  std::string_view type;
  std::string_view note;
};

ParamArray param_array(PackedPart part) {
  switch (part) {
    case PackedPart::kLo:
      return {"lo", "uint32_t", "float32 as its bits: where the range of each block begins"};
    case PackedPart::kHi:
      return {"hi", "uint32_t", "float32 as its bits: where the range of each block ends"};
    case PackedPart::kLargest:
      return {"largest", "uint32_t", "float32 as its bits: the largest magnitude in each block"};
    case PackedPart::kFractionBits:
      return {"fractions", "int16_t", "n: a code stands for code * 2^-n"};
    case PackedPart::kSigned:
      return {"signs", "uint8_t", "1: the block has signed codes"};
    case PackedPart::kDecimalExponent:
      return {"exponents", "uint8_t", "s: and that times 10^-s"};
    default:
      return {"levels", "uint32_t", "float32 as its bits: what the codes of each block stand for"};
  }
}

std::string element_literal(PackedPart part, const std::byte* bytes) {
  switch (element_size(parameter_type(part))) {
    case 1:
      return fmt::format("{}", load_le<std::uint8_t>(bytes));
    case 2:
      return fmt::format("{}", load_le<std::int16_t>(bytes));
    default:
      return fmt::format("0x{:08x}u", load_le<std::uint32_t>(bytes));
  }
}

}  // namespace

CHeader::CHeader(const PackedFile& packed, std::string name, OutputFile& file)
    : packed_(packed), name_(std::move(name)), file_(file) {
  const std::string guard = "NARROW_" + upper_case(name_) + "_H";
  file_.write(
      fmt::format("/* Integer codes, made by {}. Compiles as C99 and as C++.\n"
                  "   {}_errors() is 0 when every array has the sum that it had when it was "
                  "written. */\n"
                  "#ifndef {}\n#define {}\n\n#include <stddef.h>\n#include <stdint.h>\n",
                  packed_.contents().tool, name_, guard, guard));
}

void CHeader::add(std::size_t index, const std::string& identifier, const CodeFacts& facts,
                  std::uint32_t crc32c) {
  const PackedTensor& tensor = packed_.contents().tensors[index];
  identifiers_.push_back(identifier);
  const std::vector<std::string> lines = test_vector(tensor, facts, crc32c);
  file_.write(fmt::format("\n/* {} */\n", fmt::join(lines, "\n   ")));
  add_macros(tensor, identifier, facts);
  for (const StoredPart& part : packed_.parts(index)) {
    if (part.part == PackedPart::kCodes) continue;
    add_params(part, identifier, tensor.blocks * parameters_per_block(part.part, *tensor.scheme));
  }
  add_codes(index, identifier, facts);
}

void CHeader::add_macros(const PackedTensor& tensor, const std::string& identifier,
                         const CodeFacts& facts) {
  const std::string macro = upper_case(identifier);
  const BlockLayout layout = block_layout(tensor.scheme->granularity, tensor.info, 0);
  file_.write(
      fmt::format("#define {0}_COUNT {1}\n#define {0}_BITS {2}\n#define {0}_BLOCKS {3}\n"
                  "/* code i belongs to block i / {0}_RUN % {0}_BLOCKS */\n"
                  "#define {0}_RUN {4}\n#define {0}_SUM INT64_C({5})\n",
                  macro, facts.count, tensor.scheme->bits, tensor.blocks, layout.run, facts.sum));
}

void CHeader::add_params(const StoredPart& part, const std::string& identifier,
                         std::uint64_t count) {
  const ParamArray array = param_array(part.part);
  file_.write(fmt::format("/* {} */\nstatic const {} {}_{}[{}] = {{\n", array.note, array.type,
                          identifier, array.name, count));
  CheckedStream stream = packed_.open(part);
  const std::size_t size = element_size(parameter_type(part.part));
  NumberLines numbers(file_);
  std::vector<std::byte> bytes;
  while (stream.bytes_left() > 0) {
    bytes.resize(std::min<std::uint64_t>(stream.bytes_left(), kReadBytes));
    stream.read(bytes);
    for (std::size_t i = 0; i < bytes.size(); i += size) {
      numbers.add(element_literal(part.part, bytes.data() + i));
    }
  }
  numbers.flush();
  file_.write("};\n");
}

void CHeader::add_codes(std::size_t index, const std::string& identifier, const CodeFacts& facts) {
  const DType dtype = code_dtype(packed_.contents().tensors[index].scheme->bits, facts);
  file_.write(fmt::format("static const {}_t {}_codes[{}] = {{\n", to_string(dtype), identifier,
                          facts.count));
  NumberLines numbers(file_);
  for_each_codes(packed_, index, [&](std::span<const std::int64_t> codes) {
    for (const std::int64_t code : codes) numbers.add(literal(code, dtype));
  });
  numbers.flush();
  file_.write("};\n");
}

void CHeader::finish() {
  file_.write(
      fmt::format("\n/* How many arrays do not have the sum that they should have. */\n"
                  "static inline int {}_errors(void) {{\n  int errors = 0;\n"
                  "  int64_t sum;\n  size_t i;\n",
                  name_));
  for (const std::string& identifier : identifiers_) {
    file_.write(
        fmt::format("  sum = 0;\n"
                    "  for (i = 0; i < {0}_COUNT; ++i) sum += {1}_codes[i];\n"
                    "  errors += sum != {0}_SUM;\n",
                    upper_case(identifier), identifier));
  }
  file_.write("  return errors;\n}\n\n#endif\n");
}

}  // namespace narrow
