// Archives for tests, among them those that no honest program writes.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace narrow {

struct TestMember {
  std::string name;
  std::string bytes;
  std::string symlink;   // target, for a symbolic link
  std::string hardlink;  // target, for a hard link
};

// Writes a .tar.gz file.
inline void write_tar_gz(const std::filesystem::path& path,
                         const std::vector<TestMember>& members) {
  const std::unique_ptr<archive, int (*)(archive*)> out(archive_write_new(), archive_write_free);
  archive_write_add_filter_gzip(out.get());
  archive_write_set_format_ustar(out.get());
  archive_write_open_filename(out.get(), path.c_str());
  for (const TestMember& member : members) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                         archive_entry_free);
    archive_entry_set_pathname(entry.get(), member.name.c_str());
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_filetype(entry.get(), member.symlink.empty() ? AE_IFREG : AE_IFLNK);
    if (!member.symlink.empty()) archive_entry_set_symlink(entry.get(), member.symlink.c_str());
    if (!member.hardlink.empty()) archive_entry_set_hardlink(entry.get(), member.hardlink.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.bytes.size()));
    archive_write_header(out.get(), entry.get());
    archive_write_data(out.get(), member.bytes.data(), member.bytes.size());
  }
  archive_write_close(out.get());
}

}  // namespace narrow
