// Padding of elements of any type.
#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "graph/rules/fact_rules.h"
#include "nn/inference/native_steps.h"
#include "nn/inference/strided_copy.h"

namespace narrow {
namespace {

// With copies of the element: what is there already, again and again.
void fill(std::span<std::byte> to, std::span<const std::byte> element) {
  std::memcpy(to.data(), element.data(), element.size());
  for (std::size_t done = element.size(); done < to.size();) {
    const std::size_t more = std::min({done, to.size() - done, std::size_t{1} << 14});
    std::memcpy(to.data() + done, to.data(), more);
    done += more;
  }
}

// An axis of a result whose elements are all found in x.
struct MappedAxis {
  std::vector<std::int64_t> sources;  // by place in y: the place in x
  std::int64_t inside = 0;            // where x itself begins
  std::int64_t size = 0;              // of x
  std::size_t from_bytes = 0;         // from one place to the next
  std::size_t to_bytes = 0;
};

void copy_mapped(std::span<const MappedAxis> axes, const std::byte* from, std::byte* to) {
  const MappedAxis& axis = axes.front();
  const auto copy_place = [&](std::size_t i) {
    const std::byte* const source =
        from + static_cast<std::size_t>(axis.sources[i]) * axis.from_bytes;
    if (axes.size() == 1) {
      std::memcpy(to + i * axis.to_bytes, source, axis.from_bytes);
    } else {
      copy_mapped(axes.subspan(1), source, to + i * axis.to_bytes);
    }
  };
  const auto inside = static_cast<std::size_t>(axis.inside);
  const auto size = static_cast<std::size_t>(axis.size);
  for (std::size_t i = 0; i < inside; ++i) copy_place(i);
  if (axes.size() == 1) {
    std::memcpy(to + inside * axis.to_bytes, from, size * axis.from_bytes);
  } else {
    for (std::size_t i = inside; i < inside + size; ++i) copy_place(i);
  }
  for (std::size_t i = inside + size; i < axis.sources.size(); ++i) copy_place(i);
}

// The place in x, of `size` elements, for one outside of it; nothing when the padding is longer
// than the mode says something about.
std::optional<std::int64_t> source_of(op::PadMode mode, std::int64_t place, std::int64_t size) {
  std::int64_t source = place;
  switch (mode) {
    case op::PadMode::kConstant:
      return std::nullopt;
    case op::PadMode::kEdge:
      return std::clamp<std::int64_t>(place, 0, size - 1);
    case op::PadMode::kReflect:
      source = place < 0 ? -place : 2 * (size - 1) - place;
      break;
    case op::PadMode::kWrap:
      source = place < 0 ? place + size : place - size;
      break;
  }
  if (source < 0 || source >= size) return std::nullopt;
  return source;
}

class PadMaker {
 public:
  PadMaker(ProgramValues& values, const Node& node, const op::Pad& pad)
      : values_(values),
        node_(node),
        mode_(pad.mode),
        x_(*values.shape_of(node.inputs[0])),
        y_(*values.shape_of(node.output())),
        element_(element_size(values.type_of(node.output()))) {}

  bool add() {
    if (!find_pads()) return false;
    return mode_ == op::PadMode::kConstant ? add_constant() : add_mapped();
  }

 private:
  [[nodiscard]] bool has_input(std::size_t index) const {
    return index < node_.inputs.size() && node_.inputs[index] != kNoValue;
  }

  // Whether they are known and cut nothing away.
  bool find_pads() {
    before_.assign(x_.size(), 0);
    if (!has_input(1) || !values_.is_stored(node_.inputs[1])) return false;
    if (has_input(3) && !values_.is_stored(node_.inputs[3])) return false;
    const std::vector<std::int64_t> pads = values_.stored(node_.inputs[1])->integers;
    const std::size_t half = pads.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
      if (pads[i] < 0 || pads[i + half] < 0) return false;
      const std::size_t axis =
          has_input(3) ? axis_of(values_.stored(node_.inputs[3])->integers.at(i), x_.size()) : i;
      before_[axis] = pads[i];
    }
    return true;
  }

  bool add_constant() {
    std::vector<std::byte> value(element_);
    if (has_input(2)) {
      if (!values_.is_stored(node_.inputs[2])) return false;
      value = values_.stored(node_.inputs[2])->as_constant().bytes;
      if (value.size() != element_) return false;
    }
    const std::vector<std::int64_t> from = row_major_strides(x_);
    const std::vector<std::int64_t> to = row_major_strides(y_);
    StridedCopy copy;
    for (std::size_t i = 0; i < x_.size(); ++i) {
      copy.axes.push_back({x_[i], from[i], to[i]});
      copy.first_to += before_[i] * to[i];
    }
    copy.element_size = element_;
    copy.simplify();
    const std::size_t bytes = static_cast<std::size_t>(element_count(y_)) * element_;
    add_function([copy, bytes, value](std::span<float* const> places) {
      fill(std::span(bytes_at(places[1]), bytes), value);
      copy.run(bytes_at(places[0]), bytes_at(places[1]));
    });
    return true;
  }

  bool add_mapped() {
    const std::vector<std::int64_t> from = row_major_strides(x_);
    const std::vector<std::int64_t> to = row_major_strides(y_);
    std::vector<MappedAxis> axes(x_.size());
    for (std::size_t i = 0; i < axes.size(); ++i) {
      axes[i] = {{},
                 before_[i],
                 x_[i],
                 static_cast<std::size_t>(from[i]) * element_,
                 static_cast<std::size_t>(to[i]) * element_};
      for (std::int64_t place = -before_[i]; place < y_[i] - before_[i]; ++place) {
        const bool is_inside = place >= 0 && place < x_[i];
        const auto source = is_inside ? place : source_of(mode_, place, x_[i]);
        if (!source) return false;
        axes[i].sources.push_back(*source);
      }
    }
    if (axes.empty()) return false;
    add_function([axes](std::span<float* const> places) {
      copy_mapped(axes, bytes_at(places[0]), bytes_at(places[1]));
    });
    return true;
  }

  void add_function(StepFunction function) {
    const StepArgument source = values_.plain_argument(node_.inputs[0]);
    values_.builder().add_function(std::move(function),
                                   {source, argument(values_.define(node_.output()))});
  }

  ProgramValues& values_;
  const Node& node_;
  op::PadMode mode_;
  Shape x_;
  Shape y_;
  std::size_t element_;
  std::vector<std::int64_t> before_;  // by axis
};

}  // namespace

bool add_pad_step(ProgramValues& values, const Node& node) {
  const auto* const pad = std::get_if<op::Pad>(&node.attributes);
  if (pad == nullptr || !moves_whole_elements(values, node)) return false;
  return PadMaker(values, node, *pad).add();
}

}  // namespace narrow
