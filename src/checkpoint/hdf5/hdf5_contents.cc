#include "checkpoint/hdf5/hdf5_contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/checked.h"
#include "checkpoint/hdf5/structure/hdf5_links.h"
#include "checkpoint/hdf5/structure/hdf5_text.h"

namespace narrow {
namespace {

constexpr int kMostGroupsDeep = 64;
constexpr std::size_t kLongestPath = 8192;
// As much as Deflate makes of a file; one whose datasets were never written could say anything.
constexpr std::uint64_t kMostValuesPerByte = 1032;

bool is_number(std::string_view name) {
  return std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; });
}

// "2" before "10", as Keras 3 counts variables.
bool comes_before(const std::string& a, const std::string& b) {
  if (a.size() != b.size() && is_number(a) && is_number(b)) return a.size() < b.size();
  return a < b;
}

// The place of `path` in a list in which it or one of its groups stands; the last one if none does.
std::size_t rank_of(const std::string& path,
                    const std::unordered_map<std::string, std::size_t>& ranks) {
  for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const auto found = ranks.find(path.substr(0, end));
    if (found != ranks.end()) return found->second;
    if (end == std::string::npos) return ranks.size();
  }
}

}  // namespace

// Goes through all groups.
class Hdf5Walk {
 public:
  explicit Hdf5Walk(Hdf5Contents& contents)
      : contents_(contents), file_(contents.file_), heaps_(contents.file_) {}

  void run() {
    visit_group(read_hdf5_object(file_, file_.root_address()), "", 0);
    for (Found& found : found_) {
      contents_.tensors_.push_back(std::move(found.info));
      contents_.indices_.push_back(found.dataset);
    }
  }

 private:
  struct Found {
    TensorInfo info;
    std::size_t dataset = 0;
    std::size_t rank = 0;  // in the group that is gone through
  };

  void visit_group(const Hdf5Object& group, const std::string& path, int depth) {
    if (depth > kMostGroupsDeep) file_.throw_unsupported("groups in each other without an end");
    if (!groups_.insert(group.address).second) {
      file_.throw_unsupported(fmt::format("a group with two names, the second {}", path));
    }
    const std::size_t begin = found_.size();
    std::vector<Hdf5Link> links = read_hdf5_links(file_, group);
    std::ranges::sort(links, comes_before, &Hdf5Link::name);
    for (std::size_t i = 0; i < links.size(); ++i) {
      if (i > 0 && links[i].name == links[i - 1].name) {
        file_.throw_corrupt(group.address,
                            fmt::format("a group has the name {} twice", links[i].name));
      }
      visit(links[i], path.empty() ? links[i].name : path + '/' + links[i].name, depth);
    }
    sort_as_keras(group, path.empty() ? 0 : path.size() + 1, begin);
  }

  // The tensors from `begin` on by their paths below the group, which begin at `prefix_bytes`.
  void sort_as_keras(const Hdf5Object& group, std::size_t prefix_bytes, std::size_t begin) {
    std::unordered_map<std::string, std::size_t> ranks;
    for (std::string& name : keras_names(group)) ranks.emplace(std::move(name), ranks.size());
    if (ranks.empty()) return;
    const auto below = std::span(found_).subspan(begin);
    for (Found& found : below) found.rank = rank_of(found.info.name.substr(prefix_bytes), ranks);
    std::ranges::stable_sort(below, {}, &Found::rank);
  }

  void visit(const Hdf5Link& link, const std::string& name, int depth) {
    if (name.size() > kLongestPath) file_.throw_unsupported("a path of more than 8192 bytes");
    if (const auto known = datasets_.find(link.address); known != datasets_.end()) {
      return add_tensor(name, known->second);
    }
    const Hdf5Object object = read_hdf5_object(file_, link.address);
    if (object.is_group()) return visit_group(object, name, depth + 1);
    // A committed datatype has no values.
    const bool is_type = object.find(Hdf5MessageType::kDatatype) != nullptr &&
                         object.find(Hdf5MessageType::kDataspace) == nullptr;
    if (is_type) return;
    contents_.datasets_.push_back(read_hdf5_dataset(file_, object));
    read_text_or_bfloat16(object);
    datasets_.emplace(link.address, contents_.datasets_.size() - 1);
    add_tensor(name, contents_.datasets_.size() - 1);
  }

  // Keras cuts a long list in several attributes, weight_names0, weight_names1, ...
  std::vector<std::string> keras_names(const Hdf5Object& group) {
    std::vector<std::string> all;
    for (const std::string name : {"layer_names", "weight_names"}) {
      std::vector<std::string> texts = read_hdf5_text_attribute(file_, group, name, heaps_);
      for (int part = 0; !texts.empty() || part == 0; ++part) {
        all.insert(all.end(), texts.begin(), texts.end());
        texts = read_hdf5_text_attribute(file_, group, fmt::format("{}{}", name, part), heaps_);
      }
    }
    return all;
  }

  // Keras 3 stores bfloat16 as two bytes without a meaning, which an attribute gives.
  void read_text_or_bfloat16(const Hdf5Object& object) {
    Hdf5Dataset& dataset = contents_.datasets_.back();
    auto& texts = contents_.texts_.emplace_back();
    Hdf5Type& type = dataset.type;
    if (type.dtype == DType::kOpaque && type.name == "opaque" && type.size == 2 &&
        read_hdf5_text_attribute(file_, object, "dtype", heaps_) ==
            std::vector<std::string>{"bfloat16"}) {
      type.dtype = DType::kBFloat16;
    }
    if (type.dtype != DType::kString) return;
    if (dataset.address == kNoHdf5Address && dataset.byte_size() > 0) {
      type.dtype = DType::kOpaque;
      type.name = "text";
      return;
    }
    if (dataset.byte_size() == 0) return;
    const auto bytes = file_.read(dataset.address, dataset.stored_bytes, "dataset");
    texts = read_hdf5_texts(type, {file_, dataset.address, bytes, "dataset"}, heaps_);
  }

  void add_tensor(const std::string& name, std::size_t index) {
    const Hdf5Dataset& dataset = contents_.datasets_[index];
    const std::uint64_t bytes = dataset.byte_size();
    if (!checked_add(value_bytes_, bytes, &value_bytes_) ||
        value_bytes_ / kMostValuesPerByte > file_.size()) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{} says that its tensor {} has {} bytes, but the file has only {}",
                              file_.input().path().string(), name, bytes, file_.size()));
    }
    TensorInfo info{.name = name, .dtype = dataset.type.dtype, .shape = dataset.shape};
    if (info.dtype == DType::kOpaque) {
      info.opaque = {OpaqueType::Family::kHdf5, dataset.type.name, bytes};
    }
    found_.push_back({std::move(info), index});
  }

  Hdf5Contents& contents_;
  const Hdf5File& file_;
  Hdf5GlobalHeaps heaps_;
  std::vector<Found> found_;
  std::unordered_set<std::uint64_t> groups_;
  std::unordered_map<std::uint64_t, std::size_t> datasets_;  // by address
  std::uint64_t value_bytes_ = 0;
};

Hdf5Contents::Hdf5Contents(const std::filesystem::path& path, std::optional<Hdf5Part> part)
    : input_(path), file_(input_, part.value_or(Hdf5Part{0, input_.size()})) {
  Hdf5Walk(*this).run();
}

}  // namespace narrow
