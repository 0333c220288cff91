// A reader for the one shape of pickle that CIFAR-10 uses. Opcodes: Python's Lib/pickletools.py.
//
// Values are nodes in one vector and refer to each other by index, so that nothing recurses however
// deep a hostile file nests, and every count is limited before memory is asked for.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "data/convert/cifar10_batch.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// A batch has some 20,000 values besides its pixels.
constexpr std::size_t kMaxNodes = 1 << 20;
constexpr std::uint8_t kProtocol = 2;

using NodeIndex = std::uint32_t;

struct Node {
  enum class Kind {
    kMark,
    kNone,
    kBool,
    kInteger,
    kBytes,
    kList,
    kDict,
    kTuple,
    kGlobal,
    kArray,
    kDtype
  };
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;
  std::string_view text;  // kBytes, and "module name" of kGlobal
  std::vector<NodeIndex>
      items;  // kDict: keys and values in turn; kArray: its state; kDtype: its name
};
using Kind = Node::Kind;

class PickleReader {
 public:
  PickleReader(std::span<const std::byte> bytes, std::string_view place)
      : bytes_(bytes), place_(place) {}

  // Reads up to STOP and returns the one value that is left.
  const Node& run() {
    if (byte() != 0x80 || byte() != kProtocol) throw corrupt("is no pickle of protocol 2");
    while (true) {
      opcode_offset_ = position_;
      const std::uint8_t opcode = byte();
      if (opcode == '.') break;
      if (!push_constant(opcode) && !use_memo(opcode) && !build_container(opcode)) {
        reduce_or_build(opcode);
      }
    }
    if (stack_.size() != 1) throw corrupt("ends with something else than one value");
    return nodes_[stack_[0]];
  }

  [[nodiscard]] const Node& node(NodeIndex index) const { return nodes_[index]; }

  [[nodiscard]] Error corrupt(const std::string& what) const {
    return {ErrorCategory::kCorrupt,
            fmt::format("{} (byte {} of {}) {}; it is not a CIFAR-10 batch as published", place_,
                        opcode_offset_, bytes_.size(), what)};
  }

