"""How few bits can a neural network's numbers have, and what does that cost?

Arrays: `quantize`, `dequantize`, `fake_quantize`. Checkpoints of any format: `open`, `save`. Jobs,
as the program `narrow` has them: `quantize_checkpoint`, `quantize_network`, `quantize_activations`,
`plan`, `sweep`, `pack`, `pack_gguf`, `unpack`, `unscale`, `verify`, `export`, `export_network`,
`export_c_network`, `export_vectors`, `convert`, `compare`, `compare_outputs`, `inspect`,
`evaluate`, `calibrate`, `train`, `init`. Networks on arrays: `Graph`. What goes wrong is an
`Error`; notes go to the logger "narrow". All work is done in this process, by the library that the
program uses, with the same bits.
"""

from ._arrays import QuantizedArray, dequantize, fake_quantize, quantize
from ._checkpoints import Checkpoint, Tensor, formats, open, save
from ._errors import Error
from ._graph import Graph
from ._integers import compare_outputs, export_c_network, export_vectors, quantize_activations
from ._jobs import (
    compare,
    convert,
    export,
    inspect,
    pack,
    pack_gguf,
    quantize_checkpoint,
    unpack,
    verify,
)
from ._narrow import version as __version__
from ._networks import (
    calibrate,
    evaluate,
    export_network,
    init,
    model_names,
    quantize_network,
    train,
    unscale,
)
from ._plans import plan
from ._sweeps import sweep

__all__ = [
    "Checkpoint",
    "Error",
    "Graph",
    "QuantizedArray",
    "Tensor",
    "__version__",
    "calibrate",
    "compare",
    "compare_outputs",
    "convert",
    "dequantize",
    "evaluate",
    "export",
    "export_c_network",
    "export_network",
    "export_vectors",
    "fake_quantize",
    "formats",
    "init",
    "inspect",
    "model_names",
    "open",
    "pack",
    "pack_gguf",
    "plan",
    "quantize",
    "quantize_activations",
    "quantize_checkpoint",
    "quantize_network",
    "save",
    "sweep",
    "train",
    "unpack",
    "unscale",
    "verify",
]

# They are shown, and pickled, under the names that programs use.
for _one in (Checkpoint, Error, Graph, QuantizedArray, Tensor):
    _one.__module__ = "narrow"
del _one
