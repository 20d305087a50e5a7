"""Writes mobilefacenet.json: what the author's MobileFaceNet answers with the weights that
`published.rs` makes, too. Needs PyTorch and a checkout of cunjian/pytorch_face_landmark:

    python tests/golden/mobilefacenet.py CHECKOUT > tests/golden/mobilefacenet.json
"""

import json
import sys

import torch

GOLDEN, PLASTIC = 0.6180339887498949, 0.32471795724474603


def numbers(index, count):
    """In 0..1, the same as in `published.rs`."""
    steps = torch.arange(1, count + 1, dtype=torch.float64)
    return torch.frac(steps * GOLDEN + index * PLASTIC)


def seeded(name, index, shape):
    count = int(torch.tensor(shape).prod())
    x = numbers(index, count)
    if name.endswith("running_mean"):
        x = 0.2 * x - 0.1
    elif name.endswith("running_var"):
        x = 0.5 + x
    elif name.endswith("prelu.weight"):
        x = 0.5 * x
    elif len(shape) == 1:
        x = 0.5 + x if name.endswith("weight") else 0.2 * x - 0.1
    else:
        inputs = count // shape[0]
        x = (2.0 * x - 1.0) * (3.0 / inputs) ** 0.5
    return x.to(torch.float32).reshape(shape)


def main():
    sys.path.insert(0, sys.argv[1])
    from models.mobilefacenet import MobileFaceNet

    network = MobileFaceNet([112, 112], 136).eval()
    state = network.state_dict()
    names = sorted(name for name in state if not name.endswith("num_batches_tracked"))
    shapes = {name: list(state[name].shape) for name in names}
    for index, name in enumerate(names):
        state[name] = seeded(name, index, shapes[name])
    network.load_state_dict(state)
    image = numbers(len(names), 3 * 112 * 112).to(torch.float32).reshape(1, 3, 112, 112)
    with torch.no_grad():
        landmarks = network(image)[0][0]
    json.dump({"shapes": shapes, "landmarks": [float(v) for v in landmarks]}, sys.stdout)
    print()


main()
