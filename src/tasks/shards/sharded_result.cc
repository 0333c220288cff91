#include "tasks/shards/sharded_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "base/hex.h"
#include "base/run_progress.h"
#include "base/sha256.h"
#include "base/staging/staged_output.h"
#include "narrow/error.h"
#include "tasks/shares/fingerprint.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

fs::path source_index(const CheckpointReader& reader) {
  const CheckpointLocation& location = reader.location();
  return location.format == CheckpointFormat::kSafetensorsShards ? location.path : fs::path();
}

}  // namespace

ShardedResult::ShardedResult(const CheckpointReader& reader, const fs::path& output,
                             Overwrite overwrite, std::vector<TensorInfo> tensors,
                             const std::map<std::string, std::string>& metadata)
    : reader_(reader),
      overwrite_(overwrite),
      metadata_(metadata),
      target_(lay_out_shards(output, source_index(reader), std::move(tensors))),
      bytes_(target_.layout.files.size()),
      notes_(bytes_.size()),
      is_done_(bytes_.size()),
      work_(output) {
  for (std::size_t i = 0; i < target_.tensors.size(); ++i) {
    bytes_[target_.layout.file_of[i]] += target_.tensors[i].byte_size();
  }
  if (overwrite_ == Overwrite::kYes) return;
  for (const std::string& name : target_.names()) {
    const fs::path path = target_.path.parent_path() / name;
    if (!fs::exists(fs::symlink_status(path))) continue;
    throw Error(ErrorCategory::kExists, fmt::format("{} exists already", path.string()),
                {Remedy::Kind::kOverwrite});
  }
}

void ShardedResult::run(const ShardJob& job, Observer* observer) {
  const Share share = exchange().share();
  const std::vector<bool> is_mine = deal_out(bytes_, share);
  const std::string digest = digest_of(job.key);
  if (share.count > 0) {
    work_.open(share.index, digest, overwrite_ == Overwrite::kYes,
               [&](std::uint64_t file, std::span<const std::byte> notes) {
                 return take_file(job, file, notes);
               });
  }
  make_files(job, is_mine, observer);
  exchange_files(job, digest, is_mine);
}

void ShardedResult::finish() {
  const fs::path directory = target_.path.parent_path();
  StagedOutput staged(directory.empty() ? "." : directory, target_.names(), overwrite_);
  for (const std::string& file : target_.layout.files) {
    fs::rename(work_.path_of(file), staged.staging_path(file));
  }
  OutputFile index(staged.staging_path(target_.path.filename().string()));
  index.write(target_.index_text());
  index.finish();
  staged.commit();
  work_.remove();
}

// Of everything that the files depend on. Values of the input are known by the first of each tensor
// and by when its index or file was written.
std::string ShardedResult::digest_of(const std::vector<std::string>& key) const {
  Sha256 digest;
  const auto add = [&](const std::string& text) {
    digest.update(as_byte_span(fmt::format("{}:{}\n", text.size(), text)));
  };
  add(fingerprint(reader_));
  std::error_code error;
  const fs::path& input = reader_.location().path;
  add(fmt::format("{} {}", fs::file_size(input, error),
                  fs::last_write_time(input, error).time_since_epoch().count()));
  for (std::size_t i = 0; i < target_.tensors.size(); ++i) {
    const TensorInfo& info = target_.tensors[i];
    add(info.name);
    add(fmt::format("{}{} {}", info.type_name(), to_string(info.shape),
                    target_.layout.files[target_.layout.file_of[i]]));
  }
  for (const auto& [name, text] : metadata_) add(name + "=" + text);
  for (const std::string& text : key) add(text);
  return to_hex(digest.digest());
}

ShardPlace ShardedResult::place_of(std::size_t file) const {
  const std::vector<std::size_t>& files = target_.layout.file_of;
  const auto begin = std::ranges::lower_bound(files, file);
  const auto end = std::ranges::upper_bound(files, file);
  return {static_cast<std::size_t>(begin - files.begin()),
          static_cast<std::size_t>(end - files.begin()), bytes_[file], 0, 0};
}

// False for a file that is not there, whatever a journal says.
bool ShardedResult::take_file(const ShardJob& job, std::uint64_t file,
                              std::span<const std::byte> notes) {
  std::error_code error;
  if (file >= is_done_.size()) return false;
  if (!fs::exists(work_.path_of(target_.layout.files[file]), error)) return false;
  job.take(place_of(file), notes);
  notes_[file].assign(notes.begin(), notes.end());
  is_done_[file] = true;
  return true;
}

void ShardedResult::make_files(const ShardJob& job, const std::vector<bool>& is_mine,
                               Observer* observer) {
  std::uint64_t total = 0;
  std::size_t kept = 0;
  for (std::size_t file = 0; file < bytes_.size(); ++file) {
    if (!is_mine[file]) continue;
    total += is_done_[file] ? 0 : bytes_[file];
    kept += is_done_[file] ? 1 : 0;
  }
  if (kept > 0) {
    report_note(observer, fmt::format("{} of {} files are kept from an earlier run", kept,
                                      std::ranges::count(is_mine, true)));
  }
  std::uint64_t before = 0;
  for (std::size_t file = 0; file < bytes_.size(); ++file) {
    if (!is_mine[file] || is_done_[file]) continue;
    ShardPlace place = place_of(file);
    place.bytes_before = before;
    place.bytes_total = total;
    const fs::path path = work_.path_of(target_.layout.files[file]);
    const auto writer = create_checkpoint({CheckpointFormat::kSafetensors, path}, Overwrite::kYes);
    writer->set_metadata(metadata_);
    notes_[file] = job.make(place, *writer);
    writer->finish();
    work_.note(file, notes_[file]);
    is_done_[file] = true;
    before += bytes_[file];
  }
}

void ShardedResult::exchange_files(const ShardJob& job, const std::string& digest,
                                   const std::vector<bool>& is_mine) {
  if (exchange().is_alone()) return;
  ByteRecord record;
  for (std::size_t file = 0; file < is_mine.size(); ++file) {
    if (!is_mine[file]) continue;
    record.put(static_cast<std::uint64_t>(file));
    record.put_all(std::span<const std::byte>(notes_[file]));
  }
  const auto key = [&] { return digest; };
  for (const auto& part : exchange().gather("the files", key, record.take())) {
    ByteRecordReader reader(part, "a part of the files");
    while (!reader.is_empty()) {
      const auto file = reader.take<std::uint64_t>();
      take_file(job, file, reader.take_all<std::byte>());
    }
  }
  if (exchange().makes_result()) require_all();
}

void ShardedResult::require_all() const {
  const auto missing = std::ranges::find(is_done_, false);
  if (missing == is_done_.end()) return;
  const auto file = static_cast<std::size_t>(missing - is_done_.begin());
  const std::string& name = target_.layout.files[file];
  throw Error(ErrorCategory::kNotFound,
              fmt::format("the part of the result that will be {} is not in {}; make that part "
                          "again, with the same output",
                          name, work_.path_of(name).parent_path().string()));
}

}  // namespace narrow
