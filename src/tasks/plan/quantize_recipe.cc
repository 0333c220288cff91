#include "narrow/quantize_recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/json_text.h"
#include "narrow/error.h"
#include "narrow/plan.h"
#include "narrow/version.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

using Metadata = std::map<std::string, std::string>;

constexpr const char* kToolKey = "narrow.tool";
constexpr const char* kCommandKey = "narrow.command";
constexpr const char* kPlanKey = "narrow.plan";
constexpr const char* kNonFiniteKey = "narrow.nonfinite";
constexpr const char* kKeep = "keep";

// Compares what is written with a checkpoint that is there.
class ComparingWriter final : public CheckpointWriter {
 public:
  explicit ComparingWriter(const CheckpointReader& found) : found_(found) {}

  void add(const TensorInfo& info) override { infos_.push_back(info); }

  void write(std::span<const std::byte> values) override {
    skip_empty();
    if (position_ == 0) begin();
    if (stream_ != nullptr) {
      piece_.resize(values.size());
      stream_->read(piece_);
      const auto apart = std::ranges::mismatch(piece_, values);
      if (apart.in1 != piece_.end() && !differs_) {
        note(values, static_cast<std::size_t>(apart.in1 - piece_.begin()));
      }
    }
    position_ += values.size();
    if (position_ == infos_[next_].byte_size()) end();
  }

  void write_strings(std::span<const std::string> values) override {
    skip_empty();
    begin();
    if (index_.has_value() && !differs_ &&
        !std::ranges::equal(found_.read_strings(*index_), values)) {
      add_difference("its texts are not those of the checkpoint");
    }
    end();
  }

  void finish() override {
    skip_empty();
    std::set<std::string_view> names;
    for (const TensorInfo& info : infos_) names.insert(info.name);
    for (const TensorInfo& info : found_.tensors()) {
      if (names.contains(info.name)) continue;
      differences_.push_back({info.name, "the checkpoint does not have it"});
    }
  }

  [[nodiscard]] std::vector<PackedDifference> take() { return std::move(differences_); }

 private:
  void add_difference(std::string sentence) {
    differences_.push_back({infos_[next_].name, std::move(sentence)});
    differs_ = true;
  }

  void begin() {
    const TensorInfo& info = infos_[next_];
    differs_ = false;
    stream_ = nullptr;
    index_ = found_.find(info.name);
    if (!index_.has_value()) {
      add_difference("it is missing");
    } else if (const TensorInfo& other = found_.tensors()[*index_];
               other.shape != info.shape || other.type_name() != info.type_name()) {
      add_difference(fmt::format("it is {}{}, but the checkpoint gives {}{}", other.type_name(),
                                 to_string(other.shape), info.type_name(), to_string(info.shape)));
      index_ = std::nullopt;
    } else if (info.dtype != DType::kString) {
      stream_ = found_.open(*index_);
    }
  }

  void end() {
    ++next_;
    position_ = 0;
  }

  // Tensors of which nothing is written.
  void skip_empty() {
    while (position_ == 0 && next_ < infos_.size() && element_count(infos_[next_].shape) == 0) {
      begin();
      end();
    }
  }

  void note(std::span<const std::byte> expected, std::size_t byte) {
    const DType type = infos_[next_].dtype;
    if (!is_floating_point(type)) {
      add_difference(
          fmt::format("byte {} of its values is not the checkpoint's", position_ + byte));
      return;
    }
    const std::size_t size = element_size(type);
    const std::size_t first = byte / size * size;
    const auto value = [&](std::span<const std::byte> bytes) {
      return decode_reals(type, bytes.subspan(first, size)).front();
    };
    add_difference(fmt::format("value {} is {}, but the recipe gives {}",
                               (position_ + first) / size, value(piece_), value(expected)));
  }

  const CheckpointReader& found_;
  std::vector<TensorInfo> infos_;
  std::vector<PackedDifference> differences_;
  std::size_t next_ = 0;        // which of infos_ is written
  std::uint64_t position_ = 0;  // bytes of it
  std::optional<std::size_t> index_;
  std::unique_ptr<TensorStream> stream_;
  std::vector<std::byte> piece_;
  bool differs_ = false;
};

// An observer of jobs that tell less.
class ForwardedProgress final : public QuantizeObserver {
 public:
  explicit ForwardedProgress(Observer* observer) : observer_(observer) {}
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    return observer_ == nullptr || observer_->on_progress(done, total, unit);
  }

 private:
  Observer* observer_;
};

// That the plan names; empty when it names none.
std::string input_digest(const std::string& plan_text) {
  const nlohmann::ordered_json plan = parse_json(plan_text);
  const auto input = plan.find("input");
  if (input == plan.end() || !input->is_object()) return "";
  const auto digest = input->find("digest");
  return digest != input->end() && digest->is_string() ? digest->get<std::string>() : "";
}

const std::string& text_of(const Metadata& metadata, const char* key,
                           const CheckpointReader& result) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) return found->second;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} does not say how it was made: it has no {} in its metadata",
                          result.location().path.string(), key));
}

}  // namespace

std::map<std::string, std::string> metadata_with_recipe(const CheckpointReader& reader,
                                                        const QuantizePlan& plan,
                                                        NonFinitePolicy non_finite,
                                                        const std::string& command) {
  Metadata metadata = reader.metadata();
  metadata[kToolKey] = "narrow " + build_info().version;
  metadata[kCommandKey] = command;
  metadata[kPlanKey] = plan_file_text(reader, plan);
  metadata.erase(kNonFiniteKey);
  if (non_finite == NonFinitePolicy::kKeep) metadata[kNonFiniteKey] = kKeep;
  return metadata;
}

std::vector<PackedDifference> verify_quantized(const CheckpointReader& result,
                                               const CheckpointReader& original,
                                               const RunOptions& run) {
  const Metadata metadata = result.metadata();
  const std::string file = "in " + result.location().path.string();
  const std::string& text = text_of(metadata, kPlanKey, result);
  const QuantizePlan plan = make_plan(parse_plan_file(text, file), original);
  std::vector<PackedDifference> differences;
  if (input_digest(text) != checkpoint_digest(original, run.threads)) {
    differences.push_back({"", "the checkpoint is not the one that the recipe was used on"});
  }
  QuantizeOptions options{.all_params = false};
  const auto non_finite = metadata.find(kNonFiniteKey);
  if (non_finite != metadata.end() && non_finite->second == kKeep) {
    options.non_finite = NonFinitePolicy::kKeep;
  }
  ComparingWriter writer(result);
  ForwardedProgress progress(run.observer);
  quantize_checkpoint(original, plan, options, writer, {run.threads, &progress});
  writer.finish();
  std::ranges::move(writer.take(), std::back_inserter(differences));
  return differences;
}

}  // namespace narrow