 private:
  std::string_view take(std::size_t size) {
    if (size > bytes_.size() - position_) {
      throw corrupt(
          fmt::format("needs {} bytes where {} are left", size, bytes_.size() - position_));
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, size);
    position_ += size;
    return text;
  }
  std::uint8_t byte() { return load_le<std::uint8_t>(take(1).data()); }
  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_,
                                bytes_.size() - position_);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) throw corrupt("has a name without an end");
    return take(end + 1).substr(0, end);
  }

  NodeIndex push(Node node) {
    if (nodes_.size() == kMaxNodes) throw corrupt("holds too many values");
    nodes_.push_back(std::move(node));
    stack_.push_back(static_cast<NodeIndex>(nodes_.size() - 1));
    return stack_.back();
  }
  void push_integer(std::int64_t value) { push({Kind::kInteger, value, {}, {}}); }
  void push_bool(bool value) { push({Kind::kBool, value ? 1 : 0, {}, {}}); }
  void push_bytes(std::size_t size) { push({Kind::kBytes, 0, take(size), {}}); }

  NodeIndex pop() {
    if (stack_.empty()) throw corrupt("takes a value that is not there");
    const NodeIndex index = stack_.back();
    stack_.pop_back();
    if (nodes_[index].kind == Kind::kMark) throw corrupt("takes a mark for a value");
    return index;
  }
  // The values above the last mark, which is removed.
  std::vector<NodeIndex> pop_to_mark() {
    const auto mark = std::find_if(stack_.rbegin(), stack_.rend(), [&](NodeIndex index) {
      return nodes_[index].kind == Kind::kMark;
    });
    if (mark == stack_.rend()) throw corrupt("goes back to a mark that is not there");
    std::vector<NodeIndex> items(mark.base(), stack_.end());
    stack_.erase(mark.base() - 1, stack_.end());
    return items;
  }
  std::vector<NodeIndex> pop_some(std::size_t count) {
    std::vector<NodeIndex> items(count);
    for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
    return items;
  }
  Node& top(Kind kind, const char* name) {
    if (stack_.empty() || nodes_[stack_.back()].kind != kind) {
      throw corrupt(fmt::format("changes something that is no {}", name));
    }
    return nodes_[stack_.back()];
  }

  bool push_constant(std::uint8_t opcode) {
    switch (opcode) {
      case '(':
        push({Kind::kMark, 0, {}, {}});
        return true;
      case 'N':
        push({Kind::kNone, 0, {}, {}});
        return true;
      case 0x88:
        push_bool(true);
        return true;
      case 0x89:
        push_bool(false);
        return true;
      case 'K':
        push_integer(byte());
        return true;
      case 'M':
        push_integer(load_le<std::uint16_t>(take(2).data()));
        return true;
      case 'J':
        push_integer(load_le<std::int32_t>(take(4).data()));
        return true;
      case 'U':
        push_bytes(byte());
        return true;
      case 'T':  // Python 2's str
      case 'X':  // text, as UTF-8
        push_bytes(load_le<std::uint32_t>(take(4).data()));
        return true;
      case '}':
        push({Kind::kDict, 0, {}, {}});
        return true;
      case ']':
        push({Kind::kList, 0, {}, {}});
        return true;
      case ')':
        push({Kind::kTuple, 0, {}, {}});
        return true;
      case 'c':
        push_global();
        return true;
      default:
        return false;
    }
  }

  void push_global() {
    const std::size_t start = position_;
    line();
    line();
    push({Kind::kGlobal,
          0,
          {reinterpret_cast<const char*>(bytes_.data()) + start, position_ - start - 1},
          {}});
  }

  bool use_memo(std::uint8_t opcode) {
    switch (opcode) {
      case 'q':
        remember(byte());
        return true;
      case 'r':
        remember(load_le<std::uint32_t>(take(4).data()));
        return true;
      case 'h':
        recall(byte());
        return true;
      case 'j':
        recall(load_le<std::uint32_t>(take(4).data()));
        return true;
      default:
        return false;
    }
  }
  void remember(std::uint32_t key) {
    const NodeIndex index = pop();
    stack_.push_back(index);
    memo_[key] = index;
    if (memo_.size() > kMaxNodes) throw corrupt("stores too many values");
  }
  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) throw corrupt(fmt::format("recalls value {}, never stored", key));
    stack_.push_back(found->second);
  }

  bool build_container(std::uint8_t opcode) {
    switch (opcode) {
      case 't':
        push({Kind::kTuple, 0, {}, pop_to_mark()});
        return true;
      case 0x85:
        push({Kind::kTuple, 0, {}, pop_some(1)});
        return true;
      case 0x86:
        push({Kind::kTuple, 0, {}, pop_some(2)});
        return true;
      case 0x87:
        push({Kind::kTuple, 0, {}, pop_some(3)});
        return true;
      case 'a':
        extend(Kind::kList, "list", pop_some(1));
        return true;
      case 'e':
        extend(Kind::kList, "list", pop_to_mark());
        return true;
      case 's':
        extend(Kind::kDict, "dictionary", pop_some(2));
        return true;
      case 'u':
        extend(Kind::kDict, "dictionary", pop_to_mark());
        return true;
      default:
        return false;
    }
  }
  void extend(Kind kind, const char* name, const std::vector<NodeIndex>& items) {
    Node& container = top(kind, name);
    if (kind == Kind::kDict && items.size() % 2 != 0) throw corrupt("has a key without a value");
    container.items.insert(container.items.end(), items.begin(), items.end());
  }

  void reduce_or_build(std::uint8_t opcode) {
    if (opcode == 'R') {
      const NodeIndex arguments = pop();
      reduce(nodes_[pop()], nodes_[arguments]);
    } else if (opcode == 'b') {
      const NodeIndex state = pop();
      if (!stack_.empty() && nodes_[stack_.back()].kind == Kind::kDtype) return;
      top(Kind::kArray, "array").items = {state};
    } else {
      throw corrupt(fmt::format("has the opcode 0x{:02x}", opcode));
    }
  }

  // What a call of `function` would make, for the three that a batch may name.
  void reduce(const Node& function, const Node& arguments) {
    if (function.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) {
      throw corrupt("calls something that is no function");
    }
    const std::string_view name = function.text;
    if (name == "numpy.core.multiarray\n_reconstruct" ||
        name == "numpy._core.multiarray\n_reconstruct") {
      push({Kind::kArray, 0, {}, {}});
    } else if (name == "numpy\ndtype" && !arguments.items.empty()) {
      const NodeIndex type_name = arguments.items[0];
      push({Kind::kDtype, 0, {}, {type_name}});
    } else if (name == "_codecs\nencode" && arguments.items.size() == 2 &&
               node(arguments.items[1]).text == "latin1") {
      push_latin1(node(arguments.items[0]).text);
    } else {
      std::string printable(name.substr(0, 80));
      std::replace(printable.begin(), printable.end(), '\n', '.');
      throw corrupt(fmt::format("asks to call {}, which is refused", printable));
    }
  }

  // Python 3 writes byte strings of protocol 2 as text in which every character is one byte.
  void push_latin1(std::string_view utf8) {
    std::string& bytes = decoded_.emplace_back();
    bytes.reserve(utf8.size());
    for (std::size_t i = 0; i < utf8.size(); ++i) {
      const auto lead = static_cast<unsigned char>(utf8[i]);
      if (lead < 0x80) {
        bytes.push_back(utf8[i]);
        continue;
      }
      const auto next = static_cast<unsigned char>(i + 1 < utf8.size() ? utf8[i + 1] : 0);
      if ((lead != 0xc2 && lead != 0xc3) || next >> 6 != 2)
        throw corrupt("has text that is not latin1");
      bytes.push_back(static_cast<char>((lead & 3) << 6 | (next & 0x3f)));
      ++i;
    }
    decoded_bytes_ += utf8.size();
    // Recalling one long text again and again must not multiply memory.
    if (decoded_bytes_ > bytes_.size()) throw corrupt("repeats its text");
    push({Kind::kBytes, 0, bytes, {}});
  }

  std::span<const std::byte> bytes_;
  std::string_view place_;
  std::size_t position_ = 0;
  std::size_t opcode_offset_ = 0;
  std::vector<Node> nodes_;
  std::vector<NodeIndex> stack_;
  std::unordered_map<std::uint32_t, NodeIndex> memo_;
  std::deque<std::string> decoded_;
  std::size_t decoded_bytes_ = 0;
};

