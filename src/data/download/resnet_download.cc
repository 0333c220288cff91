#include "data/download/resnet_download.h"

#include <fmt/format.h>

#include <array>

#include "base/file.h"
#include "base/staging/staged_output.h"
#include "data/download/archive_reader.h"
#include "data/download/archive_source.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::array<std::string_view, 3> kModels = {"resnet_v1_50", "resnet_v1_101",
                                                     "resnet_v1_152"};
constexpr std::uint64_t kMaxCheckpointBytes = std::uint64_t{1} << 30;

}  // namespace

std::string published_resnet_url(std::string_view model) {
  for (const std::string_view known : kModels) {
    if (known == model) {
      return fmt::format("http://download.tensorflow.org/models/{}_2016_08_28.tar.gz", model);
    }
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no published checkpoint called {}; there are resnet_v1_50, "
                          "resnet_v1_101 and resnet_v1_152",
                          model));
}

ResnetDownloadResult download_resnet_v1(std::string_view model,
                                        const std::filesystem::path& directory,
                                        const ResnetDownloadOptions& options,
                                        TransferObserver& observer) {
  const std::string published = published_resnet_url(model);
  const std::string member = fmt::format("{}.ckpt", model);
  DownloadRequest request;
  request.url = options.url.empty() ? published : options.url;
  request.destination = directory / published.substr(published.rfind('/') + 1);
  request.expected = options.expected;
  request.attempts = options.attempts;
  request.first_wait = options.first_wait;
  // Before the download: an unwritable place or an existing result shows at once.
  StagedOutput staged(directory, {member}, options.overwrite);
  const ArchiveFile archive = obtain_archive(request, observer);
  ResnetDownloadResult result;
  OutputFile out(staged.staging_path(member));
  const std::array<WantedMember, 1> wanted = {WantedMember{member, kMaxCheckpointBytes}};
  read_archive_members(
      archive.path, wanted,
      [&](const std::string&, std::span<const std::byte> piece) { out.write(piece); });
  out.finish();
  result.checkpoint_bytes = out.bytes_written();
  result.checkpoint_digests = digest_file(out.path());
  result.archive_digests = archive.digests;
  staged.commit();
  if (archive.is_downloaded) std::filesystem::remove(archive.path);
  result.checkpoint = directory / member;
  return result;
}

}  // namespace narrow
