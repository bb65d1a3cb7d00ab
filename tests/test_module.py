"""Module: registration, walks, state_dict, conversions, printing. Hooks and containers stand in test_containers.py."""

import copy
import gc
import weakref

import pytest
from helpers import on_memory_that_is_written
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.sparse import SparseGrad


class Affine(nn.Module):
    def __init__(self, size=3):
        super().__init__()
        self.scale = nn.Parameter(tg.rand(size) + 1)
        self.shift = nn.Parameter(tg.rand(size))
        self.register_buffer("calls", tg.zeros(1))
        self.register_buffer("cache", tg.zeros(1), persistent=False)

    def forward(self, x, gain=1.0):
        return (x * self.scale + self.shift) * gain

    def extra_repr(self):
        return f"size={self.scale.shape[0]}"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = Affine()
        self.fc2 = Affine()
        self.nothing = None

    def forward(self, x):
        return self.fc2(self.fc1(x))


def snapshot(module):
    return {name: value.clone().tolist() for name, value in module.state_dict(keep_vars=False).items()}


# Registration --------------------------------------------------------------------------------------------------------


def test_assigned_members_are_found_by_their_names():
    net = Net()
    names = ["fc1.scale", "fc1.shift", "fc2.scale", "fc2.shift"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_buffers()] == ["fc1.calls", "fc1.cache", "fc2.calls", "fc2.cache"]
    assert [name for name, _ in net.named_modules()] == ["", "fc1", "fc2"]
    assert list(net.state_dict()) == [*names[:2], "fc1.calls", *names[2:], "fc2.calls"]
    assert all(net.get_parameter(name) is param for name, param in net.named_parameters())
    assert net.get_submodule("") is net and net.get_submodule("fc2") is net.fc2
    assert net.get_buffer("fc1.cache") is net.fc1.cache


def test_a_plain_tensor_is_not_registered():
    net = nn.Module()
    net.x = tg.ones(2)
    assert not list(net.parameters()) and not list(net.buffers()) and not net.state_dict()


def test_prefix_and_recurse():
    net = Net()
    net.own = nn.Parameter(tg.ones(1))
    assert [name for name, _ in net.named_parameters(prefix="m", recurse=False)] == ["m.own"]
    assert [name for name, _ in net.named_modules(prefix="m")] == ["m", "m.fc1", "m.fc2"]


def test_a_tensor_cannot_silently_replace_a_parameter():
    layer = Affine()
    before = layer.scale
    with pytest.raises(TypeError, match=r"cannot assign a Tensor as parameter 'scale' of Affine.*nn.Parameter"):
        layer.scale = tg.ones(3)
    assert layer.scale is before


def test_only_modules_and_none_replace_a_module():
    net = Net()
    with pytest.raises(TypeError, match="as module 'fc1'"):
        net.fc1 = 3
    net.fc1 = None
    assert [name for name, _ in net.named_children()] == ["fc2"] and net.fc1 is None


def test_buffers_are_replaced_by_tensors():
    layer = Affine()
    layer.cache = tg.ones(1)
    layer.calls = None
    assert [(name, value.item()) for name, value in layer.named_buffers()] == [("cache", 1.0)]
    with pytest.raises(TypeError, match="buffer 'cache'"):
        layer.cache = 3
    assert "cache" not in layer.state_dict(), "assignment changes the value, not whether it is saved"


def test_buffer_class_says_whether_it_is_saved():
    m = nn.Module()
    m.kept = nn.Buffer(tg.ones(1))
    m.lost = nn.Buffer(tg.ones(1), persistent=False)
    assert [name for name, _ in m.named_buffers()] == ["kept", "lost"] and list(m.state_dict()) == ["kept"]


def test_a_none_parameter_keeps_its_name():
    layer = nn.Module()
    layer.register_parameter("bias", None)
    assert layer.bias is None and not list(layer.parameters())
    with pytest.raises(TypeError):
        layer.bias = tg.ones(1)
    layer.bias = nn.Parameter(tg.ones(1))
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


def test_an_attribute_can_change_its_kind():
    m = nn.Module()
    m.x = 3
    m.x = nn.Parameter(tg.ones(1))
    m.x = nn.Module()
    assert not list(m.parameters()) and [name for name, _ in m.named_children()] == ["x"]
    del m.x
    assert not hasattr(m, "x") and not list(m.children())
    m.x = 4
    assert m.x == 4


