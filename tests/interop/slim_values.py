"""Values for the variables of TF-Slim's networks."""
import numpy as np


def random_value(name, shape, random):
    """Every kind non-trivial; what is added to a residual sum small, so that deep sums stay small."""
    if name.endswith("weights"):
        depthwise = name.endswith("depthwise_weights")
        fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
        value = random.random(shape, dtype=np.float32)
        value -= np.float32(0.5)
        value *= np.float32(np.sqrt(24 / fan_in))
        return value
    if name.endswith("moving_variance"):
        value = random.uniform(0.5, 2, shape)
    elif name.endswith("gamma"):
        value = random.uniform(0.6, 1.4, shape)
    else:
        value = random.normal(0, 0.2, shape)
    return value.astype(np.float32)
