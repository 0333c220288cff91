// Writing an HDF5 file from tensors alone: superblock of version 2, object headers of version 2
// with the links of each group in its header, contiguous values. HDF5 1.8 and later read it. The
// same tensors give the same bytes: there are no times in it.
#include <fmt/format.h>

#include <limits>
#include <string_view>
#include <unordered_map>

#include "base/utf8.h"
#include "checkpoint/container/cannot_hold.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/container/single_file_output.h"
#include "checkpoint/container/write_order.h"
#include "checkpoint/hdf5/structure/hdf5_checksum.h"
#include "checkpoint/hdf5/structure/hdf5_object.h"
#include "checkpoint/hdf5/structure/hdf5_record.h"
#include "checkpoint/hdf5/structure/hdf5_types.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kOthers = "safetensors, tf or npz";
constexpr std::uint64_t kSuperblockBytes = 48;
constexpr std::uint64_t kAlignment = 64;  // of values
constexpr std::size_t kMostDimensions = 32;
constexpr std::size_t kMostParts = 64;  // of a path
constexpr std::size_t kLongestPart = 4096;

std::string with_checksum(std::string text) {
  const std::uint32_t checksum = hdf5_checksum(as_byte_span(text));
  return Hdf5Record().add_text(text).add(checksum).text();
}

std::string message(Hdf5MessageType type, std::string_view body) {
  return Hdf5Record()
      .add(static_cast<std::uint8_t>(type))
      .add(static_cast<std::uint16_t>(body.size()))
      .add(std::uint8_t{0})
      .add_text(body)
      .text();
}

// IV.A.1.b; without times, the size of the messages in 4 bytes.
std::string object_header(std::string_view messages) {
  return with_checksum(Hdf5Record()
                           .add_text("OHDR")
                           .add(std::uint8_t{2})
                           .add(std::uint8_t{2})
                           .add(static_cast<std::uint32_t>(messages.size()))
                           .add_text(messages)
                           .text());
}

std::string superblock(std::uint64_t file_bytes, std::uint64_t root) {
  return with_checksum(Hdf5Record()
                           .add_text("\x89HDF\r\n\x1a\n")
                           .add(std::uint8_t{2})
                           .add(std::uint8_t{8})  // bytes of an address
                           .add(std::uint8_t{8})  // bytes of a length
                           .add(std::uint8_t{0})
                           .add(std::uint64_t{0})  // the base address
                           .add(kNoHdf5Address)    // no extension
                           .add(file_bytes)
                           .add(root)
                           .text());
}

std::string link_message(const std::string& name, std::uint64_t address) {
  constexpr std::uint8_t kHasCharacterSet = 1 << 4;
  constexpr std::uint8_t kSizeIn2Bytes = 1;
  constexpr std::uint8_t kUtf8 = 1;
  return message(Hdf5MessageType::kLink, Hdf5Record()
                                             .add(std::uint8_t{1})
                                             .add(std::uint8_t{kHasCharacterSet | kSizeIn2Bytes})
                                             .add(kUtf8)
                                             .add(static_cast<std::uint16_t>(name.size()))
                                             .add_text(name)
                                             .add(address)
                                             .text());
}

// Messages of a dataset whose values lie at `address`.
std::string dataset_messages(const TensorInfo& info, std::uint64_t address) {
  // Allocated late, filled if a value is set: what libhdf5 says of contiguous values.
  constexpr std::uint8_t kFillFlags = 2 | 2 << 2;
  Hdf5Record space;
  space.add(std::uint8_t{2}).add(static_cast<std::uint8_t>(info.shape.size()));
  space.add(std::uint8_t{0}).add(static_cast<std::uint8_t>(info.shape.empty() ? 0 : 1));
  for (const std::int64_t dim : info.shape) space.add(static_cast<std::uint64_t>(dim));
  const std::uint64_t size = info.byte_size();
  const std::string layout = Hdf5Record()
                                 .add(std::uint8_t{3})
                                 .add(std::uint8_t{1})
                                 .add(size == 0 ? kNoHdf5Address : address)
                                 .add(size)
                                 .text();
  const std::string fill = Hdf5Record().add(std::uint8_t{3}).add(kFillFlags).text();
  return message(Hdf5MessageType::kDataspace, space.text()) +
         message(Hdf5MessageType::kDatatype, build_hdf5_type(info).value()) +
         message(Hdf5MessageType::kFillValue, fill) + message(Hdf5MessageType::kLayout, layout);
}

// Groups and datasets by their paths.
class Hdf5Tree {
 public:
  // Throws Error(kUnsupported) for a path that HDF5 does not have.
  void add(const TensorInfo& info, std::size_t tensor) {
    const std::string& path = info.name;
    if (!is_utf8(path) || path.find('\0') != std::string::npos) refuse(path, "is not UTF-8");
    std::size_t node = 0;
    std::size_t parts = 0;
    for (std::size_t begin = 0; begin <= path.size();) {
      const std::size_t end = std::min(path.find('/', begin), path.size());
      const std::string part = path.substr(begin, end - begin);
      if (part.empty() || part == "." || part.size() > kLongestPart || ++parts > kMostParts) {
        refuse(path, "is no path of HDF5: a part of it is empty, '.' or too long");
      }
      if (nodes_[node].tensor != kGroup) refuse(path, "goes through another tensor");
      node = child(node, path.substr(0, end), part);
      begin = end + 1;
    }
    if (nodes_[node].tensor != kGroup || !nodes_[node].links.empty()) {
      refuse(path, "is a group that has other tensors");
    }
    nodes_[node].tensor = tensor;
  }

