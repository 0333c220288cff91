// The progress of a download and what is worth a message.
#pragma once

#include <string>

#include "cli/console/console.h"
#include "narrow/datasets.h"

namespace narrow {

class DownloadProgress : public DownloadObserver {
 public:
  void on_source(const std::string& url) override { current_ = url; }
  void on_file(const std::string& name) override { current_ = name; }
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override;
  void on_note(const std::string& sentence) override;
  void finish() { line_.clear(); }

 private:
  std::string current_;
  ProgressLine line_;
};

}  // namespace narrow
