"""Containers and hooks."""

import copy
import warnings
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(tg.tensor(float(factor)))

    def forward(self, x):
        return x * self.factor

    def extra_repr(self):
        return f"{self.factor.item():g}"


def factors(container):
    return [m.factor.item() for m in container]


operations = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 9)),
        st.tuples(st.just("insert"), st.integers(-4, 4), st.integers(0, 9)),
        st.tuples(st.just("pop"), st.integers(-4, 4)),
        st.tuples(st.just("del"), st.slices(5)),
        st.tuples(st.just("set"), st.integers(-4, 4), st.integers(0, 9)),
        st.tuples(st.just("extend"), st.lists(st.integers(0, 9), max_size=3)),
    ),
    max_size=8,
)


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
@given(steps=operations)
def test_a_list_of_modules_does_what_a_list_does(kind, steps):
    container, plain = kind(), []
    for name, *args in steps:
        try:
            if name == "append":
                plain.append(args[0])
            elif name == "insert":
                plain.insert(*args)
            elif name == "pop":
                plain.pop(*args)
            elif name == "del":
                del plain[args[0]]
            elif name == "set":
                plain[args[0]] = args[1]
            else:
                plain.extend(args[0])
        except IndexError:
            with pytest.raises(IndexError):
                container.pop(args[0]) if name == "pop" else container.__setitem__(args[0], Times(1))
            continue
        if name == "append":
            container.append(Times(args[0]))
        elif name == "insert":
            container.insert(args[0], Times(args[1]))
        elif name == "pop":
            container.pop(*args)
        elif name == "del":
            del container[args[0]]
        elif name == "set":
            container[args[0]] = Times(args[1])
        else:
            container.extend([Times(a) for a in args[0]])
        assert factors(container) == plain and len(container) == len(plain)
        assert [n for n, _ in container.named_parameters()] == [f"{i}.factor" for i in range(len(plain))]
    assert factors(container[1:]) == plain[1:] and factors(container[::-2]) == plain[::-2]
    assert type(container[1:]) is kind


def test_sequential_calls_in_order_and_keeps_names():
    net = nn.Sequential(OrderedDict(twice=Times(2), thrice=Times(3)))
    assert net(tg.tensor(1.0)).item() == 6 and net.thrice is net[1] is net[-1]
    assert [n for n, _ in net[1:].named_children()] == ["thrice"]
    assert factors(net + nn.Sequential(Times(4))) == [2, 3, 4] and factors(2 * net) == [2, 3, 2, 3]
    with pytest.raises(TypeError, match=r"Sequential\(\*modules\)"):
        nn.Sequential([Times(1)])
    with pytest.raises(ValueError, match="0"):
        net * 0


def test_module_list_print_joins_equal_neighbours():
    assert repr(nn.ModuleList([Times(1), Times(1), Times(2)])) == (
        "ModuleList(\n  (0-1): 2 x Times(1)\n  (2): Times(2)\n)"
    )


def test_module_dict_is_a_registered_dictionary():
    d = nn.ModuleDict({"a": Times(1)})
    d.update([("b", Times(2))])
    d["c"] = Times(3)
    assert list(d) == ["a", "b", "c"] == d.keys() and "b" in d and len(d) == 3
    assert [n for n, _ in d.named_parameters()] == ["a.factor", "b.factor", "c.factor"]
    assert d.pop("b").factor.item() == 2 and [k for k, _ in d.items()] == ["a", "c"]
    with pytest.raises(KeyError):
        d["b"]
    with pytest.raises(KeyError, match="already"):
        d["keys"] = Times(1)
    with pytest.raises(TypeError, match="int"):
        d["x"] = 3
    with pytest.raises(TypeError, match="pairs"):
        d.update(["ab", "c"])
    d.clear()
    assert len(d) == 0 and not list(d.parameters())


def test_parameter_list_registers_tensors_and_keeps_the_rest():
    p = nn.ParameterList([tg.ones(2, 3), 3])
    p.append(nn.Parameter(tg.zeros(1)))
    p += [tg.ones(1)]
    assert len(p) == 4 and [n for n, _ in p.named_parameters()] == ["0", "2", "3"]
    assert p[1] == 3 and isinstance(p[0], nn.Parameter) and p[-1] is p[3] and len(p[1:]) == 3
    assert repr(p[:2]) == (
        "ParameterList(\n    (0): Parameter containing: [tg.float32 of size 2x3]\n    (1): Object of type: int\n)"
    )
    with pytest.raises(IndexError):
        p[4]
    with pytest.raises(TypeError, match="append"):
        p.extend(tg.ones(2))


def test_parameter_dict_registers_tensors_and_keeps_order():
    p = nn.ParameterDict({"b": tg.ones(2), "a": 3})
    p |= {"c": tg.zeros(1)}
    assert list(p) == ["b", "a", "c"] and list(reversed(p)) == ["c", "a", "b"]
    assert [n for n, _ in p.named_parameters()] == ["b", "c"]
    assert p.get("z") is None and p.setdefault("d", 4) == 4 and p.popitem() == ("d", 4)
    assert p.copy()["b"] is p["b"] and list(p | {"e": 1}) == ["b", "a", "c", "e"]
    assert p.pop("a") == 3 and len(p) == 2
    with pytest.raises(KeyError, match="already"):
        p["training"] = tg.ones(1)
    p.clear()
    assert not list(p.parameters())