  // All of the file in front of the values, which lie one after another, aligned; `places` gets
  // where.
  std::string build(const std::vector<TensorInfo>& tensors, std::vector<std::uint64_t>* places) {
    places->assign(tensors.size(), 0);
    std::vector<std::uint64_t> addresses(nodes_.size(), 0);
    std::uint64_t end = kSuperblockBytes;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      addresses[i] = end;
      end += header_of(nodes_[i], tensors, addresses, *places).size();
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      places->at(i) = (end + kAlignment - 1) / kAlignment * kAlignment;
      end = places->at(i) + tensors[i].byte_size();
    }
    std::string text = superblock(end, addresses[0]);
    for (const Node& node : nodes_) text += header_of(node, tensors, addresses, *places);
    return text;
  }

 private:
  static constexpr std::size_t kGroup = std::numeric_limits<std::size_t>::max();

  struct Link {
    std::string name;
    std::size_t node = 0;
  };
  struct Node {
    std::size_t tensor = kGroup;
    std::vector<Link> links;
  };

  [[noreturn]] static void refuse(const std::string& path, std::string_view why) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("an HDF5 file cannot hold tensor {}, whose name {}; exclude it or "
                            "rename it",
                            path, why),
                {Remedy::Kind::kOtherFormat, std::string(kOthers)});
  }

  std::size_t child(std::size_t parent, const std::string& path, const std::string& name) {
    const auto [found, is_new] = by_path_.try_emplace(path, nodes_.size());
    if (is_new) {
      nodes_[parent].links.push_back({name, nodes_.size()});
      nodes_.emplace_back();
    }
    return found->second;
  }

  static std::string header_of(const Node& node, const std::vector<TensorInfo>& tensors,
                               const std::vector<std::uint64_t>& addresses,
                               const std::vector<std::uint64_t>& places) {
    if (node.tensor != kGroup) {
      return object_header(dataset_messages(tensors[node.tensor], places[node.tensor]));
    }
    // No heap and no tree: the links are in this header.
    const std::string info =
        Hdf5Record().add(std::uint16_t{0}).add(kNoHdf5Address).add(kNoHdf5Address).text();
    std::string messages = message(Hdf5MessageType::kLinkInfo, info) +
                           message(Hdf5MessageType::kGroupInfo, std::string(2, '\0'));
    for (const Link& link : node.links) messages += link_message(link.name, addresses[link.node]);
    return object_header(messages);
  }

  std::vector<Node> nodes_{1};
  std::unordered_map<std::string, std::size_t> by_path_;
};

class Hdf5Writer final : public CheckpointWriter {
 public:
  Hdf5Writer(const CheckpointLocation& location, Overwrite overwrite)
      : output_(location.path, overwrite) {}

  void add(const TensorInfo& info) override {
    if (!build_hdf5_type(info)) throw_cannot_hold("an HDF5 file", info);
    if (info.shape.size() > kMostDimensions) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("an HDF5 file cannot hold tensor {}, which has {} dimensions, more "
                              "than {}",
                              info.name, info.shape.size(), kMostDimensions),
                  {Remedy::Kind::kOtherFormat, std::string(kOthers)});
    }
    order_.add(info);
    tree_.add(info, order_.tensors().size() - 1);
  }

  void write(std::span<const std::byte> values) override {
    if (values.empty()) return;
    const std::size_t tensor = order_.take(values.size());
    if (places_.empty()) write_headers();
    for (; begun_ <= tensor; ++begun_) pad_to(places_[begun_]);
    output_.file().write(values);
  }

  void finish() override {
    order_.check_complete();
    if (output_.file().bytes_written() == 0) write_headers();
    for (; begun_ < places_.size(); ++begun_) pad_to(places_[begun_]);
    output_.file().finish();
    output_.commit();
  }

 private:
  void write_headers() {
    const std::string headers = tree_.build(order_.tensors(), &places_);
    std::uint64_t bytes = headers.size();
    for (const TensorInfo& info : order_.tensors()) bytes += info.byte_size() + kAlignment;
    output_.file().reserve(bytes);
    output_.file().write(headers);
  }

  void pad_to(std::uint64_t offset) {
    const std::string zeros(offset - output_.file().bytes_written(), '\0');
    output_.file().write(zeros);
  }

  SingleFileOutput output_;
  WriteOrder order_;
  Hdf5Tree tree_;
  std::vector<std::uint64_t> places_;  // of the values of each tensor
  std::size_t begun_ = 0;
};

}  // namespace

std::unique_ptr<CheckpointWriter> create_hdf5(const CheckpointLocation& location,
                                              Overwrite overwrite) {
  return std::make_unique<Hdf5Writer>(location, overwrite);
}

}  // namespace narrow