@pytest.mark.parametrize("name", ["", "a.b"])
def test_names_that_would_break_paths_are_refused(name):
    with pytest.raises(KeyError):
        nn.Module().register_buffer(name, None)


def test_a_member_cannot_hide_a_method_or_an_attribute():
    m = nn.Module()
    m.taken = 1
    for name in ("forward", "state_dict", "taken"):
        with pytest.raises(KeyError, match="already"):
            m.register_parameter(name, nn.Parameter(tg.ones(1)))
    assert m.taken == 1 and callable(m.forward)


def test_wrong_types_are_refused_with_the_fix():
    m = nn.Module()
    with pytest.raises(TypeError, match=r"nn.Parameter"):
        m.register_parameter("p", tg.ones(1))
    with pytest.raises(TypeError, match="list"):
        m.register_buffer("b", [1.0])
    with pytest.raises(TypeError, match="int"):
        m.add_module("m", 3)


def test_forgotten_super_init_is_named():
    class Forgot(nn.Module):
        def __init__(self):
            self.layer = Affine()

    class ForgotPlain(nn.Module):
        def __init__(self):
            self.n = 3

    with pytest.raises(AttributeError, match=r"Forgot assigns 'layer' before .*super\(\).__init__\(\)"):
        Forgot()
    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        list(ForgotPlain().parameters())


def test_misspelt_attributes_get_a_suggestion():
    with pytest.raises(AttributeError, match=r"'Net' object has no attribute 'fc3'; did you mean 'fc[12]'"):
        Net().fc3  # noqa: B018
    assert getattr(Net(), "fc3", 5) == 5


def test_a_failing_property_shows_its_own_error():
    class WithProperty(nn.Module):
        @property
        def depth(self):
            return self.missing_piece

    with pytest.raises(AttributeError, match="missing_piece"):
        WithProperty().depth  # noqa: B018


def test_missing_members_list_what_there_is():
    with pytest.raises(AttributeError, match=r"fc9.*fc1, fc2"):
        Net().get_submodule("fc9")
    with pytest.raises(AttributeError, match=r"no buffer 'fc1.scale'"):
        Net().get_buffer("fc1.scale")


def test_private_mappings_are_live():
    net = Net()
    assert list(net._modules) == ["fc1", "fc2"] and net._modules["fc1"] is net.fc1
    net._modules["fc1"] = nn.Module()
    assert not list(net.fc1.parameters())
    del net._modules["fc2"]
    assert not hasattr(net, "fc2")
    assert dict(Affine()._buffers).keys() == {"calls", "cache"}


# Walks ---------------------------------------------------------------------------------------------------------------


def test_shared_members_count_once():
    net = Net()
    net.fc2 = net.fc1
    net.again = net.fc1.scale
    assert len(list(net.parameters())) == 2 and len(list(net.modules())) == 2 and len(list(net.children())) == 1
    assert len(list(net.named_parameters(remove_duplicate=False))) == 5
    assert len(net.state_dict()) == 7, "a checkpoint has every name"


def test_apply_visits_children_first():
    seen = []
    net = Net()
    assert net.apply(seen.append) is net
    assert seen == [net.fc1, net.fc2, net]


def test_train_and_eval_reach_everything_and_honour_overrides():
    class Frozen(Affine):
        def train(self, mode=True):
            return super().train(False)

    net = Net()
    net.frozen = Frozen()
    assert net.train() is net
    assert [m.training for m in net.modules()] == [True, True, True, False]
    assert not any(m.training for m in net.eval().modules())
    with pytest.raises(ValueError, match="True or False"):
        net.train("yes")


def test_freezing_and_zero_grad():
    net = Net()
    net.fc1.requires_grad_(False)
    net(tg.ones(3)).sum().backward()
    assert net.fc1.scale.grad is None and net.fc2.scale.grad is not None
    net.zero_grad(set_to_none=False)
    assert net.fc2.scale.grad.tolist() == [0, 0, 0]
    net.zero_grad()
    assert net.fc2.scale.grad is None


