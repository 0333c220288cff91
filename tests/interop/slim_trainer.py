"""Training as TF-Slim's train_image_classifier.py does it, on TensorFlow 2.15 and tf_slim 1.1, from
given batches. Needs numpy below 2."""

from slim_resnet import import_slim


def resnet_v1_maker(name, blocks, batch_norm_decay=0.997):
    """blocks: [(base depth, units, last stride)]."""

    def make(images, class_count, weight_decay):
        import tensorflow.compat.v1 as tf

        slim, resnet_v1 = import_slim()
        scope = resnet_v1.resnet_arg_scope(
            weight_decay=weight_decay, batch_norm_decay=batch_norm_decay)
        with slim.arg_scope(scope):
            net, _ = resnet_v1.resnet_v1(
                images,
                [resnet_v1.resnet_v1_block(f"block{i + 1}", *block)
                 for i, block in enumerate(blocks)],
                class_count, is_training=True, scope=name)
        return [tf.squeeze(net, [1, 2])]

    return make


def make_optimizer(tf, name, rate):
    """With Slim's default values."""
    if name == "rmsprop":
        return tf.train.RMSPropOptimizer(rate, decay=0.9, momentum=0.9, epsilon=1.0)
    if name == "momentum":
        return tf.train.MomentumOptimizer(rate, momentum=0.9)
    if name == "adam":
        return tf.train.AdamOptimizer(rate, beta1=0.9, beta2=0.999, epsilon=1.0)
    if name == "adagrad":
        return tf.train.AdagradOptimizer(rate, initial_accumulator_value=0.1)
    if name == "adadelta":
        return tf.train.AdadeltaOptimizer(rate, rho=0.95, epsilon=1.0)
    if name == "ftrl":
        return tf.train.FtrlOptimizer(rate, learning_rate_power=-0.5,
                                      initial_accumulator_value=0.1)
    return tf.train.GradientDescentOptimizer(rate)


class SlimTrainer:
    def __init__(self, make, class_count, optimizer, rate, decay_steps, weight_decay=4e-5,
                 label_smoothing=0.0, moving_average_decay=None, trainable_scope=None,
                 size=None):
        """make: of images, classes and weight decay the logits, and those of an auxiliary head. The
        rate decays by 0.94 in stairs."""
        import tensorflow.compat.v1 as tf

        tf.disable_eager_execution()
        slim, _ = import_slim()
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            self.images = tf.placeholder(tf.float32, [None, size, size, 3])
            self.labels = tf.placeholder(tf.int32, [None])
            step = tf.train.get_or_create_global_step()
            logits = make(self.images, class_count, weight_decay)
            for output, weight in zip(logits, (1.0, 0.4)):
                tf.losses.softmax_cross_entropy(
                    tf.one_hot(self.labels, class_count), output,
                    label_smoothing=label_smoothing, weights=weight)
            self.loss = tf.losses.get_total_loss()
            self.model_variables = slim.get_model_variables()
            rate = tf.train.exponential_decay(rate, step, decay_steps, 0.94, staircase=True)
            trained = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, trainable_scope)
            updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
            opt = make_optimizer(tf, optimizer, rate)
            gradients = opt.compute_gradients(self.loss, trained)
            with tf.control_dependencies(updates):
                if moving_average_decay:
                    # The step before the update counts; Slim leaves the order open.
                    old_step = tf.identity(step)
                    with tf.control_dependencies([old_step]):
                        apply = opt.apply_gradients(gradients, global_step=step)
                    average = tf.train.ExponentialMovingAverage(moving_average_decay, old_step)
                    with tf.control_dependencies([apply]):
                        self.train = average.apply(self.model_variables)
                else:
                    self.train = opt.apply_gradients(gradients, global_step=step)
            self.saver = tf.train.Saver()
            self.variables = tf.global_variables()
            self.initializer = tf.global_variables_initializer()
            self.session = tf.Session()
            self.model_saver = tf.train.Saver(self.model_variables)

    def initialize(self):
        """Other values with every call, from Slim's initializers."""
        self.session.run(self.initializer)

    def save_model(self, prefix):
        """The model variables alone."""
        self.model_saver.save(self.session, str(prefix), write_meta_graph=False)

    def restore(self, prefix):
        """Everything: slots and averages too."""
        self.saver.restore(self.session, str(prefix))

    def save(self, directory, step):
        return self.saver.save(self.session, f"{directory}/model.ckpt", global_step=step,
                               write_meta_graph=False)

    def step(self, images, labels):
        loss, _ = self.session.run(
            [self.loss, self.train], {self.images: images, self.labels: labels})
        return float(loss)
