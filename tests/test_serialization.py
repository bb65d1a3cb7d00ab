"""save and load: what goes in comes out, files are whole, and nothing that isn't a checkpoint gets through."""

import contextlib
import io
import json
import math
import os
import pickle
import re
import struct
import subprocess
import sys
import time
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.serialization import CheckpointError, load, save

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def through(obj):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file)


def same(a, b):
    """Equality that tells apart what == doesn't: types, NaN, signed zeros, the order of keys."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tg.Tensor):
        return a.dtype is b.dtype and same(a.numpy(), b.numpy())
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    return a == b


@st.composite
def arrays(draw):
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    bits = draw(st.binary(min_size=math.prod(shape) * dtype.itemsize, max_size=math.prod(shape) * dtype.itemsize))
    if dtype.kind == "b":
        bits = bytes(b & 1 for b in bits)
    array = np.frombuffer(bits, dtype).reshape(shape).copy()
    return array.T if draw(st.booleans()) else array


words = st.text(max_size=6) | st.sampled_from(["", "a", "a.b", "0", "__metadata__", "tensor", "\ud800", "a\0"])
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    words,
    arrays(),
    arrays().map(tg.from_numpy),
    st.sampled_from([np.float32(0.1), np.int64(-3), np.bool_(True), tg.float16, tg.Size([2, 3]), b"\xff", {1, "a"}]),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(words | st.integers(-2, 2) | st.sampled_from([None, 0.5, (1, "a")]), inner, max_size=4),
        st.dictionaries(words, inner, max_size=4).map(OrderedDict),
    ),
    max_leaves=12,
)


@given(trees)
def test_everything_comes_back_as_it_was(tree):
    assert same(through(tree), tree)


def test_generators_go_on_where_they_were():
    generator = tg.Generator().manual_seed(7)
    tg.rand(5, generator=generator)
    again = through({"rng": generator, "where": generator.device, "n": Counter("aab")})
    assert again["where"] == tg.device("cpu") and same(again["n"], Counter("aab"))
    assert again["rng"].initial_seed() == 7
    assert tg.rand(3, generator=again["rng"]).tolist() == tg.rand(3, generator=generator).tolist()


def test_integers_of_any_size():
    big = 7**9999
    assert through([big, -big, 2**63, -(2**63)]) == [big, -big, 2**63, -(2**63)]


@given(st.dictionaries(words.filter(lambda w: w.isprintable() and w != "__metadata__"), arrays()))
@settings(max_examples=50)
def test_a_state_dict_is_a_plain_safetensors_file(state):
    file = io.BytesIO()
    save({name: tg.from_numpy(array) for name, array in state.items()}, file)
    others = safetensors.numpy.load(file.getvalue())
    assert others.keys() == state.keys()
    assert all(same(others[name], np.asarray(array, order="C")) for name, array in state.items())


@given(st.dictionaries(words.filter(lambda w: w.isprintable() and w != "__metadata__"), arrays()))
@settings(max_examples=50)
def test_a_foreign_file_is_a_dictionary_of_tensors(state):
    whole = {name: np.asarray(array, order="C") for name, array in state.items()}
    loaded = load(io.BytesIO(safetensors.numpy.save(whole, {"made_by": "somebody"})))
    assert loaded.keys() == state.keys()
    assert all(same(loaded[name].numpy(), array) for name, array in state.items())


def test_own_names_are_kept_even_when_nested_ones_collide():
    state = {"a": {"b": tg.zeros(1)}, "a.b": tg.ones(1), 0: tg.zeros(1), "0": tg.ones(1)}
    file = io.BytesIO()
    save(state, file)
    others = safetensors.numpy.load(file.getvalue())
    assert others["a.b"] == 1 and others["0"] == 1 and len(others) == 4
    assert same(through(state), state)


def test_bfloat16_becomes_float32_exactly():
    torch = pytest.importorskip("torch")
    from safetensors.torch import save as torch_save

    values = torch.tensor([1.5, -3e38, 1e-40, float("inf"), 0.1], dtype=torch.bfloat16)
    loaded = load(io.BytesIO(torch_save({"x": values})))["x"]
    assert loaded.dtype is tg.float32 and loaded.tolist() == values.float().tolist()


def test_checkpoints_travel_to_and_from_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    theirs = torch.nn.Linear(3, 2)
    save_file(theirs.state_dict(), tmp_path / "theirs")
    ours = load(tmp_path / "theirs")
    save(ours, tmp_path / "ours")
    back = load_file(tmp_path / "ours")
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())


def test_tied_and_strided_tensors_have_the_right_values():
    base = tg.arange(6).reshape(2, 3)
    result = through({"a": base, "b": base, "c": base.t(), "d": base[:, ::2]})
    assert result["a"].tolist() == result["b"].tolist() and result["c"].tolist() == base.t().tolist()
    assert result["d"].tolist() == [[0, 2], [3, 5]]


def test_byte_order_is_translated():
    assert through(np.array([1.0, 2.0], ">f4")).tolist() == [1.0, 2.0]


def test_loaded_tensors_can_be_trained():
    x = through(tg.ones(2, requires_grad=True))
    assert not x.requires_grad
    x.requires_grad_()
    with tg.no_grad():
        x.zero_()
    assert x.tolist() == [0, 0]


def test_map_location(tmp_path):
    save({"x": tg.ones(1)}, tmp_path / "c")
    assert load(tmp_path / "c", map_location="cpu")["x"].device == "cpu"
    assert load(tmp_path / "c", "cpu", weights_only=False)["x"].item() == 1
    with pytest.raises(Exception, match="nowhere") as info:
        load(tmp_path / "c", map_location="nowhere")
    assert info.type is not CheckpointError
    assert load(tmp_path / "c", map_location=lambda storage, place: storage)["x"].item() == 1
    assert load(tmp_path / "c", map_location={"cuda:0": "cpu"})["x"].item() == 1
    with pytest.raises(Exception, match="nowhere"):
        load(tmp_path / "c", map_location={"cuda:0": "nowhere"})
    for wrong in (3.5, {"cpu": lambda *_: None}):
        with pytest.raises(TypeError, match="map_location"):
            load(tmp_path / "c", map_location=wrong)


# What can't be saved -------------------------------------------------------------------------------------------------


class Model:
    def state_dict(self):
        return {}


class SubclassOfDict(dict):
    pass


@pytest.mark.parametrize(
    ("obj", "place"),
    [
        ({"optimizer": {"fn": print}}, "checkpoint['optimizer']['fn']"),
        ([1, (2, {(3, (4,))})], "checkpoint[1][1] is a set"),
        ([1, (2, 1j)], "checkpoint[1][1]"),
        ({3: bytearray(3)}, "checkpoint[3]"),
        ({"a": {(1, (2, 3)): 3}}, "checkpoint['a'] has the key (1, (2, 3))"),
        ({"a": {tg.float32: 3}}, "checkpoint['a'] has the key tg.float32"),
        ({"z": 1j}, "checkpoint['z']"),
        (SubclassOfDict(), "checkpoint is a "),
        ({"s": np.array(["text"])}, "checkpoint['s'] has the type <U4"),
        ({"o": np.array([None])}, "checkpoint['o'] has the type object"),
        ({"c": np.zeros(1, "c8")}, "checkpoint['c'] has the type complex64"),
        ({"m": np.ma.masked_array([1.0], [True])}, "checkpoint['m'] is a numpy.ma"),
    ],
)
def test_an_entry_that_cannot_be_saved_is_named(obj, place, tmp_path):
    pattern = place if ".*" in place else re.escape(place)
    with pytest.raises(TypeError, match=pattern.replace("checkpoint['model']", re.escape("checkpoint['model']"))):
        save(obj, tmp_path / "c")
    assert os.listdir(tmp_path) == []


def test_endless_structures_are_refused():
    loop = []
    loop.append({"again": loop})
    with pytest.raises(ValueError, match=r"checkpoint\[0\]\['again'\] contains itself"):
        save(loop, io.BytesIO())
    deep = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ValueError, match="levels deep"):
        save(deep, io.BytesIO())
    shared = [1]
    assert through([shared, shared]) == [[1], [1]]


# Whole or not at all -------------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "c"
    save({"x": tg.ones(2)}, path)
    before = path.read_bytes()
    for name in ("fsync", "replace", "chmod"):
        with monkeypatch.context() as patch:

            def fail(*args, **kwargs):
                raise OSError("no space left")

            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="no space"):
                save({"x": tg.zeros(2)}, path)
        assert path.read_bytes() == before and os.listdir(tmp_path) == ["c"]


WRITER = """
import sys
import numpy as np, tinygrad_edu as tg
for i in range(1_000_000):
    tg.save({"i": i, "x": tg.from_numpy(np.full(500_000, i, np.float32))}, sys.argv[1])
    print(i, flush=True)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "c"
    for delay in (0, 0.001, 0.004, 0.007):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as child:
            written = int(child.stdout.readline())
            time.sleep(delay)
            child.kill()
            written = max([written, *map(int, child.stdout.read().split(b"\n")[:-1])])
        found = load(path)
        assert found["i"] in (written, written + 1)
        assert found["x"].tolist() == [found["i"]] * 500_000
        path.unlink()


