#include "base/parts/part_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/byte_record.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/join_some.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kMagic("narrow part 1\n\0\0", 16);
constexpr std::uint64_t kMostParts = std::uint64_t{1} << 20;

void require_magic(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() >= kMagic.size() &&
      std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0) {
    return;
  }
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} is no part of a result that this version could merge", name));
}

// A file that is no part is not read whole.
std::vector<std::byte> read_part_file(const std::filesystem::path& path) {
  std::array<std::byte, kMagic.size()> start;
  const InputFile file(path);
  const std::size_t length = std::min<std::uint64_t>(file.size(), start.size());
  file.read_at(0, std::span(start).first(length));
  require_magic(std::span(start).first(length), path.string());
  return read_whole_file(path);
}

void require_share(const Share& share) {
  if (share.count >= 1 && share.count <= kMostParts && share.index < share.count) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("part {} of {}: parts are numbered from 0, and there are at most {}",
                          share.index, share.count, kMostParts));
}

std::string title(const Part& part) {
  return fmt::format("part {} of {} of \"{}\"", part.index, part.count,
                     fmt::join(part.command, " "));
}

void require_same_command(const Part& first, const std::string& first_name, const Part& other,
                          const std::string& other_name) {
  if (first.count == other.count && first.command == other.command) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} and {} do not belong together: {} and {}", first_name, other_name,
                          title(first), title(other)));
}

void require_all(const std::vector<Part>& parts, const std::vector<std::string>& names) {
  constexpr std::size_t kMostListed = 10;
  std::vector<std::string> missing;
  std::size_t next = 0;
  for (std::uint64_t index = 0; index < parts.front().count; ++index) {
    if (next == parts.size() || parts[next].index != index) {
      missing.push_back(std::to_string(index));
      continue;
    }
    if (++next < parts.size() && parts[next].index == index) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} and {} are both part {} of {}; name one of them", names[next - 1],
                              names[next], index, parts.front().count));
    }
  }
  if (missing.empty()) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} {} of {} {} missing; the command of the others makes {}",
                          missing.size() == 1 ? "part" : "parts", list_some(missing, kMostListed),
                          parts.front().count, missing.size() == 1 ? "is" : "are",
                          missing.size() == 1 ? "it" : "them"));
}

}  // namespace

PartExchange::PartExchange(const Share& share, std::vector<std::string> command) {
  require_share(share);
  part_ = {share.index, share.count, std::move(command), {}};
}

std::vector<std::vector<std::byte>> PartExchange::gather(std::string_view job, const ShareKey& key,
                                                         std::vector<std::byte> mine) {
  part_.jobs.push_back({std::string(job), key(), std::move(mine)});
  return {};
}

std::vector<std::byte> serialize(const Part& part) {
  ByteRecord record;
  record.put_bytes(as_byte_span(kMagic));
  record.put(part.index);
  record.put(part.count);
  record.put(static_cast<std::uint64_t>(part.command.size()));
  for (const std::string& word : part.command) record.put_text(word);
  record.put(static_cast<std::uint64_t>(part.jobs.size()));
  for (const JobPart& job : part.jobs) {
    record.put_text(job.job);
    record.put_text(job.key);
    record.put_all(std::span(job.bytes));
  }
  record.put(crc32c(record.bytes()));
  return record.take();
}

Part parse_part(std::span<const std::byte> bytes, const std::string& name) {
  require_magic(bytes, name);
  if (bytes.size() < kMagic.size() + sizeof(std::uint32_t)) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} is cut; make that part again", name));
  }
  const auto checked = bytes.first(bytes.size() - sizeof(std::uint32_t));
  if (load_le<std::uint32_t>(checked.data() + checked.size()) != crc32c(checked)) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is cut or damaged: its checksum does not match; make that part "
                            "again",
                            name));
  }
  ByteRecordReader reader(checked.subspan(kMagic.size()), name);
  Part part;
  part.index = reader.take<std::uint64_t>();
  part.count = reader.take<std::uint64_t>();
  require_share({part.index, part.count});
  for (auto left = reader.take<std::uint64_t>(); left > 0; --left) {
    part.command.push_back(reader.take_text());
  }
  for (auto left = reader.take<std::uint64_t>(); left > 0; --left) {
    JobPart& job = part.jobs.emplace_back();
    job.job = reader.take_text();
    job.key = reader.take_text();
    job.bytes = reader.take_all<std::byte>();
  }
  return part;
}

MergeExchange::MergeExchange(std::span<const std::filesystem::path> files) {
  if (files.empty()) throw Error(ErrorCategory::kUsage, "there are no parts to merge");
  std::vector<std::pair<Part, std::string>> found;
  for (const auto& file : files) {
    found.emplace_back(parse_part(read_part_file(file), file.string()), file.string());
    require_same_command(found.front().first, found.front().second, found.back().first,
                         found.back().second);
  }
  std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first.index; });
  for (auto& [part, name] : found) {
    parts_.push_back(std::move(part));
    names_.push_back(std::move(name));
  }
  require_all(parts_, names_);
}

std::vector<std::vector<std::byte>> MergeExchange::gather(std::string_view job, const ShareKey& key,
                                                          std::vector<std::byte> /*mine*/) {
  std::vector<std::vector<std::byte>> all;
  const std::string now = key();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (job_ >= parts_[i].jobs.size() || parts_[i].jobs[job_].job != job) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{} does not hold {}; make that part again with this version",
                              names_[i], job));
    }
    JobPart& part = parts_[i].jobs[job_];
    if (part.key != now) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} is of another input than what is there now: {} differs; make "
                              "that part again",
                              names_[i], job));
    }
    all.push_back(std::move(part.bytes));
  }
  ++job_;
  return all;
}

}  // namespace narrow
