#include "nn/inference/graph_compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "graph/drop_identities.h"
#include "graph/join_gelu.h"
#include "graph/operators.h"
#include "graph/shapes.h"
#include "graph/sink_transposes.h"
#include "narrow/error.h"
#include "nn/inference/conv_step.h"
#include "nn/inference/native_steps.h"
#include "nn/inference/program_values.h"
#include "nn/inference/softmax_chain.h"
#include "nn/reference/fold_constants.h"

namespace narrow {
namespace {

// The graph with these sizes of its inputs, and without what follows from them or changes nothing.
Graph with_sizes(Graph graph, const std::vector<Shape>& inputs) {
  std::vector<Dimensions> dimensions;
  for (const Shape& shape : inputs) dimensions.emplace_back(shape.begin(), shape.end());
  check_inputs(graph, dimensions);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    graph.values[static_cast<std::size_t>(graph.inputs[i])].dimensions = dimensions[i];
  }
  graph = fold_constants(std::move(graph));
  drop_identities(graph);
  join_gelu(graph);
  sink_transposes(graph);
  return graph;
}

class GraphCompiler {
 public:
  GraphCompiler(const Graph& graph, const ReadWeight& read_weight)
      : graph_(graph),
        facts_(infer_facts(graph)),
        chains_(find_conv_chains(graph, facts_)),
        softmax_chains_(find_softmax_chains(graph, facts_, chains_)),
        values_(graph, facts_, read_weight) {
    softmax_of_.resize(graph.nodes.size(), nullptr);
    for (const SoftmaxChain& chain : softmax_chains_) {
      for (const int node : chain.nodes) softmax_of_[static_cast<std::size_t>(node)] = &chain;
    }
  }

  InferenceProgram compile() {
    for (const ValueId id : graph_.inputs) values_.define_input(id);
    note_last_uses();
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const ConvChain* const chain = chains_.of(static_cast<int>(i));
      if (chain == nullptr && softmax_of_[i] != nullptr) {
        if (softmax_of_[i]->nodes.back() == static_cast<int>(i)) add_chain(*softmax_of_[i]);
      } else if (chain == nullptr) {
        add(graph_.nodes[i]);
        values_.forget_weights(graph_.nodes[i]);
      } else if (chain->last_node() == static_cast<int>(i)) {
        add_chain(*chain, static_cast<int>(i));
        for (const int node : chain->nodes) {
          values_.forget_weights(graph_.nodes[static_cast<std::size_t>(node)]);
        }
      }
    }
    return values_.finish();
  }

