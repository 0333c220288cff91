#include "tasks/sweep/sweep_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/exchange.h"
#include "base/hex.h"
#include "base/ranks.h"
#include "base/sha256.h"
#include "model/onnx/onnx_network.h"
#include "tasks/source_images.h"

namespace narrow {
namespace {

constexpr int kNoAxis = -1000;
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 18;
constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << 22;  // of a file, digested by itself

void add_text(Sha256& digest, const std::string& text) {
  digest.update(as_byte_span(fmt::format("{}:{}\n", text.size(), text)));
}

// What a key is of: each item is digested by one rank, the key is the digest of these.
class KeyItems {
 public:
  // `add` gives the item's bytes to a digest.
  template <typename Add>
  void add(Add add) {
    if (!share_of_rank().has(count_++)) return;
    Sha256 digest;
    add(digest);
    const Sha256Digest found = digest.digest();
    const auto bytes = std::as_bytes(std::span(found));
    mine_.insert(mine_.end(), bytes.begin(), bytes.end());
  }

  // The same on all ranks, which call it together.
  std::string key() {
    constexpr std::size_t kDigestBytes = sizeof(Sha256Digest);
    const auto all = ranks().gather(mine_);
    Sha256 digest;
    for (std::size_t i = 0; !all.empty() && i < count_; ++i) {
      const auto& of_rank = all[i % all.size()];
      digest.update(std::span(of_rank).subspan(i / all.size() * kDigestBytes, kDigestBytes));
    }
    const std::string text = to_hex(digest.digest());
    std::vector<std::byte> bytes;
    std::ranges::copy(as_byte_span(text), std::back_inserter(bytes));
    ranks().broadcast(bytes);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::size_t count_ = 0;
  std::vector<std::byte> mine_;
};

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

void add_file(KeyItems& items, const InputFile& file) {
  items.add([&](Sha256& digest) { add_text(digest, fmt::format("{} bytes", file.size())); });
  for (std::uint64_t at = 0; at < file.size(); at += kBlockBytes) {
    items.add([&](Sha256& digest) {
      std::vector<std::byte> block(std::min(kBlockBytes, file.size() - at));
      file.read_at(at, block);
      digest.update(block);
    });
  }
}

// Their labels are not in the files.
void add_pictures(KeyItems& items, const EncodedImages& pictures) {
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    items.add([&](Sha256& digest) {
      const EncodedImage picture = pictures.read(i);
      add_text(digest, fmt::format("picture {}", picture.label));
      add_text(digest, picture.bytes);
    });
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
  KeyItems items;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    items.add([&](Sha256& digest) { add_tensor(digest, reader, i); });
  }
  if (data.has_arrays()) {
    add_file(items, InputFile(data.arrays_path()));
  } else if (options.images.pictures.empty()) {
    for (const auto& file : data.dataset->records().files()) add_file(items, InputFile(file));
  } else {
    add_pictures(items, data.dataset->records());
  }
  // What its tensors do is in the file too.
  if (is_onnx(reader)) add_file(items, InputFile(reader.location().path));
  items.add([&](Sha256& digest) {
    for (const std::size_t index : indices) add_text(digest, fmt::format("{}", index));
    add_text(digest, data.has_arrays() ? "arrays" : describe_changes(options.images));
    add_text(digest, fmt::format("{} {} {} {} {} {} {}", options.model_name,
                                 options.images.labels_offset, to_string(data.preprocessing.kind),
                                 data.preprocessing.output_size, data.preprocessing.resize_side,
                                 data.class_count(), options.use_moving_averages));
  });
  return items.key();
}

std::uint64_t network_id(const Scheme& scheme, const AxisRules& axes,
                         const std::optional<ActivationScheme>& activations,
                         const CalibrationImages& calibration) {
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
  if (activations) {
    ImageSource source = calibration.source;
    // 0 is what the file says, which the key knows.
    if (source.image_size == 0) source.image_size = 1;
    text += fmt::format(" activations {} {} of {} of {}", to_string(*activations),
                        range_text(*activations), calibration.count, calibration.source.image_size);
    for (const std::string& part :
         {source.pictures.string(), source.dataset_name, source.dataset_dir.string(),
          source.dataset_split_name, describe_changes(source)}) {
      text += fmt::format(" {}:{}", part.size(), part);
    }
  }
  return id_of(text);
}

std::uint64_t float_network_id() { return id_of("float"); }

}  // namespace narrow