def test_row_sparse_gradients_are_never_filled_in_on_the_way(monkeypatch):
    table = nn.Embedding(10, 3)
    table(tg.tensor([1, 1])).sum().backward()
    assert type(table.weight._grad) is SparseGrad
    monkeypatch.setattr(SparseGrad, "dense", lambda self: pytest.fail("the whole table was touched"))
    copy.deepcopy(table)
    table.zero_grad()
    assert table.weight.grad is None


# Calling -------------------------------------------------------------------------------------------------------------


def test_call_passes_everything_to_forward():
    layer, x = Affine(), tg.rand(3)
    assert layer(x, gain=2.0).tolist() == layer.forward(x, 2.0).tolist()
    with pytest.raises(NotImplementedError, match=r"Module has no forward\(\)"):
        nn.Module()(1)


def test_modules_are_freed_without_the_collector():
    gc.disable()
    try:
        net = Net()
        net(tg.ones(3)).sum().backward()
        alive = weakref.ref(net.fc1)
        del net
        assert alive() is None
    finally:
        gc.enable()


# Conversions ---------------------------------------------------------------------------------------------------------


def test_to_keeps_identity_gradients_and_integers():
    net = Net()
    net.register_buffer("count", tg.tensor([3]))
    net(tg.ones(3)).sum().backward()
    params = list(net.parameters())
    values = [p.tolist() for p in params]
    assert net.double() is net
    assert all(a is b for a, b in zip(net.parameters(), params, strict=True))
    assert all(p.dtype is p.grad.dtype is tg.float64 and p.requires_grad and p.is_leaf for p in params)
    assert net.count.dtype is tg.int64 and net.fc1.calls.dtype is tg.float64
    assert [p.tolist() for p in params] == values
    net(tg.ones(3, dtype=tg.float64)).sum().backward()
    net.to("cpu", tg.float32)
    assert params[0].dtype is params[0].grad.dtype is tg.float32


def test_to_takes_a_tensor_as_the_model():
    assert Net().to(tg.ones(1, dtype=tg.float16)).fc1.scale.dtype is tg.float16
    assert Net().half().float().fc1.scale.dtype is tg.float32


def test_to_refuses_integers_and_unknown_words():
    net = Net()
    with pytest.raises(TypeError, match="floating-point"):
        net.to(tg.int32)
    with pytest.raises(TypeError, match="speed"):
        net.to(speed=3)
    assert net.fc1.scale.dtype is tg.float32


def test_a_device_that_is_not_there_changes_nothing():
    net = Net()
    before = snapshot(net)
    with pytest.raises(Exception, match="nowhere"):
        net.to("nowhere")
    assert snapshot(net) == before


def test_tied_parameters_stay_tied_through_to_and_deepcopy():
    net = Net()
    net.fc2.scale = net.fc1.scale
    net.double()
    twin = copy.deepcopy(net)
    assert net.fc2.scale is net.fc1.scale and twin.fc2.scale is twin.fc1.scale
    assert twin.fc1.scale is not net.fc1.scale


def test_deepcopy_is_independent_and_leaves_gradients_behind():
    net = Net()
    net(tg.ones(3)).sum().backward()
    net.fc1.scale.no_decay = True
    twin = copy.deepcopy(net)
    assert snapshot(twin) == snapshot(net) and twin.fc1.scale.grad is None and twin.fc1.scale.no_decay
    assert isinstance(twin.fc1.scale, nn.Parameter) and "cache" not in twin.fc1.state_dict()
    before = snapshot(net)
    with tg.no_grad():
        twin.fc1.scale.zero_()
        twin.fc1.calls.zero_()
    assert snapshot(net) == before


# state_dict ----------------------------------------------------------------------------------------------------------


@on_memory_that_is_written
def test_state_dict_shares_memory_and_carries_no_graph():
    net = Net()
    state = net.state_dict()
    assert not any(t.requires_grad for t in state.values())
    with tg.no_grad():
        net.fc1.scale.zero_()
    assert state["fc1.scale"].tolist() == [0, 0, 0]
    assert net.state_dict(keep_vars=True)["fc1.scale"] is net.fc1.scale
    assert net.state_dict(prefix="m.", destination={"first": 1}).keys() == {"first", *(f"m.{k}" for k in state)}


