#include "nn/inference/softmax_chain.h"

#include <algorithm>
#include <utility>

#include "graph/matchers.h"
#include "nn/softmax/softmax_rows.h"

namespace narrow {
namespace {

class Finder {
 public:
  Finder(const Graph& graph, const FactTable& facts, const ConvChains& convs)
      : graph_(graph), facts_(facts), convs_(convs), uses_(graph) {}

  std::vector<SoftmaxChain> run() const {
    std::vector<SoftmaxChain> chains;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const auto* const softmax = std::get_if<op::Softmax>(&node.attributes);
      if (softmax == nullptr || softmax->logarithm || !is_array(node.output())) continue;
      const auto rank = static_cast<std::int64_t>(dimensions(node.output()).size());
      if (rank == 0 || (softmax->axis != -1 && softmax->axis != rank - 1)) continue;
      SoftmaxChain chain{static_cast<int>(i), node.inputs[0],       kNoValue, kNoValue,
                         node.output(),       {static_cast<int>(i)}};
      take_addend(chain);
      take_guard(chain);
      chains.push_back(std::move(chain));
    }
    return chains;
  }

 private:
  [[nodiscard]] const Dimensions& dimensions(ValueId id) const {
    return facts_[static_cast<std::size_t>(id)].dimensions;
  }
  [[nodiscard]] bool is_array(ValueId id) const {
    return facts_[static_cast<std::size_t>(id)].type == DType::kFloat32 &&
           std::ranges::none_of(dimensions(id), [](const Dimension& dimension) {
             return dimension.is_free() || dimension.size == 0;
           });
  }

  // The sum before it, of which one operand has the sum's shape and whole rows of the other are
  // added.
  void take_addend(SoftmaxChain& chain) const {
    const int producer = graph_.producer(chain.x);
    if (producer < 0 || convs_.of(producer) != nullptr) return;
    const Node& sum = graph_.nodes[static_cast<std::size_t>(producer)];
    if (!is_any<op::Add>(sum) || uses_.only_user(chain.x) != chain.softmax) return;
    for (const std::size_t whole : {0U, 1U}) {
      const ValueId x = sum.inputs[whole];
      const ValueId addend = sum.inputs[1 - whole];
      if (!is_array(x) || !is_array(addend) || graph_.is_stored(x)) continue;
      if (dimensions(x) != dimensions(chain.x) || dimensions(addend).empty()) continue;
      if (dimensions(addend).back() != dimensions(x).back()) continue;
      chain.nodes.insert(chain.nodes.begin(), producer);
      chain.x = x;
      chain.addend = addend;
      return;
    }
  }

  // Where(IsNaN(y), number, y), as exporters write after a mask that may hide a whole row.
  void take_guard(SoftmaxChain& chain) const {
    const std::vector<int>& users = uses_.users(chain.output);
    if (users.size() != 2 || uses_.is_output(chain.output)) return;
    const Node& test = graph_.nodes[static_cast<std::size_t>(users[0])];
    const Node& choice = graph_.nodes[static_cast<std::size_t>(users[1])];
    const auto* const unary = std::get_if<op::Unary>(&test.attributes);
    if (unary == nullptr || unary->kind != op::UnaryKind::kIsNaN ||
        !std::holds_alternative<op::Where>(choice.attributes) ||
        uses_.only_user(test.output()) != users[1] || choice.inputs[0] != test.output() ||
        choice.inputs[2] != chain.output) {
      return;
    }
    const ValueId number = choice.inputs[1];
    const bool is_one = std::ranges::all_of(
        dimensions(number), [](const Dimension& dimension) { return dimension.size == 1; });
    if (!graph_.is_stored(number) || !is_array(number) || !is_one ||
        dimensions(choice.output()) != dimensions(chain.output)) {
      return;
    }
    chain.no_number = number;
    chain.output = choice.output();
    chain.nodes.insert(chain.nodes.end(), {users[0], users[1]});
  }

  const Graph& graph_;
  const FactTable& facts_;
  const ConvChains& convs_;
  ValueUses uses_;
};

// By row of x: the row of the addend that meets it.
std::vector<std::uint32_t> addend_rows(Shape x, Shape addend) {
  x.pop_back();
  addend.pop_back();
  addend.insert(addend.begin(), x.size() - addend.size(), 1);
  std::vector<std::uint32_t> rows = {0};
  std::uint32_t stride = 1;
  for (std::size_t axis = x.size(); axis-- > 0;) {
    std::vector<std::uint32_t> more;
    const std::uint32_t step = addend[axis] == 1 ? 0 : stride;
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(x[axis]); ++i) {
      for (const std::uint32_t row : rows) more.push_back(row + i * step);
    }
    stride *= static_cast<std::uint32_t>(addend[axis]);
    rows = std::move(more);
  }
  return rows;
}

}  // namespace

std::vector<SoftmaxChain> find_softmax_chains(const Graph& graph, const FactTable& facts,
                                              const ConvChains& convs) {
  return Finder(graph, facts, convs).run();
}

void add_softmax_chain(ProgramValues& values, const SoftmaxChain& chain) {
  const Shape shape = *values.shape_of(chain.output);
  SoftmaxRows what;
  what.columns = static_cast<std::size_t>(shape.back());
  what.rows = static_cast<std::size_t>(element_count(shape)) / what.columns;
  std::vector<StepArgument> arguments = {values.plain_argument(chain.x)};
  if (chain.addend != kNoValue) {
    what.addend_rows = addend_rows(shape, *values.shape_of(chain.addend));
    arguments.push_back(values.plain_argument(chain.addend));
  }
  if (chain.no_number != kNoValue) {
    what.no_number = static_cast<float>(values.stored(chain.no_number)->values.at(0));
  }
  arguments.push_back(argument(values.define(chain.output)));
  values.builder().add_function(
      [what = std::move(what)](std::span<float* const> places) {
        softmax_rows(what, places[0], places[1], places.back());
      },
      std::move(arguments));
}

}  // namespace narrow
