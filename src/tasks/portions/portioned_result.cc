#include "tasks/portions/portioned_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "base/hex.h"
#include "base/run_progress.h"
#include "base/sha256.h"
#include "checkpoint/tensorflow/v2_index.h"
#include "narrow/error.h"
#include "tasks/shares/fingerprint.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// Small tensors share a portion: so many that work divides evenly among many processes.
constexpr std::uint64_t kMostPortionBytes = std::uint64_t{4} << 20;
constexpr std::uint64_t kPortions = 256;
// So much is made durable and noted at once, which is what a process that is killed loses. While a
// file system does that, it makes others wait.
constexpr std::uint64_t kLeastSettledBytes = std::uint64_t{8} << 20;
constexpr std::uint64_t kMostSettledBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kSettlings = 8;

// The one by which a checkpoint is found.
fs::path first_file(const CheckpointLocation& location) {
  return location.format == CheckpointFormat::kTensorFlowV2 ? v2_index_path(location.path)
                                                            : location.path;
}

// A second name, so that nothing is lost when the result cannot be put in place, or the process is
// killed before. Where the file system has none, the file moves.
void name_also(const fs::path& file, const fs::path& name) {
  std::error_code error;
  fs::create_hard_link(file, name, error);
  if (error) fs::rename(file, name);
}

}  // namespace

PortionedResult::PortionedResult(const CheckpointReader& reader, PortionedFiles files,
                                 Overwrite overwrite)
    : reader_(reader), files_(std::move(files)), overwrite_(overwrite), unfinished_(files_.path) {
  check_result();
  cut_portions();
}

void PortionedResult::check_result() const {
  StagedOutput::check_result(files_.path.parent_path(), files_.names, overwrite_, files_.late);
}

void PortionedResult::cut_portions() {
  const std::uint64_t total =
      std::accumulate(files_.bytes.begin(), files_.bytes.end(), std::uint64_t{0});
  const std::uint64_t most = std::min(kMostPortionBytes, total / kPortions);
  settled_bytes_ = std::clamp(total / kSettlings, kLeastSettledBytes, kMostSettledBytes);
  for (std::size_t i = 0; i < files_.bytes.size(); ++i) {
    const bool is_next = !portions_.empty() && files_.file_of[i] == files_.file_of[i - 1] &&
                         portions_.back().bytes + files_.bytes[i] <= most;
    if (!is_next) portions_.emplace_back().first = i;
    portions_.back().last = i + 1;
    portions_.back().bytes += files_.bytes[i];
  }
}

void PortionedResult::run(const PortionJob& job, Observer* observer) {
  const Share share = exchange().share();
  digest_ = digest_of(job.key);
  const auto take = [&](std::uint64_t portion, std::span<const std::byte> notes) {
    return take_portion(job, portion, notes);
  };
  const std::vector<bool> is_own = own_portions();
  if (share.count > 0) {
    unfinished_.open(share.index, digest_, overwrite_ == Overwrite::kYes, take);
    check_result();  // another process may have made it while this one waited
    note_kept(observer);
    make_portions(job, is_own);
  } else {
    unfinished_.read(digest_, take);
  }
  exchange_portions(job, is_own);
}

void PortionedResult::finish(const PortionJob& job) {
  const fs::path directory = files_.path.parent_path();
  StagedOutput staged(directory.empty() ? "." : directory, files_.names, overwrite_, files_.late);
  const auto path_of = [&staged](const std::string& name) { return staged.staging_path(name); };
  for (std::size_t i = 0; i < files_.file_of.size(); ++i) {
    const std::size_t file = files_.file_of[i];
    if (i > 0 && file == files_.file_of[i - 1]) continue;
    name_also(unfinished_path(file), path_of(files_.names[file]));
  }
  job.complete(path_of);
  staged.commit();
  unfinished_.remove();
}

// Of everything that the files depend on. Values of the input are known by the first of each tensor
// and by when its index or file was written.
std::string PortionedResult::digest_of(const std::vector<std::string>& key) const {
  Sha256 digest;
  const auto add = [&](const std::string& text) {
    digest.update(as_byte_span(fmt::format("{}:{}\n", text.size(), text)));
  };
  add(fingerprint(reader_));
  std::error_code error;
  const fs::path input = first_file(reader_.location());
  add(fmt::format("{} {}", fs::file_size(input, error),
                  fs::last_write_time(input, error).time_since_epoch().count()));
  for (const std::string& name : files_.names) add(name);
  for (const Portion& portion : portions_) {
    add(fmt::format("{} {}", portion.last, files_.file_of[portion.first]));
  }
  for (const std::string& text : key) add(text);
  return to_hex(digest.digest());
}

// Consecutive ones, so that each process reads and writes front to back.
std::vector<bool> PortionedResult::own_portions() const {
  std::vector<std::uint64_t> bytes;
  for (const Portion& portion : portions_) bytes.push_back(portion.bytes);
  return deal_out_in_order(bytes, exchange().share());
}

