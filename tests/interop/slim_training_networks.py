"""TF-Slim's networks as their scripts train them, without dropout."""

import functools

import tensorflow.compat.v1 as tf
from slim_layers import slim
from slim_mobilenets import in_mobilenet_scope, mobilenet_v1, mobilenet_v2
from slim_zoo import cifarnet, lenet
from tf_slim.nets import alexnet, inception, overfeat, resnet_v2, vgg

# Module, scope function, and what turns dropout off.
PACKAGE = {
    "resnet_v2_50": (resnet_v2, resnet_v2.resnet_arg_scope, {}),
    "vgg_a": (vgg, vgg.vgg_arg_scope, {"dropout_keep_prob": 1.0}),
    "vgg_16": (vgg, vgg.vgg_arg_scope, {"dropout_keep_prob": 1.0}),
    "alexnet_v2": (alexnet, alexnet.alexnet_v2_arg_scope, {"dropout_keep_prob": 1.0}),
    "overfeat": (overfeat, overfeat.overfeat_arg_scope, {"dropout_keep_prob": 1.0}),
    "inception_v1": (inception, inception.inception_v1_arg_scope, {"dropout_keep_prob": 1.0}),
    "inception_v2": (inception, inception.inception_v2_arg_scope, {"dropout_keep_prob": 1.0}),
    "inception_v3": (inception, inception.inception_v3_arg_scope, {"dropout_keep_prob": 1.0}),
}
# Function, width and decay of the batch norms.
MOBILENETS = {
    "mobilenet_v1": (mobilenet_v1, 1.0, 0.9997),
    "mobilenet_v1_025": (mobilenet_v1, 0.25, 0.9997),
    "mobilenet_v2_035": (mobilenet_v2, 0.35, 0.997),
}


def of_package(name, is_training, images, class_count, weight_decay):
    package, scope, options = PACKAGE[name]
    with slim.arg_scope(scope(weight_decay=weight_decay)):
        net, points = getattr(package, name)(
            images, class_count, is_training=is_training, **options
        )
    logits = [net] + [points[key] for key in ("AuxLogits",) if key in points]
    return [tf.reshape(value, [-1, class_count]) for value in logits]


def mobilenet(name, is_training, images, class_count, weight_decay):
    make, width, decay = MOBILENETS[name]
    thin = functools.partial(make, multiplier=width)
    return [in_mobilenet_scope(thin, is_training, decay, weight_decay)(images, class_count)]


def small(make, regularized, images, class_count, weight_decay):
    with slim.arg_scope(regularized, weights_regularizer=slim.l2_regularizer(weight_decay)):
        return [make(images, class_count)]


def training_network(name, is_training=True):
    """A function of images, classes and weight decay that gives the logits, and those of a head.
    is_training: whether batch norms use the batch."""
    if name in MOBILENETS:
        return functools.partial(mobilenet, name, is_training)
    if name == "cifarnet":
        return functools.partial(small, cifarnet, [slim.fully_connected])
    if name == "lenet":
        return functools.partial(small, lenet, [slim.conv2d, slim.fully_connected])
    return functools.partial(of_package, name, is_training)
