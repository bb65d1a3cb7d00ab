"""How wide weights should start: activations and gradients by layer under four initialisations, with and without
batch normalisation.

::

    python examples/initialization.py
    python examples/initialization.py --activation relu

What there is to learn from it, from one forward and backward pass through a deep network of random weights:

* **Too wide** (std 1): sigmoid and tanh are driven to their ends, where most units have no derivative left; what gradient
  there is passes through the few others. Under relu the values explode, and gradients with them.
* **Too narrow** (std 0.01): the values of all units shrink from layer to layer to the same number, and the gradients
  with them.
* **Xavier** (Glorot and Bengio, 2010; std 1/√n) keeps the variance of sigmoid and tanh, **He** (He et al., 2015; std
  √(2/n)) that of relu, which drops half of it.
* **Batch normalisation** (Ioffe and Szegedy, 2015) brings every layer back to variance 1, whatever the weights were.
"""

from __future__ import annotations

import math

from common import begin, build_parser, finish, number

import tinygrad_edu as tg
from tinygrad_edu import nn, plots

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
WIDTHS = {
    "std 1": lambda n: 1.0,
    "std 0.01": lambda n: 0.01,
    "Xavier": lambda n: 1 / math.sqrt(n),
    "He": lambda n: math.sqrt(2 / n),
}


def network(layers: int, size: int, activation: str, std: float, normalize: bool) -> nn.Sequential:
    """Stack linear layers with weights from N(0, std²) and an activation behind each."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        linear = nn.Linear(size, size)
        nn.init.normal_(linear.weight, 0, std)
        nn.init.zeros_(linear.bias)
        parts += [linear, *([nn.BatchNorm1d(size)] if normalize else []), ACTIVATIONS[activation]()]
    return nn.Sequential(*parts)


def measure(model: nn.Sequential, x: tg.Tensor) -> plots.LayerRecorder:
    """Record the activations, and the gradients of a random direction at the end."""
    names = [name for name, layer in model.named_children() if type(layer) in ACTIVATIONS.values()]
    with plots.LayerRecorder(model, names) as recorder:
        out = model(x)
        out.backward(tg.randn_like(out))
    return recorder


def main(argv: list[str] | None = None) -> dict[str, dict[str, list[float]]]:
    """Measure, and return for each initialisation the spread of activations and of gradients by layer."""
    parser = build_parser(__doc__, "initialization")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="tanh", help="behind each layer")
    parser.add_argument("--layers", type=number(int, 1), default=5, help="how deep the network is")
    parser.add_argument("--size", type=number(int, 1), default=100, help="units in each layer")
    args = begin(parser, argv)
    x = tg.randn(1000, args.size)
    rows = [
        (f"{name}{' + batch norm' if norm else ''}", width, norm)
        for norm in (False, True)
        for name, width in WIDTHS.items()
    ]
    axes = plots.new_axes(2, len(WIDTHS), (3, 2.4))
    results: dict[str, dict[str, list[float]]] = {}
    print(f"{'':22} spread of activations by layer" + " " * (9 * args.layers - 29) + "spread of gradients by layer")
    for i, (name, width, normalize) in enumerate(rows):
        model = network(args.layers, args.size, args.activation, width(args.size), normalize)
        recorder = measure(model, x)
        activations, gradients = list(recorder.activations.values()), list(recorder.gradients.values())
        results[name] = {
            "activations": [float(a.std()) for a in activations],
            "gradients": [float(g.std()) for g in gradients],
            "saturated": [float((abs(a) > 0.99).mean()) for a in activations],
        }
        shown = [" ".join(f"{v:8.2g}" for v in results[name][what]) for what in ("activations", "gradients")]
        print(f"{name:22} {shown[0]}   {shown[1]}")
        for k, a in enumerate(activations):
            axes[i].hist(a.ravel(), bins=60, histtype="step", label=f"layer {k + 1}")
        axes[i].set_title(name, fontsize=9)
        axes[i].set_yticks([])
    axes[0].legend(fontsize=6)
    finish(
        args,
        {f"{args.activation}.png": axes},
        "Read the table and the picture from left to right. A good initialisation keeps both spreads the same in "
        "all layers; std 1 piles the values up at the ends, std 0.01 "
        "lets them vanish, and with batch normalisation all four look alike. Try --activation relu, where He "
        "takes Xavier's place.",
    )
    return results


if __name__ == "__main__":
    main()
