#include "base/exchange.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "base/ranks.h"

namespace narrow {
namespace {

class RankExchange final : public Exchange {
 public:
  [[nodiscard]] Share share() const override { return share_of_rank(); }
  [[nodiscard]] bool makes_result() const override { return ranks().is_first(); }
  std::vector<std::vector<std::byte>> gather(std::string_view job, const ShareKey& key,
                                             std::vector<std::byte> mine) override {
    if (ranks().size() == 1) return Exchange::gather(job, key, std::move(mine));
    return ranks().gather(mine);
  }
};

Exchange* chosen = nullptr;

}  // namespace

std::vector<std::vector<std::byte>> Exchange::gather(std::string_view /*job*/,
                                                     const ShareKey& /*key*/,
                                                     std::vector<std::byte> mine) {
  std::vector<std::vector<std::byte>> all;
  all.push_back(std::move(mine));
  return all;
}

ShareKey made_once(ShareKey key) {
  return [key = std::move(key), text = std::optional<std::string>()]() mutable {
    if (!text) text = key();
    return *text;
  };
}

Exchange& exchange() {
  static RankExchange of_ranks;
  return chosen != nullptr ? *chosen : of_ranks;
}

void set_exchange(Exchange* exchange) { chosen = exchange; }

Share share_of_rank() {
  return {static_cast<std::uint64_t>(ranks().rank()), static_cast<std::uint64_t>(ranks().size())};
}

std::vector<bool> deal_out(std::span<const std::uint64_t> sizes, const Share& share) {
  if (share.count <= 1) return std::vector<bool>(sizes.size(), share.count == 1);
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t i) { return sizes[i]; });
  std::vector<std::uint64_t> loads(share.count, 0);
  std::vector<bool> mine(sizes.size(), false);
  for (const std::size_t item : order) {
    const auto least = std::ranges::min_element(loads);
    *least += sizes[item];
    mine[item] = static_cast<std::uint64_t>(least - loads.begin()) == share.index;
  }
  return mine;
}

std::vector<bool> deal_out_in_order(std::span<const std::uint64_t> sizes, const Share& share) {
  const std::uint64_t total = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
  std::vector<bool> mine(sizes.size(), share.count == 1);
  std::uint64_t before = 0;
  for (std::size_t item = 0; item < sizes.size() && share.count > 1; ++item) {
    const double middle = static_cast<double>(before) + static_cast<double>(sizes[item]) / 2;
    const double part = total == 0 ? 0 : middle / static_cast<double>(total);
    const auto owner = static_cast<std::uint64_t>(part * static_cast<double>(share.count));
    mine[item] = std::min(owner, share.count - 1) == share.index;
    before += sizes[item];
  }
  return mine;
}

}  // namespace narrow
