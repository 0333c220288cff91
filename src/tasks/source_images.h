// What an ImageSource names: the records or pictures, and the preprocessing of their images. Every
// job that looks at images asks here:
//
//     const PreprocessingOptions preprocessing = preprocessing_of(options.images);
//     const Dataset dataset = open_dataset(options.images);
//
// Training adds sides and augmentation of its own to the preprocessing, and validates again.
#pragma once

#include "data/dataset.h"
#include "data/preprocess/preprocessing.h"
#include "narrow/image_source.h"

namespace narrow {

// Throws Error(kUsage) for a source that names a dataset, pictures and arrays, or two of them.
void require_one_source(const ImageSource& source);

// For evaluation. Throws Error: kUsage for sizes out of range; what preprocessing_for throws.
PreprocessingOptions preprocessing_of(const ImageSource& source);

// The images with their labels; there may be none. Throws Error(kUsage) for an unknown dataset, a
// source that names two or arrays; what list_pictures and the constructor of Dataset throw.
Dataset open_dataset(const ImageSource& source);

// The same for those who do not look at labels, whatever these are. Throws as open_dataset, but for
// labels.
EncodedImages open_records(const ImageSource& source);

// What is not as preprocessing and decoder have it by themselves; see the function of that name for
// PreprocessingOptions. Throws what preprocessing_of does.
std::string describe_changes(const ImageSource& source);

}  // namespace narrow