def test_containers_are_copied_whole():
    net = nn.ModuleList([nn.Sequential(Times(2)), nn.ParameterList([tg.ones(1)]), nn.ParameterDict({"a": tg.ones(1)})])
    twin = copy.deepcopy(net)
    assert list(twin.state_dict()) == list(net.state_dict()) and len(twin[1]) == 1 and twin[2].keys() == ["a"]
    assert not {id(p) for p in net.parameters()} & {id(p) for p in twin.parameters()}


# Hooks ---------------------------------------------------------------------------------------------------------------


def test_forward_hooks_replace_arguments_and_output():
    layer, x = Times(2), tg.tensor(3.0)
    a = layer.register_forward_pre_hook(lambda m, args: args[0] + 1)
    b = layer.register_forward_hook(lambda m, args, out: out * 10)
    c = layer.register_forward_hook(lambda m, args, out: None)
    assert layer(x).item() == (3 + 1) * 2 * 10
    a.remove()
    a.remove()
    with b:
        assert layer(x).item() == 60
    assert layer(x).item() == 6
    c.remove()
    assert not layer._hooks


def test_hooks_run_in_order_and_prepended_ones_first():
    layer, seen = Times(1), []
    for name in "ab":
        layer.register_forward_hook(lambda *_, name=name: seen.append(name))
    layer.register_forward_hook(lambda *_: seen.append("first"), prepend=True)
    layer(tg.tensor(1.0))
    assert seen == ["first", "a", "b"]


def test_hooks_with_kwargs():
    class Gain(nn.Module):
        def forward(self, x, *, gain):
            return x * gain

    layer, seen = Gain(), []
    layer.register_forward_pre_hook(lambda m, args, kw: (args, {"gain": kw["gain"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kw, out: seen.append(kw), with_kwargs=True)
    assert layer(2, gain=2) == 6 and seen == [{"gain": 3}]
    layer.register_forward_pre_hook(lambda m, args, kw: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"\(args, kwargs\)"):
        layer(2, gain=2)


def test_removing_a_hook_twice_spares_the_next_one():
    layer = Times(2)
    first = layer.register_forward_hook(lambda m, args, out: out + 1)
    first.remove()
    layer.register_forward_hook(lambda m, args, out: out + 10)
    first.remove()
    assert layer(tg.tensor(1.0)).item() == 12


def test_a_hook_must_be_callable():
    with pytest.raises(TypeError, match="callable"):
        Times(1).register_forward_hook(3)


def both(lib, cases):
    """Run one module with backward hooks that see and replace gradients; return everything that they saw."""
    seen = []

    class Two(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = lib.nn.Parameter(lib.tensor([2.0, 3.0]))

        def forward(self, x, n, y):
            return x * self.w * n, y * 2, "text"

    def note(tag):
        def hook(module, *grads):
            seen.append((tag, [[None if g is None else g.tolist() for g in group] for group in grads]))

        return hook

    layer = Two()
    layer.register_full_backward_pre_hook(note("pre"))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 10, *go[1:]))
    layer.register_full_backward_hook(note("full"))
    layer.register_full_backward_hook(
        lambda m, gi, go: None if gi[0] is None else (gi[0] + 1, None, gi[2] if gi[2] is None else gi[2] * 5)
    )
    for second_needs, uses in ((True, (0, 1)), (True, (0,)), (False, (0,)))[:cases]:
        layer.w.grad = None
        x = lib.tensor([1.0, 1.0], requires_grad=True)
        y = lib.tensor([4.0], requires_grad=second_needs)
        out = layer(x, 3, y)
        assert out[2] == "text"
        sum(out[i].sum() for i in uses).backward()
        seen.append([None if t.grad is None else t.grad.tolist() for t in (x, y, layer.w)])
    layer(lib.tensor([1.0, 1.0]), 3, lib.tensor([1.0]))[0].sum().backward()  # no input needs a gradient
    return seen


def test_full_backward_hooks_see_and_replace_gradients():
    seen = both(tg, 3)
    assert seen[0] == ("pre", [[[1.0, 1.0], [1.0], None]])
    assert seen[1] == ("full", [[[60.0, 90.0], None, [2.0]], [[10.0, 10.0], [1.0], None]])
    assert seen[2] == [[61.0, 91.0], [10.0], [30.0, 30.0]]
    assert seen[3] == ("pre", [[[1.0, 1.0], None, None]])
    assert seen[7] == ("full", [[[60.0, 90.0], None, None], [[10.0, 10.0], None, None]])
    assert seen[-1] == ("full", [[None, None, None], [[10.0, 10.0], None, None]])


def test_full_backward_hooks_agree_with_pytorch():
    # The first case alone: where a gradient isn't needed or an output not used, PyTorch gives zeros as `grad_input`.
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings(action="ignore"):
        assert both(tg, 1) == both(torch, 1)


def test_backward_hooks_leave_higher_orders_intact():
    layer = Times(3)
    layer.register_full_backward_hook(lambda m, gi, go: None)
    x = tg.tensor(2.0, requires_grad=True)
    (gx,) = tg.autograd.grad(layer(x * x), x, create_graph=True)  # 3x²
    (gxx,) = tg.autograd.grad(gx, x)
    assert (gx.item(), gxx.item()) == (12, 6)


def test_a_backward_hook_must_return_as_many_gradients():
    layer = Times(3)
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="returned 2 gradients where it was given 1"):
        layer(tg.tensor(2.0, requires_grad=True)).backward()


def test_backward_hooks_do_nothing_without_a_graph():
    layer = Times(3)
    layer.register_full_backward_hook(lambda m, gi, go: pytest.fail("no graph, no gradient"))
    with tg.no_grad():
        assert layer(tg.tensor(2.0, requires_grad=True)).item() == 6
