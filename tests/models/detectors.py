#!/usr/bin/env python3
"""Figures of detectors with made-up weights, computed with NumPy alone: tests/models/detectors.json.

Each network is written here as its paper's code base has it (layers by name, normalisations apart from
convolutions), independently of src/models/arch, which folds and exports. Weights and picture come from
`seeded`, which the test repeats.

    python3 tests/models/detectors.py > tests/models/detectors.json
"""

import json
import sys

import numpy as np

M64 = (1 << 64) - 1


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & M64
    return h


def seeded(name, count):
    """Numbers from -0.5 to 0.5 that depend on a name and their places: SplitMix64, its upper bits."""
    z = (np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / (1 << 24) - 0.5


class Net:
    def __init__(self):
        self.shapes = {}

    def tensor(self, name, shape):
        self.shapes[name] = list(shape)
        u = seeded(name, int(np.prod(shape))).reshape(shape)
        if name.endswith("running_var"):
            return 1.0 + u
        if len(shape) == 1:
            return u * 0.2 + (1.0 if name.endswith(".weight") else 0.0)
        return u * 2.0 / np.sqrt(np.prod(shape[1:]) / 3.0)

    def conv(self, x, name, out, kernel, stride=1, pad=0, groups=1, dilation=1, bias=False):
        inputs = x.shape[0]
        weight = self.tensor(name + ".weight", (out, inputs // groups, kernel, kernel))
        x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        reach = dilation * (kernel - 1) + 1
        height = (x.shape[1] - reach) // stride + 1
        width = (x.shape[2] - reach) // stride + 1
        y = np.zeros((out, height, width))
        for i in range(kernel):
            for j in range(kernel):
                part = x[
                    :,
                    i * dilation : i * dilation + stride * (height - 1) + 1 : stride,
                    j * dilation : j * dilation + stride * (width - 1) + 1 : stride,
                ]
                if groups == 1:
                    y += np.einsum("oc,chw->ohw", weight[:, :, i, j], part, optimize=True)
                else:
                    y += weight[:, 0, i, j][:, None, None] * part
        if bias:
            y += self.tensor(name + ".bias", (out,))[:, None, None]
        return y

    def norm(self, x, name):
        parts = ["weight", "bias", "running_mean", "running_var"]
        gain, shift, mean, var = (self.tensor(f"{name}.{part}", (x.shape[0],)) for part in parts)
        scaled = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
        return scaled * gain[:, None, None] + shift[:, None, None]


def leaky(slope):
    return lambda x: np.where(x > 0, x, slope * x)


relu = leaky(0.0)


def rows(x, values):
    return x.transpose(1, 2, 0).reshape(-1, values)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def nearest(x, like):
    h, w = like.shape[1:]
    i = np.arange(h) * x.shape[1] // h
    j = np.arange(w) * x.shape[2] // w
    return x[:, i][:, :, j]


def mobilenet(net, x, act):
    def block(x, name, out, stride):
        x = act(net.norm(net.conv(x, name + ".0", x.shape[0], 3, stride, 1, x.shape[0]), name + ".1"))
        return act(net.norm(net.conv(x, name + ".3", out, 1), name + ".4"))

    x = act(net.norm(net.conv(x, "body.stage1.0.0", 8, 3, 2, 1), "body.stage1.0.1"))
    plan = [
        [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1)],
        [(128, 2), (128, 1), (128, 1), (128, 1), (128, 1), (128, 1)],
        [(256, 2), (256, 1)],
    ]
    maps = []
    for stage, blocks in enumerate(plan, 1):
        for index, (out, stride) in enumerate(blocks, 1 if stage == 1 else 0):
            x = block(x, f"body.stage{stage}.{index}", out, stride)
        maps.append(x)
    return maps


def resnet50(net, x):
    x = relu(net.norm(net.conv(x, "body.conv1", 64, 7, 2, 3), "body.bn1"))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    h, w = (x.shape[1] + 1) // 2, (x.shape[2] + 1) // 2
    x = np.max([padded[:, i : i + 2 * h - 1 : 2, j : j + 2 * w - 1 : 2] for i in range(3) for j in range(3)], axis=0)
    maps = []
    for layer, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], 1):
        for block in range(blocks):
            name = f"body.layer{layer}.{block}"
            stride = 2 if block == 0 and layer > 1 else 1
            y = relu(net.norm(net.conv(x, name + ".conv1", width, 1), name + ".bn1"))
            y = relu(net.norm(net.conv(y, name + ".conv2", width, 3, stride, 1), name + ".bn2"))
            y = net.norm(net.conv(y, name + ".conv3", 4 * width, 1), name + ".bn3")
            if block == 0:
                x = net.norm(net.conv(x, name + ".downsample.0", 4 * width, 1, stride), name + ".downsample.1")
            x = relu(y + x)
        maps.append(x)
    return maps[1:]


