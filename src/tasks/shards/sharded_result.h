// A checkpoint in several files that is made file by file, by one process or several, now or in
// continuation of an earlier run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors/shards/shard_layout.h"
#include "narrow/checkpoint.h"
#include "narrow/overwrite.h"
#include "narrow/run_options.h"
#include "tasks/shards/shard_work.h"

namespace narrow {

// The tensors of one file, and how far the work is before them.
struct ShardPlace {
  std::size_t first = 0;  // in the order of writing
  std::size_t last = 0;   // the one after
  std::uint64_t bytes = 0;
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_total = 0;
};

// Tells of one file what the caller's observer hears of the whole.
template <typename ObserverType>
class ShardObserver : public ObserverType {
 public:
  ShardObserver(ObserverType* observer, const ShardPlace& place)
      : observer_(observer), place_(place) {}
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
    const auto bytes = static_cast<std::uint64_t>(share * static_cast<double>(place_.bytes));
    return observer_ == nullptr ||
           observer_->on_progress(place_.bytes_before + bytes, place_.bytes_total, unit);
  }

 protected:
  ObserverType* observer_;
  const ShardPlace place_;
};

struct ShardJob {
  std::vector<std::string> key;  // all that the files depend on but names, types and shapes
  // Writes the tensors and gives what is to be known of them.
  std::function<std::vector<std::byte>(const ShardPlace&, CheckpointWriter&)> make;
  // The same of a file that is there already or was made elsewhere.
  std::function<void(const ShardPlace&, std::span<const std::byte> notes)> take;
};

class ShardedResult {
 public:
  // The result is at `output`, as a variant of what the reader reads. Throws Error: kExists for one
  // that may not be replaced; what lay_out_shards throws.
  ShardedResult(const CheckpointReader& reader, const std::filesystem::path& output,
                Overwrite overwrite, std::vector<TensorInfo> tensors,
                const std::map<std::string, std::string>& metadata);

  // Makes the files of this process's share that are not there, and where the result is made hears
  // of all. Throws what the job throws; Error: kNotFound for a file that no part has; kIo.
  void run(const ShardJob& job, Observer* observer);
  // Where the result is made: puts files and index in place. Throws Error(kIo), Error(kExists).
  void finish();
  // Nothing of it is wanted.
  void discard() { work_.remove(); }

 private:
  [[nodiscard]] std::string digest_of(const std::vector<std::string>& key) const;
  [[nodiscard]] ShardPlace place_of(std::size_t file) const;
  bool take_file(const ShardJob& job, std::uint64_t file, std::span<const std::byte> notes);
  void make_files(const ShardJob& job, const std::vector<bool>& is_mine, Observer* observer);
  void exchange_files(const ShardJob& job, const std::string& digest,
                      const std::vector<bool>& is_mine);
  void require_all() const;

  const CheckpointReader& reader_;
  const Overwrite overwrite_;
  const std::map<std::string, std::string> metadata_;
  const ShardTarget target_;
  std::vector<std::uint64_t> bytes_;           // by file
  std::vector<std::vector<std::byte>> notes_;  // by file, once it is done
  std::vector<bool> is_done_;                  // by file
  ShardWork work_;
};

}  // namespace narrow
