#include "tasks/sweep/sweep_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/hex.h"
#include "base/sha256.h"
#include "model/onnx/onnx_network.h"
#include "tasks/source_images.h"

namespace narrow {
namespace {

constexpr int kNoAxis = -1000;
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 18;

void add_text(Sha256& digest, const std::string& text) {
  digest.update(as_byte_span(fmt::format("{}:{}\n", text.size(), text)));
}

void add_tensor(Sha256& digest, const CheckpointReader& reader, std::size_t index) {
  const TensorInfo& info = reader.tensors()[index];
  add_text(digest, info.name);
  add_text(digest, fmt::format("{}{}", info.type_name(), to_string(info.shape)));
  if (info.dtype == DType::kString || info.byte_size() == 0) return;
  const auto stream = reader.open(index);
  std::vector<std::byte> piece;
  for (std::uint64_t left = info.byte_size(); left > 0; left -= piece.size()) {
    piece.resize(std::min(left, kPieceBytes));
    stream->read(piece);
    digest.update(piece);
  }
}

void add_file(Sha256& digest, const InputFile& file) {
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < file.size(); at += piece.size()) {
    piece.resize(std::min(kPieceBytes, file.size() - at));
    file.read_at(at, piece);
    digest.update(piece);
  }
}

// Their labels are not in the files.
void add_pictures(Sha256& digest, const EncodedImages& pictures) {
  add_text(digest, "pictures");
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const EncodedImage picture = pictures.read(i);
    add_text(digest, fmt::format("{}", picture.label));
    add_text(digest, picture.bytes);
  }
}

std::uint64_t id_of(const std::string& text) {
  Sha256 digest;
  add_text(digest, text);
  return load_le<std::uint64_t>(digest.digest().data());
}

}  // namespace

std::string sweep_key(const CheckpointReader& reader, std::span<const std::size_t> indices,
                      const EvaluationData& data, const EvaluateOptions& options) {
  Sha256 digest;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) add_tensor(digest, reader, i);
  for (const std::size_t index : indices) add_text(digest, fmt::format("{}", index));
  if (data.has_arrays()) {
    add_text(digest, "arrays");
    add_file(digest, InputFile(data.arrays ? data.arrays->path() : data.examples->path()));
  } else if (options.images.pictures.empty()) {
    for (const auto& file : data.dataset->records().files()) add_file(digest, InputFile(file));
  } else {
    add_pictures(digest, data.dataset->records());
  }
  // What its tensors do is in the file too.
  if (is_onnx(reader)) add_file(digest, InputFile(reader.location().path));
  add_text(digest,
           fmt::format("{} {} {} {} {} {}", options.model_name, options.images.labels_offset,
                       to_string(data.preprocessing.kind), data.preprocessing.output_size,
                       data.preprocessing.resize_side, data.class_count()));
  if (options.use_moving_averages) add_text(digest, "moving averages");
  // What journals of before had no words for.
  const std::string changes = data.has_arrays() ? std::string() : describe_changes(options.images);
  if (!changes.empty()) add_text(digest, changes);
  return to_hex(digest.digest());
}

std::uint64_t network_id(const Scheme& scheme, const AxisRules& axes) {
  std::optional<ChannelAxes> others = axes.others;
  if (scheme.granularity.axis) others = {*scheme.granularity.axis, scheme.granularity.axis_count};
  std::string text = fmt::format("{} {} {} {} {} {}", to_string(scheme.kind), scheme.bits,
                                 static_cast<int>(scheme.scaling), to_string(scheme.granularity),
                                 others ? others->first : kNoAxis, to_string(scheme.range));
  // The same.
  if (has_format(scheme)) {
    // Both, since one text may stand for several formats with a sign or without.
    text += fmt::format(" {} {}", scheme.format.always_signed, to_text(scheme.format, scheme.bits));
  }
  if (others && others->count > 1) text += fmt::format(" {}", to_string(*others));
  for (const AxisRule& rule : axes.by_name) {
    text += fmt::format(" {}:{}={}", rule.pattern.size(), rule.pattern, to_string(rule.axes));
  }
  return id_of(text);
}

std::uint64_t float_network_id() { return id_of("float"); }

}  // namespace narrow
