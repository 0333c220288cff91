#include "tasks/source_images.h"

namespace narrow {

PreprocessingOptions preprocessing_of(const ImageSource& source) {
  PreprocessingOptions preprocessing;
  // That of every ResNet V1 in Slim's table is kVgg; a variant is seen like them.
  if (!source.preprocessing_name.empty()) {
    preprocessing.kind = preprocessing_for(source.preprocessing_name);
  }
  preprocessing.output_size = source.image_size;
  preprocessing.resize_side = source.resize_side;
  validate(preprocessing);
  return preprocessing;
}

Dataset open_dataset(const ImageSource& source) {
  return {source.dataset_dir, find_dataset_spec(source.dataset_name), source.dataset_split_name,
          source.labels_offset};
}

TfRecordShards open_records(const ImageSource& source) {
  return open_split(source.dataset_dir, find_dataset_spec(source.dataset_name),
                    source.dataset_split_name);
}

}  // namespace narrow
