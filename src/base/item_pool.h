// Items that flow through a pipeline again and again, so that their memory is allocated and faulted
// in once.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace narrow {

template <typename Item>
class ItemPool {
 public:
  // An item nobody has; it is as it was given back. The pool owns it.
  Item* take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      all_.push_back(std::make_unique<Item>());
      return all_.back().get();
    }
    Item* item = free_.back();
    free_.pop_back();
    return item;
  }
  void give_back(Item* item) {
    const std::lock_guard lock(mutex_);
    free_.push_back(item);
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Item>> all_;
  std::vector<Item*> free_;
};

}  // namespace narrow
