#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "packed/code_joiner.h"
#include "packed/pack_pipeline.h"
#include "packed/packed_file.h"
#include "packed/stored_params.h"

namespace narrow {
namespace {

std::string_view part_name(PackedPart part) {
  return part == PackedPart::kUnchanged ? "values" : suffix_of(part).substr(1);
}

// The sink of a packing that compares what would be written with what is there.
class PackedComparer {
 public:
  // `numbers`: for each tensor of the plan its number in the packed file. `sentences`: for each
  // tensor of the file what is wrong with it; the first thing found is added.
  PackedComparer(const PackedFile& file, std::vector<std::size_t> numbers,
                 std::vector<std::string>& sentences)
      : file_(file), numbers_(std::move(numbers)), sentences_(sentences) {}

  void put(QuantizePiece& piece) {
    const std::size_t number = numbers_[piece.plan_index];
    const PackedTensor& tensor = file_.contents().tensors[number];
    if (streams_.empty()) {
      for (const StoredPart& part : file_.parts(number)) streams_.push_back(file_.open(part));
    }
    std::string& sentence = sentences_[number];
    if (tensor.scheme.has_value() && piece.quantizer == nullptr) {
      sentence = "the checkpoint's has NaN or infinite values";
    }
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      const PackedPart part = file_.parts(number)[i].part;
      if (!sentence.empty()) break;
      if (part == PackedPart::kCodes) {
        compare_codes(streams_[i], joiner_.add(piece, tensor), tensor, sentence);
      } else if (part == PackedPart::kUnchanged || part == PackedPart::kRaw) {
        compare_values(streams_[i], piece, tensor, sentence);
      } else {
        compare_params(streams_[i], part, piece, sentence);
      }
      if (sentence.empty() && !streams_[i].damage().empty()) {
        sentence = fmt::format("its {} {}", part_name(part), streams_[i].damage());
      }
    }
    first_block_ += piece.params.size();
    if (!piece.last) return;
    streams_.clear();
    first_block_ = 0;
  }

 private:
  // The next bytes of the file, as many as there should be, and where they first differ.
  std::optional<std::size_t> first_difference(CheckedStream& stream,
                                              std::span<const std::byte> expected) {
    found_.resize(std::min<std::uint64_t>(expected.size(), stream.bytes_left()));
    stream.read_any(found_);
    const auto [a, b] = std::mismatch(found_.begin(), found_.end(), expected.begin());
    if (a == found_.end() && found_.size() == expected.size()) return std::nullopt;
    return a - found_.begin();
  }

  void compare_codes(CheckedStream& stream, const CodeJoiner::Bytes& codes,
                     const PackedTensor& tensor, std::string& sentence) {
    const auto at = first_difference(stream, codes.bytes);
    if (!at.has_value()) return;
    const std::byte bits = found_[*at] ^ codes.bytes[*at];
    const std::uint64_t position =
        (codes.offset + *at) * 8 +
        static_cast<unsigned>(std::countr_zero(std::to_integer<std::uint8_t>(bits)));
    sentence = fmt::format("code {} is not what the checkpoint gives",
                           position / static_cast<std::uint64_t>(tensor.scheme->bits));
  }

  void compare_params(CheckedStream& stream, PackedPart part, const QuantizePiece& piece,
                      std::string& sentence) {
    const std::vector<std::byte> expected = params_to_bytes(part, piece.params);
    const auto at = first_difference(stream, expected);
    if (!at.has_value()) return;
    const std::size_t of_block = expected.size() / piece.params.size();
    sentence = fmt::format("{} of block {} is not what the checkpoint gives", part_name(part),
                           first_block_ + *at / of_block);
  }

  void compare_values(CheckedStream& stream, const QuantizePiece& piece, const PackedTensor& tensor,
                      std::string& sentence) {
    const auto at = first_difference(stream, piece.bytes);
    if (!at.has_value()) return;
    sentence = tensor.info.dtype == DType::kString
                   ? "its strings are not those of the checkpoint"
                   : fmt::format("value {} is not that of the checkpoint",
                                 piece.first_element + *at / element_size(tensor.info.dtype));
  }

  const PackedFile& file_;
  std::vector<std::size_t> numbers_;
  std::vector<std::string>& sentences_;
  std::vector<CheckedStream> streams_;  // of the parts of the current tensor
  std::vector<std::byte> found_;
  CodeJoiner joiner_;
  std::uint64_t first_block_ = 0;
};

// Why the checkpoint's tensor cannot be compared with the packed one; empty when it can.
std::string complaint(const CheckpointReader& reader, const PackedTensor& tensor) {
  const auto found = reader.find(tensor.info.name);
  if (!found.has_value()) return "the checkpoint has no tensor of this name";
  const TensorInfo& info = reader.tensors()[*found];
  if (info.same_tensor(tensor.info)) return "";
  const auto describe = [](const TensorInfo& of) {
    const std::string type = fmt::format("{} {}", of.type_name(), to_string(of.shape));
    return of.dtype == DType::kOpaque ? fmt::format("{} of {} bytes", type, of.byte_size()) : type;
  };
  return fmt::format("it is {}, in the checkpoint {}", describe(tensor.info), describe(info));
}

// At most one.
std::vector<PackedDifference> padding_difference(const PackedFile& file) {
  auto padding = file.open_padding();
  if (!padding.has_value()) return {};
  std::vector<std::byte> bytes(padding->bytes_left());
  padding->read_any(bytes);
  if (padding->damage().empty()) return {};
  return {{"", fmt::format("{} {}", kPaddingName, padding->damage())}};
}

}  // namespace

std::vector<PackedDifference> verify_packed(const PackedCheckpoint& packed,
                                            const CheckpointReader& reader, const RunOptions& run) {
  const PackedContents& contents = packed.contents();
  QuantizePlan plan;
  std::vector<std::size_t> numbers;
  std::vector<std::string> sentences;
  std::unordered_set<std::string_view> names;
  for (const PackedTensor& tensor : contents.tensors) {
    names.insert(tensor.info.name);
    sentences.push_back(complaint(reader, tensor));
    if (!sentences.back().empty()) continue;
    plan.push_back({*reader.find(tensor.info.name), tensor.scheme});
    numbers.push_back(sentences.size() - 1);
  }
  PackedComparer comparer(file_of(packed), std::move(numbers), sentences);
  ContentDigest digest;
  run_pack_pipeline(
      reader, plan, NonFinitePolicy::kKeep, run.threads,
      [&](QuantizePiece& piece) { comparer.put(piece); },
      [&](std::size_t index, const Digest128& values) {
        digest.add(reader.tensors()[plan[index].index], values);
      },
      run.observer);
  std::vector<PackedDifference> differences = padding_difference(file_of(packed));
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    if (!sentences[i].empty()) differences.push_back({contents.tensors[i].info.name, sentences[i]});
  }
  for (const TensorInfo& info : reader.tensors()) {
    if (!names.contains(info.name)) {
      differences.push_back({info.name, "the packed file has no tensor of this name"});
    }
  }
  if (differences.empty() && digest.text() != contents.input_digest) {
    differences.push_back({"",
                           "the codes agree, but the checkpoint's values are not those that "
                           "were packed: its digest is another"});
  }
  return differences;
}

}  // namespace narrow
