"""A backend of your own: the class behind ``device="example"``, complete, and the check that it computes what the CPU does.

    python examples/own_backend.py
    python examples/own_backend.py --check conv

It takes its arrays from array-api-strict, which has the array standard and nothing else: no views, no writing. What a backend does not
define runs a portable default on the standard, so it begins with a name, a namespace, the class of its arrays and the way to the host;
one extension and one kernel show how it does better. docs/backends.md tells the rest.
"""

import argparse
import sys

import array_api_strict
import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.backends import Backend, register
from tinygrad_edu.testing import conformance


def sgd(held, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """A kernel: one step of gradient descent for all parameters, whose arrays are replaced in their list."""
    for arrays in held:
        p, g, *buffer = arrays
        g = (-g if maximize else g) + weight_decay * p
        if momentum:
            arrays[2] = g if first else momentum * buffer[0] + (1 - dampening) * g
            g = g + momentum * arrays[2] if nesterov else arrays[2]
        arrays[0] = p - lr * g


class ExampleBackend(Backend):
    name = "example"
    namespace = array_api_strict
    array_types = (type(array_api_strict.asarray(0)),)
    mutable = False  # every write goes through what setitem, index_add and write return
    kernels = {"sgd": sgd}
    linalg_errors = (np.linalg.LinAlgError,)

    def to_host(self, x):
        return np.array(x)

    def relu(self, x):  # an extension that this library does in its own way
        return self.clip(x, 0, None)


register("example", ExampleBackend)


def main() -> int:
    """Take a step of gradient descent on the backend, then compare operations with the CPU; 1 when one differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--device", default="example", help="where to train (default %(default)s); cpu gives the same numbers"
    )
    parser.add_argument(
        "--check", default="softmax", help="check the operations with this in their names (default %(default)s)"
    )
    options = parser.parse_args()
    w = tg.tensor([1.0, -2.0, 3.0], device=options.device, requires_grad=True)
    optimizer = tg.optim.SGD([w], lr=0.1)
    w.relu().square().sum().backward()
    optimizer.step()
    print(w.tolist(), w.device)
    return conformance.main(["example", "--only", options.check])


if __name__ == "__main__":
    sys.exit(main())
