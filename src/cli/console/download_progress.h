// The progress of a download and what is worth telling about it.
#pragma once

#include "cli/console/console.h"
#include "narrow/datasets.h"

namespace narrow {

class DownloadProgress : public DownloadObserver {
 public:
  bool on_bytes(const std::string& url, std::uint64_t done, std::uint64_t total) override;
  bool on_images(const std::string& file, std::uint64_t done, std::uint64_t total) override;
  void on_note(const std::string& sentence) override;
  void finish() { line_.clear(); }

 private:
  ProgressLine line_;
};

}  // namespace narrow
