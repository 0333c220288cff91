// What batch normalization does while a network is trained.
#pragma once

namespace narrow {

enum class BatchNormMode {
  kTrain,   // normalizes by the batch and lets the moving statistics follow, in every layer whether
            // its variables are trained or not: Slim's behaviour
  kFrozen,  // normalizes by the stored moving statistics and keeps them
};

}  // namespace narrow
