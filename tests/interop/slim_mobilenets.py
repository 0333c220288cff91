"""MobileNet V1 and V2, which tf_slim 1.1 lacks: with its layers from the tables of
tensorflow/models, research/slim/nets.
"""

import tensorflow.compat.v1 as tf
from slim_layers import conv, slim


# mobilenet_v1.py


def depthwise(net, stride, scope):
    return slim.separable_conv2d(net, None, [3, 3], depth_multiplier=1, stride=stride, scope=scope)


def pooled_logits(net, class_count):
    with tf.variable_scope("Logits"):
        net = tf.reduce_mean(net, [1, 2], keepdims=True)
        net = conv(net, class_count, 1, "Conv2d_1c_1x1", normalizer_fn=None, activation_fn=None)
        return tf.squeeze(net, [1, 2])


MOBILENET_V1 = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)]
MOBILENET_V1 += [(1, 512)] * 5 + [(2, 1024), (1, 1024)]


def mobilenet_v1(images, class_count, multiplier):
    def thin(channels):
        return max(int(channels * multiplier), 8)

    with tf.variable_scope("MobilenetV1"):
        net = conv(images, thin(32), 3, "Conv2d_0", 2)
        for i, (stride, channels) in enumerate(MOBILENET_V1, start=1):
            net = depthwise(net, stride, f"Conv2d_{i}_depthwise")
            net = conv(net, thin(channels), 1, f"Conv2d_{i}_pointwise")
        return pooled_logits(net, class_count)


# mobilenet/mobilenet_v2.py


def divisible(value):
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


MOBILENET_V2 = [(16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2)]
MOBILENET_V2 += [(320, 1, 1)]


def expanded_conv(net, scope, inner, out, stride):
    with tf.variable_scope(scope):
        given = net
        if inner > net.shape[3]:
            net = conv(net, inner, 1, "expand")
        net = depthwise(net, stride, "depthwise")
        net = conv(net, out, 1, "project", activation_fn=None)
        return net + given if stride == 1 and out == given.shape[3] else net


def mobilenet_v2(images, class_count, multiplier):
    with tf.variable_scope("MobilenetV2"):
        net = conv(images, divisible(32 * multiplier), 3, "Conv", 2)
        i = 0
        for channels, count, first in MOBILENET_V2:
            for unit in range(count):
                inner = divisible(net.shape[3] * 6) if i else net.shape[3]
                scope = f"expanded_conv_{i}" if i else "expanded_conv"
                out = divisible(channels * multiplier)
                net = expanded_conv(net, scope, inner, out, 1 if unit else first)
                i += 1
        net = conv(net, divisible(1280 * max(multiplier, 1)), 1, "Conv_1")
        return pooled_logits(net, class_count)


def in_mobilenet_scope(make, is_training=False, decay=0.999, weight_decay=0.0):
    """Depthwise weights are not regularized, as in Slim."""
    regularizer = slim.l2_regularizer(weight_decay) if weight_decay else None

    def network(images, class_count):
        with slim.arg_scope([slim.batch_norm], center=True, scale=True, epsilon=0.001):
            with slim.arg_scope(
                [slim.conv2d, slim.separable_conv2d],
                activation_fn=tf.nn.relu6,
                normalizer_fn=slim.batch_norm,
                normalizer_params={"is_training": is_training, "decay": decay},
            ):
                with slim.arg_scope([slim.conv2d], weights_regularizer=regularizer):
                    return make(images, class_count)

    return network
