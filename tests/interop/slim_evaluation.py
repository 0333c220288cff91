"""Evaluation as TF-Slim's eval_image_classifier.py does it, on TensorFlow 2.15 and tf_slim 1.1:
restore a checkpoint with Saver, read records in order and endlessly, preprocess, count with
tf_slim's streaming metrics. Needs numpy below 2."""

import numpy as np
from slim_resnet import import_slim

MEANS = [123.68, 116.78, 103.94]


def vgg_preprocessing(image, size, side):
    """For images that are square, which all datasets here are."""
    import tensorflow.compat.v1 as tf

    image = tf.image.resize_bilinear(tf.cast(image, tf.float32)[None], [side, side])[0]
    first = (side - size) // 2
    return image[first : first + size, first : first + size] - tf.constant(MEANS, tf.float32)


def image_batches(records, batch_size, size, side):
    """Images and labels; full batches without end, from the start of the file again after its end."""
    import tensorflow.compat.v1 as tf

    def parse(record):
        features = tf.parse_single_example(
            record,
            {
                "image/encoded": tf.FixedLenFeature((), tf.string),
                "image/class/label": tf.FixedLenFeature((), tf.int64),
            },
        )
        pixels = tf.image.decode_png(features["image/encoded"], channels=3)
        image = vgg_preprocessing(pixels, size, side)
        return tf.ensure_shape(image, [size, size, 3]), features["image/class/label"]

    dataset = tf.data.TFRecordDataset(str(records)).repeat().map(parse)
    dataset = dataset.batch(batch_size, drop_remainder=True)
    return tf.data.make_one_shot_iterator(dataset).get_next()


def make_network(images, name, class_count, blocks):
    """blocks: [(base depth, units, last stride)] of a variant; None: the standard network."""
    import tensorflow.compat.v1 as tf

    slim, resnet_v1 = import_slim()
    with slim.arg_scope(resnet_v1.resnet_arg_scope()):
        if blocks is None:
            net, _ = getattr(resnet_v1, name)(images, class_count, is_training=False)
        else:
            blocks = [
                resnet_v1.resnet_v1_block(f"block{i + 1}", base, units, stride)
                for i, (base, units, stride) in enumerate(blocks)
            ]
            net, _ = resnet_v1.resnet_v1(
                images, blocks, class_count, is_training=False, scope=name
            )
    return tf.squeeze(net, [1, 2])


def evaluate(
    checkpoint, records, name, blocks, class_count, batch_size, batches, size, side, decay=None
):
    """Accuracy and Recall_5 as float32, loss, and the smallest gap
    between the two largest logits of an image, relative to the largest."""
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    slim, _ = import_slim()
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        images, labels = image_batches(records, batch_size, size, side)
        logits = make_network(images, name, class_count, blocks)
        if decay:
            average = tf.train.ExponentialMovingAverage(decay, step)
            restored = average.variables_to_restore(slim.get_model_variables())
            restored[step.op.name] = step
        else:
            restored = slim.get_variables_to_restore()
        values, updates = slim.metrics.aggregate_metric_map(
            {
                "Accuracy": slim.metrics.streaming_accuracy(tf.argmax(logits, 1), labels),
                "Recall_5": slim.metrics.streaming_recall_at_k(logits, labels, 5),
            }
        )
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        top = tf.nn.top_k(logits, 2).values
        gap = tf.reduce_min((top[:, 0] - top[:, 1]) / tf.reduce_max(tf.abs(logits), axis=1))
        sums = {"loss": [], "gap": []}
        # Each batch is asked for once, so everything that is wanted of it comes from one run.
        with tf.Session() as session:
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            tf.train.Saver(restored).restore(session, str(checkpoint))
            for _ in range(batches):
                _, loss, least = session.run([list(updates.values()), losses, gap])
                sums["loss"].append(loss.astype(np.float64).mean())
                sums["gap"].append(least)
            accuracy, recall = session.run([values["Accuracy"], values["Recall_5"]])
    return {
        "accuracy": float(np.float32(accuracy)),
        "recall_5": float(np.float32(recall)),
        "loss": float(np.mean(sums["loss"])),
        "gap": float(min(sums["gap"])),
    }
