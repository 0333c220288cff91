#include "narrow/quantize_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "base/hex.h"
#include "base/ranks.h"
#include "base/sha256.h"
#include "base/staging/staged_output.h"
#include "checkpoint/safetensors/shards/shard_layout.h"
#include "narrow/error.h"
#include "quant/scheme_json.h"
#include "tasks/shards/shard_work.h"
#include "tasks/shards/tensor_results.h"
#include "tasks/shares/fingerprint.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

fs::path source_index(const CheckpointReader& reader) {
  const CheckpointLocation& location = reader.location();
  return location.format == CheckpointFormat::kSafetensorsShards ? location.path : fs::path();
}

std::vector<TensorInfo> planned_tensors(const CheckpointReader& reader, const QuantizePlan& plan) {
  std::vector<TensorInfo> tensors;
  for (const TensorPlan& tensor : plan) tensors.push_back(reader.tensors()[tensor.index]);
  return tensors;
}

// Tells of one file what the caller's observer hears of the whole.
class FileObserver : public QuantizeObserver {
 public:
  FileObserver(QuantizeObserver* observer, std::uint64_t bytes_before, std::uint64_t bytes_total,
               std::size_t tensors_before, std::size_t tensors_total)
      : observer_(observer),
        bytes_before_(bytes_before),
        bytes_total_(bytes_total),
        tensors_before_(tensors_before),
        tensors_total_(tensors_total) {}
  bool on_progress(std::uint64_t done, std::uint64_t /*total*/, ProgressUnit unit) override {
    return observer_ == nullptr || observer_->on_progress(bytes_before_ + done, bytes_total_, unit);
  }
  void on_tensor(const TensorResult& result, std::size_t done, std::size_t /*total*/) override {
    if (observer_ != nullptr) observer_->on_tensor(result, tensors_before_ + done, tensors_total_);
  }

 private:
  QuantizeObserver* observer_;
  std::uint64_t bytes_before_;
  std::uint64_t bytes_total_;
  std::size_t tensors_before_;
  std::size_t tensors_total_;
};

}  // namespace

class ShardedQuantization::State {
 public:
  State(const CheckpointReader& reader, const QuantizePlan& plan, const QuantizeOptions& options,
        const CheckpointLocation& output, Overwrite overwrite,
        std::map<std::string, std::string> metadata)
      : reader_(reader),
        plan_(plan),
        options_(options),
        overwrite_(overwrite),
        metadata_(std::move(metadata)),
        target_(lay_out_shards(output.path, source_index(reader), planned_tensors(reader, plan))),
        is_done_(target_.layout.files.size()),
        work_(output.path) {
    check_nothing_is_replaced();
    for (std::size_t i = 0; i < plan.size(); ++i) {
      TensorResult& result = results_.emplace_back();
      result.info = target_.tensors[i];
      result.reason = plan[i].reason;
    }
  }

  QuantizeResult run(const RunOptionsFor<QuantizeObserver>& run) {
    const auto start = std::chrono::steady_clock::now();
    const Share share = exchange().share();
    const std::vector<bool> is_mine = deal_out(file_bytes(), share);
    if (share.count > 0) {
      const auto take = [this](std::uint64_t file, std::span<const std::byte> notes) {
        return take_file(file, notes);
      };
      work_.open(share.index, key(), overwrite_ == Overwrite::kYes, take);
    }
    make_files(is_mine, run);
    exchange_files(is_mine);
    QuantizeResult result;
    if (exchange().makes_result()) result.tensors = results_;
    for (const TensorResult& tensor : result.tensors) result.summary.add_tensor(tensor);
    result.summary.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

  void finish() {
    const fs::path directory = target_.path.parent_path();
    StagedOutput staged(directory.empty() ? "." : directory, target_.names(), overwrite_);
    for (const std::string& file : target_.layout.files) {
      fs::rename(work_.path_of(file), staged.staging_path(file));
    }
    const std::string name = target_.path.filename().string();
    OutputFile index(staged.staging_path(name));
    index.write(target_.index_text());
    index.finish();
    staged.commit();
    work_.remove();
  }

 private:
  void check_nothing_is_replaced() const {
    if (overwrite_ == Overwrite::kYes) return;
    for (const std::string& name : target_.names()) {
      const fs::path path = target_.path.parent_path() / name;
      if (!fs::exists(fs::symlink_status(path))) continue;
      throw Error(ErrorCategory::kExists, fmt::format("{} exists already", path.string()),
                  {Remedy::Kind::kOverwrite});
    }
  }

  [[nodiscard]] std::vector<std::uint64_t> file_bytes() const {
    std::vector<std::uint64_t> bytes(target_.layout.files.size());
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      bytes[target_.layout.file_of[i]] += target_.tensors[i].byte_size();
    }
    return bytes;
  }

