// The machine of a pickle has a stack, marks on it and a memo. Here its values are nodes that refer
// to each other by index: a call becomes a node with the callable's name and the arguments, so that
// nothing is executed, nothing recurses however deep a hostile file nests, and counts are limited
// before memory is asked for. Texts are views of the bytes.
#include "checkpoint/pytorch/pickle/pickle_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "checkpoint/pytorch/pickle/pickle_opcodes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using Kind = PickleValue::Kind;
using Added = PickleValue::Added;

constexpr std::size_t kMaxValues = 1 << 22;
constexpr std::uint8_t kNewestProtocol = 5;

// The bytes end before the pickle does.
struct EndOfBytes {};

class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, std::uint64_t base_offset, const std::string& place)
      : bytes_(bytes), base_offset_(base_offset), place_(place) {}

  Pickle run() {
    std::uint8_t opcode = 0;
    do {
      opcode_offset_ = position_;
      opcode = number<std::uint8_t>();
      if (!push_number(opcode) && !push_text(opcode) && !use_memo(opcode) &&
          !build_container(opcode) && !add_to_container(opcode) && !build_object(opcode)) {
        take_control(opcode);
      }
    } while (opcode != pickle::kStop);
    pickle_.root = pop();
    if (!stack_.empty()) throw_corrupt("ends the pickle with more than one value");
    pickle_.byte_size = position_;
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void throw_error(ErrorCategory category, const std::string& what) const {
    throw Error(category,
                fmt::format("byte {} of {} {}", base_offset_ + opcode_offset_, place_, what));
  }
  [[noreturn]] void throw_corrupt(const std::string& what) const {
    throw_error(ErrorCategory::kCorrupt, what);
  }

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size() - position_) throw EndOfBytes();
    const std::string_view text = bytes_.substr(position_, size);
    position_ += size;
    return text;
  }
  template <typename T>
  T number() {
    return load_le<T>(take(sizeof(T)).data());
  }
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) throw EndOfBytes();
    const std::string_view text = bytes_.substr(position_, end - position_);
    position_ = end + 1;
    return text;
  }

  PickleIndex make(Kind kind, std::int64_t integer = 0, std::string_view text = {}) {
    if (pickle_.values.size() == kMaxValues) {
      throw_error(ErrorCategory::kUnsupported,
                  fmt::format("begins a value beyond the first {}, which is more than this program "
                              "reads; save tensors only",
                              kMaxValues));
    }
    pickle_.values.push_back({.kind = kind,
                              .byte_offset = base_offset_ + opcode_offset_,
                              .integer = integer,
                              .text = text,
                              .items = {}});
    return static_cast<PickleIndex>(pickle_.values.size() - 1);
  }
  PickleValue& push(Kind kind, std::int64_t integer = 0, std::string_view text = {}) {
    stack_.push_back(make(kind, integer, text));
    return pickle_.values.back();
  }
  bool push_bytes(Kind kind, std::uint64_t size) {
    push(kind, 0, take(size));
    return true;
  }
  // The value on top, above the last mark.
  PickleIndex top() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
      throw_corrupt("takes a value that is not there");
    }
    return stack_.back();
  }
  PickleIndex pop() {
    const PickleIndex index = top();
    stack_.pop_back();
    return index;
  }
  // The values above the last mark, which is removed.
  std::vector<PickleIndex> pop_to_mark() {
    if (marks_.empty()) throw_corrupt("goes back to a mark that is not there");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleIndex> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  bool push_long(std::uint64_t size) {
    const std::string_view bytes = take(size);
    if (size > sizeof(std::uint64_t)) {
      push(Kind::kBigInteger, 0, bytes);
      return true;
    }
    const bool is_negative = size > 0 && (bytes.back() & 0x80) != 0;
    std::uint64_t value = is_negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = size; i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(bytes[i]);
    }
    push(Kind::kInteger, static_cast<std::int64_t>(value));
    return true;
  }

  bool push_number(std::uint8_t opcode) {
    switch (opcode) {
      case pickle::kNone:
        push(Kind::kNone);
        return true;
      case pickle::kNewTrue:
      case pickle::kNewFalse:
        push(Kind::kBool, opcode == pickle::kNewTrue ? 1 : 0);
        return true;
      case pickle::kBinInt:
        push(Kind::kInteger, number<std::int32_t>());
        return true;
      case pickle::kBinInt1:
        push(Kind::kInteger, number<std::uint8_t>());
        return true;
      case pickle::kBinInt2:
        push(Kind::kInteger, number<std::uint16_t>());
        return true;
      case pickle::kLong1:
        return push_long(number<std::uint8_t>());
      case pickle::kLong4:
        return push_long(number<std::uint32_t>());
      case pickle::kBinFloat:
        take(sizeof(double));
        push(Kind::kFloat);
        return true;
      default:
        return false;
    }
  }

  bool push_text(std::uint8_t opcode) {
    switch (opcode) {
      case pickle::kShortBinUnicode:
        return push_bytes(Kind::kText, number<std::uint8_t>());
      case pickle::kBinUnicode:
        return push_bytes(Kind::kText, number<std::uint32_t>());
      case pickle::kBinUnicode8:
        return push_bytes(Kind::kText, number<std::uint64_t>());
      // Python 2 writes its texts so.
      case pickle::kShortBinString:
        return push_bytes(Kind::kText, number<std::uint8_t>());
      case pickle::kBinString:
        return push_bytes(Kind::kText, number<std::uint32_t>());
      case pickle::kShortBinBytes:
        return push_bytes(Kind::kBytes, number<std::uint8_t>());
      case pickle::kBinBytes:
        return push_bytes(Kind::kBytes, number<std::uint32_t>());
      case pickle::kBinBytes8:
      case pickle::kByteArray8:
        return push_bytes(Kind::kBytes, number<std::uint64_t>());
      default:
        return false;
    }
  }

  bool put(std::uint32_t place) {
    memo_[place] = top();
    return true;
  }
  bool get(std::uint32_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) throw_corrupt("asks for a value that was never kept");
    stack_.push_back(found->second);
    return true;
  }
  bool use_memo(std::uint8_t opcode) {
    switch (opcode) {
      case pickle::kBinPut:
        return put(number<std::uint8_t>());
      case pickle::kLongBinPut:
        return put(number<std::uint32_t>());
      case pickle::kMemoize:
        return put(static_cast<std::uint32_t>(memo_.size()));
      case pickle::kBinGet:
        return get(number<std::uint8_t>());
      case pickle::kLongBinGet:
        return get(number<std::uint32_t>());
      default:
        return false;
    }
  }

  // A tuple of the `count` values on top.
  bool push_tuple(std::size_t count) {
    std::vector<PickleIndex> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push(Kind::kTuple).items = std::move(items);
    return true;
  }
  bool push_marked(Kind kind) {
    std::vector<PickleIndex> items = pop_to_mark();
    push(kind).items = std::move(items);
    return true;
  }
  bool build_container(std::uint8_t opcode) {
    switch (opcode) {
      case pickle::kEmptyTuple:
        return push_tuple(0);
      case pickle::kTuple1:
      case pickle::kTuple2:
      case pickle::kTuple3:
        return push_tuple(opcode - pickle::kTuple1 + std::size_t{1});
      case pickle::kTuple:
        return push_marked(Kind::kTuple);
      case pickle::kFrozenSet:
        return push_marked(Kind::kSet);
      case pickle::kEmptyList:
        push(Kind::kList);
        return true;
      case pickle::kEmptyDict:
        push(Kind::kDict);
        return true;
      case pickle::kEmptySet:
        push(Kind::kSet);
        return true;
      default:
        return false;
    }
  }

  // Adds to the value on top, which is a container of `kind` or an object.
  bool add(Kind kind, Added added, const std::vector<PickleIndex>& items) {
    PickleValue& target = pickle_.values[top()];
    if (added == Added::kPairs && items.size() % 2 != 0) throw_corrupt("has a key without a value");
    const bool fits =
        target.kind == kind || (target.kind == Kind::kObject &&
                                (target.added == Added::kNothing || target.added == added));
    if (!fits) throw_corrupt("adds to a value that cannot hold others");
    target.added = added;
    target.items.insert(target.items.end(), items.begin(), items.end());
    return true;
  }
  bool add_to_container(std::uint8_t opcode) {
    switch (opcode) {
      case pickle::kAppend:
        return add(Kind::kList, Added::kElements, {pop()});
      case pickle::kAppends:
        return add(Kind::kList, Added::kElements, pop_to_mark());
      case pickle::kAddItems:
        return add(Kind::kSet, Added::kElements, pop_to_mark());
      case pickle::kSetItem: {
        const PickleIndex value = pop();
        const PickleIndex key = pop();
        return add(Kind::kDict, Added::kPairs, {key, value});
      }
      case pickle::kSetItems:
        return add(Kind::kDict, Added::kPairs, pop_to_mark());
      default:
        return false;
    }
  }

  bool push_global(PickleIndex module, PickleIndex name) {
    if (pickle_[module].kind != Kind::kText || pickle_[name].kind != Kind::kText) {
      throw_corrupt("names something by a value that is no text");
    }
    push(Kind::kGlobal).items = {module, name};
    return true;
  }
  bool push_object(PickleIndex arguments) {
    const PickleIndex callable = pop();
    push(Kind::kObject).items = {callable, arguments, PickleValue::kNoState};
    return true;
  }
  bool set_state() {
    const PickleIndex state = pop();
    PickleValue& object = pickle_.values[top()];
    if (object.kind != Kind::kObject) throw_corrupt("gives a state to a value that has none");
    object.items[PickleValue::kState] = state;
    return true;
  }
  bool build_object(std::uint8_t opcode) {
    switch (opcode) {
      case pickle::kGlobal: {
        const PickleIndex module = make(Kind::kText, 0, line());
        return push_global(module, make(Kind::kText, 0, line()));
      }
      case pickle::kStackGlobal: {
        const PickleIndex name = pop();
        return push_global(pop(), name);
      }
      case pickle::kNewObjectEx: {
        pop();  // arguments by name
        return push_object(pop());
      }
      case pickle::kReduce:
      case pickle::kNewObject:
        return push_object(pop());
      case pickle::kBuild:
        return set_state();
      case pickle::kBinPersistentId: {
        const PickleIndex identifier = pop();
        push(Kind::kPersistent).items = {identifier};
        return true;
      }
      default:
        return false;
    }
  }

  void take_control(std::uint8_t opcode) {
    switch (opcode) {
      case pickle::kStop:
        return;
      case pickle::kMark:
        return marks_.push_back(stack_.size());
      case pickle::kPop:
        if (!marks_.empty() && marks_.back() == stack_.size()) return marks_.pop_back();
        pop();
        return;
      case pickle::kPopMark:
        pop_to_mark();
        return;
      case pickle::kFrame:
        number<std::uint64_t>();  // frames are for readers that fetch the bytes one after another
        return;
      case pickle::kProtocol:
        if (number<std::uint8_t>() <= kNewestProtocol) return;
        return throw_error(ErrorCategory::kUnsupported, "begins a pickle of an unknown protocol");
      default:
        refuse(opcode);
    }
  }

  [[noreturn]] void refuse(std::uint8_t opcode) const {
    const auto* named = std::ranges::find(pickle::kRefusedOpcodes, opcode,
                                          [](const auto& entry) { return entry.first; });
    if (named == pickle::kRefusedOpcodes.end()) {
      throw_corrupt(fmt::format("is no opcode of a pickle: {:#04x}", opcode));
    }
    throw_error(ErrorCategory::kUnsupported,
                fmt::format("is the pickle opcode {}, which torch.save has no use for and which is "
                            "refused",
                            named->second));
  }

  std::string_view bytes_;
  std::uint64_t base_offset_;
  const std::string& place_;
  std::size_t position_ = 0;
  std::size_t opcode_offset_ = 0;
  Pickle pickle_;
  std::vector<PickleIndex> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleIndex> memo_;
};

}  // namespace

std::optional<Pickle> read_pickle(std::string_view bytes, std::uint64_t base_offset,
                                  const std::string& place) {
  try {
    return PickleMachine(bytes, base_offset, place).run();
  } catch (const EndOfBytes&) {
    return std::nullopt;
  }
}

}  // namespace narrow
