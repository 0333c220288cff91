"""ONNX Runtime or OpenVINO on an ONNX file, as a contender of onnx_networks.py.

usage: onnx_network_peer.py onnxruntime|onnxruntime_exact|openvino MODEL INPUTS.npz BATCH STREAMS THREADS

The arrays are cut into batches along their first axis. With STREAMS 1 all threads share a batch, with
more each stream has threads and batches of its own. onnxruntime_exact adds up products of 8-bit
codes so that no sum saturates on any processor. Answers every line on standard input with the
seconds one pass over all batches took; "outputs FILE.npz" also writes the outputs.
"""

import concurrent.futures
import sys
import time

import numpy as np

WARM_UP_PASSES = 2


def batches(arrays, batch):
    count = len(next(iter(arrays.values())))
    return [{name: np.ascontiguousarray(values[i:i + batch]) for name, values in arrays.items()}
            for i in range(0, count, batch)]


def onnxruntime_pass(model, parts, streams, threads, exact=False):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.intra_op_num_threads = threads // streams
    shapes = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()
    for info in shapes:  # sizes are known, as they are to a user who runs many of one size
        for dim, size in zip(info.shape, parts[0][info.name].shape):
            if isinstance(dim, str):
                options.add_free_dimension_override_by_name(dim, size)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    if streams == 1:
        return names, lambda: [session.run(None, part) for part in parts]
    pool = concurrent.futures.ThreadPoolExecutor(streams)
    return names, lambda: list(pool.map(lambda part: session.run(None, part), parts))


def onnxruntime_exact_pass(*arguments):
    return onnxruntime_pass(*arguments, exact=True)


def openvino_pass(model, parts, streams, threads):
    import openvino

    core = openvino.Core()
    network = core.read_model(model)
    network.reshape({name: list(values.shape) for name, values in parts[0].items()})
    compiled = core.compile_model(network, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "PERFORMANCE_HINT": "THROUGHPUT" if streams > 1 else "LATENCY",
    })
    names = [output.get_any_name() for output in compiled.outputs]
    results = [None] * len(parts)
    queue = openvino.AsyncInferQueue(compiled, 1 if streams == 1 else 2 * streams)

    def take(request, index):
        results[index] = [request.get_output_tensor(i).data.copy() for i in range(len(names))]

    queue.set_callback(take)

    def run():
        for index, part in enumerate(parts):
            queue.start_async(part, index)
        queue.wait_all()
        return results

    return names, run


def main():
    engine, model, inputs = sys.argv[1:4]
    batch, streams, threads = map(int, sys.argv[4:7])
    with np.load(inputs) as file:
        parts = batches(dict(file), batch)
    make = {"onnxruntime": onnxruntime_pass, "onnxruntime_exact": onnxruntime_exact_pass,
            "openvino": openvino_pass}[engine]
    names, run = make(model, parts, streams, threads)
    for _ in range(WARM_UP_PASSES):
        run()
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        results = run()
        seconds = time.perf_counter() - start
        if line.startswith("outputs "):
            np.savez(line.split(" ", 1)[1].strip(), **{
                name: np.concatenate([result[i] for result in results])
                for i, name in enumerate(names)})
        print(seconds, flush=True)


if __name__ == "__main__":
    main()
