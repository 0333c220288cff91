#include "checkpoint/pytorch/stored_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/checked.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using Kind = PickleValue::Kind;

// TensorFlow's limit, the widest of the formats.
constexpr std::size_t kMaxRank = 254;
// A tensor that was made by another one's function.
constexpr int kMostWrappings = 8;

class Values {
 public:
  Values(const Pickle& pickle, const std::string& where) : pickle_(pickle), where_(where) {}

  [[noreturn]] void throw_corrupt(const PickleValue& value, const std::string& what) const {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("byte {} of {} {}", value.byte_offset, where_, what));
  }

  // Item `position` of a tuple or list.
  [[nodiscard]] const PickleValue& item(const PickleValue& tuple, std::size_t position,
                                        const char* what) const {
    if ((tuple.kind != Kind::kTuple && tuple.kind != Kind::kList) ||
        position >= tuple.items.size()) {
      throw_corrupt(tuple, fmt::format("lacks the {} of a tensor", what));
    }
    return pickle_.item(tuple, position);
  }
  [[nodiscard]] std::uint64_t size(const PickleValue& value, const char* what) const {
    if (value.kind != Kind::kInteger || value.integer < 0) {
      throw_corrupt(value, fmt::format("is no {} of a tensor", what));
    }
    return static_cast<std::uint64_t>(value.integer);
  }
  [[nodiscard]] std::uint64_t bytes(std::uint64_t count, std::size_t item_bytes,
                                    const PickleValue& value) const {
    std::uint64_t product = 0;
    if (!checked_mul(count, std::uint64_t{item_bytes}, &product)) {
      throw_corrupt(value, "counts more bytes than 64 bits can");
    }
    return product;
  }
  // The numbers of a tuple, a list or a torch.Size.
  [[nodiscard]] std::vector<std::uint64_t> sizes(const PickleValue& value, const char* what) const {
    if (value.kind == Kind::kObject &&
        pickle_.is_global(pickle_.item(value, PickleValue::kCallable), "torch", "Size")) {
      return sizes(item(pickle_.item(value, PickleValue::kArguments), 0, what), what);
    }
    if ((value.kind != Kind::kTuple && value.kind != Kind::kList) ||
        value.items.size() > kMaxRank) {
      throw_corrupt(value, fmt::format("is no {} of a tensor", what));
    }
    std::vector<std::uint64_t> sizes;
    for (const PickleIndex index : value.items) sizes.push_back(size(pickle_[index], what));
    return sizes;
  }

  const Pickle& pickle_;
  const std::string& where_;
};

// How the arguments of a function of torch._utils are arranged: the storage, the offset, the shape
// and the strides come first, always.
struct RebuildFunction {
  std::string_view name;
  std::size_t metadata;  // where a dictionary of bits may be, such as that of a lazy conjugation
  std::size_t dtype;     // 0: the type is that of the storage
};
constexpr auto kRebuildFunctions = std::to_array<RebuildFunction>({
    {"_rebuild_tensor", 4, 0},
    {"_rebuild_tensor_v2", 6, 0},
    {"_rebuild_tensor_v3", 7, 6},
    {"_rebuild_qtensor", 7, 0},
});

// Values that are stored as they are, without what would have to be applied to them.
bool has_lazy_bits(const Pickle& pickle, const PickleValue& arguments,
                   const RebuildFunction& function) {
  if (arguments.items.size() <= function.metadata) return false;
  const PickleValue& metadata = pickle.item(arguments, function.metadata);
  for (std::size_t i = 1; i < metadata.items.size() && metadata.kind == Kind::kDict; i += 2) {
    const PickleValue& value = pickle.item(metadata, i);
    if (value.kind == Kind::kBool && value.integer != 0) return true;
  }
  return false;
}

void check_extent(const Values& values, const PickleValue& call, const StoredTensor& tensor) {
  std::optional<std::uint64_t> span;
  try {
    span = strided_span(tensor.place);
  } catch (const Error& error) {
    values.throw_corrupt(call, fmt::format("describes an impossible tensor: {}", error.what()));
  }
  const PytorchStorage& storage = tensor.storage;
  if (span == std::uint64_t{0}) return;
  const std::uint64_t begin = tensor.place.byte_offset - storage.view_offset;
  if (!span || !range_fits(begin, *span, storage.view_bytes)) {
    values.throw_corrupt(call, fmt::format("describes a tensor {} beyond the {} bytes of its "
                                           "storage",
                                           to_string(tensor.place.shape), storage.view_bytes));
  }
}