const Node& dictionary_value(const PickleReader& reader, const Node& dictionary,
                             std::string_view key) {
  if (dictionary.kind == Kind::kDict) {
    for (std::size_t i = 0; i < dictionary.items.size(); i += 2) {
      const Node& candidate = reader.node(dictionary.items[i]);
      if (candidate.kind == Kind::kBytes && candidate.text == key) {
        return reader.node(dictionary.items[i + 1]);
      }
    }
  }
  throw reader.corrupt(fmt::format("has no entry '{}'", key));
}

std::vector<std::uint8_t> labels_of(const PickleReader& reader, const Node& list,
                                    std::size_t rows) {
  if (list.kind != Kind::kList || list.items.size() != rows) {
    throw reader.corrupt(
        fmt::format("has {} labels where {} are expected", list.items.size(), rows));
  }
  std::vector<std::uint8_t> labels;
  labels.reserve(rows);
  for (const NodeIndex index : list.items) {
    const Node& label = reader.node(index);
    if (label.kind != Kind::kInteger || label.integer < 0 || label.integer >= kCifarClasses) {
      throw reader.corrupt(fmt::format("has the label {} for image {}; labels are 0..9",
                                       label.integer, labels.size()));
    }
    labels.push_back(static_cast<std::uint8_t>(label.integer));
  }
  return labels;
}

// The bytes of a NumPy array: its state is (version, shape, type, Fortran order, bytes).
std::string_view pixels_of(const PickleReader& reader, const Node& array, std::size_t rows) {
  const Node none;
  const Node& state =
      array.kind == Kind::kArray && !array.items.empty() ? reader.node(array.items[0]) : none;
  if (state.kind != Kind::kTuple || state.items.size() != 5) {
    throw reader.corrupt("has no NumPy array as 'data'");
  }
  const auto item = [&](std::size_t i) -> const Node& { return reader.node(state.items[i]); };
  const auto dimension = [&](std::size_t i) { return reader.node(item(1).items[i]).integer; };
  const bool is_bytes = item(2).kind == Kind::kDtype && reader.node(item(2).items[0]).text == "u1";
  if (!is_bytes || item(3).kind != Kind::kBool || item(3).integer != 0) {
    throw reader.corrupt("has 'data' that is no array of bytes in row order");
  }
  if (item(1).kind != Kind::kTuple || item(1).items.size() != 2 ||
      dimension(0) != static_cast<std::int64_t>(rows) ||
      dimension(1) != static_cast<std::int64_t>(kCifarPixelBytes) ||
      item(4).text.size() != rows * kCifarPixelBytes) {
    throw reader.corrupt(fmt::format("has {} bytes of pixels in another shape than [{}, {}]",
                                     item(4).text.size(), rows, kCifarPixelBytes));
  }
  return item(4).text;
}

}  // namespace

CifarBatch parse_cifar10_pickle(std::span<const std::byte> bytes, std::size_t rows,
                                std::string_view place) {
  PickleReader reader(bytes, place);
  const Node& dictionary = reader.run();
  CifarBatch batch;
  batch.labels = labels_of(reader, dictionary_value(reader, dictionary, "labels"), rows);
  const std::string_view pixels =
      pixels_of(reader, dictionary_value(reader, dictionary, "data"), rows);
  batch.planes.assign(pixels.begin(), pixels.end());
  return batch;
}

}  // namespace narrow
