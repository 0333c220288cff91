// The steps of a quantized graph as calls of functions in C.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/shapes.h"
#include "nn/c_network/c_source.h"
#include "nn/integer/integer_linear.h"
#include "nn/integer/quantized_steps.h"

namespace narrow::c_network {

// Of the codes of a value. Throws Error(kUnsupported) for a type that C arrays here do not have.
ElementType element_type_of(const IntegerFormat& format);

// Throws Error(kUnsupported).
[[noreturn]] void refuse_step(const std::string& why);

std::int64_t count_of(const Shape& shape);

// Rows and columns of a window over an image, as fields.
struct WindowFields {
  WindowPlaces rows;
  WindowPlaces columns;
  std::string text;
};
WindowFields window_fields(const Window& window, const Shape& x, bool ceil_mode);
Window whole_image(const Shape& x);

// Of the sums of a layer: 32 bits where they, its biases and every product fit in 31, else 64.
ElementType sum_type_of(const IntegerLinear& linear);

class StepWriter {
 public:
  // The facts have all sizes. All must outlive this.
  StepWriter(const QuantizedGraph& graph, const FactTable& facts, CSource& source)
      : graph_(graph), facts_(facts), source_(source) {}

  [[nodiscard]] Shape shape_of(ValueId id) const;

  // The buffer that holds a value, or is to hold it.
  void place(ValueId id, BufferId buffer) { places_[id] = buffer; }
  [[nodiscard]] bool has_place(ValueId id) const { return places_.contains(id); }

  // Adds what computes a step, under this identifier. Throws Error(kUnsupported), without the
  // node's name, for what C does not have.
  void write(const QuantizedStep& step, const std::string& name);
  // A value as codes of another format, as QuantizeLinear makes them of its numbers.
  void write_quantized(ValueId from, ValueId to, const std::string& name);

  // Of the linear layers so far.
  [[nodiscard]] std::uint64_t multiply_adds() const { return multiply_adds_; }

 private:
  // What the functions below share.
  struct Step {
    const QuantizedStep& step;
    const Node& node;
    std::string name;
    std::string comment;
  };

  void write_linear(const Step& step);
  void write_add(const Step& step);
  void write_product(const Step& step);
  void write_mean(const Step& step);
  void write_largest(const Step& step, BufferId x, const IntegerFormat& least);
  void write_move(const Step& step);
  void write_concat(const Step& step, const std::vector<BufferId>& x);
  void write_transpose(const Step& step, BufferId x);
  void write_reshape(const Step& step, BufferId x);
  void write_table(const Step& step, std::size_t operand, const std::vector<std::int32_t>& table,
                   const IntegerFormat& to, BufferId result);

  // The buffer of the step's result.
  BufferId result_of(const Step& step);
  // The fields of a result_format. `requantizations`: one with as many channels as it has, or one
  // for each number of elements of a mean; none: bounds only.
  std::string format_fields(const std::string& name,
                            std::span<const Requantization> requantizations,
                            const IntegerFormat& format);
  // Elements by four indices; where each array begins follows its strides.
  struct Copy {
    std::vector<std::int64_t> sizes;
    std::vector<std::int64_t> from;
    std::vector<std::int64_t> to;
    std::int64_t to_offset = 0;
  };
  void write_copy(const Step& step, const std::string& suffix, const Copy& copy, BufferId x,
                  BufferId y);

  const QuantizedGraph& graph_;
  const FactTable& facts_;
  CSource& source_;
  std::map<ValueId, BufferId> places_;
  std::uint64_t multiply_adds_ = 0;
};

}  // namespace narrow::c_network
