"""ResNet V1 of tf_slim on TensorFlow 2.15, for tests and comparisons. Needs numpy below 2."""

import importlib
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def import_slim():
    """tf_slim asks for modules of the package tf_keras, which Keras 2.15 has under another name."""
    for module in ("base", "normalization", "convolutional", "core", "pooling"):
        sys.modules["tf_keras.legacy_tf_layers." + module] = importlib.import_module(
            "keras.src.legacy_tf_layers." + module
        )
    sys.modules["tf_keras"] = importlib.import_module("keras.src")
    sys.modules["tf_keras.legacy_tf_layers"] = importlib.import_module(
        "keras.src.legacy_tf_layers"
    )
    import tf_slim
    from tf_slim.nets import resnet_v1

    return tf_slim, resnet_v1


class SlimResnet:
    """A network in a session of its own, for inference at any image size."""

    def __init__(self, name, class_count, blocks=None, threads=0):
        """blocks: [(base depth, units, last stride)] of a variant; None: the standard network."""
        import tensorflow.compat.v1 as tf

        tf.disable_eager_execution()
        slim, resnet_v1 = import_slim()
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.images = tf.placeholder(tf.float32, [None, None, None, 3])
            with slim.arg_scope(resnet_v1.resnet_arg_scope()):
                if blocks is None:
                    net, _ = getattr(resnet_v1, name)(
                        self.images, class_count, is_training=False
                    )
                else:
                    net, _ = resnet_v1.resnet_v1(
                        self.images,
                        [
                            resnet_v1.resnet_v1_block(f"block{i + 1}", base, units, stride)
                            for i, (base, units, stride) in enumerate(blocks)
                        ],
                        class_count,
                        is_training=False,
                        scope=name,
                    )
            self.output = tf.squeeze(net, [1, 2])
            self.variables = slim.get_model_variables()
            self.feeds = [tf.placeholder(tf.float32, v.shape) for v in self.variables]
            self.assigns = [tf.assign(v, f) for v, f in zip(self.variables, self.feeds)]
        config = tf.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads and 1
        )
        self.session = tf.Session(graph=self.graph, config=config)

    def names_and_shapes(self):
        """Of every model variable, in order of creation."""
        return [(v.op.name, tuple(v.shape.as_list())) for v in self.variables]

    def assign(self, values):
        self.session.run(self.assigns, dict(zip(self.feeds, values)))

    def logits(self, images):
        return self.session.run(self.output, {self.images: images})
