// An archive that is either fetched or already lies on this machine.
#pragma once

#include <filesystem>
#include <string>

#include "data/download/download.h"

namespace narrow {

struct ArchiveFile {
  std::filesystem::path path;
  FileDigests digests;
  bool is_downloaded = false;  // may be removed after use
};

// `request.url` is an address, or the path of a local file, which is used where it is. A file at
// request.destination with the expected checksum is used without fetching it again.
// Throws Error as download does; kCorrupt for a local file with another checksum.
ArchiveFile obtain_archive(const DownloadRequest& request, TransferObserver& observer);

}  // namespace narrow
