// A result that is made in portions, by one process or several, now or in continuation of an
// earlier run. A portion is consecutive tensors of one file; where they lie is known beforehand, so
// that a file may have portions of several processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/staging/staged_output.h"
#include "checkpoint/container/sectioned_checkpoint.h"
#include "narrow/checkpoint.h"
#include "narrow/overwrite.h"
#include "narrow/run_options.h"
#include "tasks/portions/unfinished_files.h"

namespace narrow {

// Consecutive tensors of one file that are made in one go, and how far the work is before them.
struct PortionRun {
  std::size_t first = 0;  // in the order of writing
  std::size_t last = 0;   // the one after
  std::uint64_t bytes = 0;
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_total = 0;
};

// Tells of one run what the caller's observer hears of the whole.
template <typename ObserverType>
class RunObserver : public ObserverType {
 public:
  RunObserver(ObserverType* observer, const PortionRun& run) : observer_(observer), run_(run) {}
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
    const auto bytes = static_cast<std::uint64_t>(share * static_cast<double>(run_.bytes));
    return observer_ == nullptr ||
           observer_->on_progress(run_.bytes_before + bytes, run_.bytes_total, unit);
  }

 protected:
  ObserverType* observer_;
  const PortionRun run_;
};

// The files of a result and which tensor lies in which.
struct PortionedFiles {
  std::filesystem::path path;        // by which the result is found
  std::vector<std::string> names;    // see SectionedCheckpoint::names
  std::optional<LateFile> late;      // see StagedOutput
  std::vector<std::uint64_t> bytes;  // of each tensor, that are read to make it
  std::vector<std::size_t> file_of;  // of each tensor; it never falls
};

// Gets what is to be known of a tensor where the result is made, once its values are written.
using NoteTensor = std::function<void(std::size_t tensor, std::span<const std::byte> notes)>;

struct PortionJob {
  std::vector<std::string> key;  // all that the files depend on but the input's tensors
  // Writes the tensors to the file at `path`, which others may write to as well, and notes them in
  // order.
  std::function<void(const PortionRun& run, const std::filesystem::path& path,
                     const NoteTensor& note)>
      make;
  // The same of a tensor that is there already or was made elsewhere.
  std::function<void(std::size_t tensor, std::span<const std::byte> notes)> take;
  // Where the result is made, once all tensors are: adds what is missing of it.
  std::function<void(const SectionedCheckpoint::PathOf& path_of)> complete;
};

class PortionedResult {
 public:
  // Throws Error(kExists) for a result that is there and may not be replaced, Error(kUsage) for a
  // name that it cannot have.
  PortionedResult(const CheckpointReader& reader, PortionedFiles files, Overwrite overwrite);

  // Makes the portions of this process's share that are not there, and where the result is made
  // hears of all. Throws what the job throws; Error: kNotFound for a portion that nobody has; kIo.
  void run(const PortionJob& job, Observer* observer);
  // Where the result is made: completes the files and puts them in place. Throws Error(kIo),
  // Error(kExists).
  void finish(const PortionJob& job);
  // Nothing of it is wanted.
  void discard() { unfinished_.remove(); }

 private:
  struct Portion {
    std::size_t first = 0;
    std::size_t last = 0;
    std::uint64_t bytes = 0;
    std::vector<std::byte> notes;  // once it is done
    bool is_done = false;
  };

  void check_result() const;
  void cut_portions();
  [[nodiscard]] std::string digest_of(const std::vector<std::string>& key) const;
  [[nodiscard]] std::vector<bool> own_portions() const;
  [[nodiscard]] std::filesystem::path unfinished_path(std::size_t file) const;
  bool take_portion(const PortionJob& job, std::uint64_t number, std::span<const std::byte> notes);
  void note_kept(Observer* observer) const;
  void make_portions(const PortionJob& job, const std::vector<bool>& is_own);
  void make_run(const PortionJob& job, std::size_t begin, std::size_t end, const PortionRun& run);
  [[nodiscard]] bool is_settled() const;
  void settle(const std::filesystem::path& path, std::size_t begin, std::size_t end);
  void exchange_portions(const PortionJob& job, const std::vector<bool>& is_own);
  void require_all() const;

  const CheckpointReader& reader_;
  const PortionedFiles files_;
  const Overwrite overwrite_;
  std::vector<Portion> portions_;
  std::uint64_t settled_bytes_ = 0;  // that are noted at once
  std::string digest_;
  UnfinishedFiles unfinished_;
  std::future<void> settled_;  // what was made before is on disk and noted
};

}  // namespace narrow
