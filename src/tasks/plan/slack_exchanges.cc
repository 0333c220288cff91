#include "tasks/plan/slack_exchanges.h"

#include <limits>
#include <queue>
#include <tuple>
#include <utility>

namespace narrow {
namespace {

struct WidthExchange {
  double gain = 0;  // damage saved by a unit of size
  std::size_t item = 0;
  std::size_t option = 0;  // the new one
  std::size_t from = 0;    // the one that it replaces
};

struct ComesLater {
  bool operator()(const WidthExchange& a, const WidthExchange& b) const {
    if (a.gain != b.gain) return a.gain < b.gain;
    return std::tie(a.item, a.option) > std::tie(b.item, b.option);
  }
};

class SlackExchanges {
 public:
  SlackExchanges(std::span<const KnapsackItem> items, std::uint64_t slack,
                 std::vector<std::size_t>& choice)
      : items_(items), slack_(slack), choice_(choice) {}

  void run() {
    for (std::size_t i = 0; i < items_.size(); ++i) offer(i);
    while (!fitting_.empty()) {
      const WidthExchange next = fitting_.top();
      fitting_.pop();
      if (next.from != choice_[next.item]) continue;  // of a choice that is no more
      if (!fits(next)) {
        too_large_.push_back(next);
        continue;
      }
      make(next);
    }
  }

 private:
  [[nodiscard]] bool fits(const WidthExchange& exchange) const {
    const KnapsackItem& item = items_[exchange.item];
    return item[exchange.option].size <= item[exchange.from].size + slack_;
  }

  void add(const WidthExchange& exchange) {
    if (fits(exchange)) {
      fitting_.push(exchange);
    } else {
      too_large_.push_back(exchange);
    }
  }

  // Every exchange that saves damage.
  void offer(std::size_t item) {
    const std::vector<KnapsackOption>& options = items_[item];
    const KnapsackOption& now = options[choice_[item]];
    for (std::size_t o = 0; o < options.size(); ++o) {
      const KnapsackOption& other = options[o];
      if (other.damage >= now.damage) continue;
      const double gain = other.size > now.size ? (now.damage - other.damage) /
                                                      static_cast<double>(other.size - now.size)
                                                : std::numeric_limits<double>::infinity();
      add({gain, item, o, choice_[item]});
    }
  }

  void make(const WidthExchange& exchange) {
    const std::uint64_t before = slack_;
    slack_ = slack_ + items_[exchange.item][exchange.from].size -
             items_[exchange.item][exchange.option].size;
    choice_[exchange.item] = exchange.option;
    offer(exchange.item);
    if (slack_ <= before) return;
    // There is more room than there was, so what did not fit may fit now.
    for (const WidthExchange& other : std::exchange(too_large_, {})) {
      if (other.from == choice_[other.item]) add(other);
    }
  }

  std::span<const KnapsackItem> items_;
  std::uint64_t slack_;
  std::vector<std::size_t>& choice_;
  std::priority_queue<WidthExchange, std::vector<WidthExchange>, ComesLater>
      fitting_;  // when they were added
  std::vector<WidthExchange> too_large_;
};

}  // namespace

void use_slack(std::span<const KnapsackItem> items, std::uint64_t slack,
               std::vector<std::size_t>& choice) {
  SlackExchanges(items, slack, choice).run();
}

}  // namespace narrow
