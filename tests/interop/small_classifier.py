"""A thin ResNet V1 that classifies: random layers below, logits fitted to images by least squares.
Written with TensorFlow's Saver, with moving averages beside the variables."""

import numpy as np
from slim_evaluation import image_batches, make_network
from slim_resnet import import_slim

RIDGE = 1e-3


def initial_value(random, name, shape):
    if name.endswith("weights"):
        return random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
    if name.endswith(("gamma", "moving_variance")):
        scale = 5e3 if name.endswith("/moving_variance") and "block" not in name else 1
        return scale * random.uniform(0.7, 1.4, shape)
    return random.normal(0, 0.2, shape)


def fit_logits(features, labels, class_count):
    """Weights and biases of the least squares fit of the one-hot labels."""
    inputs = np.hstack([features, np.ones((len(features), 1))]).astype(np.float64)
    targets = np.eye(class_count)[labels]
    scale = RIDGE * np.trace(inputs.T @ inputs) / inputs.shape[1]
    solution = np.linalg.solve(
        inputs.T @ inputs + scale * np.eye(inputs.shape[1]), inputs.T @ targets
    )
    return 10 * solution[:-1], 10 * solution[-1]


def write_classifier(prefix, records, count, name, blocks, class_count, size, side, seed, step=7):
    """Fits to the first `count` records; the moving averages are another, noisier network."""
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    slim, _ = import_slim()
    random = np.random.default_rng(seed)
    with tf.Graph().as_default() as graph:
        images, labels = image_batches(records, count, size, side)
        make_network(images, name, class_count, blocks)
        features = graph.get_tensor_by_name(f"{name}/pool5:0")
        variables = slim.get_model_variables()
        global_step = tf.train.get_or_create_global_step()
        averages = [
            tf.Variable(tf.zeros(v.shape), name=v.op.name + "/ExponentialMovingAverage")
            for v in variables
        ]
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            global_step.load(step, session)
            for variable in variables:
                shape = variable.shape.as_list()
                variable.load(initial_value(random, variable.op.name, shape), session)
            found, known = session.run([features, labels])
            weights, biases = fit_logits(found.reshape(count, -1), known, class_count)
            variables[-2].load(weights[None, None], session)
            variables[-1].load(biases, session)
            for variable, average in zip(variables, averages):
                value = variable.eval(session)
                noise = random.normal(0, 0.1, value.shape) if value.ndim == 4 else 0
                average.load(value * (1 + noise), session)
            tf.train.Saver().save(session, str(prefix), write_meta_graph=False)
