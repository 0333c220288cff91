// A plan gives every tensor a type; then pieces flow: they are read (bytes of the file where a
// tensor keeps its type), encoded on all threads, and written in order.
#include "narrow/pack_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/item_pool.h"
#include "base/parallel.h"
#include "base/run_progress.h"
#include "base/utf8.h"
#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/container/file_range_stream.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/gguf/gguf_encode.h"
#include "checkpoint/gguf/gguf_output.h"
#include "checkpoint/gguf/gguf_types.h"
#include "narrow/error.h"
#include "quant/elements/element_chunk.h"

namespace narrow {
namespace {

constexpr std::uint64_t kPieceValues = std::uint64_t{1} << 18;  // whole blocks of every type
constexpr std::size_t kMostPieces = 18;
constexpr std::uint32_t kQuantizationVersion = 2;  // GGML_QNT_VERSION of ggml.h

// In the order in which they are offered.
constexpr auto kTypeNames =
    std::to_array<std::string_view>({"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "F16", "BF16", "F32"});

// Parts of the names of tensors that llama.cpp does not quantize (llama-quant.cpp): norms, gates of
// experts, positions, and small ones of state space models and of RWKV.
constexpr auto kKeptNames = std::to_array<std::string_view>(
    {"_norm.weight", "ffn_gate_inp.weight", "altup", "laurel", "per_layer_model_proj",
     "position_embd.weight", "token_types.weight", "ssm_conv1d.weight", "shortconv.conv.weight",
     "time_mix_", "attn_rel_b.weight"});

bool takes_type(const TensorInfo& info) {
  return is_floating_point(info.dtype) && info.shape.size() >= 2 && info.name.ends_with("weight") &&
         std::ranges::none_of(kKeptNames, [&](std::string_view part) {
           return info.name.find(part) != std::string::npos;
         });
}

struct GgufPiece {
  std::size_t tensor = 0;
  std::vector<std::byte> bytes;  // as read, then as written
  std::vector<float> values;
  std::uint64_t read_bytes = 0;
};

// A GGUF file and what stands in it.
struct OpenedGguf {
  explicit OpenedGguf(const std::filesystem::path& path) : file(path) {
    if (!looks_like_gguf(file)) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("the metadata is to come from {}, which is not a GGUF file", path.string()));
    }
    header = read_gguf_header(file);
  }
  InputFile file;
  GgufHeader header;
};

class GgufPacker {
 public:
  GgufPacker(const CheckpointReader& reader, const GgufPackOptions& options)
      : reader_(reader), type_(*find_gguf_type(options.type)) {
    const CheckpointLocation& input = reader.location();
    if (input.format == CheckpointFormat::kGguf) {
      own_.emplace(input.path);
      for (const GgufTensor& tensor : own_->header.tensors) places_[tensor.info.name] = &tensor;
    }
    if (!options.metadata.empty()) other_.emplace(options.metadata);
    if (!own_ && !other_) {
      throw Error(
          ErrorCategory::kUnsupported,
          fmt::format("{} has tensors only, and llama.cpp needs more: the architecture, its "
                      "sizes and the vocabulary; name a GGUF file of the same network that "
                      "has them as metadata",
                      input.path.string()));
    }
    if (!own_) check_same_tensors();
    for (const TensorInfo& info : reader.tensors()) add(info);
  }

  GgufPackResult run(const std::filesystem::path& path, Overwrite overwrite, const RunOptions& run);

 private:
  [[nodiscard]] const OpenedGguf& source() const { return other_ ? *other_ : *own_; }
  void check_same_tensors() const;
  void add(const TensorInfo& info);
  [[nodiscard]] std::pair<const GgufType*, GgufChoice> choose(const TensorInfo& info) const;
  // Where the bytes of a tensor lie that keeps its type; nothing for others.
  [[nodiscard]] const GgufTensor* place_of(const TensorInfo& info) const {
    const auto found = places_.find(info.name);
    return found == places_.end() ? nullptr : found->second;
  }
  void begin(GgufOutput& output) const;
  GgufPiece* next(ItemPool<GgufPiece>& pool);
  void open_next();
  void encode(GgufPiece& piece) const;

