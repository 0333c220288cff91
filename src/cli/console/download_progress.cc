#include "cli/console/download_progress.h"

namespace narrow {

bool DownloadProgress::on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) {
  line_.update(done, total, unit, current_);
  return !is_interrupted();
}

void DownloadProgress::on_note(const std::string& sentence) {
  line_.clear();
  print_note(sentence);
}

}  // namespace narrow