  // Of everything that the files depend on. Values of the input are known by the first of each
  // tensor and by when its index or file was written.
  [[nodiscard]] std::string key() const {
    Sha256 digest;
    const auto add = [&](const std::string& text) {
      digest.update(as_byte_span(fmt::format("{}:{}\n", text.size(), text)));
    };
    add(fingerprint(reader_));
    std::error_code error;
    add(fmt::format(
        "{} {}", fs::file_size(reader_.location().path, error),
        fs::last_write_time(reader_.location().path, error).time_since_epoch().count()));
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      add(fmt::format("{} {}", plan_[i].index, target_.layout.files[target_.layout.file_of[i]]));
      add(plan_[i].scheme ? scheme_json(*plan_[i].scheme).dump()
                          : fmt::format("{}", static_cast<int>(plan_[i].reason)));
    }
    for (const auto& [name, text] : metadata_) add(name + "=" + text);
    add(fmt::format("{} {}", static_cast<int>(options_.non_finite), options_.code_statistics));
    return to_hex(digest.digest());
  }

  [[nodiscard]] std::pair<std::size_t, std::size_t> tensors_of(std::size_t file) const {
    const std::vector<std::size_t>& files = target_.layout.file_of;
    const auto begin = std::ranges::lower_bound(files, file);
    const auto end = std::ranges::upper_bound(files, file);
    return {static_cast<std::size_t>(begin - files.begin()),
            static_cast<std::size_t>(end - files.begin())};
  }

  // What a journal or another process says of a file.
  bool take_file(std::uint64_t file, std::span<const std::byte> notes) {
    if (file >= is_done_.size()) return false;
    std::error_code error;
    if (!fs::exists(work_.path_of(target_.layout.files[file]), error)) return false;
    const auto [first, last] = tensors_of(file);
    ByteRecordReader reader(notes, "the journal");
    for (std::size_t i = first; i < last; ++i) {
      take_result(reader, results_[i]);
      if (!results_[i].quantized) continue;
      results_[i].scheme =
          with_channel_axes(*plan_[i].scheme, results_[i].info, reader_.location().format);
    }
    is_done_[file] = true;
    return true;
  }

  [[nodiscard]] std::vector<std::byte> notes_of(std::size_t file) const {
    ByteRecord record;
    const auto [first, last] = tensors_of(file);
    for (std::size_t i = first; i < last; ++i) put_result(results_[i], record);
    return record.take();
  }

  void make_files(const std::vector<bool>& is_mine, const RunOptionsFor<QuantizeObserver>& run) {
    const std::vector<std::uint64_t> bytes = file_bytes();
    std::uint64_t total = 0;
    std::size_t kept = 0;
    for (std::size_t file = 0; file < bytes.size(); ++file) {
      total += is_mine[file] && !is_done_[file] ? bytes[file] : 0;
      kept += is_mine[file] && is_done_[file] ? 1 : 0;
    }
    if (kept > 0 && run.observer != nullptr) {
      run.observer->on_note(fmt::format("{} of {} files are kept from an earlier run", kept,
                                        std::ranges::count(is_mine, true)));
    }
    std::uint64_t before = 0;
    for (std::size_t file = 0; file < bytes.size(); ++file) {
      if (!is_mine[file] || is_done_[file]) continue;
      FileObserver observer(run.observer, before, total, tensors_of(file).first, plan_.size());
      make_file(file, {run.threads, &observer});
      before += bytes[file];
    }
  }

  void make_file(std::size_t file, const RunOptionsFor<QuantizeObserver>& run) {
    const auto [first, last] = tensors_of(file);
    const auto offset = [](std::size_t i) { return static_cast<std::ptrdiff_t>(i); };
    const QuantizePlan part(plan_.begin() + offset(first), plan_.begin() + offset(last));
    const auto writer = create_checkpoint(
        {CheckpointFormat::kSafetensors, work_.path_of(target_.layout.files[file])},
        Overwrite::kYes);
    writer->set_metadata(metadata_);
    QuantizeResult result = quantize_checkpoint(reader_, part, options_, *writer, run);
    writer->finish();
    std::ranges::move(result.tensors, results_.begin() + offset(first));
    is_done_[file] = true;
    work_.note(file, notes_of(file));
  }

  void exchange_files(const std::vector<bool>& is_mine) {
    if (exchange().share().is_whole() && exchange().makes_result()) return;
    ByteRecord record;
    for (std::size_t file = 0; file < is_mine.size(); ++file) {
      if (!is_mine[file]) continue;
      record.put(static_cast<std::uint64_t>(file));
      record.put_all(std::span<const std::byte>(notes_of(file)));
    }
    const auto parts = exchange().gather(
        "the files", [this] { return key(); }, record.take());
    for (const auto& part : parts) {
      ByteRecordReader reader(part, "a part of the quantization");
      while (!reader.is_empty()) {
        const auto file = reader.take<std::uint64_t>();
        take_file(file, reader.take_all<std::byte>());
      }
    }
    if (!exchange().makes_result()) return;
    const auto missing = std::ranges::find(is_done_, false);
    if (missing == is_done_.end()) return;
    const std::string& name =
        target_.layout.files[static_cast<std::size_t>(missing - is_done_.begin())];
    throw Error(ErrorCategory::kNotFound,
                fmt::format("the part of the result that will be {} is not in {}; make that part "
                            "again, with the same output",
                            name, work_.path_of(name).string()));
  }

  const CheckpointReader& reader_;
  const QuantizePlan& plan_;
  const QuantizeOptions options_;
  const Overwrite overwrite_;
  const std::map<std::string, std::string> metadata_;
  const ShardTarget target_;
  std::vector<TensorResult> results_;  // in the order of the plan
  std::vector<bool> is_done_;          // by file
  ShardWork work_;
};

ShardedQuantization::ShardedQuantization(const CheckpointReader& reader, const QuantizePlan& plan,
                                         const QuantizeOptions& options,
                                         const CheckpointLocation& output, Overwrite overwrite,
                                         std::map<std::string, std::string> metadata)
    : state_(
          std::make_unique<State>(reader, plan, options, output, overwrite, std::move(metadata))) {}

ShardedQuantization::~ShardedQuantization() = default;

QuantizeResult ShardedQuantization::run(const RunOptionsFor<QuantizeObserver>& run) {
  return state_->run(run);
}

void ShardedQuantization::finish() { state_->finish(); }

}  // namespace narrow
