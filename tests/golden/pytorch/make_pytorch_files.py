#!/usr/bin/env python3
"""Writes the PyTorch files of this folder and, beside each, what they hold.

Needs torch (Debian's python3-torch 1.13). NAME.txt has a line a tensor, in file order: type, shape
("-" for a scalar), the row-major little-endian values in hexadecimal ("-" for none), name.
"""
import argparse
import collections
import datetime
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
TYPES = ("float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex128 "
         "complex64").split()


def raw(tensor):
    """The bytes of the values in row-major order."""
    flat = tensor.detach().resolve_conj().contiguous().reshape(-1)
    return bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""


def expected_line(name, tensor):
    shape = ",".join(map(str, tensor.shape)) or "-"
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{dtype} {shape} {raw(tensor).hex() or '-'} {name}\n"


def save(file, value, tensors, **options):
    torch.save(value, HERE / file, **options)
    lines = [expected_line(name, tensor) for name, tensor in tensors.items()]
    (HERE / f"{file}.txt").write_text("".join(lines), encoding="utf-8")


def values(name, shape):
    """Small numbers with some extremes of the type in front."""
    dtype = getattr(torch, name)
    count = int(torch.tensor(shape).prod()) if shape else 1
    flat = torch.arange(count) % 100
    if dtype == torch.bool:
        return (flat % 3 == 0).reshape(shape)
    flat = flat.to(dtype)
    if dtype.is_floating_point and count > 3:
        flat[:4] = torch.tensor([float("nan"), float("-inf"), -0.0, torch.finfo(dtype).tiny])
    elif dtype.is_complex:
        flat[0] = complex(1.5, -2.5)
    elif not dtype.is_floating_point and count > 1:
        flat[:2] = torch.tensor([torch.iinfo(dtype).min, torch.iinfo(dtype).max], dtype=dtype)
    return flat.reshape(shape)


def all_types():
    tensors = collections.OrderedDict((f"types.{name}", values(name, (2, 3))) for name in TYPES)
    tensors["scalar"] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(0, 3, dtype=torch.int16)
    tensors["deep"] = values("uint8", (2, 1, 3, 1, 2))
    tensors["größe"] = values("int8", (3,))
    return tensors


def views():
    """Strides, offsets, shared storages: all views of two tensors, and some of nothing else."""
    base = torch.arange(120, dtype=torch.float32)
    cube = base.reshape(4, 5, 6)
    half = torch.arange(12, dtype=torch.float16)
    return collections.OrderedDict([
        ("whole", base),
        ("matrix", base.reshape(10, 12)),
        ("transposed", base.reshape(10, 12).t()),
        ("permuted", cube.permute(2, 0, 1)),
        ("channels_last", cube.reshape(1, 4, 5, 6).contiguous(memory_format=torch.channels_last)),
        ("row", base.reshape(10, 12)[3]),
        ("column", base.reshape(10, 12)[:, 5]),
        ("block", base.reshape(10, 12)[2:7, 3:9]),
        ("every_third", base[1::3]),
        ("windows", base.unfold(0, 8, 5)),
        ("expanded", half[:4].reshape(1, 4).expand(3, 4)),
        ("repeated", half[5].expand(2, 3)),
        ("tail", half[10:]),
        ("nothing", half[4:4]),
        ("small", torch.tensor([[1, 2], [3, 4]], dtype=torch.int8).t()),
    ])


def training():
    """What a training script keeps: nested, with an optimizer and things that are no tensors."""
    torch.manual_seed(7)
    model = torch.nn.Sequential(
        collections.OrderedDict(conv=torch.nn.Conv2d(2, 3, 3, bias=False),
                                norm=torch.nn.BatchNorm2d(3), head=torch.nn.Linear(3, 2)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.125)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    features = model.norm(model.conv(torch.ones(2, 2, 4, 4))).mean((2, 3))
    model.head(features).sum().backward()
    optimizer.step()
    average = {"conv.weight": model.conv.weight.detach().t().contiguous().t()
               if model.conv.weight.dim() == 2 else model.conv.weight.detach() * 0.5}
    value = {
        "epoch": 3,
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "args": argparse.Namespace(lr=0.125, when=datetime.date(2026, 11, 29), path=pathlib.Path("x")),
        "best": [model.head.weight, (model.head.bias, None)],
        7: torch.ones(1),
        "ema": average,
        "history": [{"loss": 0.5, "bits": bytes(range(4))}, {1, 2}, -(1 << 70)],
        "device": torch.device("cpu"),
        "size": torch.Size([3, 4]),
        "dtype": torch.float16,
    }
    tensors = collections.OrderedDict()
    for name, tensor in model.state_dict().items():
        tensors[f"state_dict.{name}"] = tensor
    for position, state in optimizer.state_dict()["state"].items():
        for name, tensor in state.items():
            tensors[f"optimizer.state.{position}.{name}"] = tensor
    tensors["best.0"] = model.head.weight
    tensors["best.1.0"] = model.head.bias
    tensors["7"] = value[7]
    tensors["ema.conv.weight"] = average["conv.weight"]
    return value, tensors


class Net(torch.nn.Module):
    """A module that is pickled itself, as torch.save(model) does."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.ReLU()])
        self.register_buffer("table", torch.arange(3))
        self.register_buffer("mask", torch.ones(2), persistent=False)
        self.note = {"tensor": torch.zeros(1)}


def module():
    torch.manual_seed(8)
    net = Net()
    return {"model": net}, {f"model.{name}": value for name, value in net.state_dict().items()}


def main():
    tensors = all_types()
    save("types.pt", tensors, tensors)
    save("stream_types.pt", tensors, tensors, _use_new_zipfile_serialization=False)
    tensors = views()
    save("views.pt", tensors, tensors)
    save("stream_views.pt", tensors, tensors, _use_new_zipfile_serialization=False)
    save("protocol5.pt", tensors, tensors, pickle_protocol=5)
    save("stream_protocol4.pt", tensors, tensors, _use_new_zipfile_serialization=False,
         pickle_protocol=4)
    value, tensors = training()
    save("training.pt", value, tensors)
    value, tensors = module()
    save("module.pt", value, tensors)
    save("lone.pt", torch.arange(3.0), {"lone": torch.arange(3.0)})
    save("quantized.pt", {
        "q": torch.quantize_per_tensor(torch.arange(4.0), 0.5, 2, torch.quint8),
        "sparse": torch.eye(2).to_sparse(),
        "plain": torch.ones(2),
    }, {"plain": torch.ones(2)})


main()
