#include "graph/inner_graphs.h"

#include <memory>
#include <variant>

namespace narrow {
namespace {

// Where the attributes, which may be const, have them.
template <typename SomeAttributes>
auto places_of_graphs(SomeAttributes& attributes) {
  using Place = decltype(&std::get_if<op::Loop>(&attributes)->body);
  std::vector<Place> places;
  if (auto* const branches = std::get_if<op::If>(&attributes)) {
    places = {&branches->then_branch, &branches->else_branch};
  } else if (auto* const loop = std::get_if<op::Loop>(&attributes)) {
    places = {&loop->body};
  } else if (auto* const scan = std::get_if<op::Scan>(&attributes)) {
    places = {&scan->body};
  }
  return places;
}

}  // namespace

std::vector<const Graph*> inner_graphs(const Node& node) {
  std::vector<const Graph*> graphs;
  for (const auto* const place : places_of_graphs(node.attributes)) graphs.push_back(place->get());
  return graphs;
}

void change_inner_graphs(Graph& graph, const std::function<Graph(const Graph&)>& change) {
  for (Node& node : graph.nodes) {
    for (std::shared_ptr<const Graph>* const place : places_of_graphs(node.attributes)) {
      *place = std::make_shared<Graph>(change(**place));
    }
  }
}

}  // namespace narrow