  const CheckpointReader& reader_;
  const GgufType& type_;
  std::optional<OpenedGguf> own_;
  std::optional<OpenedGguf> other_;
  std::unordered_map<std::string_view, const GgufTensor*> places_;  // in own_
  GgufPackResult result_;
  std::vector<std::uint32_t> types_;
  std::vector<const GgufTensor*> copied_;  // null: the values are encoded
  // What next() reads.
  std::size_t current_ = 0;
  std::unique_ptr<TensorStream> stream_;
  std::uint64_t left_ = 0;
};

// Every tensor of a file that gives metadata for another one, unless it has none (a vocabulary).
void GgufPacker::check_same_tensors() const {
  const std::vector<GgufTensor>& expected = other_->header.tensors;
  if (expected.empty()) return;
  const std::string where = reader_.location().path.string();
  const std::string model = other_->file.path().string();
  const auto fail = [](const std::string& problem) {
    throw Error(ErrorCategory::kUnsupported,
                problem + "; tensors need the names and shapes that llama.cpp gives them");
  };
  std::unordered_set<std::string_view> names;
  for (const GgufTensor& tensor : expected) {
    const auto index = reader_.find(tensor.info.name);
    if (!index) {
      fail(fmt::format("{} lacks tensor {} of {}", where, shown(tensor.info.name), model));
    } else if (reader_.tensors()[*index].shape != tensor.info.shape) {
      fail(fmt::format("tensor {} of {} is {}, but in {} it is {}", shown(tensor.info.name), where,
                       to_string(reader_.tensors()[*index].shape), model,
                       to_string(tensor.info.shape)));
    }
    names.insert(tensor.info.name);
  }
  for (const TensorInfo& info : reader_.tensors()) {
    if (names.contains(info.name)) continue;
    fail(fmt::format("{} has tensor {}, which {} has not", where, shown(info.name), model));
  }
}

std::pair<const GgufType*, GgufChoice> GgufPacker::choose(const TensorInfo& info) const {
  if (takes_type(info)) {
    if (info.shape.back() % type_.block_values == 0) return {&type_, GgufChoice::kType};
    return {gguf_type_of(DType::kFloat16), GgufChoice::kRows};
  }
  return {gguf_type_of(is_floating_point(info.dtype) ? DType::kFloat32 : info.dtype),
          GgufChoice::kKept};
}

void GgufPacker::add(const TensorInfo& info) {
  const GgufTensor* place = place_of(info);
  const auto [type, choice] = choose(info);
  const bool is_copied =
      place != nullptr && (choice == GgufChoice::kKept || place->type == type->id);
  if (!is_copied && type == nullptr) throw_cannot_hold("a GGUF file", info);
  check_gguf_tensor(info);
  GgufPackedTensor& tensor = result_.tensors.emplace_back();
  tensor.info = info;
  tensor.choice = choice;
  types_.push_back(is_copied ? place->type : type->id);
  tensor.type = gguf_type_name(types_.back());
  tensor.bytes =
      is_copied ? place->size : element_count(info.shape) / type->block_values * type->block_bytes;
  copied_.push_back(is_copied ? place : nullptr);
}

void GgufPacker::begin(GgufOutput& output) const {
  std::vector<GgufNewEntry> entries = copied_entries(source().header);
  set_gguf_entry(&entries,
                 gguf_number_entry("general.file_type", find_gguf_encoder(type_.id)->file_type));
  if (type_.block_values > 1) {
    set_gguf_entry(&entries,
                   gguf_number_entry("general.quantization_version", kQuantizationVersion));
  }
  std::vector<GgufNewTensor> tensors;
  for (std::size_t i = 0; i < types_.size(); ++i) {
    const GgufPackedTensor& tensor = result_.tensors[i];
    tensors.push_back({tensor.info.name, tensor.info.shape, types_[i], tensor.bytes});
  }
  output.begin(source().file, entries, source().header.alignment, std::move(tensors));
}

void GgufPacker::open_next() {
  for (; left_ == 0 && current_ < types_.size(); ++current_) {
    const TensorInfo& info = reader_.tensors()[current_];
    if (const GgufTensor* place = copied_[current_]) {
      left_ = place->size;
      stream_ = std::make_unique<FileRangeStream>(own_->file, info.name, place->begin, place->size);
    } else {
      left_ = info.byte_size();
      stream_ = reader_.open(current_);
    }
  }
}

GgufPiece* GgufPacker::next(ItemPool<GgufPiece>& pool) {
  open_next();
  if (left_ == 0) return nullptr;
  GgufPiece* piece = pool.take();
  piece->tensor = current_ - 1;
  const std::uint64_t size = element_size(reader_.tensors()[piece->tensor].dtype) * kPieceValues;
  piece->bytes.resize(std::min(left_, size));
  stream_->read(piece->bytes);
  left_ -= piece->bytes.size();
  return piece;
}

void GgufPacker::encode(GgufPiece& piece) const {
  piece.read_bytes = piece.bytes.size();
  const TensorInfo& info = reader_.tensors()[piece.tensor];
  // Integers have no encoder: they are written as they are.
  if (copied_[piece.tensor] != nullptr || !is_floating_point(info.dtype)) return;
  const GgufType& type = *find_gguf_type(types_[piece.tensor]);
  piece.values.resize(piece.bytes.size() / element_size(info.dtype));
  load_as_float(info.dtype, piece.bytes.data(), piece.values.size(), piece.values.data());
  piece.bytes.resize(piece.values.size() / type.block_values * type.block_bytes);
  if (find_gguf_encoder(type.id)->encode(piece.values.data(), piece.values.size(),
                                         piece.bytes.data())) {
    return;
  }
  throw Error(ErrorCategory::kNumeric,
              fmt::format("tensor {} of {} has NaN, infinity or numbers too large for the type {}; "
                          "BF16 and F32 hold more",
                          shown(info.name), reader_.location().path.string(), type.name));
}

GgufPackResult GgufPacker::run(const std::filesystem::path& path, Overwrite overwrite,
                               const RunOptions& run) {
  const ThreadLimit limit(run.threads);
  GgufOutput output(path, overwrite);
  begin(output);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < types_.size(); ++i) {
    total += copied_[i] != nullptr ? copied_[i]->size : reader_.tensors()[i].byte_size();
  }
  ItemPool<GgufPiece> pool;
  std::uint64_t done = 0;
  run_pipeline<GgufPiece>(
      std::min(kMostPieces, static_cast<std::size_t>(limit.threads()) + 2),
      [&] { return next(pool); }, [&](GgufPiece& piece) { encode(piece); },
      [&](GgufPiece& piece) {
        output.write(piece.bytes);
        done += piece.read_bytes;
        report_progress(run.observer, done, total, ProgressUnit::kBytes);
        pool.give_back(&piece);
      });
  result_.file_bytes = output.file_bytes();
  output.finish();
  return std::move(result_);
}

}  // namespace

std::string to_string(GgufChoice choice) {
  switch (choice) {
    case GgufChoice::kType:
      return "type";
    case GgufChoice::kRows:
      return "rows";
    case GgufChoice::kKept:
      return "kept";
  }
  return "unknown";
}

std::vector<std::string> gguf_pack_types() { return {kTypeNames.begin(), kTypeNames.end()}; }

GgufPackResult pack_gguf(const CheckpointReader& reader, const GgufPackOptions& options,
                         const std::filesystem::path& output, Overwrite overwrite,
                         const RunOptions& run) {
  if (std::ranges::find(kTypeNames, options.type) == kTypeNames.end()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is not a type that is written into GGUF files", options.type));
  }
  return GgufPacker(reader, options).run(output, overwrite, run);
}

}  // namespace narrow
