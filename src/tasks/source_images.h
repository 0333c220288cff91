// What an ImageSource names: the records, and the preprocessing of their images. Every job that
// looks at images asks here:
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

// For evaluation. Throws Error: kUsage for sizes out of range; what preprocessing_for throws.
PreprocessingOptions preprocessing_of(const ImageSource& source);

// The split with its labels, which may be empty. Throws Error(kUsage) for an unknown dataset; what
// the constructor of Dataset throws.
Dataset open_dataset(const ImageSource& source);

// The same for those who do not look at labels, whatever these are. Throws Error(kUsage) for an
// unknown dataset; what open_split throws.
TfRecordShards open_records(const ImageSource& source);

}  // namespace narrow
