// How well checkpoints classify: for people, for programs, and image by image.
#pragma once

#include <string>

#include "narrow/evaluate.h"
#include "report/report.h"

namespace narrow {

// Accuracy, recall@5 and loss of every checkpoint with Slim's two lines, comparisons with the
// first, and the rate.
std::string evaluation_text(const EvaluateResult& result);

// A table for each checkpoint: labels down, predictions across.
std::string confusion_text(const EvaluateResult& result);

// {"schema": 1, "dataset": {...}, "checkpoints": [...], "comparisons": [...], ...}.
nlohmann::ordered_json evaluation_json(const EvaluateResult& result, bool with_confusion);

// For exports: a row for each checkpoint.
Report evaluation_report(const EvaluateResult& result, bool with_confusion);

// One line for each checkpoint and image: label, its probability, the first five classes and their
// probabilities. Floats have the shortest digits that read back as the same float32.
std::string predictions_csv(const EvaluateResult& result);

// {"value": ..., "hits": ..., "images": ..., "wilson_95": [low, high]}.
nlohmann::ordered_json hit_rate_json(const HitRate& rate);

// A float32 as TensorFlow's logging prints it: six significant digits if they read back as the
// same number, else nine.
std::string format_slim_number(float value);

}  // namespace narrow
