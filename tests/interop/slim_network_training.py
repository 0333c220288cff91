"""Compares `narrow train` with tf_slim for one network a family: ten steps of the same batches from
the same initial values, batch norms by the batch, auxiliary heads included, dropout turned off.

usage: slim_network_training.py NARROW             those that are cheap
       slim_network_training.py NARROW NETWORK...  these of NETWORKS

The loss of every step has to agree, and then weights, biases, moving statistics and slots.

From Slim's initial values little could be told: of 10^5 ReLUs about one has an input that is zero up
to rounding, and one that passes in one program only changes the gradients below it by a hundredth.
TensorFlow differs from itself as much when the images are multiplied by 1 + 1e-6. So betas and
biases put nearly all inputs of a channel on one side of zero here. The same happens where a max
pool chooses between two pixels; nothing prevents it in the Inceptions, whose gradients are compared
within 3e-2 for that reason.
"""

import sys
import tempfile
import time

import numpy as np
import tensorflow.compat.v1 as tf
from slim_trainer import SlimTrainer
from slim_training import CLASSES, narrow_train, worst_loss
from slim_training_networks import training_network

STEPS = 10
LOSS_TOLERANCE = 1e-4
# Biases before a batch norm have no gradient but rounding; so have the slots of its whole channel
# when nothing passes. A slot is compared at this share of the largest one at least.
LEAST_SCALE = 1e-3
MEAN = 127.0
DEVIATION = 64.0
ATTEMPTS = 3

# Height and width, images in a batch, learning rate, largest difference of a tensor, and whether it
# is compared only by name: inception_v2 has nothing that the others have not, vgg_a 130 million
# weights.
NETWORKS = {
    "lenet": (28, 8, 1e-3, 1e-4, False),
    "cifarnet": (32, 8, 1e-3, 1e-4, False),
    "alexnet_v2": (224, 4, 1e-4, 2e-2, False),
    "mobilenet_v1_025": (64, 8, 1e-4, 3e-4, False),
    "mobilenet_v2_035": (64, 8, 1e-4, 3e-4, False),
    "resnet_v2_50": (64, 4, 1e-4, 3e-4, False),
    "inception_v1": (224, 2, 1e-5, 3e-2, False),
    "inception_v2": (64, 8, 1e-5, 3e-2, True),
    "inception_v3": (299, 2, 1e-5, 3e-2, False),
    "vgg_a": (224, 2, 1e-4, 2e-2, True),
}


def load(slim, variable, value):
    variable.load(value.astype(np.float32), slim.session)


def set_norms(slim, random):
    """Normalized values are 3 to 5 deviations away from where a ReLU decides, and from 6."""
    for variable in slim.model_variables:
        shape = variable.shape.as_list()
        if variable.op.name.endswith("/beta"):
            load(slim, variable, random.choice([-3.0, 3.0], shape))
        elif variable.op.name.endswith("/gamma"):
            load(slim, variable, random.uniform(0.6, 0.75, shape))
        elif variable.op.name.endswith("/biases"):
            load(slim, variable, random.uniform(-0.1, 0.1, shape))


def set_biases(slim, random, images):
    """The same for layers without batch norm, one after the other; not for the logits."""
    biases = [v for v in slim.model_variables if v.op.name.endswith("/biases")]
    for variable in biases[:-1]:
        load(slim, variable, np.zeros(variable.shape))
        sum_name = variable.op.name.removesuffix("biases") + "BiasAdd:0"
        sums = slim.session.run(slim.session.graph.get_tensor_by_name(sum_name),
                                {slim.images: images}).reshape(-1, variable.shape[0])
        # The mean of the channel is not taken away: it moves inputs to a side, too.
        side = random.choice([-1.0, 1.0], variable.shape)
        load(slim, variable, side * (np.abs(sums.mean(0)) + 4.5 * sums.std(0)))


