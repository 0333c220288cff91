// What is known of quantized tensors, for journals and other processes.
#pragma once

#include "base/byte_record.h"
#include "narrow/quantize_plan.h"

namespace narrow {

// Without the tensor and its scheme, which follow from the plan.
void put_result(const TensorResult& result, ByteRecord& record);
// Sets all but these. Throws Error(kCorrupt).
void take_result(ByteRecordReader& reader, TensorResult& result);

}  // namespace narrow
