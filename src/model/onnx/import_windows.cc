// Convolutions and pools.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/onnx/attribute_texts.h"
#include "model/onnx/node_import.h"

namespace narrow {
namespace {

AutoPad auto_pad_of(const NodeImport& node) {
  if (node.text("auto_pad", "").empty()) return AutoPad::kNotSet;
  return node.choice<AutoPad>("auto_pad", "", kAutoPads);
}

// As the attribute has it, or the same number for each axis.
std::vector<std::int64_t> of_axes(const NodeImport& node, std::string_view name, std::size_t count,
                                  std::int64_t otherwise) {
  std::vector<std::int64_t> values = node.integers(name);
  if (values.empty()) values.assign(count, otherwise);
  if (values.size() != count) {
    node.refuse(fmt::format("its {} have {} numbers, expected {}", name, values.size(), count));
  }
  constexpr std::int64_t kMost = 1 << 20;
  const bool fits = std::ranges::all_of(
      values, [&](std::int64_t value) { return value >= otherwise && value <= kMost; });
  if (!fits) node.refuse(fmt::format("its {} are {} to {}", name, otherwise, kMost));
  return values;
}

Window window_of_kernel(const NodeImport& node, std::vector<std::int64_t> kernel) {
  constexpr std::int64_t kMost = 1 << 20;
  const std::size_t rank = kernel.size();
  const bool fits =
      std::ranges::all_of(kernel, [&](std::int64_t size) { return size >= 1 && size <= kMost; });
  if (rank == 0 || !fits) node.refuse("its kernel has no axes or an axis without elements");
  Window window;
  window.kernel = std::move(kernel);
  window.strides = of_axes(node, "strides", rank, 1);
  window.dilations = of_axes(node, "dilations", rank, 1);
  window.pads = of_axes(node, "pads", 2 * rank, 0);
  window.auto_pad = auto_pad_of(node);
  if (window.auto_pad != AutoPad::kNotSet) window.pads.assign(2 * rank, 0);
  return window;
}

// `weights_input` has the kernel.
Window conv_window(const NodeImport& node, std::size_t weights_input = 1) {
  std::vector<std::int64_t> kernel = node.integers("kernel_shape");
  if (!kernel.empty()) return window_of_kernel(node, std::move(kernel));
  const Dimensions& weights = node.fact(weights_input).dimensions;
  for (std::size_t axis = 2; axis < weights.size(); ++axis) kernel.push_back(weights[axis].size);
  return window_of_kernel(node, std::move(kernel));
}

void set_linear_roles(const NodeImport& node) {
  node.set_role(1, WeightRole::kKernel);
  node.set_role(2, WeightRole::kBias);
}

void import_conv(const NodeImport& node) {
  set_linear_roles(node);
  node.emit(op::Conv{conv_window(node), node.integer("group", 1)});
}

void import_conv_transpose(const NodeImport& node) {
  set_linear_roles(node);
  op::ConvTranspose conv = {conv_window(node), node.integer("group", 1), {}, {}};
  const std::size_t rank = conv.window.rank();
  if (node.has("output_padding")) conv.output_padding = of_axes(node, "output_padding", rank, 0);
  if (node.has("output_shape")) {
    conv.output_shape = node.integers("output_shape");
    // Some files have the batch and the channels too.
    if (conv.output_shape.size() == rank + 2) {
      conv.output_shape.erase(conv.output_shape.begin(), conv.output_shape.begin() + 2);
    }
    conv.window.pads.assign(2 * rank, 0);
  }
  node.emit(std::move(conv));
}

void import_max_pool(const NodeImport& node) {
  node.emit(op::MaxPool{pool_window_of(node), node.flag("ceil_mode", false),
                        node.flag("storage_order", false)});
}

void import_average_pool(const NodeImport& node) {
  node.emit(op::AveragePool{pool_window_of(node), node.flag("ceil_mode", false),
                            node.flag("count_include_pad", false)});
}

void import_lp_pool(const NodeImport& node) {
  const std::int64_t p =
      node.opset() < 2 ? static_cast<std::int64_t>(node.real("p", 2)) : node.integer("p", 2);
  if (p < 1) node.refuse(fmt::format("its norm is of order {}", p));
  node.emit(op::LpPool{pool_window_of(node), node.flag("ceil_mode", false), p});
}

void import_lrn(const NodeImport& node) {
  const std::int64_t size = node.integer("size", 0);
  if (size < 1) node.refuse(fmt::format("its size is {}", size));
  node.emit(op::LocalResponseNormalization{node.real("alpha", 1e-4), node.real("beta", 0.75),
                                           node.real("bias", 1), size});
}

constexpr std::array kWindowsImporters = {
    ImporterRow{"Conv", import_conv},
    ImporterRow{"ConvTranspose", import_conv_transpose},
    ImporterRow{"ConvInteger",
                [](const NodeImport& node) {
                  node.emit(op::ConvInteger{conv_window(node), node.integer("group", 1)});
                }},
    ImporterRow{"QLinearConv",
                [](const NodeImport& node) {
                  node.emit(op::QLinearConv{conv_window(node, 3), node.integer("group", 1)});
                }},
    ImporterRow{"MaxPool", import_max_pool},
    ImporterRow{"AveragePool", import_average_pool},
    ImporterRow{"LpPool", import_lp_pool},
    ImporterRow{"GlobalAveragePool",
                [](const NodeImport& node) { node.emit(op::GlobalAveragePool{}); }},
    ImporterRow{"GlobalMaxPool", [](const NodeImport& node) { node.emit(op::GlobalMaxPool{}); }},
    ImporterRow{"LRN", import_lrn},
};

}  // namespace

Window pool_window_of(const NodeImport& node) {
  return window_of_kernel(node, node.integers("kernel_shape"));
}

std::span<const ImporterRow> window_importers() { return kWindowsImporters; }

}  // namespace narrow