 private:
  void note_last_uses() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const ConvChain* const chain = chains_.of(static_cast<int>(i));
      int position = chain == nullptr ? static_cast<int>(i) : chain->last_node();
      if (softmax_of_[i] != nullptr) position = softmax_of_[i]->nodes.back();
      for (const ValueId id : graph_.nodes[i].inputs) {
        if (id != kNoValue) values_.set_last_use(id, position);
      }
    }
    for (const ValueId id : graph_.outputs) {
      values_.set_last_use(id, std::numeric_limits<int>::max());
    }
  }

  // The name is that of the most important node.
  void set_origin(const std::vector<int>& nodes, int named) {
    std::string operators;
    for (const int i : nodes) {
      if (!operators.empty()) operators += '+';
      operators += operator_of(graph_.nodes[static_cast<std::size_t>(i)]).name;
    }
    values_.builder().set_origin(
        {std::move(operators), graph_.nodes[static_cast<std::size_t>(named)].name});
  }

  void add_chain(const SoftmaxChain& chain) {
    const bool is_array = values_.is_array(chain.x) && !values_.is_stored(chain.x) &&
                          (chain.addend == kNoValue || values_.is_array(chain.addend));
    if (is_array) {
      set_origin(chain.nodes, chain.softmax);
      add_softmax_chain(values_, chain);
      return;
    }
    for (const int node : chain.nodes) add(graph_.nodes[static_cast<std::size_t>(node)]);
  }

  void add_chain(const ConvChain& chain, int position) {
    set_origin(chain.nodes, chain.conv);
    if (add_conv_chain(values_, chain, position)) return;
    const ValueId first = graph_.nodes[static_cast<std::size_t>(chain.conv)].output();
    const ConvChain alone{chain.conv, {}, kNoValue, {}, {chain.conv}, first};
    const bool is_added = add_conv_chain(values_, alone, position);
    for (const int node : chain.nodes) {
      if (node != chain.conv || !is_added) add(graph_.nodes[static_cast<std::size_t>(node)]);
    }
  }

  void add(const Node& node) {
    if (is_known(node)) {
      compute(node);
      return;
    }
    values_.builder().set_origin({std::string(operator_of(node).name), node.name});
    if (!is_ordinary(node) || !add_native(node)) {
      add_reference(node);
    }
  }

  [[nodiscard]] bool is_known(const Node& node) const {
    return !node.inputs.empty() && std::ranges::all_of(node.inputs, [&](ValueId id) {
      return id == kNoValue || values_.is_stored(id);
    });
  }

  // Whether all sizes are known, and nothing is empty.
  [[nodiscard]] bool is_ordinary(const Node& node) {
    const auto fits = [&](ValueId id) {
      return id == kNoValue || values_.is_array(id, values_.type_of(id));
    };
    return std::ranges::all_of(node.outputs, fits) && node.outputs.front() != kNoValue &&
           node.inputs.size() > 0 && node.inputs.front() != kNoValue && fits(node.inputs.front());
  }

  bool add_native(const Node& node) {
    try {
      return add_view_step(values_, node) || add_pool_step(values_, node) ||
             add_elementwise_step(values_, node) || add_choice_step(values_, node) ||
             add_norm_step(values_, node) || add_matrix_step(values_, node) ||
             add_movement_step(values_, node) || add_pad_step(values_, node) ||
             add_reduce_step(values_, node) || add_resize_step(values_, node);
    } catch (const dnnl::error&) {
      // What oneDNN does not take: its results are not defined yet.
      return false;
    }
  }

  // Now: it reads nothing but stored values.
  void compute(const Node& node) {
    std::vector<std::shared_ptr<const ReferenceTensor>> inputs;
    std::vector<const ReferenceTensor*> read;
    for (const ValueId id : node.inputs) {
      inputs.push_back(id == kNoValue ? nullptr : values_.stored(id));
      read.push_back(inputs.back().get());
    }
    try {
      std::vector<ReferenceTensor> results = run_operator_results(node.attributes, read);
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] == kNoValue) continue;
        values_.define_stored(node.outputs[i], std::move(results.at(i)));
      }
    } catch (const Error& error) {
      throw Error(error.category(),
                  fmt::format("{} {} of {}: {}", operator_of(node).name, node.name, graph_.name,
                              error.what()),
                  error.remedy());
    }
  }

  void add_reference(const Node& node) {
    ReferenceStep step{node.name, node.attributes, {}, {}};
    for (const ValueId id : node.inputs) {
      step.inputs.push_back(id == kNoValue ? ArrayPlace() : values_.place(id));
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) {
        step.outputs.emplace_back();
        continue;
      }
      if (values_.shape_of(id)) {
        values_.define(id);
      } else {
        values_.define_loose(id);
      }
      step.outputs.push_back(values_.place(id));
    }
    values_.builder().add_reference(std::move(step));
  }

  const Graph& graph_;
  FactTable facts_;
  ConvChains chains_;
  std::vector<SoftmaxChain> softmax_chains_;
  std::vector<const SoftmaxChain*> softmax_of_;  // by node
  ProgramValues values_;
};

}  // namespace

InferenceProgram compile_graph(const Graph& graph, const ReadWeight& read_weight,
                               const std::vector<Shape>& inputs) {
  const Graph sized = with_sizes(graph, inputs);
  return GraphCompiler(sized, read_weight).compile();
}

}  // namespace narrow
