// The checkpoints in one file that TF-Slim publishes (tensorflow/models, research/slim, README:
// "Pre-trained Models"). Those of MobileNet have several files and are left out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/download/download.h"
#include "narrow/overwrite.h"

namespace narrow {

struct CheckpointDownloadOptions {
  std::string url = {};                 // instead of the published address; a file path is fine too
  std::optional<Digest> expected = {};  // of the archive; none is published
  Overwrite overwrite = Overwrite::kNo;
  int attempts = 4;
  std::chrono::milliseconds first_wait{1000};
};

struct CheckpointDownloadResult {
  std::filesystem::path checkpoint;  // DIRECTORY/resnet_v1_50.ckpt
  FileDigests archive_digests;
  FileDigests checkpoint_digests;
  std::uint64_t checkpoint_bytes = 0;
};

// "resnet_v1_50", "inception_v3", ...
std::vector<std::string> published_checkpoint_names();

// "http://download.tensorflow.org/models/resnet_v1_50_2016_08_28.tar.gz" for "resnet_v1_50".
// Throws Error(kUsage) for anything but those names.
std::string published_checkpoint_url(std::string_view model);

// Fetches the archive of `model` into `directory`, unpacks its only checkpoint there, and removes
// the archive. Throws Error: what download and read_archive_members throw, and kExists when the
// checkpoint is there and is not to be replaced.
CheckpointDownloadResult download_published_checkpoint(std::string_view model,
                                                       const std::filesystem::path& directory,
                                                       const CheckpointDownloadOptions& options,
                                                       TransferObserver& observer);

}  // namespace narrow
