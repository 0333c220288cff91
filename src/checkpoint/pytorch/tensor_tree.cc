#include "checkpoint/pytorch/tensor_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

using Kind = PickleValue::Kind;
using Added = PickleValue::Added;

constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxVisits = 1 << 20;
constexpr std::size_t kNameBytesPerVisit = 256;
constexpr std::uint64_t kFreeBytes = 1 << 24;
constexpr std::uint64_t kMaxRatio = 1024;

// What is a dictionary in all but name; its state has no values.
bool is_dictionary_class(const Pickle& pickle, const PickleValue& callable) {
  return pickle.is_global(callable, "collections", "OrderedDict") ||
         pickle.is_global(callable, "collections", "defaultdict") ||
         pickle.is_global(callable, "collections", "Counter");
}

class TreeWalk {
 public:
  TreeWalk(const Pickle& pickle, std::uint64_t file_bytes, const std::string& where)
      : pickle_(pickle),
        where_(where),
        bytes_left_(std::max(file_bytes, kFreeBytes / kMaxRatio) * kMaxRatio),
        on_path_(pickle.values.size()),
        searched_(pickle.values.size()) {
    if (file_bytes > ~std::uint64_t{0} / kMaxRatio) bytes_left_ = ~std::uint64_t{0};
  }

  TensorTree run(const std::string& root_name) {
    const PickleValue& root = pickle_[pickle_.root];
    if (!add_value(root, root_name)) visit_contents(pickle_.root, "");
    return std::move(tree_);
  }

