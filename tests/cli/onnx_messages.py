"""Small ONNX files, made from the format's public description: messages as bytes."""
FLOAT, INT8, INT64 = 1, 3, 7


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, content):
    """A field with a length; a number becomes a varint."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    if isinstance(content, str):
        content = content.encode()
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name, array, kind=FLOAT):
    dims = b"".join(field(1, size) for size in array.shape)
    return dims + field(2, kind) + field(8, name) + field(9, array.tobytes())


def external_tensor(name, shape, location, offset):
    dims = b"".join(field(1, size) for size in shape)
    entries = {"location": location, "offset": str(offset)}
    return (dims + field(2, FLOAT) + field(8, name) +
            b"".join(field(13, field(1, key) + field(2, text)) for key, text in entries.items()) +
            field(14, 1))


def node(operator, inputs, output, attributes=b""):
    return (b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator) +
            attributes)


def int_attribute(name, value):
    """Of a node."""
    return field(5, field(1, name) + field(3, value) + field(20, 2))


def ints(name, values):
    """An attribute of a node."""
    return field(5, field(1, name) + b"".join(field(8, one) for one in values) + field(20, 7))


def constant(output, array):
    return node("Constant", [], output,
                field(5, field(1, "value") + field(5, tensor("", array)) + field(20, 4)))


def value(name, sizes, kind=FLOAT):
    """An input or output of a graph; a size that is a word is free."""
    dims = b"".join(field(1, field(2 if isinstance(size, str) else 1, size)) for size in sizes)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def read_varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at


def fields(data):
    """(number, content, all bytes) of each field of a message of varints and texts."""
    at = 0
    while at < len(data):
        begin = at
        key, at = read_varint(data, at)
        content, at = read_varint(data, at)
        if key & 7 == 2:
            content, at = data[at:at + content], at + content
        yield key >> 3, content, data[begin:at]


def without_recipe(data):
    """The model without the text pairs that quantize adds, and these."""
    rest, recipe = b"", {}
    for number, content, whole in fields(data):
        pair = {name: text.decode() for name, text, _ in fields(content)} if number == 14 else {}
        if pair.get(1, "").startswith("narrow."):
            recipe[pair[1]] = pair[2]
        else:
            rest += whole
    return rest, recipe


def model(nodes, initializers, properties=(), inputs=(), outputs=()):
    graph = (b"".join(field(1, one) for one in nodes) + field(2, "graph") +
             b"".join(field(5, one) for one in initializers) +
             b"".join(field(11, one) for one in inputs) +
             b"".join(field(12, one) for one in outputs))
    return (field(1, 10) + field(2, "somebody") + field(7, graph) + field(8, field(2, 21)) +
            b"".join(field(14, field(1, key) + field(2, text)) for key, text in properties) +
            field(111, "a field that nobody knows"))
