"""One contender of resnet_inference.py, run in an environment that has its packages.

usage: resnet_peer.py inputs FOLDER NETWORK CLASSES SIZE IMAGES
       resnet_peer.py onnxruntime|openvino|tensorflow FOLDER NETWORK CLASSES SIZE BATCH THREADS
                      [streams]

The first writes FOLDER/variables and FOLDER/images. The others answer every line on standard input
with the seconds one pass over the images took; "logits FILE" also writes the logits.
"""

import os
import sys
import time

import numpy as np

UNITS = {
    "resnet_v1_50": (3, 4, 6, 3),
    "resnet_v1_101": (3, 4, 23, 3),
    "resnet_v1_152": (3, 8, 36, 3),
    "resnet_v1_200": (3, 24, 36, 3),
}
EPSILON = 1e-5


def units(network):
    """(name, input depth, base depth, stride) of every bottleneck unit."""
    depth = 64
    for block, count in enumerate(UNITS[network]):
        base = 64 << block
        for unit in range(1, count + 1):
            stride = 2 if unit == count and block < 3 else 1
            yield f"{network}/block{block + 1}/unit_{unit}/bottleneck_v1", depth, base, stride
            depth = 4 * base


def variable_shapes(network, classes):
    """Name and shape of every variable, in Slim's order of creation."""
    layers = [(f"{network}/conv1", 7, 3, 64)]
    for name, depth, base, _ in units(network):
        if depth != 4 * base:
            layers.append((f"{name}/shortcut", 1, depth, 4 * base))
        layers.append((f"{name}/conv1", 1, depth, base))
        layers.append((f"{name}/conv2", 3, base, base))
        layers.append((f"{name}/conv3", 1, base, 4 * base))
    for name, kernel, depth, out in layers:
        yield f"{name}/weights", (kernel, kernel, depth, out)
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            yield f"{name}/BatchNorm/{part}", (out,)
    yield f"{network}/logits/weights", (1, 1, 2048, classes)
    yield f"{network}/logits/biases", (classes,)


def write_inputs(folder, network, classes, size, images):
    random = np.random.default_rng(50)
    with open(f"{folder}/variables", "wb") as file:
        for name, shape in variable_shapes(network, classes):
            if name.endswith("weights"):
                value = random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
            elif name.endswith("conv3/BatchNorm/gamma"):
                value = random.uniform(-0.4, 0.4, shape)
            elif name.endswith("gamma"):
                value = random.uniform(0.6, 1.4, shape)
            elif name == f"{network}/conv1/BatchNorm/moving_variance":
                value = random.uniform(5e3, 1e4, shape)
            elif name.endswith("moving_variance"):
                value = random.uniform(0.5, 2, shape)
            else:
                value = random.normal(0, 0.2, shape)
            file.write(value.astype(np.float32).tobytes())
    level = random.uniform(-110, 140, (images, 1, 1, 3))
    noise = random.normal(0, 40, (images, size, size, 3))
    (level + noise).astype(np.float32).tofile(f"{folder}/images")


def read_variables(folder, network, classes):
    flat = np.fromfile(f"{folder}/variables", np.float32)
    variables, first = {}, 0
    for name, shape in variable_shapes(network, classes):
        count = int(np.prod(shape))
        variables[name] = flat[first : first + count].reshape(shape)
        first += count
    return variables


