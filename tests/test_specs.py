"""Every public operation has a spec, and every spec's battery passes: values, derivatives, properties, hygiene, errors, PyTorch."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from parity import check_types, check_values

import tinygrad_edu as tg
from tinygrad_edu.testing import battery
from tinygrad_edu.testing.runner import examples
from tinygrad_edu.testing.spec import arguments_of
from tinygrad_edu.testing.specs import ALL_SPECS, operation_of, public_operations

# Operations whose spec is still to be written; it must not name what has one, and is meant to be empty.
PENDING: set[str] = set()

test_battery = battery(*ALL_SPECS)


def covered():
    """The public names of everything that a spec is about; an alias counts with its operation."""
    operations = public_operations()
    named = {operation_of(s) for s in ALL_SPECS}
    named |= {f"Tensor.{method}" for s in ALL_SPECS for method in s.inplace.split()}
    functions = {id(inspect.unwrap(s.function)) for s in ALL_SPECS}
    return {name for name, f in operations.items() if name in named or id(f) in functions}


def test_every_public_operation_has_a_spec():
    assert sorted(set(public_operations()) - covered() - PENDING) == []


def test_pending_names_are_operations_without_a_spec():
    assert sorted(PENDING - (set(public_operations()) - covered())) == []


def test_names_of_specs_are_unique():
    names = [s.name for s in ALL_SPECS]
    assert sorted({n for n in names if names.count(n) > 1}) == []


OPERATIONS = [s for s in ALL_SPECS if not str(getattr(s.function, "__module__", "")).startswith("tinygrad_edu.testing")]


@pytest.mark.parametrize("spec", [s for s in OPERATIONS if not s.name.startswith("Tensor.")], ids=lambda s: s.name)
def test_what_is_no_tensor_is_refused_by_the_name_of_the_operation(spec):
    args = arguments_of(simplest(spec.inputs))
    names = {operation_of(spec).rpartition(".")[2], spec.function.__name__}
    for i in [i for i, a in enumerate(args) if isinstance(a, tg.Tensor)]:
        for stranger in ("a", [1.0, 2.0])[: 1 if i else 2]:
            with pytest.raises(TypeError) as caught:
                spec.function(*args[:i], stranger, *args[i + 1 :])
            called = str(caught.value).partition(":")[0]
            assert called and any(name.startswith(called) for name in names), caught.value


def simplest(strategy):
    """What Hypothesis draws first."""
    cases = []

    @settings(max_examples=1, phases=[Phase.generate], database=None)
    @given(strategy)
    def collect(case):
        cases.append(case)

    collect()
    return cases[0]


@pytest.mark.parametrize("spec", [s for s in ALL_SPECS if s.torch], ids=lambda s: s.name)
def test_values_gradients_and_types_are_those_of_pytorch(spec):
    torch = pytest.importorskip("torch")

    @settings(max_examples=examples())
    @given(case=spec.inputs if spec.kinks is None else spec.inputs | spec.kinks, seed=st.integers(0, 2**16))
    def test(case, seed):
        check_values(torch, spec, case, seed)
        check_types(torch, spec, case)

    test()
