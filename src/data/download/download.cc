#include "data/download/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/file.h"
#include "data/download/http_transfer.h"
#include "narrow/error.h"

namespace narrow {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kProgressBytes = 1 << 20;
constexpr std::chrono::milliseconds kLongestWait{60000};
constexpr std::chrono::milliseconds kWaitStep{50};

std::uint64_t size_or_zero(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

void remove_part(const fs::path& part) {
  std::error_code error;
  fs::remove(part, error);
  if (error) {
    throw Error(ErrorCategory::kIo,
                fmt::format("cannot remove {}: {}", part.string(), error.message()));
  }
}

class Download {
 public:
  Download(const DownloadRequest& request, TransferObserver& observer)
      : request_(request), observer_(observer), part_(request.destination) {
    part_ += ".part";
  }

  DownloadResult run() {
    check_url(request_.url);
    const fs::path parent = request_.destination.parent_path();
    if (!parent.empty()) make_directory(parent);
    observer_.on_source(request_.url);
    DownloadResult result;
    result.resumed_from = size_or_zero(part_);
    while (true) {
      fetch(&result);
      result.digests = digest_file(part_);
      if (is_expected(result.digests)) break;
      // Only a file put together from two runs deserves a second chance.
      if (result.resumed_from == 0) throw_wrong_digest(result.digests);
      start_over(&result, "what an earlier run had left does not fit the checksum");
    }
    result.size_bytes = size_or_zero(part_);
    move_into_place();
    return result;
  }

 private:
  // Repeats the transfer until the part is complete.
  void fetch(DownloadResult* result) {
    std::chrono::milliseconds wait = request_.first_wait;
    int attempts_left = request_.attempts;
    while (true) {
      const std::uint64_t before = size_or_zero(part_);
      const TransferReport report = transfer(request_, part_, before, observer_);
      switch (report.outcome) {
        case TransferOutcome::kComplete:
          return;
        case TransferOutcome::kUnsatisfiable:
          if (request_.expected && is_expected(digest_file(part_))) return;
          start_over(result, report.reason);
          continue;
        case TransferOutcome::kCannotResume:
          if (before == 0) throw Error(report.category, report.reason);
          start_over(result, report.reason);
          continue;
        case TransferOutcome::kRefused:
          throw Error(report.category, report.reason);
        case TransferOutcome::kBroken:
          break;
      }
      if (size_or_zero(part_) >= before + kProgressBytes) {
        attempts_left = request_.attempts;
        wait = request_.first_wait;
      }
      if (--attempts_left <= 0) throw_given_up(report.reason);
      pause(report.reason, wait);
      wait = std::min(2 * wait, kLongestWait);
    }
  }

  void pause(const std::string& reason, std::chrono::milliseconds wait) {
    observer_.on_retry(reason, wait);
    const auto until = std::chrono::steady_clock::now() + wait;
    for (auto now = std::chrono::steady_clock::now(); now < until;
         now = std::chrono::steady_clock::now()) {
      if (!observer_.on_progress(size_or_zero(part_), 0, ProgressUnit::kBytes)) {
        throw Error(ErrorCategory::kInterrupted,
                    fmt::format("the download of {} was stopped; {} is kept", request_.url,
                                part_.string()));
      }
      std::this_thread::sleep_for(
          std::min(kWaitStep, std::chrono::duration_cast<std::chrono::milliseconds>(until - now) +
                                  std::chrono::milliseconds(1)));
    }
  }

  void start_over(DownloadResult* result, const std::string& reason) {
    observer_.on_note(fmt::format("{}; starting over", reason));
    remove_part(part_);
    result->resumed_from = 0;
  }

  [[nodiscard]] bool is_expected(const FileDigests& digests) const {
    return !request_.expected || digests.of(request_.expected->algorithm) == request_.expected->hex;
  }

  [[noreturn]] void throw_wrong_digest(const FileDigests& digests) const {
    const std::uint64_t size = size_or_zero(part_);
    remove_part(part_);
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{} has the {} checksum {}, but {} is expected; the {} bytes were "
                    "removed. Try again, or another mirror",
                    request_.url, to_string(request_.expected->algorithm),
                    digests.of(request_.expected->algorithm), request_.expected->hex, size));
  }

  [[noreturn]] void throw_given_up(const std::string& reason) const {
    throw Error(ErrorCategory::kIo,
                fmt::format("{} ({} attempts). {} bytes are kept in {} and the next run continues "
                            "after them",
                            reason, request_.attempts, size_or_zero(part_), part_.string()));
  }

  void move_into_place() const {
    std::error_code error;
    fs::rename(part_, request_.destination, error);
    if (error) {
      throw Error(ErrorCategory::kIo, fmt::format("cannot rename {} to {}: {}", part_.string(),
                                                  request_.destination.string(), error.message()));
    }
    const fs::path parent = request_.destination.parent_path();
    sync_directory(parent.empty() ? fs::path(".") : parent);
  }

  const DownloadRequest& request_;
  TransferObserver& observer_;
  fs::path part_;
};

}  // namespace

DownloadResult download(const DownloadRequest& request, TransferObserver& observer) {
  return Download(request, observer).run();
}

}  // namespace narrow
