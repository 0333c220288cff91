#include "report/html/graph_layout.h"

#include <algorithm>
#include <limits>

namespace narrow {
namespace {

using Row = std::vector<std::size_t>;

// The boxes of each row, in their order in the graph.
std::vector<Row> rows_of(const std::vector<std::vector<std::size_t>>& sources,
                         std::vector<BoxPlace>& places) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    for (const std::size_t source : sources[i]) {
      places[i].row = std::max(places[i].row, places[source].row + 1);
    }
    rows.resize(std::max(rows.size(), places[i].row + 1));
    rows[places[i].row].push_back(i);
  }
  return rows;
}

double mean_column(const std::vector<std::size_t>& sources, const std::vector<BoxPlace>& places) {
  double sum = 0;
  for (const std::size_t source : sources) sum += places[source].column;
  return sources.empty() ? 0 : sum / static_cast<double>(sources.size());
}

// Beside each other, each as close to the middle of those above it as the ones before it let it.
void place_row(Row& row, const std::vector<std::vector<std::size_t>>& sources,
               std::vector<BoxPlace>& places) {
  std::vector<double> wanted(sources.size());
  for (const std::size_t box : row) wanted[box] = mean_column(sources[box], places);
  std::ranges::stable_sort(row, {}, [&](std::size_t box) { return wanted[box]; });
  double next = -std::numeric_limits<double>::infinity();
  double moved = 0;  // to the right of where they want to be, together
  for (const std::size_t box : row) {
    places[box].column = std::max(wanted[box], next);
    next = places[box].column + 1;
    moved += places[box].column - wanted[box];
  }
  for (const std::size_t box : row) {
    places[box].column -= moved / static_cast<double>(row.size());
  }
}

}  // namespace

std::vector<BoxPlace> layout_graph(const std::vector<std::vector<std::size_t>>& sources) {
  std::vector<BoxPlace> places(sources.size());
  for (Row& row : rows_of(sources, places)) place_row(row, sources, places);
  double least = 0;
  for (const BoxPlace& place : places) least = std::min(least, place.column);
  for (BoxPlace& place : places) place.column -= least;
  return places;
}

}  // namespace narrow
