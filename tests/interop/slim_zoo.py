"""Every network of TF-Slim's nets_factory for TensorFlow 2.15.

tf_slim 1.1 has alexnet_v2, overfeat, VGG, ResNet V1 and V2 and Inception V1 to V3. The others are
written here with tf_slim's layers from the tables of tensorflow/models, research/slim/nets.
"""

import functools

import tensorflow.compat.v1 as tf
from slim_resnet import import_slim

slim, _ = import_slim()
from tf_slim.nets import alexnet, inception, overfeat, resnet_v1, resnet_v2, vgg  # noqa: E402


def conv(net, out, kernel, scope, stride=1, padding="SAME", **keywords):
    return slim.conv2d(net, out, kernel, stride=stride, padding=padding, scope=scope, **keywords)


def branches(scope, *makers):
    """Each maker gives the end of its own Branch_N; their channels side by side."""
    with tf.variable_scope(scope):
        ends = []
        for i, make in enumerate(makers):
            with tf.variable_scope(f"Branch_{i}"):
                ends.append(make())
        return tf.concat(ends, 3)


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
        ends = []
        for i, make in enumerate(makers):
            with tf.variable_scope(f"Branch_{i}"):
                ends.append(make())
        up = conv(
            tf.concat(ends, 3),
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


MOBILENET_V2 = [(16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)]


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


def in_inception_scope(make, images, class_count, auxiliary):
    with slim.arg_scope(inception.inception_v3_arg_scope()):
        with slim.arg_scope([slim.batch_norm], is_training=False):
            return make(images, class_count, auxiliary)


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
