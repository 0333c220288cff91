#include "cli/console/download_progress.h"

namespace narrow {

bool DownloadProgress::on_bytes(const std::string& url, std::uint64_t done, std::uint64_t total) {
  line_.update(done, total, ProgressUnit::kBytes, url);
  return !is_interrupted();
}

bool DownloadProgress::on_images(const std::string& file, std::uint64_t done, std::uint64_t total) {
  line_.update(done, total, ProgressUnit::kImages, file);
  return !is_interrupted();
}

void DownloadProgress::on_note(const std::string& sentence) {
  line_.clear();
  print_note(sentence);
}

}  // namespace narrow
