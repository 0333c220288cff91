// Fetches files over http, https and file:, resuming what an earlier run left.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "data/download/digest.h"
#include "narrow/run_options.h"

namespace narrow {

// Told how a transfer goes, from the thread that asked for it. Progress is in bytes; false stops
// the transfer with Error(kInterrupted), and what has arrived is kept for the next run. Notes are
// of results that are already there and of files that are made again.
class TransferObserver : public Observer {
 public:
  // The transfer of this begins.
  virtual void on_source(const std::string& /*url*/) {}
  // It broke and will be tried again after `wait`.
  virtual void on_retry(const std::string& /*reason*/, std::chrono::milliseconds /*wait*/) {}
};

struct DownloadRequest {
  std::string url;  // http://, https:// or file://
  std::filesystem::path destination;
  std::optional<Digest> expected;
  std::uint64_t max_bytes = std::uint64_t{1} << 34;
  // Attempts without at least 1 MiB of progress in between; the wait doubles after each.
  int attempts = 4;
  std::chrono::milliseconds first_wait{1000};
  // A transfer that stands still for this long counts as broken.
  std::chrono::seconds stall_timeout{60};
};

struct DownloadResult {
  std::uint64_t size_bytes = 0;
  std::uint64_t resumed_from = 0;  // bytes that were there already
  FileDigests digests;
};

// Fetches `url` into <destination>.part, continuing one that is there, verifies the checksum, and
// renames it to the destination, replacing a file of that name. A server that cannot continue, or a
// continued file with the wrong checksum, makes it start over, once.
// Throws Error(kUsage) for another kind of URL, kNotFound when the server does not have it,
// kCorrupt for a wrong checksum or more than max_bytes, kIo for network and disk, kInterrupted.
// After kIo and kInterrupted the .part file stays.
DownloadResult download(const DownloadRequest& request, TransferObserver& observer);

}  // namespace narrow
