#include "data/convert/cifar10_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "data/download/archive_reader.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr PublishedArchive kPython = {"cifar-10-python.tar.gz",
                                      "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                                      "c58f30108f718f92721af3b95e74349a"};
constexpr PublishedArchive kBinary = {"cifar-10-binary.tar.gz",
                                      "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                                      "c32a1d4ab5d03f1284b67883e8d87530"};

constexpr std::string_view kPythonFolder = "cifar-10-batches-py/";
constexpr std::string_view kBinaryFolder = "cifar-10-batches-bin/";

// Bytes a pickle has besides its pixels: labels, file names. Published: some 320,000. Python 3
// stores every pixel above 127 as two bytes.
constexpr std::uint64_t kPickleOverheadBytes = 1 << 22;
constexpr std::uint64_t kPickleBytesPerPixelByte = 2;

Cifar10Archive kind_of_archive(const std::filesystem::path& archive) {
  const auto names = list_archive_members(archive, 1);
  const std::string first = names.empty() ? "nothing" : names.front();
  if (first.starts_with(kPythonFolder)) return Cifar10Archive::kPython;
  if (first.starts_with(kBinaryFolder)) return Cifar10Archive::kBinary;
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("the archive {} begins with {}; CIFAR-10's begin with a file in {} or {}",
                          archive.string(), first, kPythonFolder, kBinaryFolder));
}

std::vector<WantedMember> members_of(Cifar10Archive kind, std::size_t rows) {
  const bool is_python = kind == Cifar10Archive::kPython;
  const std::uint64_t row_bytes =
      is_python ? kPickleBytesPerPixelByte * kCifarPixelBytes : 1 + kCifarPixelBytes;
  const std::uint64_t max_bytes = rows * row_bytes + (is_python ? kPickleOverheadBytes : 0);
  std::vector<WantedMember> members;
  for (const char* name : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                           "data_batch_5", "test_batch"}) {
    members.push_back({is_python ? fmt::format("{}{}", kPythonFolder, name)
                                 : fmt::format("{}{}.bin", kBinaryFolder, name),
                       max_bytes});
  }
  return members;
}

}  // namespace

const PublishedArchive& published_cifar10(Cifar10Archive kind) {
  return kind == Cifar10Archive::kPython ? kPython : kBinary;
}

Cifar10Batches read_cifar10_archive(const std::filesystem::path& archive, std::size_t rows) {
  const Cifar10Archive kind = kind_of_archive(archive);
  const auto members = members_of(kind, rows);
  Cifar10Batches batches;
  std::string current;
  std::string bytes;
  const auto parse_current = [&] {
    if (current.empty()) return;
    const auto member =
        std::find_if(members.begin(), members.end(),
                     [&](const WantedMember& candidate) { return candidate.name == current; });
    const std::string place = fmt::format("{} in {}", current, archive.string());
    auto& batch = batches.at(static_cast<std::size_t>(member - members.begin()));
    batch = kind == Cifar10Archive::kPython
                ? parse_cifar10_pickle(as_byte_span(bytes), rows, place)
                : parse_cifar10_binary(as_byte_span(bytes), rows, place);
  };
  read_archive_members(archive, members,
                       [&](const std::string& name, std::span<const std::byte> piece) {
                         if (name != current) {
                           parse_current();
                           current = name;
                           bytes.clear();
                         }
                         bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                       });
  parse_current();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (batches[i].size() == rows) continue;
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} in {} is empty", members[i].name, archive.string()));
  }
  return batches;
}

}  // namespace narrow