def onnx_model(variables, network, classes, size, batch):
    """The frozen network, channels first as its runtimes like it; batch norm left to them to fold."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind, inputs, **attributes):
        output = f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def conv(x, name, stride, relu):
        weights = variables[f"{name}/weights"]
        pad = (weights.shape[0] - 1) // 2
        x = node(
            "Conv",
            [x, constant(f"{name}/weights", weights.transpose(3, 2, 0, 1))],
            kernel_shape=weights.shape[:2],
            strides=[stride] * 2,
            pads=[pad] * 4,
        )
        parts = [f"{name}/BatchNorm/{p}" for p in ("gamma", "beta", "moving_mean", "moving_variance")]
        inputs = [x] + [constant(part, variables[part]) for part in parts]
        x = node("BatchNormalization", inputs, epsilon=EPSILON)
        return node("Relu", [x]) if relu else x

    x = conv("images", f"{network}/conv1", 2, True)
    after_conv1 = (size + 1) // 2
    total = max(((after_conv1 + 1) // 2 - 1) * 2 + 3 - after_conv1, 0)
    pads = [total // 2] * 2 + [total - total // 2] * 2
    x = node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=pads)
    for name, depth, base, stride in units(network):
        if depth != 4 * base:
            shortcut = conv(x, f"{name}/shortcut", 1, False)
        elif stride > 1:
            shortcut = node("MaxPool", [x], kernel_shape=[1, 1], strides=[stride] * 2)
        else:
            shortcut = x
        x = conv(x, f"{name}/conv1", 1, True)
        x = conv(x, f"{name}/conv2", stride, True)
        x = conv(x, f"{name}/conv3", 1, False)
        x = node("Relu", [node("Add", [x, shortcut])])
    x = node("Flatten", [node("GlobalAveragePool", [x])])
    weights = constant("logits/weights", variables[f"{network}/logits/weights"][0, 0])
    x = node("Gemm", [x, weights, constant("logits/biases", variables[f"{network}/logits/biases"])])
    shape = [batch, 3, size, size]
    graph = helper.make_graph(
        nodes,
        network,
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [batch, classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def batches(images, batch):
    if len(images) % batch:
        raise SystemExit("the number of images must be a multiple of the batch")
    return [np.ascontiguousarray(images[i : i + batch]) for i in range(0, len(images), batch)]


def onnxruntime_pass(variables, network, classes, images, batch, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = onnx_model(variables, network, classes, images.shape[1], batch)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    parts = batches(images.transpose(0, 3, 1, 2), batch)
    return lambda: [session.run(None, {"images": part})[0] for part in parts]


def openvino_pass(variables, network, classes, images, batch, threads, streams):
    import openvino

    core = openvino.Core()
    model = core.read_model(onnx_model(variables, network, classes, images.shape[1], batch), b"")
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "THROUGHPUT" if streams else "LATENCY",
    }
    if streams:
        settings["NUM_STREAMS"] = threads
    compiled = core.compile_model(model, "CPU", settings)
    parts = batches(images.transpose(0, 3, 1, 2), batch)
    if not streams:
        request = compiled.create_infer_request()
        return lambda: [request.infer([part])[0].copy() for part in parts]

    results = [None] * len(parts)
    queue = openvino.AsyncInferQueue(compiled, 2 * threads)

    def take(request, index):
        results[index] = request.get_output_tensor().data.copy()

    queue.set_callback(take)

    def run():
        for index, part in enumerate(parts):
            queue.start_async([part], index)
        queue.wait_all()
        return results

    return run


def tensorflow_pass(variables, network, classes, images, batch, threads):
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, os.path.join(here, "../../tests/interop"))
    from slim_resnet import SlimResnet

    slim = SlimResnet(network, classes, threads=threads)
    slim.assign(list(variables.values()))
    parts = batches(images, batch)
    return lambda: [slim.logits(part) for part in parts]


def serve(run):
    run()
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        logits = run()
        seconds = time.perf_counter() - start
        if line.startswith("logits "):
            np.concatenate(logits).tofile(line[len("logits ") :].strip())
        print(seconds, flush=True)


def main():
    kind, folder, network = sys.argv[1:4]
    numbers = [int(text) for text in sys.argv[4:8]]
    if kind == "inputs":
        write_inputs(folder, network, *numbers)
        return
    classes, size, batch, threads = numbers
    images = np.fromfile(f"{folder}/images", np.float32).reshape(-1, size, size, 3)
    arguments = [read_variables(folder, network, classes), network, classes, images, batch, threads]
    if kind == "onnxruntime":
        serve(onnxruntime_pass(*arguments))
    elif kind == "openvino":
        serve(openvino_pass(*arguments, sys.argv[8:] == ["streams"]))
    else:
        serve(tensorflow_pass(*arguments))


if __name__ == "__main__":
    main()
