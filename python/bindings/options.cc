#include <nanobind/stl/array.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "job_options.h"
#include "narrow/activation_lists.h"
#include "narrow/convert_checkpoint.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "narrow/plan.h"
#include "narrow/plan_accuracy.h"
#include "narrow/sweep_evaluation.h"
#include "narrow/train.h"

namespace narrow::python {
namespace {

namespace nb = nanobind;

// A member of a member under a name of its own.
template <typename Class, typename Outer, typename Inner, typename Member>
void def_nested(nb::class_<Class>& type, const char* name, Outer Class::*outer,
                Member Inner::*inner) {
  type.def_prop_rw(
      name, [=](const Class& object) { return object.*outer.*inner; },
      [=](Class& object, const Member& value) { object.*outer.*inner = value; });
}

// A value that is a name in Python.
template <typename Class, typename Parse>
void def_named(nb::class_<Class>& type, const char* name, Parse parse) {
  type.def_prop_rw(
      name, [](const Class& /*object*/) { return nb::none(); },
      [parse](Class& object, const std::string& text) { parse(object, text); });
}

void set_axes(PlanArguments& args, const nb::list& rules) {
  args.axes = {};
  for (const nb::handle rule : rules) {
    const auto [pattern, axes] = nb::cast<std::pair<std::string, std::string>>(rule);
    if (pattern.empty()) {
      args.axes.others = parse_channel_axes(axes);
    } else {
      args.axes.by_name.push_back({pattern, parse_channel_axes(axes)});
    }
  }
}

NonFinitePolicy parse_non_finite(const std::string& text) {
  if (text == "keep") return NonFinitePolicy::kKeep;
  if (text == "error") return NonFinitePolicy::kError;
  throw Error(ErrorCategory::kUsage, "nonfinite '" + text + "': expected error or keep");
}

void bind_plan(nb::module_& module) {
  nb::class_<PlanArguments> type(module, "PlanArguments");
  type.def(nb::init<>())
      .def_rw("scheme", &PlanArguments::scheme)
      .def_rw("rule", &PlanArguments::rules)
      .def_rw("rules", &PlanArguments::rule_file)
      .def_rw("plan", &PlanArguments::plan)
      .def_rw("cast", &PlanArguments::cast)
      .def_prop_rw(
          "axis", [](const PlanArguments&) { return nb::none(); }, set_axes);
  def_nested(type, "include", &PlanArguments::selection, &Selection::include);
  def_nested(type, "exclude", &PlanArguments::selection, &Selection::exclude);
  def_nested(type, "moving_averages", &PlanArguments::selection, &Selection::moving_averages);
  def_named(type, "nonfinite", [](PlanArguments& args, const std::string& text) {
    args.non_finite = parse_non_finite(text);
  });
}

void bind_images(nb::module_& module) {
  nb::class_<ImageSource>(module, "ImageSource")
      .def(nb::init<>())
      .def_rw("images", &ImageSource::pictures)
      .def_rw("inputs", &ImageSource::inputs)
      .def_rw("dataset_name", &ImageSource::dataset_name)
      .def_rw("dataset_dir", &ImageSource::dataset_dir)
      .def_rw("dataset_split_name", &ImageSource::dataset_split_name)
      .def_rw("labels_offset", &ImageSource::labels_offset)
      .def_rw("preprocessing_name", &ImageSource::preprocessing_name)
      .def_rw("eval_image_size", &ImageSource::image_size)
      .def_rw("resize_side", &ImageSource::resize_side)
      .def_rw("crop_pct", &ImageSource::crop_pct)
      .def_rw("resize", &ImageSource::resize)
      .def_rw("interpolation", &ImageSource::interpolation)
      .def_rw("mean", &ImageSource::mean)
      .def_rw("std", &ImageSource::deviation)
      .def_rw("channel_order", &ImageSource::channel_order)
      .def_rw("jpeg_dct", &ImageSource::jpeg_dct);
  nb::class_<BestArguments>(module, "BestArguments")
      .def(
          "__init__",
          [](BestArguments* self, bool uniform, bool has_rounding) {
            new (self) BestArguments{uniform, has_rounding};
          },
          nb::arg("uniform"), nb::arg("has_rounding"));
  nb::class_<NetworkMethods> type(module, "NetworkMethods");
  type.def(nb::init<>())
      .def_rw("fold", &NetworkMethods::fold)
      .def_rw("equalize", &NetworkMethods::equalize)
      .def_rw("absorb_channel_scales", &NetworkMethods::absorb_channel_scales)
      .def_rw("bias_correct", &NetworkMethods::bias_correct)
      .def("set_images", [](NetworkMethods& methods, const ImageSource& source, bool are_used,
                            std::uint64_t count, std::uint64_t memory) {
        methods.image_size = source.image_size;
        if (!are_used) return;
        methods.images = CalibrationImages{source, count};
        if (memory > 0) methods.images->memory_bytes = memory;
      });
  def_named(type, "round", [](NetworkMethods& methods, const std::string& name) {
    methods.rounding = parse_rounding(name);
  });
}

void bind_jobs_with_images(nb::module_& module) {
  nb::class_<EvaluateOptions> evaluation(module, "EvaluateOptions");
  evaluation.def(nb::init<>())
      .def_rw("model_name", &EvaluateOptions::model_name)
      .def_rw("source", &EvaluateOptions::images)
      .def_rw("batch_size", &EvaluateOptions::batch_size)
      .def_rw("max_num_batches", &EvaluateOptions::max_num_batches)
      .def_rw("slim_batches", &EvaluateOptions::slim_batches)
      .def_rw("moving_averages", &EvaluateOptions::use_moving_averages)
      .def("set_arithmetic", [](EvaluateOptions& options, const std::string& mode,
                                const std::string& round_mode, const std::string& overflow) {
        options.arithmetic = arithmetic_of(mode, round_mode, overflow);
      });
  def_named(evaluation, "execution", [](EvaluateOptions& options, const std::string& name) {
    options.execution = parse_execution(name);
  });
  nb::class_<SweepEvaluationOptions>(module, "SweepEvaluationOptions")
      .def(nb::init<>())
      .def_rw("model_name", &SweepEvaluationOptions::model_name)
      .def_rw("source", &SweepEvaluationOptions::images)
      .def_rw("batch_size", &SweepEvaluationOptions::batch_size)
      .def_rw("max_num_batches", &SweepEvaluationOptions::max_num_batches)
      .def("set_activations",
           [](SweepEvaluationOptions& options, const std::vector<std::string>& list,
              const std::vector<std::string>& ranges, const ImageSource& source,
              std::uint64_t count) {
             options.activations = activation_schemes(list, ranges);
             options.calibration = {source, count};
           });
}

void add_rules(std::vector<WidthRule>& rules, const nb::dict& widths) {
  rules.clear();
  for (const auto [pattern, bits] : widths) {
    rules.push_back({nb::cast<std::string>(pattern), nb::cast<int>(bits)});
  }
}

// A mapping of patterns to widths.
void def_widths(nb::class_<AllocationRequest>& type, const char* name,
                std::vector<WidthRule> AllocationRequest::*rules) {
  type.def_prop_rw(
      name, [](const AllocationRequest&) { return nb::none(); },
      [rules](AllocationRequest& request, const nb::dict& widths) {
        add_rules(request.*rules, widths);
      });
}

void bind_request(nb::module_& module) {
  nb::class_<AllocationRequest> type(module, "AllocationRequest");
  type.def(nb::init<>())
      .def_rw("bits", &AllocationRequest::widths)
      .def_rw("budget", &AllocationRequest::budget_bytes)
      .def_rw("average_bits", &AllocationRequest::average_bits)
      .def_rw("quantized_only", &AllocationRequest::quantized_only)
      .def_rw("source", &AllocationRequest::images)
      .def_rw("calibration_images", &AllocationRequest::measured_images)
      .def_rw("bias_correct", &AllocationRequest::bias_correct)
      .def_rw("absorb_channel_scales", &AllocationRequest::absorb_channel_scales)
      .def_rw("batch_size", &AllocationRequest::batch_size)
      .def_rw("max_num_batches", &AllocationRequest::max_num_batches)
      .def_rw("same", &AllocationRequest::same)
      .def_rw("vector_bits", &AllocationRequest::vector_bits, nb::arg().none())
      .def("set_activations", [](AllocationRequest& request, const std::vector<std::string>& list,
                                 const std::string& range) {
        request.activations = planned_activations(list, range);
      });
  def_widths(type, "fix", &AllocationRequest::fixed);
  def_widths(type, "min", &AllocationRequest::minimum);
  def_widths(type, "max", &AllocationRequest::maximum);
}

// What a plan gives in accuracy; without images it is not looked at.
void bind_accuracy(nb::module_& module) {
  nb::class_<AccuracyOptions> type(module, "AccuracyOptions");
  type.def(nb::init<>())
      .def_rw("source", &AccuracyOptions::images)
      .def_rw("methods", &AccuracyOptions::methods)
      .def_rw("search_images", &AccuracyOptions::search_images)
      .def_rw("verify_images", &AccuracyOptions::verify_images)
      .def_rw("margin", &AccuracyOptions::margin)
      .def_rw("trials", &AccuracyOptions::most_trials);
  def_nested(type, "max_drop", &AccuracyOptions::goal, &AccuracyGoal::max_drop);
  def_nested(type, "min_accuracy", &AccuracyOptions::goal, &AccuracyGoal::min_accuracy);
}

void bind_conversion(nb::module_& module) {
  nb::class_<ConvertOptions> type(module, "ConvertOptions");
  type.def(nb::init<>())
      .def_rw("include", &ConvertOptions::include)
      .def_rw("exclude", &ConvertOptions::exclude)
      .def_rw("drop_training_state", &ConvertOptions::drop_training_state)
      .def_rw("moving_averages", &ConvertOptions::moving_averages);
  type.def_prop_rw(
      "rename", [](const ConvertOptions&) { return nb::none(); },
      [](ConvertOptions& options, const std::vector<std::string>& rules) {
        options.renames.clear();
        for (const std::string& rule : rules) options.renames.push_back(parse_rename_rule(rule));
      });
  def_named(type, "rename_file", [](ConvertOptions& options, const std::string& path) {
    options.names = read_name_table(path);
  });
  def_named(type, "cast",
            [](ConvertOptions& options, const std::string& name) { options.cast = cast_of(name); });
  def_named(type, "to_layout", [](ConvertOptions& options, const std::string& name) {
    if (name != "torch" && name != "tensorflow") {
      throw Error(ErrorCategory::kUsage, "to_layout '" + name + "': expected torch or tensorflow");
    }
    options.layout = name == "torch" ? AxisOrder::kTorch : AxisOrder::kTensorFlow;
  });
}

void bind_optimizer(nb::class_<TrainOptions>& type) {
  const auto of_optimizer = [&](const char* name, auto member) {
    def_nested(type, name, &TrainOptions::optimizer, member);
  };
  of_optimizer("momentum", &OptimizerOptions::momentum);
  of_optimizer("rmsprop_momentum", &OptimizerOptions::rmsprop_momentum);
  of_optimizer("rmsprop_decay", &OptimizerOptions::rmsprop_decay);
  of_optimizer("opt_epsilon", &OptimizerOptions::epsilon);
  of_optimizer("adam_beta1", &OptimizerOptions::adam_beta1);
  of_optimizer("adam_beta2", &OptimizerOptions::adam_beta2);
  of_optimizer("adagrad_initial_accumulator_value", &OptimizerOptions::adagrad_initial_accumulator);
  of_optimizer("adadelta_rho", &OptimizerOptions::adadelta_rho);
  of_optimizer("ftrl_learning_rate_power", &OptimizerOptions::ftrl_learning_rate_power);
  of_optimizer("ftrl_initial_accumulator_value", &OptimizerOptions::ftrl_initial_accumulator);
  of_optimizer("ftrl_l1", &OptimizerOptions::ftrl_l1);
  of_optimizer("ftrl_l2", &OptimizerOptions::ftrl_l2);
  def_named(type, "optimizer", [](TrainOptions& options, const std::string& name) {
    options.optimizer.kind = parse_optimizer_kind(name);
  });
  const auto of_rate = [&](const char* name, auto member) {
    def_nested(type, name, &TrainOptions::learning_rate, member);
  };
  of_rate("learning_rate", &LearningRateOptions::initial);
  of_rate("learning_rate_decay_factor", &LearningRateOptions::decay_factor);
  of_rate("end_learning_rate", &LearningRateOptions::end);
  of_rate("warmup_steps", &LearningRateOptions::warmup_steps);
  def_named(type, "learning_rate_decay_type", [](TrainOptions& options, const std::string& name) {
    options.learning_rate.decay = parse_learning_rate_decay(name);
  });
}

void bind_training(nb::module_& module) {
  nb::class_<TrainOptions> type(module, "TrainOptions");
  type.def(nb::init<>())
      .def_rw("train_dir", &TrainOptions::train_dir)
      .def_rw("model_name", &TrainOptions::model_name)
      .def_rw("checkpoint_path", &TrainOptions::checkpoint_path)
      .def_rw("checkpoint_exclude_scopes", &TrainOptions::checkpoint_exclude_scopes)
      .def_rw("ignore_missing_vars", &TrainOptions::ignore_missing_vars)
      .def_rw("trainable_scopes", &TrainOptions::trainable_scopes)
      .def_rw("source", &TrainOptions::images)
      .def_rw("augment", &TrainOptions::augment)
      .def_rw("resize_side_min", &TrainOptions::resize_side_min)
      .def_rw("resize_side_max", &TrainOptions::resize_side_max)
      .def_rw("shuffle", &TrainOptions::shuffle)
      .def_rw("batch_size", &TrainOptions::batch_size)
      .def_rw("num_clones", &TrainOptions::num_clones)
      .def_rw("max_number_of_steps", &TrainOptions::max_number_of_steps)
      .def_rw("num_epochs_per_decay", &TrainOptions::num_epochs_per_decay)
      .def_rw("weight_decay", &TrainOptions::weight_decay)
      .def_rw("label_smoothing", &TrainOptions::label_smoothing)
      .def_rw("moving_average_decay", &TrainOptions::moving_average_decay)
      .def_rw("batch_norm_decay", &TrainOptions::batch_norm_decay)
      .def_rw("dropout_keep_prob", &TrainOptions::dropout_keep_prob)
      .def_rw("recalibrate_batch_norm", &TrainOptions::recalibrate_batch_norm)
      .def_rw("log_every_n_steps", &TrainOptions::log_every_n_steps)
      .def_rw("save_interval_secs", &TrainOptions::save_interval_secs)
      .def_rw("save_interval_steps", &TrainOptions::save_interval_steps)
      .def_rw("save_summaries_secs", &TrainOptions::save_summaries_secs)
      .def_rw("seed", &TrainOptions::seed);
  def_nested(type, "train_image_size", &TrainOptions::images, &ImageSource::image_size);
  bind_optimizer(type);
  def_named(type, "batch_norm", [](TrainOptions& options, const std::string& name) {
    if (name != "train" && name != "frozen") {
      throw Error(ErrorCategory::kUsage, "batch_norm '" + name + "': expected train or frozen");
    }
    options.batch_norm = name == "frozen" ? BatchNormMode::kFrozen : BatchNormMode::kTrain;
  });
  type.def("set_activations", [](TrainOptions& options, const std::string& activations,
                                 const std::vector<std::string>& rules) {
    const ActivationScheme scheme =
        activations.empty() ? ActivationScheme() : parse_activations(activations);
    if (!activations.empty()) options.quantize_activations = scheme;
    for (const std::string& rule : rules) {
      options.activation_rules.push_back(parse_activation_rule(rule, scheme));
    }
  });
  def_named(type, "quantize", [](TrainOptions& options, const std::string& words) {
    options.quantize = parse_training_scheme(words);
  });
}

}  // namespace

void bind_options(nb::module_& module) {
  bind_plan(module);
  bind_images(module);
  bind_jobs_with_images(module);
  bind_request(module);
  bind_accuracy(module);
  bind_conversion(module);
  bind_training(module);
}

}  // namespace narrow::python
