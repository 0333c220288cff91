#include "tasks/training/training_clones.h"

#include <gtest/gtest.h>

#include "base/testing/temporary_directory.h"
#include "graph/slim/slim_builder.h"
#include "graph/testing/hashed_values.h"
#include "tasks/source_images.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

constexpr int kClones = 2;
constexpr int kImagesOfClone = 4;
constexpr int kClasses = 10;

// With Dropout and a second output, for images of 12 x 12 pixels.
Graph small_graph() {
  SlimBuilder net({"small", "small", kClasses, true}, {});
  Channels x = net.global_mean("mean", net.conv("", net.images(), {"conv", 16, 3, 3, 2}));
  const Channels head = net.squeeze("head/flat", net.linear("", x, {"head", kClasses}));
  x = net.linear("", net.dropout("dropout", x, 0.5), {"logits", kClasses});
  return net.finish({net.squeeze("flat", x), head}).graph;
}

class TrainingClonesTest : public TemporaryDirectoryTest {
 protected:
  // Of one step after the other, beginning with this one. All see the same images, and nothing is
  // learned.
  std::vector<StepLoss> losses(std::int64_t first_step, int steps) {
    TrainOptions options;
    options.images.dataset_name = "cifar10";
    options.images.dataset_dir = directory();
    options.images.dataset_split_name = "test";
    options.images.image_size = options.images.resize_side = 12;
    options.augment = "none";
    options.shuffle = false;
    options.batch_size = kImagesOfClone;
    options.num_clones = kClones;
    write_noise_dataset(directory(), static_cast<std::size_t>(options.step_images()));
    const Dataset dataset = open_dataset(options.images);

    TrainingOptions training;
    training.batch_size = kImagesOfClone;
    training.height = training.width = 12;
    training.threads = 1;
    const Graph graph = small_graph();
    TrainingNetwork first(graph, hashed_weights(graph), training);
    TrainingState state(first, {}, 0);
    const auto batches = clone_batches(dataset, training_loader(options, first_step, 1), first,
                                       state, training, kClones, 1);
    std::vector<StepLoss> found;
    for (int i = 0; i < steps; ++i) {
      found.push_back(batches->forward_backward(first, [](const ParameterPiece&) {}));
    }
    return found;
  }
};

TEST_F(TrainingClonesTest, FurtherOutputsCount) {
  const StepLoss loss = losses(0, 1).front();
  EXPECT_GT(loss.auxiliary, 0);
  EXPECT_EQ(loss.total, loss.cross_entropy + loss.auxiliary + loss.regularization);
}

TEST_F(TrainingClonesTest, DropoutFollowsTheStep) {
  const std::vector<StepLoss> found = losses(0, 3);
  EXPECT_NE(found[0].cross_entropy, found[1].cross_entropy);
  EXPECT_NE(found[1].cross_entropy, found[2].cross_entropy);
  EXPECT_EQ(losses(1, 1).front().cross_entropy, found[1].cross_entropy);
}

}  // namespace
}  // namespace narrow