def worst_tensor(expected, prefix):
    """The largest difference of a tensor of the checkpoint, relative to its scale, and whose."""
    found = tf.train.load_checkpoint(str(prefix))
    names = set(found.get_variable_to_shape_map()) - {"global_step"}
    assert names == set(expected), names ^ set(expected)
    largest_slot = max(np.abs(v).max() for n, v in expected.items() if n.endswith("/Momentum"))
    worst = (0.0, "")
    for name, value in expected.items():
        scale = np.abs(value).max()
        if name.endswith("/Momentum"):
            scale = max(scale, LEAST_SCALE * largest_slot)
        difference = np.abs(found.get_tensor(name).astype(np.float64) - value).max()
        worst = max(worst, (difference / scale if scale else float(difference > 0), name))
    return worst


def write_pictures(folder, random, size, count):
    """Noise, since equal pixels would all come near zero at once: PNG files, a table of them and
    labels, and both as arrays."""
    pixels = random.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    labels = random.integers(0, CLASSES, count)
    labels[:CLASSES] = np.arange(CLASSES)
    with tf.Graph().as_default(), tf.Session() as session:
        given = tf.placeholder(tf.uint8, [size, size, 3])
        png = tf.io.encode_png(given)
        for i in range(count):
            with open(f"{folder}/{i}.png", "wb") as file:
                file.write(session.run(png, {given: pixels[i]}))
    with open(f"{folder}/pictures.csv", "w") as file:
        file.write("file,label\n" + "".join(f"{i}.png,{label}\n" for i, label in enumerate(labels)))
    return (pixels - np.float32(MEAN)) / np.float32(DEVIATION), labels


def compare(program, name, slim, random):
    """The losses, their largest difference, and that of a tensor."""
    size, batch, rate, *_ = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        images, labels = write_pictures(folder, random, size, STEPS * batch)
        slim.initialize()
        if any(v.op.name.endswith("/beta") for v in slim.model_variables):
            set_norms(slim, random)
        else:
            set_biases(slim, random, images[:batch])
        slim.save_model(f"{folder}/initial")
        losses = [slim.step(images[i : i + batch], labels[i : i + batch])
                  for i in range(0, len(images), batch)]
        values = slim.session.run(slim.variables)
        expected = {v.op.name: value for v, value in zip(slim.variables, values)}
        del expected["global_step"]
        found, checkpoint = narrow_train(program, {
            "train_dir": f"{folder}/ours", "images": f"{folder}/pictures.csv", "model_name": name,
            "checkpoint_path": f"{folder}/initial", "preprocessing_name": "vgg",
            "train_image_size": size, "resize_side": size, "mean": ",".join([str(MEAN)] * 3),
            "std": ",".join([str(DEVIATION)] * 3), "batch_size": batch, "dropout_keep_prob": 1,
            "max_number_of_steps": STEPS, "optimizer": "momentum", "learning_rate": rate})
        return losses, worst_loss(losses, found), worst_tensor(expected, checkpoint)


def check(program, name, random):
    start = time.monotonic()
    size, _, rate, tolerance, _ = NETWORKS[name]
    slim = SlimTrainer(training_network(name), CLASSES, "momentum", rate, 10**9, size=size)
    for attempt in range(1, ATTEMPTS + 1):
        losses, loss, (tensor, worst) = compare(program, name, slim, random)
        good = loss < LOSS_TOLERANCE and tensor < tolerance
        print(f"{name}, initial values {attempt}: losses {losses[0]:.4g} to {losses[-1]:.4g}, "
              f"difference {loss:.1e}, tensors {tensor:.1e} ({worst}), "
              f"{time.monotonic() - start:.0f} s {'ok' if good else 'differs'}", flush=True)
        if good:
            return True
    print(f"{name}: FAILED")
    return False


def main(program, names):
    random = np.random.default_rng(29)
    results = [check(program, name, random) for name in names]
    return 0 if all(results) else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    cheap = [name for name, (*_, only_by_name) in NETWORKS.items() if not only_by_name]
    sys.exit(main(sys.argv[1], sys.argv[2:] or cheap))