def test_load_state_dict_copies_into_the_same_objects():
    a, b = Net(), Net()
    params = list(b.parameters())
    result = b.load_state_dict(a.state_dict())
    assert result == ([], []) and str(result) == "<All keys matched successfully>"
    assert snapshot(a) == snapshot(b) and all(p is q for p, q in zip(params, b.parameters(), strict=True))
    with tg.no_grad():
        a.fc1.scale.zero_()
    assert snapshot(a) != snapshot(b)


@given(st.lists(st.sampled_from(["missing", "unexpected", "shape", "type"]), min_size=1, max_size=4, unique=True))
def test_a_load_that_fails_names_every_problem_and_changes_nothing(problems):
    net = Net()
    state = {name: value * 0 for name, value in net.state_dict().items()}
    expected = []
    if "missing" in problems:
        del state["fc2.shift"]
        expected.append('Missing key(s) in state_dict: "fc2.shift"')
    if "unexpected" in problems:
        state["fc3.shift"] = tg.ones(3)
        expected.append('Unexpected key(s) in state_dict: "fc3.shift"')
    if "shape" in problems:
        state["fc2.scale"] = tg.ones(3, 1)
        expected.append("size mismatch for fc2.scale: copying a param with shape Size([3, 1]) from checkpoint")
        expected.append("the shape in current model is Size([3]).")
    if "type" in problems:
        state["fc2.calls"] = 3
        expected.append('"fc2.calls" must be a Tensor, got a int')
    before = snapshot(net)
    with pytest.raises(RuntimeError) as info:
        net.load_state_dict(state)
    assert str(info.value).startswith("Error(s) in loading state_dict for Net:")
    assert all(text in str(info.value) for text in expected)
    assert snapshot(net) == before


def test_not_strict_reports_keys_but_never_accepts_shapes():
    net = Net()
    state = net.state_dict()
    state["extra"] = state.pop("fc1.shift")
    assert net.load_state_dict(state, strict=False) == (["fc1.shift"], ["extra"])
    state["fc1.scale"] = tg.ones(4)
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(state, strict=False)


def test_loading_converts_and_assigning_does_not():
    net = Net()
    state = {name: value.double() for name, value in net.state_dict().items()}
    net.load_state_dict(state)
    assert net.fc1.scale.dtype is tg.float32
    net.fc1.scale.requires_grad_(False)
    net.fc2.scale = net.fc1.scale
    net.load_state_dict(state, assign=True)
    assert net.fc1.scale.dtype is tg.float64 and isinstance(net.fc1.scale, nn.Parameter)
    assert not net.fc1.scale.requires_grad and net.fc1.shift.requires_grad
    assert net.fc2.scale is net.fc1.scale, "ties hold"


def test_load_does_not_change_the_mapping():
    net = Net()
    state = dict(net.state_dict())
    net.fc1.register_load_state_dict_pre_hook(lambda module, state, prefix, *rest: state.pop(prefix + "scale"))
    with pytest.raises(RuntimeError, match=r"fc1.scale"):
        net.load_state_dict(state)
    assert "fc1.scale" in state
    with pytest.raises(TypeError, match="list"):
        net.load_state_dict(list(state.items()))


def test_state_dict_hooks_rename_keys_both_ways():
    net = Net()

    def out(module, state, prefix, metadata):
        state[prefix + "gain"] = state.pop(prefix + "scale")

    def back(module, state, prefix, *rest):
        state[prefix + "scale"] = state.pop(prefix + "gain")

    seen = []
    net.fc1.register_state_dict_post_hook(out)
    net.fc1.register_load_state_dict_pre_hook(back)
    net.register_load_state_dict_post_hook(lambda module, keys: seen.append((module, keys)))
    state = net.state_dict()
    assert "fc1.gain" in state and "fc1.scale" not in state
    net.load_state_dict(state)
    assert seen == [(net, ([], []))]


def test_extra_state_travels_with_the_tensors():
    class Stepper(Affine):
        step = 0

        def get_extra_state(self):
            return {"step": self.step}

        def set_extra_state(self, state):
            self.step = state["step"]

    a, b = Stepper(), Stepper()
    a.step = 7
    b.load_state_dict(a.state_dict())
    assert b.step == 7
    with pytest.raises(RuntimeError, match="_extra_state"):
        b.load_state_dict(Affine().state_dict())


# Printing ------------------------------------------------------------------------------------------------------------


