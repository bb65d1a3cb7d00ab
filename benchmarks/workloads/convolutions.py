"""Convolutions alone, and convolutional networks."""

from __future__ import annotations

from typing import Any

from benchmarks.registry import Context, Step, workload

BATCHES = 4  # distinct batches, used in turn
SHAPES = [  # N, C, height and width, O, kernel_size, padding
    (32, 3, 32, 32, 3, 1),
    (32, 64, 16, 64, 3, 1),
    (8, 64, 56, 64, 3, 1),
    (8, 128, 28, 128, 3, 1),
    (32, 16, 28, 32, 5, 2),
    (8, 256, 14, 256, 1, 0),
]


def _register(number: int, n: int, c: int, size: int, o: int, k: int, padding: int) -> None:
    def build(ctx: Context) -> Step:
        x = ctx.normal(n, c, size, size, requires_grad=True)
        weight = ctx.normal(o, c, k, k, scale=(c * k * k) ** -0.5, requires_grad=True)
        bias = ctx.normal(o, requires_grad=True)
        cotangent = ctx.normal(n, o, size, size)
        conv2d = ctx.lib.nn.functional.conv2d

        def step() -> tuple[Any, ...]:
            x.grad = weight.grad = bias.grad = None
            y = conv2d(x, weight, bias, padding=padding)
            y.backward(cotangent)
            return y, x.grad, weight.grad, bias.grad

        return step

    build.__doc__ = f"Convolution, forward and backward: {n}x{c}x{size}x{size} to {o} channels, {k}x{k}."
    workload(name=f"conv_micro/{number}", check_steps=1, rtol=(2e-5,))(build)


for _number, _shape in enumerate(SHAPES):
    _register(_number, *_shape)


def _classifier(ctx: Context, model: Any, *shape: int) -> Step:
    """Training steps of a model with ten classes: cross-entropy, SGD with momentum."""
    cross_entropy = ctx.lib.nn.functional.cross_entropy
    optimizer = ctx.lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    data = [(ctx.normal(*shape), ctx.tensor(ctx.rng.integers(0, 10, shape[0]))) for _ in range(BATCHES)]
    count = 0

    def step() -> tuple[Any, Any]:
        nonlocal count
        x, labels = data[count % BATCHES]
        count += 1
        optimizer.zero_grad()
        loss = cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss, model[0].weight.grad

    return step


@workload(rtol=(1e-5, 1e-3))
def lenet(ctx: Context) -> Step:
    """LeNet-5 with ReLU and max pooling, batch 64 of 28x28, SGD with momentum."""
    nn = ctx.lib.nn
    model = ctx.load_weights(
        nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        )
    )
    return _classifier(ctx, model, 64, 1, 28, 28)


@workload(rtol=(1e-5, 2e-2))
def cnn_wide(ctx: Context) -> Step:
    """3-32-64-128 channels of 3x3 with batch norm, two max poolings, batch 32 of 32x32, SGD with momentum."""
    nn = ctx.lib.nn

    def stage(c: int, o: int) -> tuple[Any, ...]:
        return nn.Conv2d(c, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()

    model = ctx.load_weights(
        nn.Sequential(
            *(*stage(3, 32), *stage(32, 64), nn.MaxPool2d(2)),
            *(*stage(64, 128), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(128 * 8 * 8, 10)),
        )
    )
    return _classifier(ctx, model, 32, 3, 32, 32)