StoredTensor rebuild(const Values& values, const PickleValue& call, const PickleValue& arguments,
                     const RebuildFunction& function) {
  const Pickle& pickle = values.pickle_;
  const auto typed = storage_of(pickle, values.item(arguments, 0, "storage"), values.where_);
  if (!typed) values.throw_corrupt(arguments, "makes a tensor of something that is no storage");
  StoredTensor tensor{.type = typed->type, .storage = typed->storage, .place = {}};
  if (function.dtype != 0) {
    const PickleValue& dtype = values.item(arguments, function.dtype, "type");
    tensor.type = dtype.kind == Kind::kGlobal && pickle.item(dtype, 0).text == "torch"
                      ? pytorch_type_named(pickle.item(dtype, 1).text)
                      : nullptr;
  }
  if (tensor.type == nullptr || has_lazy_bits(pickle, arguments, function)) return {};
  // Several codes lie in a byte.
  if (tensor.type->name == "quint4x2" || tensor.type->name == "quint2x4") return {};
  StridedPlace& place = tensor.place;
  place.item_bytes = tensor.type->item_bytes;
  const PickleValue& offset = values.item(arguments, 1, "offset");
  for (const std::uint64_t length : values.sizes(values.item(arguments, 2, "shape"), "shape")) {
    place.shape.push_back(static_cast<std::int64_t>(length));
  }
  place.strides = values.sizes(values.item(arguments, 3, "strides"), "strides");
  if (place.strides.size() != place.shape.size() ||
      !checked_add(tensor.storage.view_offset,
                   values.bytes(values.size(offset, "offset"), place.item_bytes, offset),
                   &place.byte_offset)) {
    values.throw_corrupt(call, "describes an impossible tensor");
  }
  check_extent(values, call, tensor);
  return tensor;
}

std::optional<StoredTensor> call_result(const Values& values, const PickleValue& call,
                                        const PickleValue& callable, const PickleValue& arguments,
                                        int wrappings) {
  const Pickle& pickle = values.pickle_;
  if (callable.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) return std::nullopt;
  const std::string_view module = pickle.item(callable, 0).text;
  const std::string_view name = pickle.item(callable, 1).text;
  if (wrappings == kMostWrappings) return StoredTensor();
  if (module == "torch._utils") {
    const auto* function = std::ranges::find(kRebuildFunctions, name, &RebuildFunction::name);
    if (function != kRebuildFunctions.end()) return rebuild(values, call, arguments, *function);
  }
  // A parameter is a tensor that is trained.
  if ((module == "torch._utils" && name.starts_with("_rebuild_parameter")) ||
      (module == "torch.nn.parameter" && (name == "Parameter" || name == "Buffer"))) {
    if (arguments.items.empty()) return std::nullopt;
    const PickleValue& data = pickle.item(arguments, 0);
    if (data.kind != Kind::kObject) return std::nullopt;
    return call_result(values, data, pickle.item(data, PickleValue::kCallable),
                       pickle.item(data, PickleValue::kArguments), wrappings + 1);
  }
  // A tensor of a derived class: the function that makes the tensor, the class and the arguments.
  if ((module == "torch._tensor" || module == "torch.tensor") &&
      name.starts_with("_rebuild_from_type") && arguments.items.size() >= 3) {
    return call_result(values, call, pickle.item(arguments, 0), pickle.item(arguments, 2),
                       wrappings + 1);
  }
  return std::nullopt;
}

}  // namespace

std::optional<TypedStorage> storage_of(const Pickle& pickle, const PickleValue& value,
                                       const std::string& where) {
  if (value.kind != Kind::kPersistent) return std::nullopt;
  const Values values(pickle, where);
  const PickleValue& identifier = pickle.item(value, 0);
  if (values.item(identifier, 0, "kind").text != "storage") return std::nullopt;
  const PickleValue& storage_class = values.item(identifier, 1, "storage class");
  const PickleValue& key = values.item(identifier, 2, "storage's key");
  if (storage_class.kind != Kind::kGlobal || key.kind != Kind::kText) {
    values.throw_corrupt(identifier, "is no identifier of a storage");
  }
  const PytorchType* type = pytorch_type_of_storage(pickle.item(storage_class, 1).text);
  if (type == nullptr) return TypedStorage();
  const PickleValue& count = values.item(identifier, 4, "storage's size");
  TypedStorage typed{.type = type, .storage = {.key = key.text, .item_bytes = type->item_bytes}};
  PytorchStorage& storage = typed.storage;
  storage.byte_size = values.bytes(values.size(count, "storage's size"), type->item_bytes, count);
  storage.view_bytes = storage.byte_size;
  if (identifier.items.size() < 6) return typed;
  const PickleValue& view = pickle.item(identifier, 5);
  if (view.kind == Kind::kNone) return typed;
  const PickleValue& begin = values.item(view, 1, "offset");
  const PickleValue& length = values.item(view, 2, "length");
  storage.view_offset = values.bytes(values.size(begin, "offset"), type->item_bytes, begin);
  storage.view_bytes = values.bytes(values.size(length, "length"), type->item_bytes, length);
  if (!range_fits(storage.view_offset, storage.view_bytes, storage.byte_size)) {
    values.throw_corrupt(view, "describes a part of a storage beyond its end");
  }
  return typed;
}

std::optional<StoredTensor> tensor_of(const Pickle& pickle, const PickleValue& value,
                                      const std::string& where) {
  if (value.kind != Kind::kObject) return std::nullopt;
  return call_result(Values(pickle, where), value, pickle.item(value, PickleValue::kCallable),
                     pickle.item(value, PickleValue::kArguments), 0);
}

}  // namespace narrow
