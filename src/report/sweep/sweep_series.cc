#include "report/sweep/sweep_series.h"

#include <algorithm>
#include <utility>

#include "report/sweep/sweep_report.h"

namespace narrow {
namespace {

class SeriesList {
 public:
  void add(const std::string& name, std::size_t place) {
    auto found = std::ranges::find(series_, name, &SweepSeries::name);
    if (found == series_.end()) found = series_.insert(series_.end(), {name, {}});
    found->places.push_back(place);
  }

  template <typename BitsOf>
  std::vector<SweepSeries> sorted(const BitsOf& bits_of) {
    for (SweepSeries& one : series_) std::ranges::stable_sort(one.places, {}, bits_of);
    return std::move(series_);
  }

 private:
  std::vector<SweepSeries> series_;
};

}  // namespace

bool has_activations(const SweepOutcome& outcome) {
  return outcome.evaluation &&
         std::ranges::any_of(outcome.evaluation->activations,
                             [](const auto& activations) { return activations.has_value(); });
}

std::string series_name(const Scheme& scheme) {
  std::string name(to_string(scheme.kind));
  if (scheme.scaling == Scaling::kDecimal) name += " decimal";
  if (has_format(scheme)) name += ", " + to_text(scheme.format, scheme.bits);
  if (scheme.granularity.kind != Granularity::Kind::kTensor) {
    name += ", " + to_string(scheme.granularity);
  }
  if (scheme.range.kind != Range::Kind::kMinMax) name += ", " + to_string(scheme.range);
  return name;
}

std::string activations_name(const std::optional<ActivationScheme>& activations) {
  if (!activations) return "float";
  const bool is_whole = activations->range == ActivationRange::kMinMax;
  return to_string(*activations) + (is_whole ? "" : ", " + range_text(*activations));
}

std::vector<SweepRow> rows_of(const SweepOutcome& outcome) {
  std::vector<SweepRow> rows;
  for (std::size_t scheme = 0; scheme < outcome.errors.schemes.size(); ++scheme) {
    if (!outcome.evaluation) {
      rows.push_back({scheme});
      continue;
    }
    for (const auto& activations : outcome.evaluation->activations) {
      rows.push_back({scheme, activations});
    }
  }
  return rows;
}

std::vector<SweepSeries> series_of(const std::vector<Scheme>& schemes) {
  SeriesList list;
  for (std::size_t i = 0; i < schemes.size(); ++i) list.add(series_name(schemes[i]), i);
  return list.sorted([&](std::size_t i) { return schemes[i].bits; });
}

std::vector<SweepSeries> series_of_rows(const SweepOutcome& outcome) {
  const std::vector<SweepRow> rows = rows_of(outcome);
  const bool names_activations = has_activations(outcome);
  SeriesList list;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string name = series_name(outcome.errors.schemes[rows[i].scheme]);
    if (names_activations) name += "; activations " + activations_name(rows[i].activations);
    list.add(name, i);
  }
  return list.sorted([&](std::size_t i) { return outcome.errors.schemes[rows[i].scheme].bits; });
}

}  // namespace narrow
