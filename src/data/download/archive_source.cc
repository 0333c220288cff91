#include "data/download/archive_source.h"

#include <fmt/format.h>

#include "narrow/error.h"

namespace narrow {
namespace {

bool matches(const DownloadRequest& request, const FileDigests& digests) {
  return request.expected && digests.of(request.expected->algorithm) == request.expected->hex;
}

ArchiveFile use_local_file(const DownloadRequest& request) {
  ArchiveFile archive{request.url, digest_file(request.url), false};
  if (request.expected && !matches(request, archive.digests)) {
    throw Error(
        ErrorCategory::kCorrupt,
        fmt::format("{} has the {} checksum {}, but {} is expected; fetch it again", request.url,
                    to_string(request.expected->algorithm),
                    archive.digests.of(request.expected->algorithm), request.expected->hex));
  }
  return archive;
}

}  // namespace

ArchiveFile obtain_archive(const DownloadRequest& request, TransferObserver& observer) {
  if (request.url.find("://") == std::string::npos) return use_local_file(request);
  if (request.expected && std::filesystem::is_regular_file(request.destination)) {
    const FileDigests digests = digest_file(request.destination);
    if (matches(request, digests)) {
      observer.on_note(fmt::format("{} is there already and has the right checksum",
                                   request.destination.string()));
      return {request.destination, digests, true};
    }
  }
  const DownloadResult result = download(request, observer);
  return {request.destination, result.digests, true};
}

}  // namespace narrow