def pyramid(net, maps, width, act):
    def bn(x, name, out, kernel):
        return net.norm(net.conv(x, name + ".0", out, kernel, 1, kernel // 2), name + ".1")

    fine, middle, coarse = (act(bn(x, f"fpn.output{n}", width, 1)) for n, x in enumerate(maps, 1))
    middle = act(bn(middle + nearest(coarse, middle), "fpn.merge2", width, 3))
    fine = act(bn(fine + nearest(middle, fine), "fpn.merge1", width, 3))
    levels = []
    for n, x in enumerate([fine, middle, coarse], 1):
        three = bn(x, f"ssh{n}.conv3X3", width // 2, 3)
        deeper = act(bn(x, f"ssh{n}.conv5X5_1", width // 4, 3))
        five = bn(deeper, f"ssh{n}.conv5X5_2", width // 4, 3)
        deepest = act(bn(deeper, f"ssh{n}.conv7X7_2", width // 4, 3))
        seven = bn(deepest, f"ssh{n}.conv7x7_3", width // 4, 3)
        levels.append(relu(np.concatenate([three, five, seven])))
    heads = [("BboxHead", 4), ("ClassHead", 2), ("LandmarkHead", 10)]
    return [
        np.concatenate([
            rows(net.conv(x, f"{head}.{n}.conv1x1", 2 * values, 1, bias=True), values)
            for n, x in enumerate(levels)
        ])
        for head, values in heads
    ]


def retinaface(net, x, slope):
    return pyramid(net, mobilenet(net, x, leaky(slope)), 64, leaky(slope))


def retinaface_resnet50(net, x):
    return pyramid(net, resnet50(net, x), 256, relu)


def small(net, x, rfb):
    def bn(x, name, out, kernel, stride=1, groups=1, dilation=1, names=("", "")):
        pad = dilation * (kernel // 2)
        y = net.conv(x, name + names[0], out, kernel, stride, pad, groups, dilation)
        return net.norm(y, name + names[1])

    def block(x, name, out, stride):
        x = relu(bn(x, name, x.shape[0], 3, stride, x.shape[0], names=(".0", ".1")))
        return relu(bn(x, name, out, 1, names=(".3", ".4")))

    def pair(x, name, out, stride=1):
        x = relu(net.conv(x, name + ".0", x.shape[0], 3, stride, 1, x.shape[0], bias=True))
        return net.conv(x, name + ".2", out, 1, bias=True)

    def receptive(x, name):
        both = (".conv", ".bn")
        def branch(n, plan):
            y = x
            for index, (out, kernel, dilation, active) in enumerate(plan):
                y = bn(y, f"{name}.branch{n}.{index}", out, kernel, dilation=dilation, names=both)
                y = relu(y) if active else y
            return y
        plans = [
            [(8, 1, 1, False), (16, 3, 1, True), (16, 3, 2, False)],
            [(8, 1, 1, False), (16, 3, 1, True), (16, 3, 3, False)],
            [(8, 1, 1, False), (12, 3, 1, True), (16, 3, 1, True), (16, 3, 5, False)],
        ]
        y = np.concatenate([branch(n, plan) for n, plan in enumerate(plans)])
        y = bn(y, name + ".ConvLinear", 64, 1, names=both)
        return relu(y + bn(x, name + ".shortcut", 64, 1, names=both))

    x = relu(bn(x, "conv1", 16, 3, 2, names=(".0", ".1")))
    plan = [(32, 1), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1)]
    maps = []
    for number, (out, stride) in enumerate(plan, 2):
        x = receptive(x, "conv8") if rfb and number == 8 else block(x, f"conv{number}", out, stride)
        if number in (8, 11, 13):
            maps.append(x)
    x = relu(net.conv(x, "conv14.0", 64, 1, bias=True))
    maps.append(relu(pair(x, "conv14.2", 256, 2)))
    outputs = []
    for head, values in [("loc", 4), ("conf", 2), ("landm", 10)]:
        parts = []
        for level, (x, anchors) in enumerate(zip(maps, [3, 2, 2, 3])):
            name, out = f"{head}.{level}", anchors * values
            y = net.conv(x, name, out, 3, 1, 1, bias=True) if level == 3 else pair(x, name, out)
            parts.append(rows(y, values))
        outputs.append(np.concatenate(parts))
    return outputs


def figures(build, height, width):
    net = Net()
    picture = seeded("picture", 3 * height * width).reshape(3, height, width) * 200
    boxes, classes, landmarks = build(net, picture)
    outputs = {}
    for name, values in [("boxes", boxes), ("classes", softmax(classes)), ("landmarks", landmarks)]:
        flat = values.reshape(-1)
        step = max(1, len(flat) // 23)
        outputs[name] = {
            "rows": len(values),
            "sum": float(flat.sum()),
            "largest": float(np.abs(flat).max()),
            "step": step,
            "some": [float(v) for v in flat[::step]],
        }
    return {"size": [width, height], "tensors": net.shapes, "outputs": outputs}


json.dump(
    {
        # Neither side a multiple of a stride.
        "retinaface": figures(lambda net, x: retinaface(net, x, 0.1), 84, 108),
        "one_mb": figures(lambda net, x: retinaface(net, x, 0.0), 84, 108),
        "resnet50": figures(retinaface_resnet50, 76, 68),
        "slim": figures(lambda net, x: small(net, x, False), 84, 108),
        "rfb": figures(lambda net, x: small(net, x, True), 84, 108),
    },
    sys.stdout,
    indent=None,
    separators=(",", ":"),
)
print()
