#include "report/dataset_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <span>

#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

std::string range_text(int least, int most) {
  return least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
}

std::string records_text(const InspectedSplit& split) {
  if (split.files == 1) return fmt::format("{} records", split.records);
  return fmt::format("{} records in {} files", split.records, split.files);
}

std::string labels_text(const InspectedSplit& split) {
  const std::string range = range_text(split.min_label, split.max_label);
  if (split.first_label == 0) return fmt::format("labels {}\n", range);
  return fmt::format("labels {}, the first class has {}: labels_offset={} makes it 0\n", range,
                     split.first_label, split.first_label);
}

// A row for each class of each split.
Table class_table(std::span<const InspectedSplit> splits) {
  constexpr auto kPrograms = TableColumn::Audience::kPrograms;
  constexpr auto kAll = TableColumn::Audience::kAll;
  Table table{"classes",
              "Classes",
              {{"split", "split", CellStyle::kText, splits.size() > 1 ? kAll : kPrograms},
               {"label", "label", CellStyle::kInteger},
               {"class", "class"},
               {"images", "images", CellStyle::kInteger}},
              {}};
  for (const InspectedSplit& split : splits) {
    for (std::size_t label = 0; label < split.classes.size(); ++label) {
      table.add_row({split.path.filename().string(),
                     static_cast<std::uint64_t>(split.first_label) + label,
                     split.classes[label].name, split.classes[label].images});
    }
  }
  return table;
}

}  // namespace

std::string download_text(const DownloadOutcome& outcome) {
  std::string text;
  if (!outcome.archive_sha256.empty()) {
    text += fmt::format("archive: sha256:{} md5:{}\n", outcome.archive_sha256, outcome.archive_md5);
  }
  for (const DownloadedFile& file : outcome.files) {
    text +=
        fmt::format("{}: {}", outcome.was_complete ? "complete" : "written", file.path.string());
    if (file.records > 0) text += fmt::format(", {} images", file.records);
    text += fmt::format(", {}\n", format_bytes(file.size_bytes));
  }
  if (outcome.was_complete) text += "everything was there already\n";
  return text;
}

ordered_json download_json(const DownloadOutcome& outcome) {
  ordered_json files = ordered_json::array();
  for (const DownloadedFile& file : outcome.files) {
    files.push_back(
        {{"path", file.path.string()}, {"bytes", file.size_bytes}, {"records", file.records}});
  }
  return {{"schema", 1},
          {"was_complete", outcome.was_complete},
          {"archive_md5", outcome.archive_md5},
          {"archive_sha256", outcome.archive_sha256},
          {"files", std::move(files)}};
}

std::string dataset_text(const std::vector<InspectedSplit>& splits) {
  std::string text;
  for (const InspectedSplit& split : splits) {
    text += fmt::format("{}{}: {}, {}, {}\n", text.empty() ? "" : "\n", split.path.string(),
                        split.dataset_name, records_text(split), format_bytes(split.size_bytes));
    text += fmt::format("images {} pixels high, {} wide; all checksums hold\n",
                        range_text(split.min_height, split.max_height),
                        range_text(split.min_width, split.max_width));
    if (split.records > 0) text += labels_text(split);
    if (split.published_records > 0 && split.published_records != split.records) {
      text += fmt::format("the published split has {} records\n", split.published_records);
    }
    text += table_text(class_table(std::span(&split, 1)));
  }
  return text;
}

ordered_json dataset_json(const std::vector<InspectedSplit>& splits) {
  ordered_json rows = ordered_json::array();
  for (const InspectedSplit& split : splits) {
    ordered_json classes = ordered_json::array();
    for (const InspectedClass& label : split.classes) {
      classes.push_back({{"name", label.name}, {"images", label.images}});
    }
    rows.push_back({{"path", split.path.string()},
                    {"dataset", split.dataset_name},
                    {"bytes", split.size_bytes},
                    {"records", split.records},
                    {"files", split.files},
                    {"published_records", split.published_records},
                    {"height", {split.min_height, split.max_height}},
                    {"width", {split.min_width, split.max_width}},
                    {"first_label", split.first_label},
                    {"labels", {split.min_label, split.max_label}},
                    {"classes", std::move(classes)}});
  }
  return {{"schema", 1}, {"splits", std::move(rows)}};
}

Report dataset_report(const std::vector<InspectedSplit>& splits) {
  Report report;
  report.title = "Images of a dataset by class";
  report.json = dataset_json(splits);
  for (const InspectedSplit& split : splits) {
    report.facts.emplace_back(
        split.path.string(),
        fmt::format("{}, {}, {}, images {} pixels high, {} wide", split.dataset_name,
                    records_text(split), format_bytes(split.size_bytes),
                    range_text(split.min_height, split.max_height),
                    range_text(split.min_width, split.max_width)));
  }
  report.tables.push_back(class_table(splits));
  return report;
}

}  // namespace narrow