def test_what_killed_writers_left_is_cleared_away_after_a_while(tmp_path):
    old, new, other = (tmp_path / name for name in (f".c.{'0' * 16}.tmp", f".c.{'1' * 16}.tmp", f".d.{'0' * 16}.tmp"))
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (time.time() - 7200,) * 2)
    save({}, tmp_path / "c")
    assert sorted(os.listdir(tmp_path)) == sorted([new.name, other.name, "c"])


def test_a_full_disk_is_an_os_error(tmp_path):
    resource = pytest.importorskip("resource")
    import signal

    path = tmp_path / "c"
    save({"x": tg.ones(2)}, path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="could not write"):
            save({"x": tg.ones(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["c"]


def test_the_file_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (calls.append(name), real(*args))[1])
    save({"x": tg.ones(2)}, tmp_path / "c")
    assert calls[:2] == ["fsync", "replace"]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")
def test_permissions_and_links_survive(tmp_path):
    mask = os.umask(0o022)
    try:
        save({}, tmp_path / "new")
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644
        (tmp_path / "new").chmod(0o600)
        (tmp_path / "link").symlink_to("new")
        save({"x": 1}, tmp_path / "link")
        assert (tmp_path / "link").is_symlink() and load(tmp_path / "new") == {"x": 1}
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(mask)


def test_places_that_are_not_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        save({}, tmp_path / "missing" / "c")
    with pytest.raises(IsADirectoryError):
        save({}, tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "c")


# Files that are no checkpoints ---------------------------------------------------------------------------------------


def header(entries, data=b""):
    text = json.dumps(entries).encode() if isinstance(entries, dict) else entries
    return struct.pack("<Q", len(text)) + text + data


def entry(shape=(1,), offsets=(0, 4), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def ours(root, *names):
    structure = {"version": 1, "root": root}
    entries = {name: entry(offsets=(4 * i, 4 * i + 4)) for i, name in enumerate(names)}
    text = structure if isinstance(structure, str) else json.dumps(structure)
    return header({"__metadata__": {"tinygrad_edu": text}, **entries}, bytes(4 * len(names)))


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.pkl", b"x" * 100)
    return file.getvalue()


def npy():
    file = io.BytesIO()
    np.save(file, np.ones(3))
    return file.getvalue()


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"epoch,loss\n1,0.5\n", "begins with the bytes"),
    "short": (b"abc", "begins with the bytes"),
    "zip": (zipped(), "without the data.pkl of a PyTorch file"),
    "pickle": (pickle.dumps({"a": 1}), "a pickle, but not one of torch.save"),
    "numpy": (npy(), "np.load"),
    "endless header": (struct.pack("<Q", 2**63) + b"{" * 50, "begins with"),
    "long header": (struct.pack("<Q", 1000) + b"{" * 50, "cut off: its header alone has 1000 bytes"),
    "no json": (header(b"{abc}"), "damaged"),
    "no dictionary": (header({"a": [1, 2]}), "damaged"),
    "not utf-8": (header(b'{"\xff": 1}'), "damaged"),
    "deep": (header(b'{"a":' * 100_000), "damaged"),
    "huge tensor": (header({"a": entry((10**15,), (0, 4 * 10**15))}), "describes 4000000000000000 bytes"),
    "huge shape": (header({"a": entry((10**15,))}, bytes(4)), "needs 4000000000000000 bytes"),
    "zero times huge": (header({"a": entry((0, 10**30), (0, 0))}), "damaged"),
    "negative": (header({"a": entry((-1,), (0, -4))}), "damaged"),
    "fraction": (header({"a": entry((1.0,))}, bytes(4)), "damaged"),
    "overlap": (header({"a": entry(), "b": entry()}, bytes(8)), "'b' starts at byte 0"),
    "gap": (header({"a": entry(), "b": entry(offsets=(8, 12))}, bytes(12)), "instead of 4"),
    "rest": (header({"a": entry()}, bytes(5)), "the file has 5"),
    "cut off": (header({"a": entry()}, bytes(3)), "the file has 3"),
    "unknown type": (header({"a": entry(dtype="F8_E4M3")}, bytes(4)), "F8_E4M3"),
    "twice": (header(b'{"a":{}, "a":{}}'), "twice"),
    "metadata": (header({"__metadata__": 3}), "damaged"),
    "structure: number": (header({"__metadata__": {"tinygrad_edu": 3}}), "damaged"),
    "structure: no json": (header({"__metadata__": {"tinygrad_edu": "{"}}), "damaged"),
    "structure: deep": (header({"__metadata__": {"tinygrad_edu": "[" * 100_000}}), "damaged"),
    "structure: tag": (ours({"object": "os.system"}), "object"),
    "structure: two tags": (ours({"tensor": "a", "array": "a"}, "a"), "damaged"),
    "structure: absent": (ours({"tensor": "a"}), "damaged"),
    "structure: forgotten": (ours([], "a"), "doesn't mention ['a']"),
    "structure: key": (ours({"dict": [[[1], 2]]}), "damaged"),
    "structure: float": (ours({"float": "x"}), "damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_checkpoint_is_refused_by_name(case, tmp_path):
    content, message = BAD[case]
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as info:
        load(path)
    assert "model.pt" in str(info.value) and message in str(info.value)
    with pytest.raises(CheckpointError):
        load(io.BytesIO(content))


def test_nothing_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    (tmp_path / "bomb").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        load(tmp_path / "bomb", weights_only=False)
    assert not (tmp_path / "exploded").exists()


@given(st.data())
def test_damage_is_noticed_or_harmless(data):
    """Cutting a file off is always noticed; a flipped byte is noticed or changes a value, never anything worse."""
    file = io.BytesIO()
    save({"epoch": 3, "model": {"w": tg.ones(3), "b": np.zeros(2)}, "t": (1.5, "x")}, file)
    content = file.getvalue()
    with pytest.raises(CheckpointError):
        load(io.BytesIO(content[: data.draw(st.integers(0, len(content) - 1))]))
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CheckpointError):
        load(io.BytesIO(bytes(changed)))


tags = st.sampled_from(
    "tensor array scalar int float tuple dict OrderedDict Counter set Size bytes dtype device generator other".split()
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a", "b", "cpu", "float32", "0x1", "cpu:x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(tags, inner, max_size=2),
    max_leaves=10,
)


@given(json_values)
def test_any_structure_is_plain_values_or_refused(root):
    text = json.dumps({"version": 1, "root": root})
    content = header({"__metadata__": {"tinygrad_edu": text}, "a": entry()}, bytes(4))
    with contextlib.suppress(CheckpointError, tg.BackendError):
        load(io.BytesIO(content))


def test_text_files_are_refused(tmp_path):
    (tmp_path / "c").write_text("x")
    with open(tmp_path / "c") as file, pytest.raises(TypeError, match="binary"):
        load(file)


def test_a_training_state_survives_a_restart(tmp_path):
    """What a resumed run needs: model, numbers and the state of the random generator."""
    tg.manual_seed(3)
    state = {"rng": tg.get_rng_state(), "step": 12, "losses": [0.5, float("inf")], "lr": {"group": (0.1, None)}}
    save(state, tmp_path / "run")
    expected = tg.rand(3).tolist()
    again = load(tmp_path / "run")
    tg.set_rng_state(again["rng"])
    assert tg.rand(3).tolist() == expected
    assert {k: v for k, v in again.items() if k != "rng"} == {k: v for k, v in state.items() if k != "rng"}


def test_a_whole_model_is_read_where_that_is_allowed(tmp_path):
    from tinygrad_edu import nn

    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh())
    for content in (model, [model, 3], {"model": model, "optimizer": tg.optim.SGD(model.parameters(), lr=0.1)}):
        path = tmp_path / "whole"
        tg.save(content, path)
        with pytest.raises(tg.CheckpointError, match="weights_only=False if you trust the file"):
            tg.load(path)
        with open(path, "rb") as file:
            back = tg.load(file, weights_only=False)
        back = back if content is model else back[0] if isinstance(back, list) else back["model"]
        assert repr(back) == repr(model)
        for ours, theirs in zip(back.state_dict().values(), model.state_dict().values(), strict=True):
            assert ours.tolist() == theirs.tolist()
    assert isinstance(back[0].weight, nn.Parameter) and back[0].weight.requires_grad


def test_what_was_declared_safe_is_read_without_trust(tmp_path):
    from tinygrad_edu import nn

    path = tmp_path / "whole"
    tg.save(nn.Linear(2, 3), path)
    with tg.serialization.safe_globals([nn.Linear]):
        assert tg.serialization.get_safe_globals() == [nn.Linear]
        assert isinstance(tg.load(path, map_location="cpu"), nn.Linear)
    assert tg.serialization.get_safe_globals() == []
    tg.serialization.add_safe_globals([print, (Model, "somewhere.Else")])
    try:
        with pytest.raises(tg.CheckpointError, match="subprocess"):
            path.write_bytes(tg.serialization._objects.MAGIC + b"csubprocess\nPopen\n.")
            tg.load(path)
    finally:
        tg.serialization.clear_safe_globals()
    with pytest.raises(tg.CheckpointError, match="can't be read"):
        path.write_bytes(tg.serialization._objects.MAGIC + b"cno_such_module\nPopen\n.")
        tg.load(path, weights_only=False)


def test_a_model_that_cannot_be_pickled_says_so(tmp_path):
    from tinygrad_edu import nn

    model = nn.Linear(2, 2)
    model.helper = lambda x: x
    with pytest.raises(TypeError, match=r"save its state_dict\(\).*can't be pickled as a whole"):
        tg.save(model, tmp_path / "whole")
    assert not (tmp_path / "whole").exists()
