#include "data/download/checkpoint_download.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/staging/staged_output.h"
#include "data/download/archive_reader.h"
#include "data/download/archive_source.h"
#include "narrow/error.h"

namespace narrow {
namespace {

struct Published {
  std::string_view model;
  std::string_view date;
  std::string_view member = {};  // of the archive; empty: MODEL.ckpt
};

constexpr auto kPublished = std::to_array<Published>({
    {"resnet_v1_50", "2016_08_28"},
    {"resnet_v1_101", "2016_08_28"},
    {"resnet_v1_152", "2016_08_28"},
    {"resnet_v2_50", "2017_04_14"},
    {"resnet_v2_101", "2017_04_14"},
    {"resnet_v2_152", "2017_04_14"},
    {"vgg_16", "2016_08_28"},
    {"vgg_19", "2016_08_28"},
    {"inception_v1", "2016_08_28"},
    {"inception_v2", "2016_08_28"},
    {"inception_v3", "2016_08_28"},
    {"inception_v4", "2016_09_09"},
    {"inception_resnet_v2", "2016_08_30", "inception_resnet_v2_2016_08_30.ckpt"},
});
constexpr std::uint64_t kMaxCheckpointBytes = std::uint64_t{1} << 30;

const Published& find_published(std::string_view model) {
  const auto* const found = std::ranges::find(kPublished, model, &Published::model);
  if (found != kPublished.end()) return *found;
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is no published checkpoint called {}; there are {}", model,
                          fmt::join(published_checkpoint_names(), ", ")));
}

}  // namespace

std::vector<std::string> published_checkpoint_names() {
  std::vector<std::string> names;
  for (const Published& one : kPublished) names.emplace_back(one.model);
  return names;
}

std::string published_checkpoint_url(std::string_view model) {
  const Published& found = find_published(model);
  return fmt::format("http://download.tensorflow.org/models/{}_{}.tar.gz", model, found.date);
}

CheckpointDownloadResult download_published_checkpoint(std::string_view model,
                                                       const std::filesystem::path& directory,
                                                       const CheckpointDownloadOptions& options,
                                                       TransferObserver& observer) {
  const std::string published = published_checkpoint_url(model);
  const std::string_view named = find_published(model).member;
  const std::string member = named.empty() ? fmt::format("{}.ckpt", model) : std::string(named);
  DownloadRequest request;
  request.url = options.url.empty() ? published : options.url;
  request.destination = directory / published.substr(published.rfind('/') + 1);
  request.expected = options.expected;
  request.attempts = options.attempts;
  request.first_wait = options.first_wait;
  // Before the download: an unwritable place or an existing result shows at once.
  StagedOutput staged(directory, {member}, options.overwrite);
  const ArchiveFile archive = obtain_archive(request, observer);
  CheckpointDownloadResult result;
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
