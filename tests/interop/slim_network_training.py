"""Compares `narrow train` with tf_slim for one network a family: ten steps of the same batches from
the same initial values, batch norms by the batch, auxiliary heads included, dropout turned off.

usage: slim_network_training.py NARROW             those that are cheap
       slim_network_training.py NARROW NETWORK...  these of NETWORKS

The loss of every step has to agree, and then weights, biases, moving statistics and slots.

From Slim's initial values little could be told: of 10^5 ReLUs about one has an input that is zero
up to rounding, and one that passes in one program only changes the gradients below it by a
hundredth.
So the betas of batch norms put nearly all inputs of a channel on one side of zero here. The same
happens in networks without them, and where a max pool chooses between two pixels. So where a
difference is above 1e-4, it is compared with that of TensorFlow to itself, images multiplied by
1 + 1e-6.
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
TOLERANCE = 1e-4
# Of TensorFlow's difference to itself, where that is larger.
FACTOR = 3
# Biases before a batch norm have no gradient but rounding; so have the slots of its whole channel
# when nothing passes. A slot is compared at this share of the largest one at least.
LEAST_SCALE = 1e-3
MEAN = 127.0
DEVIATION = 64.0
# Without batch norms about every second one meets such a choice.
ATTEMPTS = 8

# Height and width, images in a batch, learning rate, and whether it is compared only by name:
# those take minutes.
NETWORKS = {
    "lenet": (28, 8, 1e-3, False),
    "cifarnet": (32, 8, 1e-3, False),
    "alexnet_v2": (224, 4, 1e-4, True),
    "mobilenet_v1_025": (64, 8, 1e-4, False),
    "mobilenet_v2_035": (64, 8, 1e-4, False),
    "resnet_v2_50": (64, 4, 1e-4, False),
    "inception_v1": (224, 2, 1e-5, False),
    "inception_v2": (64, 8, 1e-5, True),
    "inception_v3": (299, 2, 1e-5, True),
    "vgg_a": (224, 2, 1e-4, True),
}


def load(slim, variable, value):
    variable.load(value.astype(np.float32), slim.session)


def set_channels(slim, random):
    """Normalized values are 4 to 5 deviations away from where a ReLU decides, and from 6."""
    for variable in slim.model_variables:
        shape = variable.shape.as_list()
        if variable.op.name.endswith("/beta"):
            load(slim, variable, random.choice([-3.0, 3.0], shape))
        elif variable.op.name.endswith("/gamma"):
            load(slim, variable, random.uniform(0.6, 0.75, shape))
        elif variable.op.name.endswith("/biases"):
            load(slim, variable, random.uniform(-0.1, 0.1, shape))


def worst_tensor(expected, found):
    """Both by name. The largest difference relative to a tensor's scale, and whose."""
    assert set(found) == set(expected), set(found) ^ set(expected)
    largest_slot = max(np.abs(v).max() for n, v in expected.items() if n.endswith("/Momentum"))
    worst = (0.0, "")
    for name, value in expected.items():
        scale = np.abs(value).max()
        if name.endswith("/Momentum"):
            scale = max(scale, LEAST_SCALE * largest_slot)
        difference = np.abs(found[name].astype(np.float64) - value).max()
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


def variables(slim):
    return {v.op.name: x for v, x in zip(slim.variables, slim.session.run(slim.variables))}


def slim_train(slim, start, images, labels):
    """From the variables `start`: the losses, and all variables but the step afterwards."""
    for variable in slim.variables:
        variable.load(start[variable.op.name], slim.session)
    batch = len(images) // STEPS
    losses = [slim.step(images[i : i + batch], labels[i : i + batch])
              for i in range(0, len(images), batch)]
    after = variables(slim)
    del after["global_step"]
    return losses, after


def narrow_results(program, folder, name):
    size, batch, rate, _ = NETWORKS[name]
    losses, prefix = narrow_train(program, {
        "train_dir": f"{folder}/ours", "images": f"{folder}/pictures.csv", "model_name": name,
        "checkpoint_path": f"{folder}/initial", "preprocessing_name": "vgg",
        "train_image_size": size, "resize_side": size, "mean": ",".join([str(MEAN)] * 3),
        "std": ",".join([str(DEVIATION)] * 3), "batch_size": batch, "dropout_keep_prob": 1,
        "max_number_of_steps": STEPS, "optimizer": "momentum", "learning_rate": rate})
    checkpoint = tf.train.load_checkpoint(prefix)
    names = set(checkpoint.get_variable_to_shape_map()) - {"global_step"}
    return losses, {name: checkpoint.get_tensor(name) for name in names}


def compare(program, name, slim, random):
    """Whether they agree, and what was found."""
    size, batch, *_ = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        images, labels = write_pictures(folder, random, size, STEPS * batch)
        slim.initialize()
        set_channels(slim, random)
        slim.save_model(f"{folder}/initial")
        start = variables(slim)
        losses, expected = slim_train(slim, start, images, labels)
        found_losses, found = narrow_results(program, folder, name)
    loss, (tensor, worst) = worst_loss(losses, found_losses), worst_tensor(expected, found)
    text = (f"losses {losses[0]:.4g} to {losses[-1]:.4g}, difference {loss:.1e}, "
            f"tensors {tensor:.1e} ({worst})")
    if loss < TOLERANCE and tensor < TOLERANCE:
        return True, text
    again, changed = slim_train(slim, start, images * np.float32(1 + 1e-6), labels)
    own_loss, (own_tensor, _) = worst_loss(losses, again), worst_tensor(expected, changed)
    good = (loss < max(TOLERANCE, FACTOR * own_loss)
            and tensor < max(TOLERANCE, FACTOR * own_tensor))
    return good, f"{text}; TensorFlow to itself {own_loss:.1e}, {own_tensor:.1e}"


def check(program, name, random):
    start = time.monotonic()
    size, _, rate, _ = NETWORKS[name]
    slim = SlimTrainer(training_network(name), CLASSES, "momentum", rate, 10**9, size=size)
    for attempt in range(1, ATTEMPTS + 1):
        good, text = compare(program, name, slim, random)
        print(f"{name}, initial values {attempt}: {text}, {time.monotonic() - start:.0f} s "
              f"{'ok' if good else 'differs'}", flush=True)
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