def test_repr_is_indented_like_pytorchs():
    net = Net()
    net.fc1.inner = nn.Sequential(Affine(2))
    net.register_module("gone", None)
    assert repr(net) == (
        "Net(\n"
        "  (fc1): Affine(\n"
        "    size=3\n"
        "    (inner): Sequential(\n"
        "      (0): Affine(size=2)\n"
        "    )\n"
        "  )\n"
        "  (fc2): Affine(size=3)\n"
        "  (gone): None\n"
        ")"
    )
    assert repr(nn.Parameter(tg.ones(1, device="cpu"))) == "Parameter containing:\ntensor([1.], requires_grad=True)"


def test_dir_completes_members_but_no_numbers():
    names = dir(nn.Sequential(Affine()))
    assert "forward" in names and "0" not in names and "fc1" in dir(Net())


# PyTorch -------------------------------------------------------------------------------------------------------------


def test_module_behaves_like_pytorchs():
    """The same definition under both libraries: names, printing, checkpoints and error classes agree."""
    torch = pytest.importorskip("torch")

    def build(lib):
        class Block(lib.nn.Module):
            def __init__(self, size):
                super().__init__()
                self.w = lib.nn.Parameter(lib.ones(size))
                self.register_buffer("seen", lib.zeros(1))
                self.register_buffer("tmp", lib.zeros(1), persistent=False)

            def extra_repr(self):
                return "a=1,\nb=2"

        class Model(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = lib.nn.ModuleList([Block(2), Block(2), Block(3)])
                self.body = lib.nn.Sequential(Block(1), lib.nn.ModuleDict({"k": Block(1)}))
                self.register_parameter("none", None)
                self.tied = self.blocks[0].w
                self.absent = None

        return Model()

    ours, theirs = build(tg), build(torch)
    assert repr(ours) == repr(theirs)
    for walk in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert [n for n, _ in getattr(ours, walk)()] == [n for n, _ in getattr(theirs, walk)()], walk
    assert list(ours.state_dict()) == list(theirs.state_dict())
    state = {k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()}
    assert theirs.load_state_dict(state) == ([], [])
    for action in (
        lambda m: setattr(m.blocks[0], "w", 3),
        lambda m: setattr(m, "body", "x"),
        lambda m: m.nope,
        lambda m: m.register_parameter("a.b", None),
        lambda m: m.register_buffer("forward", None),
        lambda m: m.get_submodule("blocks.7"),
        lambda m: m.load_state_dict({}),
        lambda m: m.train(3),
        lambda m: m(1),
        lambda m: m.blocks[3],
        lambda m: m.body[1]["z"],
    ):
        errors = []
        for model in (ours, theirs):
            with pytest.raises(Exception) as info:
                action(model)
            errors.append(info.type)
        assert issubclass(errors[0], errors[1]), errors


# What is seldom needed -------------------------------------------------------------------------------------------------


def test_modules_change_type_and_get_new_memory():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    params = list(net.parameters())
    net.to_empty(device="cpu")
    assert all(a is b for a, b in zip(params, net.parameters(), strict=True))
    assert [tuple(p.shape) for p in params] == [(3, 2), (3,), (3,), (3,)]
    assert {t.dtype for t in net.type(tg.float64).state_dict().values()} == {tg.float64}
    with pytest.raises(RuntimeError, match=r"share_memory.*state_dict"):
        net.share_memory()


def test_a_submodule_can_be_replaced_by_its_name():
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    net.set_submodule("0.1", nn.Tanh())
    assert isinstance(net[0][1], nn.Tanh)
    with pytest.raises(AttributeError, match=r"no module .0.7."):
        net.set_submodule("0.7", nn.Tanh(), strict=True)
    for bad, error in (("", ValueError), ("0.weight.x", AttributeError)):
        with pytest.raises(error):
            net.set_submodule(bad, nn.Tanh())
    with pytest.raises(TypeError, match="pass a Module"):
        net.set_submodule("0.1", None)


def test_the_older_name_of_backward_hooks_sees_gradients():
    seen = []
    layer = nn.Linear(2, 1)
    layer.register_backward_hook(lambda module, into, out: seen.append(out[0].tolist()))
    layer(tg.ones(1, 2)).sum().backward()
    assert seen == [[[1.0]]]
