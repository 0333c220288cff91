"""tf_slim for TensorFlow 2.15, and its convolution as the tables of networks write it."""

from slim_resnet import import_slim

slim, _ = import_slim()


def conv(net, out, kernel, scope, stride=1, padding="SAME", **keywords):
    return slim.conv2d(net, out, kernel, stride=stride, padding=padding, scope=scope, **keywords)
