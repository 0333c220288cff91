"""Inception V4 and Inception-ResNet V2, which tf_slim 1.1 lacks: with its layers from the tables of
tensorflow/models, research/slim/nets.
"""

import tensorflow.compat.v1 as tf
from slim_layers import conv, slim
from tf_slim.nets import inception


def side_by_side(makers):
    """Each maker gives the end of its own Branch_N; their channels one after the other."""
    ends = []
    for i, make in enumerate(makers):
        with tf.variable_scope(f"Branch_{i}"):
            ends.append(make())
    return tf.concat(ends, 3)


def branches(scope, *makers):
    with tf.variable_scope(scope):
        return side_by_side(makers)


def chain(net, *layers):
    for out, kernel, scope, *rest in layers:
        net = conv(net, out, kernel, scope, *rest)
    return net


def max_pool(net, kernel=3, stride=2, padding="VALID"):
    return slim.max_pool2d(net, kernel, stride=stride, padding=padding)


def mean_then(net, out):
    pooled = slim.avg_pool2d(net, 3, stride=1, padding="SAME")
    return conv(pooled, out, 1, "Conv2d_0b_1x1")


def fork(net, first, second):
    """Two convolutions of the same value."""
    return tf.concat([conv(net, *first), conv(net, *second)], 3)


# inception_v4.py


def inception_v4(images, class_count, auxiliary):
    with tf.variable_scope("InceptionV4"):
        net = chain(
            images,
            (32, 3, "Conv2d_1a_3x3", 2, "VALID"),
            (32, 3, "Conv2d_2a_3x3", 1, "VALID"),
            (64, 3, "Conv2d_2b_3x3"),
        )
        net = branches(
            "Mixed_3a",
            lambda: max_pool(net),
            lambda: conv(net, 96, 3, "Conv2d_0a_3x3", 2, "VALID"),
        )
        wide = [(64, 1, "Conv2d_0a_1x1"), (64, [1, 7], "Conv2d_0b_1x7")]
        wide += [(64, [7, 1], "Conv2d_0c_7x1")]
        last = (96, 3, "Conv2d_1a_3x3", 1, "VALID")
        net = branches(
            "Mixed_4a",
            lambda: chain(net, (64, 1, "Conv2d_0a_1x1"), last),
            lambda: chain(net, *wide, last),
        )
        net = branches(
            "Mixed_5a",
            lambda: conv(net, 192, 3, "Conv2d_1a_3x3", 2, "VALID"),
            lambda: max_pool(net),
        )
        for letter in "bcde":
            net = inception_v4_a(net, "Mixed_5" + letter)
        net = branches(
            "Mixed_6a",
            lambda: conv(net, 384, 3, "Conv2d_1a_3x3", 2, "VALID"),
            lambda: chain(
                net,
                (192, 1, "Conv2d_0a_1x1"),
                (224, 3, "Conv2d_0b_3x3"),
                (256, 3, "Conv2d_1a_3x3", 2, "VALID"),
            ),
            lambda: max_pool(net),
        )
        for letter in "bcdefgh":
            net = inception_v4_b(net, "Mixed_6" + letter)
        if auxiliary:
            with tf.variable_scope("AuxLogits"):
                head = slim.avg_pool2d(net, 5, stride=3, padding="VALID")
                head = conv(head, 128, 1, "Conv2d_1b_1x1")
                head = conv(head, 768, head.shape[1:3], "Conv2d_2a", padding="VALID")
                slim.fully_connected(
                    slim.flatten(head), class_count, activation_fn=None, scope="Aux_logits"
                )
        net = branches(
            "Mixed_7a",
            lambda: chain(
                net, (192, 1, "Conv2d_0a_1x1"), (192, 3, "Conv2d_1a_3x3", 2, "VALID")
            ),
            lambda: chain(
                net,
                (256, 1, "Conv2d_0a_1x1"),
                (256, [1, 7], "Conv2d_0b_1x7"),
                (320, [7, 1], "Conv2d_0c_7x1"),
                (320, 3, "Conv2d_1a_3x3", 2, "VALID"),
            ),
            lambda: max_pool(net),
        )
        for letter in "bcd":
            net = inception_v4_c(net, "Mixed_7" + letter)
        return dense_logits(net, class_count)


def inception_v4_a(net, scope):
    return branches(
        scope,
        lambda: conv(net, 96, 1, "Conv2d_0a_1x1"),
        lambda: chain(net, (64, 1, "Conv2d_0a_1x1"), (96, 3, "Conv2d_0b_3x3")),
        lambda: chain(
            net,
            (64, 1, "Conv2d_0a_1x1"),
            (96, 3, "Conv2d_0b_3x3"),
            (96, 3, "Conv2d_0c_3x3"),
        ),
        lambda: mean_then(net, 96),
    )


def inception_v4_b(net, scope):
    return branches(
        scope,
        lambda: conv(net, 384, 1, "Conv2d_0a_1x1"),
        lambda: chain(
            net,
            (192, 1, "Conv2d_0a_1x1"),
            (224, [1, 7], "Conv2d_0b_1x7"),
            (256, [7, 1], "Conv2d_0c_7x1"),
        ),
        lambda: chain(
            net,
            (192, 1, "Conv2d_0a_1x1"),
            (192, [7, 1], "Conv2d_0b_7x1"),
            (224, [1, 7], "Conv2d_0c_1x7"),
            (224, [7, 1], "Conv2d_0d_7x1"),
            (256, [1, 7], "Conv2d_0e_1x7"),
        ),
        lambda: mean_then(net, 128),
    )


