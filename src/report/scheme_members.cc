#include "report/scheme_members.h"

#include <nlohmann/json.hpp>

namespace narrow {
namespace {

using nlohmann::ordered_json;

void add_format(const Scheme& scheme, ordered_json& json) {
  if (!has_format(scheme)) return;
  const FixedFormat& format = scheme.format;
  if (format.fraction_bits.has_value()) json["fraction_bits"] = *format.fraction_bits;
  json["signed"] = format.always_signed ? "always" : "auto";
  json["round_mode"] = to_string(format.round_mode);
  json["overflow"] = to_string(format.overflow);
}

void add_axis(const ChannelAxes& axes, ordered_json& json) {
  if (axes.count == 1) {
    json["axis"] = axes.first;
    return;
  }
  json["axis"] = ordered_json::array();
  for (int i = 0; i < axes.count; ++i) json["axis"].push_back(axes.first + i);
}

}  // namespace

void add_scheme_json(const Scheme& scheme, const std::optional<ChannelAxes>& axes,
                     ordered_json& json) {
  json["scheme"] = to_string(scheme.kind);
  if (scheme.kind == SchemeKind::kFixedPoint) {
    json["scaling"] = scheme.scaling == Scaling::kBinary ? "binary" : "decimal";
  }
  json["bits"] = scheme.bits;
  add_format(scheme, json);
  json["granularity"] = to_string(scheme.granularity);
  if (axes) add_axis(*axes, json);
  if (takes_range(scheme.kind)) json["range"] = to_string(scheme.range);
}

}  // namespace narrow
