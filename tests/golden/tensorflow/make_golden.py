#!/usr/bin/env python3
"""Makes the TensorFlow checkpoints in this folder and the values that TensorFlow reads from them.

Run with a Python that has TensorFlow 2.15 and NumPy:  python make_golden.py
Every checkpoint NAME comes with NAME.values: one line a tensor, `name dtype shape values`, values in
hexadecimal or `-` for none, shape with commas or `-` for a scalar. String elements are separated by
commas and start with `s`. Values of more than 4096 bytes are given as `crc32c:` and the checksum.
The files are the same on every run.
"""

import pathlib
import struct

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.python.framework import dtypes

HERE = pathlib.Path(__file__).resolve().parent
# Names that differ between TensorFlow and this project.
DTYPE_NAMES = {"float8_e4m3fn": "float8_e4m3"}
INLINE_BYTES = 4096

CRC_TABLE = []
for index in range(256):
    for _ in range(8):
        index = (index >> 1) ^ (0x82F63B78 if index & 1 else 0)
    CRC_TABLE.append(index)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def raw_tensor(dtype, shape, seed):
    """A tensor of any type with random values."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.size
    data = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    if dtype == tf.bool:
        return tf.constant(data.reshape(shape) % 2 == 1)
    if dtype in (tf.qint8, tf.quint8, tf.qint16, tf.quint16, tf.qint32):
        plain = {tf.qint8: tf.int8, tf.quint8: tf.uint8, tf.qint16: tf.int16,
                 tf.quint16: tf.uint16, tf.qint32: tf.int32}[dtype]
        values = np.frombuffer(data.tobytes(), plain.as_numpy_dtype).reshape(shape)
        return tf.bitcast(tf.constant(values), dtype)
    if dtype in (tf.complex64, tf.complex128, tf.float32, tf.float64):
        # Decoded numbers, because Python would change the bits of a signalling NaN.
        values = np.random.default_rng(seed).standard_normal(size // dtype.size * 2)
        if dtype.is_complex:
            values = values[0::2] + 1j * values[1::2]
        else:
            values = values[: size // dtype.size]
        return tf.constant(values.reshape(shape).astype(dtype.as_numpy_dtype))
    return tf.constant(np.frombuffer(data.tobytes(), dtype.as_numpy_dtype).reshape(shape))


def all_types(v1):
    types = [tf.float32, tf.float64, tf.float16, tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8,
             tf.uint16, tf.bool, tf.complex64, tf.complex128, tf.qint8, tf.quint8, tf.qint32]
    if not v1:
        types += [tf.bfloat16, tf.uint32, tf.uint64, tf.qint16, tf.quint16,
                  tf.dtypes.experimental.float8_e5m2, tf.dtypes.experimental.float8_e4m3fn]
    return types


def small_tensors(v1):
    tensors = {}
    for seed, dtype in enumerate(all_types(v1)):
        tensors[f"types/{dtype.name}"] = raw_tensor(dtype, [3, 5], seed)
    tensors["a/three_bytes"] = tf.constant([True, False, True])
    tensors["a/unaligned"] = tf.constant([1.5, -2.25], tf.float32)
    tensors["empty"] = tf.zeros([0, 4], tf.float32)
    tensors["global_step"] = tf.constant(5000, tf.int64)
    tensors["scalar/float"] = tf.constant(-0.0, tf.float32)
    tensors["strings/matrix"] = tf.constant([[b"", b"a\0b"], [b"\xff\xfe", b"x" * 300]])
    tensors["strings/none"] = tf.constant([], tf.string, shape=[0])
    tensors["strings/scalar"] = tf.constant(b"one")
    return tensors


def partitioned():
    """name: (tensor, [slice specifications as TensorFlow writes them])"""
    return {
        "cut/columns": (raw_tensor(tf.float32, [20, 300], 1), ["0,20:0,150", "0,20:150,150"]),
        "cut/grid": (raw_tensor(tf.float32, [6, 7, 2], 2),
                     ["0,2:0,3:-", "0,2:3,4:-", "2,4:0,5:-", "2,4:5,2:-"]),
        "cut/rows": (raw_tensor(tf.int64, [200, 4], 3), ["0,67:-", "67,67:-", "134,66:-"]),
        "whole": (raw_tensor(tf.float32, [4], 4), [""]),
    }


def slice_arguments(tensors):
    names, specs, pieces = [], [], []
    for name, (tensor, slices) in sorted(tensors.items()):  # as Saver does
        for spec in slices:
            index = tuple(
                slice(None) if part == "-" else
                slice(int(part.split(",")[0]), sum(int(n) for n in part.split(",")))
                for part in spec.split(":")) if spec else ()
            names.append(name)
            specs.append(" ".join(str(n) for n in tensor.shape) + " " + spec if spec else "")
            pieces.append(tensor[index] if spec else tensor)
    return names, specs, pieces


def save_v2(name, tensors):
    names, specs, pieces = slice_arguments(tensors)
    tf.raw_ops.SaveV2(prefix=str(HERE / name), tensor_names=names, shape_and_slices=specs,
                      tensors=pieces)


def save_v1(name, tensors):
    names, specs, pieces = slice_arguments(tensors)
    tf.raw_ops.SaveSlices(filename=str(HERE / name), tensor_names=names, shapes_and_slices=specs,
                          data=pieces)


def whole(tensors):
    return {name: (tensor, [""]) for name, tensor in tensors.items()}


def value_line(name, values, tensor):
    """The line of a tensor, of which `values` is what was read."""
    if tensor.dtype == tf.string:
        elements = values.ravel().tolist() if tensor.shape.rank else [values]
        text = ",".join("s" + element.hex() for element in elements) or "-"
    else:
        data = values.tobytes()
        text = data.hex() if len(data) <= INLINE_BYTES else f"crc32c:{crc32c(data):08x}"
    shape = ",".join(str(n) for n in tensor.shape) or "-"
    dtype = DTYPE_NAMES.get(tensor.dtype.name, tensor.dtype.name)
    return f"{name} {dtype} {shape} {text or '-'}\n"


def write_values(name, tensors):
    """What TensorFlow restores, which must also be what was saved."""
    lines = []
    for tensor_name in sorted(tensors):
        tensor = tensors[tensor_name][0]
        restored = tf.raw_ops.RestoreV2(prefix=str(HERE / name), tensor_names=[tensor_name],
                                        shape_and_slices=[""], dtypes=[tensor.dtype])[0]
        assert restored.shape == tensor.shape, tensor_name
        if tensor.dtype != tf.string:
            assert restored.numpy().tobytes() == tensor.numpy().tobytes(), tensor_name
        lines.append(value_line(tensor_name, restored.numpy(), tensor))
    (HERE / f"{name}.values").write_text("".join(lines))


def make_sharded(name, tensors):
    parts = [f"{name}-part{i}" for i in range(3)]
    items = list(whole(tensors).items())
    for i, part in enumerate(parts):
        save_v2(part, dict(items[i::3]))
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[str(HERE / part) for part in parts],
                                  destination_prefix=str(HERE / name), delete_old_dirs=False)
    for leftover in HERE.glob(f"{name}-part*"):
        leftover.unlink()


def make_v1_sharded(name):
    """Two files; one tensor has a slice in each. Named by their pattern for TensorFlow."""
    tensors = small_tensors(True)
    names = sorted(tensors)
    cut = raw_tensor(tf.float32, [6, 4], 1)
    for i in range(2):
        part = dict(whole({key: tensors[key] for key in names[i::2]}))
        part["cut"] = (cut, [["0,2:-"], ["2,4:-"]][i])
        save_v1(f"{name}-{i:05}-of-00002", part)
    pattern = f"{name}-?????-of-00002"
    write_values(pattern, whole({**tensors, "cut": cut}))
    (HERE / f"{pattern}.values").rename(HERE / f"{name}.values")


def make_foreign(name):
    """Types that this project copies but does not compute with; has no .values."""
    lists = tf.raw_ops.TensorListFromTensor(tensor=tf.constant([[1.5, 2.5], [3.5, 4.5]]),
                                            element_shape=tf.constant([2]))
    save_v2(name, whole({
        "foreign/int4": tf.cast(tf.constant([[1, -8, 7], [0, 3, -1]]), dtypes.int4),
        "foreign/lists": tf.stack([lists, lists]),
        "foreign/no_lists": tf.stack([lists])[:0],
        "foreign/uint4": tf.cast(tf.constant([15]), dtypes.uint4),
        "strings": tf.constant([b"a", b"bc"]),
        "weights": tf.constant([[1.0, -2.0], [0.25, 4.0]])}))


# --- A frozen graph -------------------------------------------------------------------------------


def constant(name, tensor, typed):
    """A node Const, its values in the field of their type or as they lie in memory."""
    proto = tf.make_tensor_proto(tensor.numpy(), tensor.dtype, tensor.shape)
    typed_only = tensor.dtype == tf.string
    if typed and not typed_only:
        proto = typed_proto(tensor)
    elif not typed_only:
        proto = tensor_pb2.TensorProto(dtype=tensor.dtype.as_datatype_enum,
                                         tensor_shape=tensor.shape.as_proto(),
                                         tensor_content=tensor.numpy().tobytes())
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = tensor.dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(proto)
    return node


def typed_proto(tensor):
    proto = tensor_pb2.TensorProto(dtype=tensor.dtype.as_datatype_enum,
                                     tensor_shape=tensor.shape.as_proto())
    flat = tensor.numpy().ravel()
    kinds = {"float32": "float_val", "float64": "double_val", "int64": "int64_val",
             "bool": "bool_val", "uint32": "uint32_val", "uint64": "uint64_val"}
    if tensor.dtype.is_complex:
        field = "scomplex_val" if tensor.dtype == tf.complex64 else "dcomplex_val"
        values = [part for number in flat for part in (number.real, number.imag)]
    elif tensor.dtype in (tf.float16, tf.bfloat16):
        field, values = "half_val", flat.view(np.uint16)
    else:
        field, values = kinds.get(tensor.dtype.name, "int_val"), flat
    getattr(proto, field).extend(value.item() if hasattr(value, "item") else value
                                 for value in values)
    return proto


def make_frozen(name):
    tensors = {}
    graph = tf.compat.v1.GraphDef()
    graph.node.add(name="input", op="Placeholder").attr["dtype"].type = tf.float32.as_datatype_enum
    for tensor_name, tensor in small_tensors(False).items():
        is_quantized = tensor.dtype.is_quantized
        for typed in (False,) if is_quantized or "float8" in tensor_name else (False, True):
            if is_quantized:
                tensor = tf.bitcast(tensor, {1: tf.int8, 2: tf.int16, 4: tf.int32}[tensor.dtype.size])
            key = ("typed/" if typed else "content/") + tensor_name
            tensors[key] = tensor
            graph.node.append(constant(key, tensor, typed))
    for key, tensor, count in (("repeated/last", tf.constant([[1.5, -2.0], [-2.0, -2.0]]), 2),
                               ("repeated/half", tf.constant([3, 3, 3], tf.float16), 1),
                               ("repeated/nothing", tf.zeros([2, 3], tf.int64), 0)):
        node = constant(key, tensor, True)
        for field in ("float_val", "half_val", "int64_val"):
            del getattr(node.attr["value"].tensor, field)[count:]
        tensors[key] = tensor
        graph.node.append(node)
    words = constant("repeated/strings", tf.constant([b"a", b"b", b"b"]), True)
    del words.attr["value"].tensor.string_val[2:]
    tensors["repeated/strings"] = tf.constant([b"a", b"b", b"b"])
    graph.node.append(words)
    for node in graph.node:
        if node.op == "Const":
            array = tf.make_ndarray(node.attr["value"].tensor)
            expected = tensors[node.name].numpy()
            if array.dtype == object:
                assert np.array_equal(array, expected), node.name
            else:
                assert array.tobytes() == np.asarray(expected, array.dtype).tobytes(), node.name
    function = graph.library.function.add()
    function.signature.name = "body"
    tensors["body/inner"] = tf.constant([0.5], tf.float32)
    function.node_def.append(constant("inner", tensors["body/inner"], False))
    graph.versions.producer = 1645
    (HERE / name).write_bytes(graph.SerializeToString(deterministic=True))
    (HERE / f"{name}.values").write_text("".join(
        value_line(key, tensor.numpy(), tensor) for key, tensor in tensors.items()))


# --- A V1 file with compressed blocks, which no TensorFlow of today writes ------------------------


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, position):
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def snappy(data):
    """Literals and two-byte-offset copies, found by looking for the last equal four bytes."""
    out = bytearray(varint(len(data)))
    seen, position, literal = {}, 0, 0

    def flush(end):
        for start in range(literal, end, 60):
            piece = data[start:min(start + 60, end)]
            out.append((len(piece) - 1) << 2)
            out.extend(piece)

    while position + 4 <= len(data):
        before = seen.get(data[position:position + 4])
        seen[data[position:position + 4]] = position
        if before is None or position - before > 65535:
            position += 1
            continue
        length = 4
        while length < 64 and position + length < len(data) \
                and data[before + length] == data[position + length]:
            length += 1
        flush(position)
        out.append((length - 1) << 2 | 2)
        out.extend(struct.pack("<H", position - before))
        position += length
        literal = position
    flush(len(data))
    return bytes(out)


def compress_table(source, target):
    table = (HERE / source).read_bytes()
    position, handles = len(table) - 48, []
    for _ in range(2):
        offset, position = read_varint(table, position)
        size, position = read_varint(table, position)
        handles.append((offset, size))
    index = table[handles[1][0]:sum(handles[1])]
    count = struct.unpack("<I", index[-4:])[0]
    entries, position = [], 0
    while position < len(index) - 4 * (count + 1):
        _, position = read_varint(index, position)
        key_size, position = read_varint(index, position)
        value_size, position = read_varint(index, position)
        key = index[position:position + key_size]
        offset, size_at = read_varint(index, position + key_size)
        size, _ = read_varint(index, size_at)
        entries.append((key, table[offset:offset + size]))
        position += key_size + value_size
    out = bytearray()

    def add_block(content):
        handle = varint(len(out))
        stored = snappy(content) + b"\x01"
        out.extend(stored + struct.pack("<I", masked_crc32c(stored)))
        return handle + varint(len(stored) - 1)

    index_block, restarts = bytearray(), []
    for key, content in entries:
        handle = add_block(content)
        restarts.append(len(index_block))
        index_block += varint(0) + varint(len(key)) + varint(len(handle)) + key + handle
    index_block += b"".join(struct.pack("<I", r) for r in restarts + [len(restarts)])
    footer = add_block(struct.pack("<II", 0, 1)) + add_block(bytes(index_block))
    out += footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    (HERE / target).write_bytes(out)


def main():
    v2, v1, cut = whole(small_tensors(False)), whole(small_tensors(True)), partitioned()
    tiny = whole({"a/w": tf.constant([[1, 2, 3], [4, 5, 6]], tf.float32),
                  "global_step": tf.constant(7, tf.int64)})
    many = whole({f"{i:04}/" + f"{i * 7919:07}/" * 32: tf.constant(i, tf.int16)
                  for i in range(1100)})
    large = whole({f"layer_{i}": tf.constant(np.arange(60000 + i) % 100, tf.int8) for i in range(6)})
    for name, tensors in {"v2_tiny": tiny, "v2_types": v2, "v2_partitioned": cut,
                          "v2_blocks": many}.items():
        save_v2(name, tensors)
        write_values(name, tensors)
    make_foreign("v2_foreign")
    make_v1_sharded("v1_sharded")
    make_frozen("frozen_graph")
    make_sharded("v2_sharded", small_tensors(False))
    write_values("v2_sharded", v2)
    for name, tensors in {"v1_tiny": tiny, "v1_types": v1, "v1_partitioned": cut,
                          "v1_blocks": large}.items():
        save_v1(name, tensors)
        write_values(name, tensors)
    for source, target in {"v1_types": "v1_snappy", "v1_blocks": "v1_snappy_blocks"}.items():
        compress_table(source, target)
        write_values(target, v1 if source == "v1_types" else large)


if __name__ == "__main__":
    main()
