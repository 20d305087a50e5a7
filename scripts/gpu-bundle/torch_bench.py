#!/usr/bin/env python3
"""Clips a second of M2SD's network with random weights in PyTorch, compiled, and the rate of a plain
matrix product: torch_bench.py [fp16|fp32] [BATCH…]. Clips come as bytes from page-locked memory, as
they come to the engines here; a second figure leaves them on the GPU. In fp32 no product is rounded
to TF32, which is PyTorch's default."""

import sys
import time

import torch
from torch import nn
from torch.nn import functional

WIDTH, BLOCKS, HEADS, TOKENS = 768, 12, 12, 1568
SECONDS = 3.0


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, 1e-6), nn.LayerNorm(WIDTH, 1e-6)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        batch, tokens, _ = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, HEADS, WIDTH // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.project(mixed.transpose(1, 2).reshape(batch, tokens, WIDTH))
        return x + self.narrow(functional.gelu(self.widen(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv3d(3, WIDTH, (2, 16, 16), (2, 16, 16))
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, TOKENS + 1, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*[Block() for _ in range(BLOCKS)])
        self.norm, self.head = nn.LayerNorm(WIDTH, 1e-6), nn.Linear(WIDTH, 2)
        mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1, 1)
        deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1, 1)
        self.register_buffer("scale", 1 / (255 * deviation))
        self.register_buffer("offset", -mean / deviation)

    def forward(self, clips):
        x = clips.to(self.scale.dtype) * self.scale + self.offset
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x)[:, 0]))


def rate(run, batch):
    """Clips a second of `run`, after it is warm."""
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        run()
    torch.cuda.synchronize()
    begin, count = time.monotonic(), 0
    while time.monotonic() - begin < SECONDS:
        for _ in range(4):
            run()
        torch.cuda.synchronize()
        count += 4 * batch
    return count / (time.monotonic() - begin)


def product_rate(precision):
    """10¹² operations a second of one large product."""
    size = 8192
    a, b = (torch.randn(size, size, device="cuda", dtype=precision) for _ in range(2))
    return rate(lambda: a @ b, 2 * size**3) / 1e12


PRECISIONS = {"fp16": torch.float16, "fp32": torch.float32}


def main():
    arguments = sys.argv[1:]
    name = arguments.pop(0) if arguments and arguments[0] in PRECISIONS else "fp16"
    precision = PRECISIONS[name]
    print(f"\nPyTorch {torch.__version__}, {torch.cuda.get_device_name()}, {name}")
    print(f"matrix product 8192³: {product_rate(precision):.0f} TFLOP/s")
    network = Transformer().cuda().to(precision).eval()
    compiled = torch.compile(network, mode="reduce-overhead", dynamic=False)
    print(f"{'batch':>6} {'compiled s':>11} {'clips/s':>9} {'from GPU':>9}")
    with torch.inference_mode():
        for batch in [int(text) for text in arguments] or [1, 4, 8, 16]:
            host = torch.randint(0, 256, (batch, 3, 16, 224, 224), dtype=torch.uint8).pin_memory()
            clips = host.cuda()
            started = time.monotonic()
            compiled(clips)
            torch.cuda.synchronize()
            took = time.monotonic() - started

            def copied():
                clips.copy_(host, non_blocking=True)
                compiled(clips).cpu()

            from_host, from_gpu = rate(copied, batch), rate(lambda: compiled(clips), batch)
            print(f"{batch:>6} {took:>11.1f} {from_host:>9.1f} {from_gpu:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
