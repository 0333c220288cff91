#include "graph/inner_graphs.h"

#include <memory>
#include <variant>

namespace narrow {
namespace {

std::vector<std::shared_ptr<const Graph>*> places_of_graphs(Attributes& attributes) {
  if (auto* const branches = std::get_if<op::If>(&attributes)) {
    return {&branches->then_branch, &branches->else_branch};
  }
  if (auto* const loop = std::get_if<op::Loop>(&attributes)) return {&loop->body};
  if (auto* const scan = std::get_if<op::Scan>(&attributes)) return {&scan->body};
  return {};
}

}  // namespace

std::vector<const Graph*> inner_graphs(const Node& node) {
  if (const auto* const branches = std::get_if<op::If>(&node.attributes)) {
    return {branches->then_branch.get(), branches->else_branch.get()};
  }
  if (const auto* const loop = std::get_if<op::Loop>(&node.attributes)) return {loop->body.get()};
  if (const auto* const scan = std::get_if<op::Scan>(&node.attributes)) return {scan->body.get()};
  return {};
}

void change_inner_graphs(Graph& graph, const std::function<Graph(const Graph&)>& change) {
  for (Node& node : graph.nodes) {
    for (std::shared_ptr<const Graph>* const place : places_of_graphs(node.attributes)) {
      *place = std::make_shared<Graph>(change(**place));
    }
  }
}

}  // namespace narrow
