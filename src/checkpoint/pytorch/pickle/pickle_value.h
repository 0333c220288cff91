// What a Python pickle describes, as plain data: nothing in it is ever called or constructed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

using PickleIndex = std::uint32_t;

struct PickleValue {
  enum class Kind : std::uint8_t {
    kNone,
    kBool,
    kInteger,
    kBigInteger,  // of more than 64 bits
    kFloat,
    kText,
    kBytes,
    kTuple,
    kList,
    kDict,  // items: keys and values in turn
    kSet,
    kGlobal,      // items: texts with the module and the name
    kObject,      // what a call would make: see below
    kPersistent,  // an object that lies outside of the pickle; items: its identifier
  };
  // What was added to a kObject after the call that made it.
  enum class Added : std::uint8_t { kNothing, kPairs, kElements };

  // Of kObject, items begin with the callable, its arguments and the state that the object was
  // given after that, kNoState for none; then come added keys and values in turn, or elements.
  static constexpr std::size_t kCallable = 0;
  static constexpr std::size_t kArguments = 1;
  static constexpr std::size_t kState = 2;
  static constexpr std::size_t kFirstAdded = 3;
  static constexpr PickleIndex kNoState = 0xffffffff;

  Kind kind = Kind::kNone;
  Added added = Added::kNothing;
  std::uint64_t byte_offset = 0;  // of the opcode that made it, in the file or member
  std::int64_t integer = 0;       // of kBool and kInteger
  std::string_view text;          // of kText, kBytes and, little-endian, kBigInteger
  std::vector<PickleIndex> items;
};

// One value and all that it consists of. Values may contain each other, and themselves.
struct Pickle {
  std::deque<PickleValue> values;
  PickleIndex root = 0;
  std::size_t byte_size = 0;  // up to and with its last opcode

  [[nodiscard]] const PickleValue& operator[](PickleIndex index) const { return values[index]; }
  [[nodiscard]] const PickleValue& item(const PickleValue& value, std::size_t position) const {
    return values[value.items[position]];
  }
  [[nodiscard]] bool is_global(const PickleValue& value, std::string_view module,
                               std::string_view name) const {
    return value.kind == PickleValue::Kind::kGlobal && item(value, 0).text == module &&
           item(value, 1).text == name;
  }
  // "torch._utils._rebuild_tensor_v2", shortened where it is longer than any real one.
  [[nodiscard]] std::string global_name(const PickleValue& value) const {
    constexpr std::size_t kLongest = 100;
    return std::string(item(value, 0).text.substr(0, kLongest)) + "." +
           std::string(item(value, 1).text.substr(0, kLongest));
  }
};

}  // namespace narrow
