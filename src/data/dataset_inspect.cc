#include "data/dataset_inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "base/parallel.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Records that one task reads; their summaries are merged in order.
constexpr std::size_t kRecordsPerTask = 256;

struct Part {
  std::vector<std::uint64_t> images_by_class;
  int min_height = static_cast<int>(kMaxImageSide);
  int max_height = 0;
  int min_width = static_cast<int>(kMaxImageSide);
  int max_width = 0;
  std::exception_ptr error;
};

Part summarize_part(const Dataset& dataset, std::size_t first, std::size_t last) {
  Part part;
  part.images_by_class.resize(dataset.classes().size());
  try {
    for (std::size_t i = first; i < last; ++i) {
      const auto [image, label] = dataset.read(i);
      ++part.images_by_class[static_cast<std::size_t>(label)];
      part.min_height = std::min(part.min_height, image.height);
      part.max_height = std::max(part.max_height, image.height);
      part.min_width = std::min(part.min_width, image.width);
      part.max_width = std::max(part.max_width, image.width);
    }
  } catch (...) {
    part.error = std::current_exception();
  }
  return part;
}

}  // namespace

DatasetSummary summarize_dataset(const Dataset& dataset) {
  const std::size_t tasks = (dataset.size() + kRecordsPerTask - 1) / kRecordsPerTask;
  std::vector<Part> parts(tasks);
  parallel_for(tasks, [&](std::size_t task) {
    const std::size_t first = task * kRecordsPerTask;
    parts[task] = summarize_part(dataset, first, std::min(first + kRecordsPerTask, dataset.size()));
  });
  DatasetSummary summary;
  summary.path = dataset.records().path();
  summary.size_bytes = dataset.records().size_bytes();
  summary.records = dataset.size();
  for (const std::string& name : dataset.classes()) summary.classes.push_back({name, 0});
  for (const Part& part : parts) {
    if (part.error != nullptr) std::rethrow_exception(part.error);
    for (std::size_t label = 0; label < summary.classes.size(); ++label) {
      summary.classes[label].images += part.images_by_class[label];
    }
    const bool is_first = &part == parts.data();
    summary.min_height = is_first ? part.min_height : std::min(summary.min_height, part.min_height);
    summary.min_width = is_first ? part.min_width : std::min(summary.min_width, part.min_width);
    summary.max_height = std::max(summary.max_height, part.max_height);
    summary.max_width = std::max(summary.max_width, part.max_width);
  }
  return summary;
}

Image make_class_sheet(const Dataset& dataset, int per_class, const ContactSheetLayout& layout) {
  if (per_class < 1 || per_class > static_cast<int>(kMaxImageSide)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} images of every class cannot be shown; ask for 1 to {}", per_class,
                            kMaxImageSide));
  }
  const auto columns = static_cast<std::size_t>(per_class);
  const std::size_t classes = dataset.classes().size();
  std::vector<Image> cells(classes * columns);
  std::vector<std::size_t> filled(classes);
  std::size_t missing = cells.size();
  for (std::size_t i = 0; i < dataset.size() && missing > 0; ++i) {
    LabeledImage labeled = dataset.read(i);
    const auto label = static_cast<std::size_t>(labeled.label);
    if (filled[label] == columns) continue;
    cells[label * columns + filled[label]++] = std::move(labeled.image);
    --missing;
  }
  ContactSheetLayout rows = layout;
  rows.columns = per_class;
  return make_contact_sheet(cells, rows);
}

}  // namespace narrow
