"""Every network of TF-Slim's nets_factory for TensorFlow 2.15.

tf_slim 1.1 has alexnet_v2, overfeat, VGG, ResNet V1 and V2 and Inception V1 to V3. The others are
written with tf_slim's layers from the tables of tensorflow/models, research/slim/nets: the small
ones here.
"""

import functools

import tensorflow.compat.v1 as tf
from slim_inceptions import in_inception_scope, inception_resnet_v2, inception_v4
from slim_layers import conv, slim
from slim_mobilenets import in_mobilenet_scope, mobilenet_v1, mobilenet_v2
from tf_slim.nets import alexnet, inception, overfeat, resnet_v1, resnet_v2, vgg


# cifarnet.py, lenet.py


def cifarnet(images, class_count):
    with tf.variable_scope("CifarNet"):
        lrn = functools.partial(tf.nn.lrn, depth_radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75)
        net = lrn(slim.max_pool2d(conv(images, 64, 5, "conv1"), 2, 2))
        net = slim.max_pool2d(lrn(conv(net, 64, 5, "conv2")), 2, 2)
        net = slim.fully_connected(slim.flatten(net), 384, scope="fc3")
        net = slim.fully_connected(net, 192, scope="fc4")
        return slim.fully_connected(
            net, class_count, activation_fn=None, weights_regularizer=None, scope="logits"
        )


def lenet(images, class_count):
    with tf.variable_scope("LeNet"):
        net = slim.max_pool2d(conv(images, 32, 5, "conv1"), 2, 2)
        net = slim.max_pool2d(conv(net, 64, 5, "conv2"), 2, 2)
        net = slim.fully_connected(slim.flatten(net), 1024, scope="fc3")
        return slim.fully_connected(net, class_count, activation_fn=None, scope="fc4")


# nets_factory.py


def of_package(make, scope):
    """A network of tf_slim in its arg_scope."""

    def network(images, class_count, **keywords):
        with slim.arg_scope(scope()):
            net, _ = make(images, class_count, is_training=False, **keywords)
        return tf.reshape(net, [-1, class_count])

    return network


def networks():
    """By name: the image size and a function of images, classes and whether there is a head."""
    zoo = {}

    def add(name, size, make):
        zoo[name] = (size, make)

    def plain(make):
        return lambda images, class_count, auxiliary: make(images, class_count)

    for package, scope in ((resnet_v1, "v1"), (resnet_v2, "v2")):
        for depth in (50, 101, 152, 200):
            name = f"resnet_{scope}_{depth}"
            make = of_package(getattr(package, name), package.resnet_arg_scope)
            add(name, 224, plain(make))
    for name in ("vgg_a", "vgg_16", "vgg_19"):
        add(name, 224, plain(of_package(getattr(vgg, name), vgg.vgg_arg_scope)))
    add("alexnet_v2", 224, plain(of_package(alexnet.alexnet_v2, alexnet.alexnet_v2_arg_scope)))
    add("overfeat", 231, plain(of_package(overfeat.overfeat, overfeat.overfeat_arg_scope)))
    for version in ("v1", "v2"):
        name = f"inception_{version}"
        make = of_package(getattr(inception, name), getattr(inception, name + "_arg_scope"))
        add(name, 224, plain(make))
    v3 = of_package(inception.inception_v3, inception.inception_v3_arg_scope)
    add(
        "inception_v3",
        299,
        lambda images, class_count, auxiliary: v3(
            images, class_count, create_aux_logits=auxiliary
        ),
    )
    for make in (inception_v4, inception_resnet_v2):
        add(make.__name__, 299, functools.partial(in_inception_scope, make))
    for make, widths in (
        (mobilenet_v1, {"": 1, "_075": 0.75, "_050": 0.5, "_025": 0.25}),
        (mobilenet_v2, {"_140": 1.4, "": 1, "_075": 0.75, "_050": 0.5, "_035": 0.35}),
    ):
        for suffix, multiplier in widths.items():
            thin = functools.partial(make, multiplier=multiplier)
            add(make.__name__ + suffix, 224, plain(in_mobilenet_scope(thin)))
    add("cifarnet", 32, plain(cifarnet))
    add("lenet", 28, plain(lenet))
    return zoo
