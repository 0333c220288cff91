// Members of a .tar or .tar.gz file, read from front to back. Nothing is ever written under a name
// that the archive chose: the caller asks for members by name and gets bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace narrow {

struct WantedMember {
  std::string name;  // as the archive has it, without a leading "./"
  std::uint64_t max_bytes = 0;
};

// Receives the bytes of a wanted member in pieces, each of at most some 100 KB.
using MemberSink = std::function<void(const std::string& name, std::span<const std::byte> piece)>;

// Walks over the whole archive and passes on every wanted member; returns when all are complete.
// Throws Error(kCorrupt) naming archive and member: not a tar file, truncated, a wanted member that
// is missing, there twice, longer than max_bytes or no regular file; and, wanted or not, a member
// with an absolute name, with "..", a link or a device. kNotFound and kIo as InputFile does.
void read_archive_members(const std::filesystem::path& archive,
                          std::span<const WantedMember> wanted, const MemberSink& sink);

// Names of the first `most` regular files, in order; the same errors.
std::vector<std::string> list_archive_members(const std::filesystem::path& archive,
                                              std::size_t most);

}  // namespace narrow
