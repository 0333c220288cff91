#include "nn/c_network/c_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "nn/buffer_layout.h"

namespace narrow::c_network {
namespace {

constexpr std::size_t kNumbersInLine = 16;

// A literal may not be -2^31 or -2^63: in C that is a minus before a number that is too large.
std::string c_literal(std::int64_t value, ElementType type) {
  if (type == kS64) {
    if (value == std::numeric_limits<std::int64_t>::min()) return "INT64_MIN";
    return fmt::format("INT64_C({})", value);
  }
  return value == std::numeric_limits<std::int32_t>::min() ? "INT32_MIN" : fmt::format("{}", value);
}

bool fit(const std::vector<std::int64_t>& values, std::int64_t least, std::int64_t greatest) {
  return std::ranges::all_of(
      values, [&](std::int64_t value) { return value >= least && value <= greatest; });
}

bool add_once(std::vector<Kernel>& kernels, const Kernel& kernel) {
  if (std::ranges::find(kernels, kernel.name, &Kernel::name) != kernels.end()) return false;
  kernels.push_back(kernel);
  return true;
}

}  // namespace

std::string comment_text(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    const char last = safe.empty() ? ' ' : safe.back();
    if ((last == '*' && c == '/') || (last == '/' && c == '*')) safe += ' ';
    safe += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return safe;
}

BufferId CSource::add_buffer(Buffer buffer) {
  buffers_.push_back(std::move(buffer));
  return buffers_.size() - 1;
}

void CSource::add_array(ElementType type, const std::string& name,
                        const std::vector<std::int64_t>& values) {
  auto out = std::back_inserter(constants_);
  fmt::format_to(out, "\nstatic const {} {}[{}] = {{", type.c_type, name, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    constants_ += i % kNumbersInLine == 0 ? "\n  " : " ";
    constants_ += c_literal(values[i], type);
    if (i + 1 < values.size()) constants_ += ',';
  }
  constants_ += "\n};\n";
  constant_bytes_ += values.size() * static_cast<std::uint64_t>(type.bits) / 8;
}

ElementType CSource::add_weights(const std::string& name, const std::vector<std::int64_t>& values) {
  const std::uint64_t before = constant_bytes_;
  ElementType type = fit(values, -128, 127) ? kS8 : kS16;
  if (fit(values, -8, 7)) {
    type = kS4;
    std::vector<std::int64_t> bytes((values.size() + 1) / 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
      bytes[i / 2] |= (values[i] & 15) << (i % 2 * 4);
    }
    add_array(kU8, name, bytes);
  } else {
    add_array(type, name, values);
  }
  weight_bytes_ += constant_bytes_ - before;
  return type;
}

void CSource::add_layer(const std::string& type, const std::string& name,
                        const std::string& fields) {
  layer_types_[type] = true;
  constants_ += fmt::format("\nstatic const {} {} = {{{}}};\n", type, name, fields);
}

void CSource::add_call(const Kernel& kernel, const std::string& layer, std::vector<BufferId> from,
                       BufferId to, const std::string& comment) {
  add_once(kernels_, kernel);
  calls_.push_back({kernel.name, layer, std::move(from), to, comment});
}

void CSource::add_helper(const Kernel& kernel) { add_once(helpers_, kernel); }

void CSource::plan_memory() {
  std::vector<BufferLifetime> lifetimes;
  std::vector<BufferId> placed;
  for (BufferId id = 0; id < buffers_.size(); ++id) {
    if (!buffers_[id].parameter.empty()) continue;
    BufferLifetime lifetime;
    lifetime.byte_size =
        buffers_[id].elements * static_cast<std::size_t>(buffers_[id].type.bits / 8);
    lifetime.first_step = static_cast<int>(calls_.size());
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const Call& call = calls_[i];
      if (call.to != id && std::ranges::find(call.from, id) == call.from.end()) continue;
      lifetime.first_step = std::min(lifetime.first_step, static_cast<int>(i));
      lifetime.last_step = static_cast<int>(i);
    }
    lifetimes.push_back(lifetime);
    placed.push_back(id);
  }
  const BufferLayout layout = lay_out_buffers(lifetimes);
  memory_bytes_ = layout.byte_size;
  byte_offsets_.assign(buffers_.size(), 0);
  for (std::size_t i = 0; i < placed.size(); ++i) {
    byte_offsets_[placed[i]] = layout.byte_offsets[i];
  }
}

std::string CSource::place_of(BufferId id, bool is_read) const {
  const Buffer& buffer = buffers_[id];
  if (!buffer.parameter.empty()) return buffer.parameter;
  return fmt::format("({}{} *)(bytes + {})", is_read ? "const " : "", buffer.type.c_type,
                     byte_offsets_[id]);
}

std::string CSource::definitions() const {
  std::string text;
  const auto has_type = [&](const std::string& type) { return layer_types_.contains(type); };
  if (has_type("linear_layer") || has_type("add_layer") || has_type("product_layer") ||
      has_type("window_layer")) {
    text += format_text(arithmetic_);
  }
  if (has_type("linear_layer")) text += linear_layer_text();
  if (has_type("add_layer")) text += add_layer_text(arithmetic_);
  if (has_type("product_layer")) text += product_layer_text();
  if (has_type("window_layer")) text += window_layer_text();
  if (has_type("table_layer")) text += table_layer_text();
  if (has_type("copy_layer")) text += copy_layer_text();
  text += requantization_text(arithmetic_, use);
  for (const Kernel& kernel : helpers_) text += kernel.text;
  for (const Kernel& kernel : kernels_) text += kernel.text;
  return text + constants_;
}

std::string CSource::body() const {
  std::string text;
  if (memory_bytes_ > 0) {
    text += "  unsigned char *const bytes = (unsigned char *)memory;\n";
  } else {
    text += "  (void)memory;\n";
  }
  for (const Call& call : calls_) {
    std::vector<std::string> arguments;
    for (const BufferId id : call.from) arguments.push_back(place_of(id, true));
    arguments.push_back(place_of(call.to, false));
    text += fmt::format("  /* {} */\n  {}(&{}, {});\n", comment_text(call.comment), call.kernel,
                        call.layer, fmt::join(arguments, ", "));
  }
  return text;
}

}  // namespace narrow::c_network