def inception_v4_c(net, scope):
    def large():
        inner = chain(
            net,
            (384, 1, "Conv2d_0a_1x1"),
            (448, [3, 1], "Conv2d_0b_3x1"),
            (512, [1, 3], "Conv2d_0c_1x3"),
        )
        return fork(inner, (256, [1, 3], "Conv2d_0d_1x3"), (256, [3, 1], "Conv2d_0e_3x1"))

    return branches(
        scope,
        lambda: conv(net, 256, 1, "Conv2d_0a_1x1"),
        lambda: fork(
            conv(net, 384, 1, "Conv2d_0a_1x1"),
            (256, [1, 3], "Conv2d_0b_1x3"),
            (256, [3, 1], "Conv2d_0c_3x1"),
        ),
        large,
        lambda: mean_then(net, 256),
    )


def dense_logits(net, class_count):
    with tf.variable_scope("Logits"):
        net = slim.flatten(tf.reduce_mean(net, [1, 2], keepdims=True))
        return slim.fully_connected(net, class_count, activation_fn=None, scope="Logits")


# inception_resnet_v2.py


def residual(net, scope, scale, activation, *makers):
    with tf.variable_scope(scope):
        up = conv(
            side_by_side(makers),
            net.shape[3],
            1,
            "Conv2d_1x1",
            normalizer_fn=None,
            activation_fn=None,
        )
        return activation(net + scale * up)


def block35(net, scope):
    return residual(
        net,
        scope,
        0.17,
        tf.nn.relu,
        lambda: conv(net, 32, 1, "Conv2d_1x1"),
        lambda: chain(net, (32, 1, "Conv2d_0a_1x1"), (32, 3, "Conv2d_0b_3x3")),
        lambda: chain(
            net,
            (32, 1, "Conv2d_0a_1x1"),
            (48, 3, "Conv2d_0b_3x3"),
            (64, 3, "Conv2d_0c_3x3"),
        ),
    )


def block17(net, scope):
    return residual(
        net,
        scope,
        0.1,
        tf.nn.relu,
        lambda: conv(net, 192, 1, "Conv2d_1x1"),
        lambda: chain(
            net,
            (128, 1, "Conv2d_0a_1x1"),
            (160, [1, 7], "Conv2d_0b_1x7"),
            (192, [7, 1], "Conv2d_0c_7x1"),
        ),
    )


def block8(net, scope, scale=0.2, activation=tf.nn.relu):
    return residual(
        net,
        scope,
        scale,
        activation,
        lambda: conv(net, 192, 1, "Conv2d_1x1"),
        lambda: chain(
            net,
            (192, 1, "Conv2d_0a_1x1"),
            (224, [1, 3], "Conv2d_0b_1x3"),
            (256, [3, 1], "Conv2d_0c_3x1"),
        ),
    )


def inception_resnet_v2(images, class_count, auxiliary):
    with tf.variable_scope("InceptionResnetV2"):
        net = chain(
            images,
            (32, 3, "Conv2d_1a_3x3", 2, "VALID"),
            (32, 3, "Conv2d_2a_3x3", 1, "VALID"),
            (64, 3, "Conv2d_2b_3x3"),
        )
        net = chain(
            max_pool(net), (80, 1, "Conv2d_3b_1x1"), (192, 3, "Conv2d_4a_3x3", 1, "VALID")
        )
        net = max_pool(net)
        net = branches(
            "Mixed_5b",
            lambda: conv(net, 96, 1, "Conv2d_1x1"),
            lambda: chain(net, (48, 1, "Conv2d_0a_1x1"), (64, 5, "Conv2d_0b_5x5")),
            lambda: chain(
                net,
                (64, 1, "Conv2d_0a_1x1"),
                (96, 3, "Conv2d_0b_3x3"),
                (96, 3, "Conv2d_0c_3x3"),
            ),
            lambda: mean_then(net, 64),
        )
        net = slim.repeat(net, 10, block35)
        net = branches(
            "Mixed_6a",
            lambda: conv(net, 384, 3, "Conv2d_1a_3x3", 2, "VALID"),
            lambda: chain(
                net,
                (256, 1, "Conv2d_0a_1x1"),
                (256, 3, "Conv2d_0b_3x3"),
                (384, 3, "Conv2d_1a_3x3", 2, "VALID"),
            ),
            lambda: max_pool(net),
        )
        net = slim.repeat(net, 20, block17)
        if auxiliary:
            with tf.variable_scope("AuxLogits"):
                head = slim.avg_pool2d(net, 5, stride=3, padding="VALID")
                head = conv(head, 128, 1, "Conv2d_1b_1x1")
                head = conv(head, 768, head.shape[1:3], "Conv2d_2a_5x5", padding="VALID")
                slim.fully_connected(
                    slim.flatten(head), class_count, activation_fn=None, scope="Logits"
                )
        first = (256, 1, "Conv2d_0a_1x1")
        net = branches(
            "Mixed_7a",
            lambda: chain(net, first, (384, 3, "Conv2d_1a_3x3", 2, "VALID")),
            lambda: chain(net, first, (288, 3, "Conv2d_1a_3x3", 2, "VALID")),
            lambda: chain(
                net, first, (288, 3, "Conv2d_0b_3x3"), (320, 3, "Conv2d_1a_3x3", 2, "VALID")
            ),
            lambda: max_pool(net),
        )
        net = slim.repeat(net, 9, block8)
        net = block8(net, "Block8", 1.0, tf.identity)
        return dense_logits(conv(net, 1536, 1, "Conv2d_7b_1x1"), class_count)


def in_inception_scope(make, images, class_count, auxiliary):
    with slim.arg_scope(inception.inception_v3_arg_scope()):
        with slim.arg_scope([slim.batch_norm], is_training=False):
            return make(images, class_count, auxiliary)