 private:
  [[noreturn]] void refuse(const PickleValue& value, const std::string& what) const {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the value at byte {} of {} {}; save a state_dict of tensors only",
                            value.byte_offset, where_, what));
  }

  // A dictionary's key as a part of a name.
  [[nodiscard]] std::string key_text(const PickleValue& key, std::size_t position) const {
    switch (key.kind) {
      case Kind::kText:
      case Kind::kBytes:
        return std::string(key.text);
      case Kind::kInteger:
        return std::to_string(key.integer);
      case Kind::kBool:
        return key.integer != 0 ? "True" : "False";
      default:
        return fmt::format("#{}", position);
    }
  }

  void visit(PickleIndex index, const std::string& path, const std::string& part) {
    if (searched_[index] == Search::kWithout || on_path_[index]) return;
    visits_ += 1 + (path.size() + part.size()) / kNameBytesPerVisit;
    if (visits_ > kMaxVisits) refuse(pickle_[index], "is one of too many, or of too long a name");
    const std::string name = path.empty() ? part : path + "." + part;
    if (!add_value(pickle_[index], name)) visit_contents(index, name);
  }

  void visit_contents(PickleIndex index, const std::string& path) {
    const PickleValue& value = pickle_[index];
    if (!holds_tensors(index, 0)) return;
    if (++depth_ > kMaxDepth) refuse(value, "is nested too deep");
    on_path_[index] = true;
    switch (value.kind) {
      case Kind::kDict:
        visit_pairs(value.items, path);
        break;
      case Kind::kTuple:
      case Kind::kList:
      case Kind::kSet:
        visit_elements(value.items, path);
        break;
      case Kind::kObject:
        visit_object(value, path);
        break;
      default:
        break;
    }
    on_path_[index] = false;
    --depth_;
  }

  void visit_pairs(std::span<const PickleIndex> items, const std::string& path) {
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      visit(items[i + 1], path, key_text(pickle_[items[i]], i / 2));
    }
  }
  void visit_elements(std::span<const PickleIndex> items, const std::string& path) {
    for (std::size_t i = 0; i < items.size(); ++i) visit(items[i], path, std::to_string(i));
  }

  void visit_object(const PickleValue& object, const std::string& path) {
    const PickleValue& callable = pickle_.item(object, PickleValue::kCallable);
    const PickleIndex arguments = object.items[PickleValue::kArguments];
    const auto added = std::span(object.items).subspan(PickleValue::kFirstAdded);
    if (is_dictionary_class(pickle_, callable)) {
      visit_given_pairs(pickle_[arguments], path);
      return visit_pairs(added, path);
    }
    if (holds_tensors(arguments, 0)) return add_made(object, path);
    if (object.added == Added::kPairs) visit_pairs(added, path);
    if (object.added == Added::kElements) visit_elements(added, path);
    const PickleIndex state = object.items[PickleValue::kState];
    if (state != PickleValue::kNoState) visit_state(state, path);
  }

  // Python 2 gives OrderedDict a list of its pairs.
  void visit_given_pairs(const PickleValue& arguments, const std::string& path) {
    if (arguments.kind != Kind::kTuple) return;
    for (const PickleIndex argument : arguments.items) {
      if (pickle_[argument].kind != Kind::kList) continue;
      for (const PickleIndex pair : pickle_[argument].items) {
        if (pickle_[pair].items.size() != 2) continue;
        visit_pairs(pickle_[pair].items, path);
      }
    }
  }

  // The attributes of an object; with __slots__ a tuple of two dictionaries.
  void visit_state(PickleIndex index, const std::string& path) {
    const PickleValue& state = pickle_[index];
    if (state.kind == Kind::kDict) return visit_attributes(state, path);
    if (state.kind != Kind::kTuple) return visit(index, path, "state");
    for (std::size_t i = 0; i < state.items.size(); ++i) {
      const PickleValue& part = pickle_.item(state, i);
      if (part.kind == Kind::kDict) {
        visit_attributes(part, path);
      } else {
        visit(state.items[i], path, std::to_string(i));
      }
    }
  }

  [[nodiscard]] const PickleValue* attribute(const PickleValue& state,
                                             std::string_view name) const {
    for (std::size_t i = 0; i + 1 < state.items.size(); i += 2) {
      if (pickle_.item(state, i).text == name) return &pickle_.item(state, i + 1);
    }
    return nullptr;
  }

  void visit_attributes(const PickleValue& state, const std::string& path) {
    const PickleValue* parameters = attribute(state, "_parameters");
    const PickleValue* modules = attribute(state, "_modules");
    if (parameters == nullptr || modules == nullptr) return visit_pairs(state.items, path);
    visit_members(parameters, nullptr, path);
    visit_members(attribute(state, "_buffers"), attribute(state, "_non_persistent_buffers_set"),
                  path);
    visit_members(modules, nullptr, path);
  }

  // The entries of a dictionary of a module, without those whose names are in a set.
  void visit_members(const PickleValue* members, const PickleValue* left_out,
                     const std::string& path) {
    if (members == nullptr) return;
    std::span<const PickleIndex> items = members->items;
    if (members->kind == Kind::kObject) items = items.subspan(PickleValue::kFirstAdded);
    const auto without = texts_of(left_out);
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      const PickleValue& key = pickle_[items[i]];
      if (!without.contains(key.text)) visit(items[i + 1], path, key_text(key, i / 2));
    }
  }

  // The texts of a set, which before protocol 4 is a call with a list.
  [[nodiscard]] std::unordered_set<std::string_view> texts_of(const PickleValue* set) const {
    std::unordered_set<std::string_view> texts;
    if (set != nullptr && set->kind == Kind::kObject) {
      const PickleValue& arguments = pickle_.item(*set, PickleValue::kArguments);
      set = arguments.items.empty() ? nullptr : &pickle_.item(arguments, 0);
    }
    if (set == nullptr || (set->kind != Kind::kSet && set->kind != Kind::kList)) return texts;
    for (const PickleIndex index : set->items) texts.insert(pickle_[index].text);
    return texts;
  }

  // Adds a value that is a tensor or a storage; false for another one.
  bool add_value(const PickleValue& value, const std::string& name) {
    const auto tensor = tensor_of(pickle_, value, where_);
    if (!tensor) {
      if (!storage_of(pickle_, value, where_)) return false;
      const PickleValue& identifier = pickle_.item(value, 0);
      add_opaque(name, pickle_.global_name(pickle_.item(identifier, 1)));
      return true;
    }
    if (tensor->type == nullptr) {
      add_made(value, name);
      return true;
    }
    TensorInfo info;
    info.name = name;
    info.dtype = tensor->type->dtype;
    info.shape = tensor->place.shape;
    if (info.dtype == DType::kOpaque) {
      info.opaque = {.family = OpaqueType::Family::kPyTorch,
                     .name = std::string(tensor->type->name),
                     .byte_size = element_count(info.shape) * tensor->type->item_bytes};
    }
    const std::uint64_t bytes = info.byte_size();
    if (bytes > bytes_left_) {
      refuse(value, fmt::format("is a tensor {} of which most elements are repeated, more than can "
                                "be in such a file",
                                to_string(info.shape)));
    }
    bytes_left_ -= bytes;
    add({.info = std::move(info),
         .storage = bytes == 0 ? 0 : storage_position(*tensor, value),
         .place = tensor->place});
    return true;
  }

  // An object that a function makes of tensors.
  void add_made(const PickleValue& object, const std::string& name) {
    const PickleValue& callable = pickle_.item(object, PickleValue::kCallable);
    add_opaque(name, callable.kind == Kind::kGlobal ? pickle_.global_name(callable) : "object");
  }
  void add_opaque(const std::string& name, const std::string& type) {
    NamedTensor tensor;
    tensor.info.name = name;
    tensor.info.dtype = DType::kOpaque;
    tensor.info.opaque = {.family = OpaqueType::Family::kPyTorch, .name = type};
    add(std::move(tensor));
  }
  void add(NamedTensor tensor) {
    const std::string name = tensor.info.name;
    std::size_t& uses = names_[name];
    while (uses++ > 0) {
      tensor.info.name = fmt::format("{}#{}", name, uses);
      if (names_.try_emplace(tensor.info.name, 1).second) break;
    }
    tree_.tensors.push_back(std::move(tensor));
  }

  std::size_t storage_position(const StoredTensor& tensor, const PickleValue& value) {
    const PytorchStorage& storage = tensor.storage;
    const auto [at, is_new] = storage_places_.emplace(storage.key, tree_.storages.size());
    if (is_new) tree_.storages.push_back(storage);
    const PytorchStorage& known = tree_.storages[at->second];
    if (known.byte_size != storage.byte_size) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("the tensor at byte {} of {} gives storage {} {} bytes, but another "
                              "one gives it {}",
                              value.byte_offset, where_, storage.key.substr(0, 100),
                              storage.byte_size, known.byte_size));
    }
    return at->second;
  }

  enum class Search : std::uint8_t { kUnknown, kWithout, kWith };

  // Whether a value is a storage or has one somewhere within; such as lie deeper than tensors can
  // are not found.
  bool holds_tensors(PickleIndex index, int depth) {
    if (index == PickleValue::kNoState) return false;
    if (searched_[index] != Search::kUnknown) return searched_[index] == Search::kWith;
    const PickleValue& value = pickle_[index];
    if (value.kind == Kind::kPersistent) {
      const auto storage = storage_of(pickle_, value, where_);
      searched_[index] = storage ? Search::kWith : Search::kWithout;
      return storage.has_value();
    }
    if (value.items.empty() || depth > 4 * kMaxDepth) return false;
    searched_[index] = Search::kWithout;  // while it is searched: values may hold themselves
    for (const PickleIndex item : value.items) {
      if (!holds_tensors(item, depth + 1)) continue;
      searched_[index] = Search::kWith;
      return true;
    }
    return false;
  }

  const Pickle& pickle_;
  const std::string& where_;
  TensorTree tree_;
  std::uint64_t bytes_left_;
  std::vector<bool> on_path_;
  std::vector<Search> searched_;
  std::unordered_map<std::string_view, std::size_t> storage_places_;
  std::unordered_map<std::string, std::size_t> names_;
  std::size_t visits_ = 0;
  int depth_ = 0;
};

}  // namespace

TensorTree find_tensors(const Pickle& pickle, const std::string& root_name,
                        std::uint64_t file_bytes, const std::string& where) {
  return TreeWalk(pickle, file_bytes, where).run(root_name);
}

}  // namespace narrow
