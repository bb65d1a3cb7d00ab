"""Random numbers: their distributions, and that one seed or one saved state repeats them."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_init import distance

import tinygrad_edu as tg

# Everything that draws: name, and a call of it with a generator (or None for the default one).
DRAWS = {
    "rand": lambda g: tg.rand(50, generator=g),
    "randn": lambda g: tg.randn(50, generator=g),
    "rand_like": lambda g: tg.rand_like(tg.zeros(50), generator=g),
    "randn_like": lambda g: tg.randn_like(tg.zeros(50), generator=g),
    "randint": lambda g: tg.randint(0, 1000, (50,), generator=g),
    "randint_like": lambda g: tg.randint_like(tg.zeros(50), 1000, generator=g),
    "randperm": lambda g: tg.randperm(50, generator=g),
    "normal": lambda g: tg.normal(1.0, 2.0, (50,), generator=g),
    "bernoulli": lambda g: tg.bernoulli(tg.full((50,), 0.5), generator=g),
    "multinomial": lambda g: tg.multinomial(tg.ones(9), 50, replacement=True, generator=g),
    "multinomial without replacement": lambda g: tg.multinomial(tg.ones(50), 50, generator=g),
    "uniform_": lambda g: tg.zeros(50).uniform_(2, 3, generator=g),
    "normal_": lambda g: tg.zeros(50).normal_(2, 3, generator=g),
    "bernoulli_": lambda g: tg.zeros(50).bernoulli_(0.5, generator=g),
    "exponential_": lambda g: tg.zeros(50).exponential_(2, generator=g),
    "log_normal_": lambda g: tg.zeros(50).log_normal_(generator=g),
    "geometric_": lambda g: tg.zeros(50).geometric_(0.1, generator=g),
    "cauchy_": lambda g: tg.zeros(50).cauchy_(generator=g),
    "random_": lambda g: tg.zeros(50).random_(generator=g),
    "poisson": lambda g: tg.poisson(tg.full((50,), 9.0), generator=g),
    "binomial": lambda g: tg.binomial(tg.full((50,), 40.0), tg.tensor(0.5), g),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_or_a_state_repeats_what_is_drawn(name: str) -> None:
    draw = DRAWS[name]

    def seeded(seed: int) -> list[Any]:
        return draw(tg.Generator(tg.get_default_device()).manual_seed(seed)).tolist()

    assert seeded(3) == seeded(3) != seeded(4)
    generator = tg.Generator(tg.get_default_device())
    state = generator.get_state()
    first, second = draw(generator).tolist(), draw(generator).tolist()
    assert first != second
    generator.set_state(state)
    assert [draw(generator).tolist(), draw(generator).tolist()] == [first, second]
    tg.manual_seed(3)
    default = tg.random.default_generator(tg.get_default_device())
    before = default.get_state()
    drawn = draw(None).tolist()
    assert drawn == seeded(3)  # the default generator is one like any other
    default.set_state(before)
    assert draw(None).tolist() == drawn


def test_seeds_are_remembered_and_drawn() -> None:
    assert tg.manual_seed(-5).initial_seed() == tg.initial_seed() == 2**64 - 5
    first, second = tg.seed(), tg.seed()
    assert first != second == tg.initial_seed()
    tg.manual_seed(second)
    x = tg.rand(4).tolist()
    assert tg.rand(4, generator=tg.Generator(tg.get_default_device()).manual_seed(second)).tolist() == x


def test_a_state_can_be_saved_as_a_tensor_of_bytes(tmp_path: Any) -> None:
    generator = tg.random.default_generator(tg.get_default_device())
    state = generator.get_state()
    assert state.dtype is tg.uint8 and state.dim() == 1
    expected = tg.randn(3).tolist()
    tg.save({"rng": state}, tmp_path / "state.safetensors")
    generator.set_state(tg.load(tmp_path / "state.safetensors")["rng"])
    assert tg.randn(3).tolist() == expected


def test_threads_draw_from_generators_of_their_own() -> None:
    tg.manual_seed(0)
    expected = tg.rand(3).tolist()
    tg.manual_seed(0)
    found: list[Any] = []

    def work() -> None:
        tg.rand(1000)
        tg.manual_seed(0)
        found.append(tg.rand(3).tolist())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [expected] and tg.rand(3).tolist() == expected


def normal_share(v: float) -> float:
    return (1 + math.erf(v / math.sqrt(2))) / 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype: str) -> None:
    tg.manual_seed(0)
    n = 3000
    zeros = tg.zeros(n, dtype=dtype)
    for drawn, share in (
        (tg.rand(n, dtype=dtype), lambda v: v),
        (tg.randn(n, dtype=dtype), normal_share),
        (tg.rand_like(zeros), lambda v: v),
        (tg.randn_like(zeros), normal_share),
        (tg.normal(zeros + 3, 2.0), lambda v: normal_share((v - 3) / 2)),
        (tg.normal(3.0, zeros + 2), lambda v: normal_share((v - 3) / 2)),
        (tg.normal(3.0, 2.0, (n,), dtype=dtype), lambda v: normal_share((v - 3) / 2)),
        (zeros.clone().uniform_(-2, 2), lambda v: (v + 2) / 4),
        (zeros.clone().normal_(3, 2), lambda v: normal_share((v - 3) / 2)),
        (zeros.clone().exponential_(2), lambda v: 1 - math.exp(-2 * v)),
        (zeros.clone().log_normal_(1, 0.5), lambda v: normal_share((math.log(v) - 1) / 0.5)),
        (zeros.clone().cauchy_(1, 2), lambda v: 0.5 + math.atan((v - 1) / 2) / math.pi),
    ):
        assert drawn.dtype.name == dtype
        assert distance(drawn.numpy().astype("float64"), share) < 2.2


def assert_frequencies(values: Any, expected: dict[int, float]) -> None:
    """Counts within six deviations of what is expected, and nothing else drawn."""
    n = len(values)
    counts = {int(v): int((values == v).sum()) for v in np.unique(values)}
    assert set(counts) <= {v for v, p in expected.items() if p}
    for v, p in expected.items():
        assert abs(counts.get(v, 0) - n * p) <= 6 * math.sqrt(n * p * (1 - p)) + 1e-9


def test_frequencies_of_integers_and_classes() -> None:
    tg.manual_seed(0)
    n = 6000
    assert_frequencies(tg.randint(-2, 3, (n,)).numpy(), dict.fromkeys(range(-2, 3), 0.2))
    assert_frequencies(tg.randint_like(tg.zeros(n), 4).numpy(), dict.fromkeys(range(4), 0.25))
    assert_frequencies(tg.bernoulli(tg.full((n,), 0.3)).numpy(), {0: 0.7, 1: 0.3})
    assert_frequencies(tg.zeros(n).bernoulli_(tg.tensor(0.3)).numpy(), {0: 0.7, 1: 0.3})
    waiting = {k: 0.7 ** (k - 1) * 0.3 for k in range(1, 6)} | {6: 0.7**5}  # six or more
    assert_frequencies(tg.zeros(n, dtype="int64").geometric_(0.3).clamp(max=6).numpy(), waiting)
    assert_frequencies(tg.zeros(n).random_(2, 6).numpy(), dict.fromkeys(range(2, 6), 0.25))
    assert_frequencies(tg.zeros(n, dtype="bool").random_().numpy(), {0: 0.5, 1: 0.5})
    events = {k: math.exp(-1.5) * 1.5**k / math.factorial(k) for k in range(4)}
    events[4] = 1 - sum(events.values())  # four or more
    assert_frequencies(tg.poisson(tg.full((n,), 1.5)).clamp(max=4).numpy(), events)
    successes = {k: math.comb(3, k) * 0.3**k * 0.7 ** (3 - k) for k in range(4)}
    assert_frequencies(tg.binomial(tg.full((n,), 3.9), tg.tensor(0.3)).numpy(), successes)  # counts are rounded down
    weights = tg.tensor([[1.0, 0.0, 3.0], [0.0, 5.0, 0.0]])
    drawn = tg.multinomial(weights, n, replacement=True).numpy()
    assert_frequencies(drawn[0], {0: 0.25, 1: 0.0, 2: 0.75})
    assert_frequencies(drawn[1], {1: 1.0})
    firsts = np.array([tg.multinomial(weights[0], 2)[0].item() for _ in range(1000)])
    assert_frequencies(firsts, {0: 0.25, 1: 0.0, 2: 0.75})
    places = np.array([tg.randperm(3)[0].item() for _ in range(1000)])
    assert_frequencies(places, dict.fromkeys(range(3), 1 / 3))


@given(st.integers(0, 30))
def test_permutations_and_draws_without_replacement_repeat_nothing(n: int) -> None:
    assert sorted(tg.randperm(n).tolist()) == list(range(n))
    if n:
        assert sorted(tg.multinomial(tg.rand(n) + 0.1, n).tolist()) == list(range(n))


def test_half_precision_stays_below_one() -> None:
    tg.manual_seed(0)
    x = tg.rand(20_000, dtype=tg.float16).numpy()
    assert x.dtype == np.float16 and 0 <= x.min() and x.max() < 1
    assert distance(x[:2000].astype("float64"), lambda v: v) < 2.5


def test_types_and_leaves() -> None:
    torch = pytest.importorskip("torch")
    for make in (
        lambda lib: lib.rand(2, 3, requires_grad=True),
        lambda lib: lib.rand(size=(2, 3), dtype=lib.float64),
        lambda lib: lib.randn([2], requires_grad=True),
        lambda lib: lib.rand_like(lib.zeros(2, dtype=lib.float64), requires_grad=True),
        lambda lib: lib.randint(5, (2,)),
        lambda lib: lib.randint(high=5, size=(2,)),
        lambda lib: lib.randint(0, 5, (2,), dtype=lib.float32, requires_grad=True),
        lambda lib: lib.randint_like(lib.zeros(2, dtype=lib.float64), 1, 5),
        lambda lib: lib.randperm(4, dtype=lib.int32),
        lambda lib: lib.normal(lib.zeros(2, 1, dtype=lib.float64), lib.ones(3, dtype=lib.float64)),
        lambda lib: lib.normal(lib.zeros(2)),
        lambda lib: lib.bernoulli(lib.zeros(2, dtype=lib.float64)),
        lambda lib: lib.bernoulli(lib.zeros(2), 0.5),
        lambda lib: lib.multinomial(lib.ones(2, 4), 3),
    ):
        ours, theirs = make(tg), make(torch)
        assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert (ours.requires_grad, ours.is_leaf) == (theirs.requires_grad, theirs.is_leaf)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tg.rand(), TypeError, "rand: expected a shape"),
        (lambda: tg.rand(-1), ValueError, "rand: sizes must not be negative"),
        (lambda: tg.rand(2, dtype=tg.int64), TypeError, "rand: .* not tg.int64; use randint"),
        (lambda: tg.randn_like(tg.tensor([1])), TypeError, "randn_like: .* not tg.int64"),
        (lambda: tg.randint(3, 3, (2,)), ValueError, "range 3 to 3 is empty"),
        (lambda: tg.randint(0, 300, (2,), dtype=tg.uint8), ValueError, "299 does not fit into tg.uint8"),
        (lambda: tg.randint(0, 1.5, (2,)), TypeError, "integers as limits"),
        (lambda: tg.randperm(-1), ValueError, "randperm: sizes must not be negative"),
        (lambda: tg.normal(0.0, -1.0, (2,)), ValueError, "must not be negative"),
        (lambda: tg.normal(0.0, tg.tensor([1.0, -1.0])), ValueError, "must not be negative"),
        (lambda: tg.normal(tg.tensor([1]), 1.0), TypeError, "floating point, got tg.int64"),
        (lambda: tg.normal(0.0, 1.0), TypeError, "two numbers and a size"),
        (lambda: tg.bernoulli(tg.tensor([1.5])), ValueError, "between 0 and 1"),
        (lambda: tg.bernoulli(tg.tensor([math.nan])), ValueError, "between 0 and 1"),
        (lambda: tg.bernoulli(tg.tensor([1])), TypeError, "floating point, got tg.int64"),
        (lambda: tg.multinomial(tg.tensor([0.0, 1.0]), 2), ValueError, "2 different numbers"),
        (lambda: tg.multinomial(tg.tensor([0.0, 0.0]), 1), ValueError, "not all zero"),
        (lambda: tg.multinomial(tg.tensor([-1.0, 1.0]), 1), ValueError, "non-negative"),
        (lambda: tg.multinomial(tg.tensor([1.0]), 0), ValueError, "num_samples = 0"),
        (lambda: tg.multinomial(tg.tensor([1, 1]), 1), ValueError, "floating-point"),
        (lambda: tg.zeros(2).exponential_(0), ValueError, "lambd must be above 0"),
        (lambda: tg.zeros(2).geometric_(1.0), ValueError, "p must be between 0 and 1"),
        (lambda: tg.zeros(2).cauchy_(0, 0), ValueError, "sigma must be above 0"),
        (lambda: tg.zeros(2, dtype=tg.int64).cauchy_(), TypeError, "cauchy_: .* not tg.int64"),
        (lambda: tg.zeros(2).log_normal_(0, -1), ValueError, "log_normal_: the standard deviation"),
        (lambda: tg.zeros(2).random_(3, 3), ValueError, "range 3 to 3 is empty"),
        (lambda: tg.poisson(tg.tensor([-1.0])), ValueError, "not negative"),
        (lambda: tg.poisson(tg.tensor([1])), TypeError, "floating point, got tg.int64"),
        (lambda: tg.binomial(tg.tensor([-1.0]), tg.tensor([0.5])), ValueError, "binomial: every count"),
        (lambda: tg.binomial(tg.tensor([1.0]), tg.tensor([1.5])), ValueError, "binomial: every element of prob"),
        (lambda: tg.binomial(tg.tensor([1]), tg.tensor([0.5])), TypeError, "binomial: count and prob"),
        (lambda: tg.zeros(2).uniform_(2, 1), ValueError, "interval from 2 to 1 is empty"),
        (lambda: tg.manual_seed(1.5), TypeError, "expected an integer, got 1.5"),
        (lambda: tg.manual_seed(2**64), ValueError, "64 bits"),
        (lambda: tg.Generator().set_state(tg.zeros(3)), TypeError, "expected a uint8 tensor"),
        (lambda: tg.set_rng_state(tg.zeros(3, dtype=tg.uint8)), ValueError, "no generator state"),
        (lambda: tg.Generator("toaster"), RuntimeError, "there is no device 'toaster'"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
