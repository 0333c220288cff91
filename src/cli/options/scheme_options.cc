#include "cli/options/scheme_options.h"

#include "cli/options/axis_options.h"
#include "cli/options/common_options.h"

namespace narrow {

Scheme SchemeOptions::scheme(int bits) const {
  Scheme scheme;
  if (format.any()) scheme.kind = SchemeKind::kFixedPoint;
  if (!kind.empty()) scheme.kind = parse_scheme_kind(kind);
  scheme.bits = bits;
  scheme.scaling = scaling == "decimal" ? Scaling::kDecimal : Scaling::kBinary;
  scheme.granularity = parse_granularity(granularity);
  scheme.range = parse_range(range);
  apply_format(format, scheme);
  return scheme;
}

Option add_kind_option(Command& command, SchemeOptions& options, const std::string& help) {
  return command.add_option("--scheme", options.kind, help)
      .one_of({"bin", "fixed-point", "affine", "symmetric", "codebook"});
}

void add_block_options(Command& command, SchemeOptions& options) {
  command.add_option("--granularity", options.granularity,
                     "values that share one range: tensor, channel or group:G");
  add_axis_option(command, options.axes);
  command.add_option("--scaling", options.scaling, "of fixed-point: binary (Qm.n) or decimal")
      .one_of({"binary", "decimal"});
  add_range_option(command, options);
}

void add_range_option(Command& command, SchemeOptions& options) {
  command.add_option("--range", options.range,
                     "values that codes hold: minmax, percentile:P, mse or aciq");
}

std::vector<Scheme> SchemeListOptions::schemes(std::vector<std::string>* left_out) const {
  SchemeLists all = lists;
  all.widths = parse_widths(widths);
  apply_format_lists(formats, all);
  if (all.schemes.empty() && all.named.empty()) all.schemes = {"bin", "fixed-point"};
  return expand_schemes(all, left_out);
}

void add_scheme_list_options(Command& command, SchemeListOptions& options) {
  command.add_option("-b,--bits", options.widths, "widths: 1..16 or 2,4,8 or 1..4,8")
      .type_name("LIST")
      .capture_default_str();
  add_list_option(command, "--schemes", options.lists.schemes, "LIST",
                  "of bin, fixed-point, fixed-point-decimal, affine, symmetric,\ncodebook; "
                  "default bin,fixed-point");
  add_list_option(command, "--granularity", options.lists.granularities, "LIST",
                  "values that share one range: tensor, channel, group:G; default tensor");
  add_list_option(command, "--range", options.lists.ranges, "LIST",
                  "minmax, percentile:P, mse, aciq; default minmax");
  add_format_lists(command, options.formats);
  add_axis_option(command, options.axes);
}

}  // namespace narrow
