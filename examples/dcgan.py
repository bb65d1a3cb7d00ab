"""Two networks against each other: a generator of digits and a judge of forgeries.

::

    python examples/dcgan.py

What there is to learn from it (Goodfellow et al., 2014; Radford, Metz and Chintala, 2016):

* **The discriminator** learns to tell real digits from made ones; **the generator** turns random numbers into images
  and learns from the gradient that comes back *through* the discriminator how to be taken for real.
* **Two losses that never fall for good**: each network is the other's problem. If one wins outright, the other gets
  no gradient any more. Watch both scores stay away from 0 and 1.
* **Transposed convolutions** draw: each number of a small map paints a window of a larger one. Batch normalisation in
  the generator and leaky relus in the discriminator keep the game going."""

from __future__ import annotations

from common import begin, build_parser, digits, finish, number, progress

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots


def generator(latent: int, width: int) -> nn.Sequential:
    """Build the network from points (N, latent, 1, 1) to images (N, 1, 8, 8) in [0, 1]."""
    return nn.Sequential(
        nn.ConvTranspose2d(latent, 2 * width, 2),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def discriminator(width: int) -> nn.Sequential:
    """Build the network from images (N, 1, 8, 8) to one logit each: positive for real ones."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 2),
        nn.Flatten(0),
    )


def initialize(module: nn.Module) -> None:
    """Draw the weights of convolutions from N(0, 0.02²), as the paper does."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0, 0.02)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train both, and return what the discriminator thinks at the end, and how alike the statistics of real and "
    "made digits are."""
    parser = build_parser(__doc__, "dcgan")
    parser.add_argument("--epochs", type=number(int, 1), default=60, help="passes over the training images")
    parser.add_argument("--latent", type=number(int, 1), default=16, help="random numbers that an image is made of")
    parser.add_argument("--width", type=number(int, 1), default=32, help="channels of the widest map")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=1e-3, help="learning rate of both Adams")
    args = begin(parser, argv)
    x = digits()[0]
    makes, judges = generator(args.latent, args.width).apply(initialize), discriminator(args.width).apply(initialize)
    optimizers = [optim.Adam(m.parameters(), lr=args.lr, betas=(0.5, 0.999)) for m in (makes, judges)]
    fixed = tg.randn(64, args.latent, 1, 1)

    def samples() -> tg.Tensor:
        makes.eval()
        with tg.no_grad():
            images = makes(fixed)
        makes.train()
        return images

    first = samples()
    history: dict[str, list[float]] = {"real/score": [], "made/score": []}
    bar = progress(range(args.epochs), "training", "epoch")
    for _ in bar:
        scores: list[tuple[tg.Tensor, tg.Tensor]] = []
        for rows in tg.randperm(len(x)).split(64):
            real = x[rows]
            made = makes(tg.randn(len(real), args.latent, 1, 1))
            on_real, on_made = judges(real), judges(made.detach())
            loss = F.softplus(-on_real).mean() + F.softplus(on_made).mean()
            optimizers[1].zero_grad()
            loss.backward()
            optimizers[1].step()
            optimizers[0].zero_grad()
            F.softplus(-judges(made)).mean().backward()
            optimizers[0].step()
            scores.append((on_real.detach().sigmoid().mean(), on_made.detach().sigmoid().mean()))
        for name, values in zip(history, zip(*scores, strict=True), strict=True):
            history[name].append(tg.stack(list(values)).mean().item())
        bar.set_postfix({name: f"{values[-1]:.2f}" for name, values in history.items()})
    last = samples()

    def distance(images: tg.Tensor) -> float:
        return (images.mean(0) - x.mean(0)).abs().mean().item()

    result = {
        "real": history["real/score"][-1],
        "made": history["made/score"][-1],
        "before": distance(first),
        "after": distance(last),
        "spread": last.std(0).mean().item() / x.std(0).mean().item(),
    }
    print(f"taken for real: {result['real']:.0%} of the real digits, {result['made']:.0%} of the made ones")
    print(
        f"mean made digit: {result['after']:.3f} a pixel away from the mean real one ({result['before']:.3f} before training)"
    )
    axes = plots.new_axes(1, 3, (3.5, 3.5))
    for ax, images, title in zip(
        axes, (first, last, x[:64]), ("made before training", "made after", "real"), strict=True
    ):
        plots.plot_images(images, title=title, ax=ax)
    finish(
        args,
        {"digits.png": axes, "scores.png": plots.plot_history(history)},
        "The made digits should look like digits, and differ from one another. In scores.png the two curves stay "
        "apart, and neither reaches 0 or 1.",
    )
    return result


if __name__ == "__main__":
    main()
