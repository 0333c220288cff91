#include "checkpoint/pytorch/pickle_builder.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "checkpoint/pytorch/pickle/pickle_opcodes.h"
#include "checkpoint/pytorch/pytorch_types.h"

namespace narrow {
namespace {

constexpr std::string_view kUntypedStorage = "UntypedStorage";

class PickleBuilder {
 public:
  std::string build(const std::vector<TensorInfo>& tensors) {
    opcode(pickle::kProtocol).number(std::uint8_t{2});
    ordered_dict();
    opcode(pickle::kMark);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      text(tensors[i].name);
      tensor(tensors[i], i);
    }
    opcode(pickle::kSetItems).opcode(pickle::kStop);
    return std::move(text_);
  }

 private:
  PickleBuilder& opcode(pickle::Opcode opcode) {
    text_ += static_cast<char>(opcode);
    return *this;
  }
  template <typename T>
  PickleBuilder& number(T value) {
    const std::size_t end = text_.size();
    text_.resize(end + sizeof(T));
    store_le(text_.data() + end, value);
    return *this;
  }
  void global(std::string_view module, std::string_view name) {
    opcode(pickle::kGlobal);
    text_.append(module).append("\n").append(name).append("\n");
  }
  void text(std::string_view value) {
    opcode(pickle::kBinUnicode).number(static_cast<std::uint32_t>(value.size()));
    text_ += value;
  }
  void integer(std::uint64_t value) {
    if (value <= std::numeric_limits<std::uint8_t>::max()) {
      opcode(pickle::kBinInt1).number(static_cast<std::uint8_t>(value));
    } else if (value <= std::numeric_limits<std::int32_t>::max()) {
      opcode(pickle::kBinInt).number(static_cast<std::int32_t>(value));
    } else {
      opcode(pickle::kLong1).number(std::uint8_t{sizeof(value)}).number(value);
    }
  }
  void ordered_dict() {
    global("collections", "OrderedDict");
    opcode(pickle::kEmptyTuple).opcode(pickle::kReduce);
  }

  // ("storage", class, key, device, number of elements), the identifier of the values.
  void storage(const TensorInfo& info, const PytorchType& type, std::size_t key) {
    const bool is_typed = !type.storage_class.empty();
    opcode(pickle::kMark);
    text("storage");
    global(is_typed ? "torch" : "torch.storage", is_typed ? type.storage_class : kUntypedStorage);
    text(std::to_string(key));
    text("cpu");
    integer(info.byte_size() / (is_typed ? type.item_bytes : 1));
    opcode(pickle::kTuple).opcode(pickle::kBinPersistentId);
  }

  // Calls _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks), or
  // _rebuild_tensor_v3, which takes the type as well.
  void tensor(const TensorInfo& info, std::size_t key) {
    const PytorchType& type = *pytorch_type_of(info);
    const bool is_typed = !type.storage_class.empty();
    global("torch._utils", is_typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    opcode(pickle::kMark);
    storage(info, type, key);
    integer(0);
    std::vector<std::uint64_t> strides(info.shape.size());
    std::uint64_t stride = 1;
    for (std::size_t i = strides.size(); i-- > 0;) {
      strides[i] = stride;
      stride *= std::max<std::uint64_t>(static_cast<std::uint64_t>(info.shape[i]), 1);
    }
    opcode(pickle::kMark);
    for (const std::int64_t length : info.shape) integer(static_cast<std::uint64_t>(length));
    opcode(pickle::kTuple).opcode(pickle::kMark);
    for (const std::uint64_t length : strides) integer(length);
    opcode(pickle::kTuple).opcode(pickle::kNewFalse);
    ordered_dict();
    if (!is_typed) global("torch", type.name);
    opcode(pickle::kTuple).opcode(pickle::kReduce);
  }

  std::string text_;
};

}  // namespace

std::string build_pickle(const std::vector<TensorInfo>& tensors) {
  return PickleBuilder().build(tensors);
}

}  // namespace narrow