// The key is part of the name: what other options have left is not written into.
fs::path PortionedResult::unfinished_path(std::size_t file) const {
  return unfinished_.path_of(fmt::format("{}.{}", files_.names[file], digest_.substr(0, 16)));
}

// False for a portion whose file is not there, whatever a journal says.
bool PortionedResult::take_portion(const PortionJob& job, std::uint64_t number,
                                   std::span<const std::byte> notes) {
  std::error_code error;
  if (number >= portions_.size()) return false;
  Portion& portion = portions_[number];
  if (!fs::exists(unfinished_path(files_.file_of[portion.first]), error)) return false;
  ByteRecordReader record(notes, "the journal");
  for (std::size_t i = portion.first; i < portion.last; ++i) {
    job.take(i, record.take_all<std::byte>());
  }
  portion.notes.assign(notes.begin(), notes.end());
  portion.is_done = true;
  return true;
}

void PortionedResult::note_kept(Observer* observer) const {
  double kept = 0;
  double total = 0;
  for (const Portion& portion : portions_) {
    total += static_cast<double>(portion.bytes);
    kept += portion.is_done ? static_cast<double>(portion.bytes) : 0;
  }
  if (kept == 0) return;
  report_note(observer,
              fmt::format("{:.0f} % of the work is kept from an earlier run", 100 * kept / total));
}

void PortionedResult::make_portions(const PortionJob& job, const std::vector<bool>& is_own) {
  const auto is_wanted = [&](std::size_t i) { return is_own[i] && !portions_[i].is_done; };
  PortionRun run;
  for (std::size_t i = 0; i < portions_.size(); ++i) {
    if (is_wanted(i)) run.bytes_total += portions_[i].bytes;
  }
  for (std::size_t begin = 0; begin < portions_.size();) {
    std::size_t end = begin + 1;
    if (is_wanted(begin)) {
      const std::size_t file = files_.file_of[portions_[begin].first];
      run.bytes = portions_[begin].bytes;
      while (end < portions_.size() && is_wanted(end) &&
             files_.file_of[portions_[end].first] == file) {
        run.bytes += portions_[end++].bytes;
      }
      run.first = portions_[begin].first;
      run.last = portions_[end - 1].last;
      make_run(job, begin, end, run);
      run.bytes_before += run.bytes;
    }
    begin = end;
  }
  if (settled_.valid()) settled_.get();
}

void PortionedResult::make_run(const PortionJob& job, std::size_t begin, std::size_t end,
                               const PortionRun& run) {
  const fs::path path = unfinished_path(files_.file_of[run.first]);
  std::size_t current = begin;
  std::uint64_t unsettled = 0;
  ByteRecord record;
  job.make(run, path, [&](std::size_t tensor, std::span<const std::byte> notes) {
    Portion& portion = portions_[current];
    record.put_all(notes);
    if (tensor + 1 < portion.last) return;
    portion.notes = std::exchange(record, {}).take();
    portion.is_done = true;
    unsettled += portion.bytes;
    ++current;
    if (unsettled < settled_bytes_ || current == end || !is_settled()) return;
    settle(path, begin, current);
    begin = current;
    unsettled = 0;
  });
  settle(path, begin, end);
}

// What was made before need not be waited for.
bool PortionedResult::is_settled() const {
  return !settled_.valid() ||
         settled_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

// The disk takes these portions while the next ones are made.
void PortionedResult::settle(const fs::path& path, std::size_t begin, std::size_t end) {
  if (settled_.valid()) settled_.get();
  settled_ = std::async(std::launch::async, [this, begin, end, path] {
    sync_file(path);
    for (std::size_t i = begin; i < end; ++i) unfinished_.note(i, portions_[i].notes);
    unfinished_.sync();
  });
}

void PortionedResult::exchange_portions(const PortionJob& job, const std::vector<bool>& is_own) {
  if (!exchange().is_alone()) {
    ByteRecord record;
    for (std::size_t i = 0; i < portions_.size(); ++i) {
      if (!is_own[i]) continue;
      record.put(static_cast<std::uint64_t>(i));
      record.put_all(std::span<const std::byte>(portions_[i].notes));
    }
    const auto parts = exchange().gather(
        "the portions", [&] { return digest_; }, record.take());
    // A merge goes by the journals, which lie beside the files.
    for (std::size_t i = 0; i < parts.size() && exchange().share().count > 0; ++i) {
      ByteRecordReader reader(parts[i], "what another process has made");
      while (!reader.is_empty()) {
        const auto number = reader.take<std::uint64_t>();
        take_portion(job, number, reader.take_all<std::byte>());
      }
    }
  }
  if (exchange().makes_result()) require_all();
}

void PortionedResult::require_all() const {
  const auto missing = std::ranges::find(portions_, false, &Portion::is_done);
  if (missing == portions_.end()) return;
  const std::size_t file = files_.file_of[missing->first];
  throw Error(ErrorCategory::kNotFound,
              fmt::format("a part of what will be {} is not in {}; make that part again, with the "
                          "same output",
                          files_.names[file], unfinished_path(file).parent_path().string()));
}

}  // namespace narrow
