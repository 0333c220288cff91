// Many small images on one, to look at a dataset.
#pragma once

#include <span>

#include "data/images/image.h"

namespace narrow {

struct ContactSheetLayout {
  int columns = 10;
  int scale = 1;  // every pixel becomes a square of scale x scale
  int gap = 2;    // pixels between cells and around them
};

// The images row by row in cells as large as the largest of them, over a dark grey ground; an empty
// image leaves its cell empty. Throws Error(kUsage) for no images, columns or scale below 1, a gap
// below 0, or a sheet beyond the limits of image.h.
Image make_contact_sheet(std::span<const Image> images, const ContactSheetLayout& layout);

}  // namespace narrow
