// The ZIP form.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "checkpoint/npz/zip/zip_member_stream.h"
#include "checkpoint/pytorch/pickle/pickle_machine.h"
#include "checkpoint/pytorch/pytorch_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kPickleName = "data.pkl";

// The members beside the pickle, by their names after those of the folder that they share.
class Archive {
 public:
  explicit Archive(const InputFile& file) : file_(file), members_(read_zip_directory(file)) {
    const ZipMember* pickle = nullptr;
    for (const ZipMember& member : members_) {
      by_name_.emplace(member.name, &member);
      if (pickle == nullptr && has_file_name(member.name, kPickleName)) pickle = &member;
    }
    if (pickle == nullptr) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{} has no member data.pkl", file.path().string()));
    }
    pickle_ = pickle;
    prefix_ = pickle->name.substr(0, pickle->name.size() - kPickleName.size());
  }

  [[nodiscard]] const ZipMember& pickle() const { return *pickle_; }
  // The member prefix + name, if there is one.
  [[nodiscard]] const ZipMember* find(const std::string& name) const {
    const auto found = by_name_.find(prefix_ + name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  [[nodiscard]] std::string place(const ZipMember& member) const {
    return fmt::format("member {} of {}", member.name, file_.path().string());
  }
  [[nodiscard]] std::string content(const ZipMember& member) const {
    if (member.byte_size > kMaxPickleBytes) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{} has {} bytes, but at most {} are read; save tensors only",
                              place(member), member.byte_size, kMaxPickleBytes));
    }
    std::string text(member.byte_size, '\0');
    open_zip_member(file_, member)->read(std::as_writable_bytes(std::span(text)));
    return text;
  }

 private:
  const InputFile& file_;
  std::vector<ZipMember> members_;
  std::unordered_map<std::string_view, const ZipMember*> by_name_;
  const ZipMember* pickle_ = nullptr;
  std::string prefix_;
};

void require_little_endian(const Archive& archive, const InputFile& file) {
  const ZipMember* order = archive.find("byteorder");
  if (order == nullptr) return;  // before PyTorch 2.1
  const std::string name = archive.content(*order);
  if (name == "little") return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} was written by a machine whose byte order is '{}', but only "
                          "little-endian files are read; save it again on another machine",
                          file.path().string(), name.substr(0, 20)));
}

StoragePlace find_storage(const Archive& archive, const PytorchStorage& storage,
                          const std::string& where) {
  const std::string name = "data/" + std::string(storage.key);
  const ZipMember* member = archive.find(name);
  if (member == nullptr || member->byte_size < storage.byte_size) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} needs a member {} of {} bytes, but {}", where, name.substr(0, 100),
                            storage.byte_size,
                            member == nullptr ? "there is none"
                                              : fmt::format("it has {}", member->byte_size)));
  }
  return {.byte_offset = member->data_offset, .byte_size = member->byte_size, .member = *member};
}

}  // namespace

bool is_pytorch_zip(const InputFile& file) { return zip_has_member(file, kPickleName); }

PytorchFile read_pytorch_zip(const InputFile& file, const std::string& root_name) {
  const Archive archive(file);
  require_little_endian(archive, file);
  const std::string where = archive.place(archive.pickle());
  const std::string text = archive.content(archive.pickle());
  const auto pickle = read_pickle(text, 0, where);
  if (!pickle) {
    throw Error(ErrorCategory::kCorrupt, fmt::format("{} ends within its pickle", where));
  }
  TensorTree tree = find_tensors(*pickle, root_name, file.size(), where);
  PytorchFile result{.tensors = std::move(tree.tensors), .storages = {}};
  for (const PytorchStorage& storage : tree.storages) {
    result.storages.push_back(find_storage(archive, storage, where));
  }
  return result;
}

}  // namespace narrow
