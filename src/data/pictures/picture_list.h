// Labelled pictures, each a file of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace narrow {

struct Picture {
  std::string path;
  std::int64_t label = 0;
};

struct PictureList {
  std::filesystem::path path;  // the folder or table
  std::vector<Picture> pictures;
  std::vector<std::string> classes;  // names by label
  // The labels are numbers of a table: there may be classes beyond the greatest.
  bool has_more_classes = false;
};

// The pictures that `path` names, in a fixed order.
//
// A folder has a folder for each class, in the order of their names by bytes, the first one with
// label 0; every file in these is a picture, again by name. Hidden files and folders, and files
// beside the class folders, are left alone. A file is a table (data/pictures/picture_table.h) whose
// names are relative to it; labels are numbers from 0 on or the names of classes, in the order of
// these by bytes. No picture is opened.
// Throws Error: kNotFound for what does not exist, naming the line of a table, and for a folder
// without classes or pictures; kUsage for a folder within a class; kCorrupt for a table that cannot
// be read or mixes numbers and names.
PictureList list_pictures(const std::filesystem::path& path);

}  // namespace narrow
