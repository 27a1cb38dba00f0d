"""Small networks as ONNX graphs, and their features by hand: with ONNX's own reference, in Python."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

KINDS = {"float": np.float32, "float16": np.float16, "uint8": np.uint8}


class Graph:
    """Nodes one after the other, with seeded weights."""

    def __init__(self, kind=np.float32):
        self.nodes, self.weights = [], []
        self.kind = kind
        self.generator = np.random.default_rng(0)

    def weight(self, *shape, scale=None):
        scale = np.sqrt(2 / np.prod(shape[1:] or (1,))) if scale is None else scale
        return self.constant(self.generator.normal(0, scale, shape).astype(self.kind))

    def constant(self, array):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, operator, *inputs, name, **attributes):
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def model(self, shape, outputs, *, kind="float", opset=17, inputs=(), metadata=None, domain=None):
        types = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
        entry = helper.make_tensor_value_info("image", types[kind], shape)
        ends = [onnx.ValueInfoProto(name=name) for name in outputs]
        for end in ends:
            end.type.tensor_type.elem_type = types["float16" if self.kind == np.float16 else "float"]
        graph = helper.make_graph(self.nodes, "small", [entry, *inputs], ends, self.weights)
        opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        helper.set_model_props(model, metadata or {})
        return model


def cnn(layout="NCHW", batch="n", size=64, kind="float", channels=3, stages=4, **details):
    """A convolutional network with a classifier: maps at strides 2, 4, 8 and 16."""
    graph = Graph(np.float16 if kind == "float16" else np.float32)
    x = "image"
    if kind == "uint8":
        x = graph.add("Cast", x, name="cast", to=TensorProto.FLOAT)
        x = graph.add("Div", x, graph.constant(np.float32(255)), name="scaled")
    if layout == "NHWC":
        x = graph.add("Transpose", x, name="turned", perm=[0, 3, 1, 2])
    width = channels
    for stage in range(stages):
        wider = 8 * 2**stage
        x = graph.add("Conv", x, graph.weight(wider, width, 3, 3), name=f"conv{stage}", strides=[2, 2],
                      pads=[1, 1, 1, 1])  # fmt: skip
        x = graph.add("Relu", x, name=f"stage{stage}")
        again = graph.add(
            "Conv", x, graph.weight(wider, wider, 3, 3), name=f"again{stage}", pads=[1, 1, 1, 1]
        )
        x = graph.add("Relu", again, name=f"end{stage}")
        width = wider
    x = graph.add("GlobalAveragePool", x, name="gap")
    x = graph.add("Flatten", x, name="pooled")
    x = graph.add("Gemm", x, graph.weight(width, 10), name="logits")
    sides = [channels, size, size] if layout == "NCHW" else [size, size, channels]
    return graph.model([batch, *sides], ["logits"], kind=kind, **details)


def vit(n_prefix=1, size=56, patch=14, width=12, depth=4, batch="n", outputs=("normed",), order="rows"):
    """A network of tokens: patches, class token and registers, blocks that mix tokens, and a norm."""
    graph = Graph()
    cells = size // patch
    x = graph.add("Conv", "image", graph.weight(width, 3, patch, patch), name="patches", strides=[patch] * 2)
    x = graph.add("Reshape", x, graph.constant(np.array([0, width, cells * cells])), name="flat")
    x = graph.add("Transpose", x, name="tokens", perm=[0, 2, 1])
    if order == "columns":
        places = np.arange(cells * cells).reshape(cells, cells).T.ravel()
        x = graph.add("Gather", x, graph.constant(places), name="down", axis=1)
    if n_prefix:
        like = graph.add("Slice", x, *(graph.constant(np.array([i])) for i in (0, n_prefix, 1)), name="some")
        none = graph.add("Mul", like, graph.constant(np.float32(0)), name="none")
        first = graph.add("Add", none, graph.weight(1, n_prefix, width, scale=1), name="first")
        both = (x, first) if order == "class last" else (first, x)
        x = graph.add("Concat", *both, name="all", axis=1)
    x = graph.add("Add", x, graph.weight(1, cells * cells + n_prefix, width, scale=1), name="placed")
    n = cells * cells + n_prefix
    for i in range(depth):
        mixed = graph.add("MatMul", graph.weight(n, n, scale=1 / n), x, name=f"mixed{i}")
        x = graph.add("Add", x, mixed, name=f"attended{i}")
        hidden = graph.add("MatMul", x, graph.weight(width, 4 * width), name=f"hidden{i}")
        hidden = graph.add("Relu", hidden, name=f"active{i}")
        back = graph.add("MatMul", hidden, graph.weight(4 * width, width, scale=0.1), name=f"back{i}")
        x = graph.add("Add", x, back, name=f"block{i}")
    ones, zeros = (graph.constant(np.full(width, value, np.float32)) for value in (1, 0))
    x = graph.add("LayerNormalization", x, ones, zeros, name="normed")
    if "pooled" in outputs:
        graph.add("ReduceMean", x, name="pooled", axes=[1], keepdims=0)
    return graph.model([batch, 3, size, size], outputs)


def by_hand(model, images, names, *, mean, std, layout="NCHW", kind="float"):
    """Return tensors of a model for images (n, S, S, 3), one image at a time, without any engine."""
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    run = ReferenceEvaluator(model).run
    ready = ((images.astype(np.float64) - mean) / std).astype(np.float32).astype(KINDS[kind])
    ready = ready.transpose(0, 3, 1, 2) if layout == "NCHW" else ready
    rows = [run(None, {"image": image[None]}) for image in ready]
    return [np.concatenate(column).astype(np.float32) for column in zip(*rows, strict=True)]
