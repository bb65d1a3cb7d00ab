"""Reading what torch.save wrote: the same values, nothing is run, and whatever is wrong with a file is one clear error."""

import contextlib
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.serialization import CheckpointError, load

FORMS = [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}]


def from_torch(obj, **options):
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save(obj, file, **options)
    return file.getvalue()


def read(content, **options):
    return load(io.BytesIO(content), **options)


# Honest files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS, ids=["zip", "stream", "protocol 4"])
def test_a_state_dict_trains_on_here(form):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3])
    x = torch.rand(5, 3)

    def torch_step():
        optimizer.zero_grad()
        theirs(x).square().sum().backward()
        optimizer.step()
        schedule.step()

    torch_step()
    state = {"model": theirs.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    ours = read(from_torch(state, **form))
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    assert str(model.load_state_dict(ours["model"])) == "<All keys matched successfully>"
    adam = optim.Adam(model.parameters(), lr=1.0)
    adam.load_state_dict(ours["optimizer"])
    assert type(ours["schedule"]["milestones"]) is Counter
    rates = optim.lr_scheduler.MultiStepLR(adam, [1, 3])
    rates.load_state_dict(ours["schedule"])
    for _ in range(3):
        torch_step()
        adam.zero_grad()
        model(tg.from_numpy(x.numpy())).square().sum().backward()
        adam.step()
        rates.step()
    assert adam.param_groups[0]["lr"] == pytest.approx(optimizer.param_groups[0]["lr"])
    for mine, other in zip(model.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-5, atol=1e-6)


@given(st.data())
def test_tensors_of_all_types_and_layouts(data):
    torch = pytest.importorskip("torch")
    names = "bool uint8 int8 int16 int32 int64 float16 float32 float64 bfloat16 uint16 uint32 uint64".split()
    dtype = getattr(torch, data.draw(st.sampled_from(names)))
    shape = data.draw(st.lists(st.integers(0, 4), max_size=3))
    base = torch.arange(100, 100 + int(np.prod(shape)) * 3).to(dtype).reshape(3, *shape)
    tensor = base[1].movedim(0, -1) if shape and data.draw(st.booleans()) else base[data.draw(st.integers(0, 2))]
    form = data.draw(st.sampled_from([{}, {"_use_new_zipfile_serialization": False}]))
    if "uint" in str(dtype) and dtype != torch.uint8:
        form = {}
    found = read(from_torch([tensor], **form))[0]
    assert found.dtype.name == str(dtype).removeprefix("torch.").replace("bfloat16", "float32")
    assert tuple(found.shape) == tuple(tensor.shape) and found.tolist() == tensor.tolist()


def test_containers_and_plain_values():
    torch = pytest.importorskip("torch")
    given = {
        "numbers": [1, -1, 300, 70000, 2**40, -(3**99), 0.5, float("inf"), True, None],
        "words": ("ä", "x" * 300, b"raw\xff"),
        (1, "key"): OrderedDict(a={"set": {1, 2}}, c=Counter("aab")),
        3: [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}],
    }
    for form in FORMS:
        assert read(from_torch(given, **form)) == given
    special = read(
        from_torch(
            [
                torch.Size([2, 3]),
                torch.float16,
                torch.bfloat16,
                torch.device("cuda:1"),
                torch.nn.Parameter(torch.ones(2)),
            ]
        )
    )
    assert special[:4] == [tg.Size([2, 3]), tg.float16, tg.dtypes.bfloat16, tg.device("cuda:1")]
    assert isinstance(special[4], tg.Tensor) and special[4].tolist() == [1, 1]


def test_shared_memory_stays_shared():
    torch = pytest.importorskip("torch")
    base = torch.zeros(4)
    for form in FORMS:
        a, b = read(from_torch([base, base[1:3]], **form))
        a += 1
        assert b.tolist() == [1, 1]


def test_where_tensors_go():
    torch = pytest.importorskip("torch")
    seen = []
    content = from_torch({"a": torch.ones(2)})
    assert read(content, map_location=lambda tensor, place: seen.append((tensor.tolist(), place)))["a"].tolist() == [
        1,
        1,
    ]
    assert seen == [([1, 1], "cpu")]
    assert read(content, map_location={"cpu": "cpu"})["a"].device == "cpu"
    with pytest.raises(RuntimeError, match="map_location failed for a tensor that was on 'cpu': division"):
        read(content, map_location=lambda tensor, place: 1 / 0)


def test_big_endian_archives():
    torch = pytest.importorskip("torch")
    source = zipfile.ZipFile(io.BytesIO(from_torch({"a": torch.tensor([1.5, 2.5])})))
    changed = rezipped(source, {"archive/byteorder": b"big", "archive/data/0": struct.pack(">2f", 3.5, 4.5)})
    assert read(changed)["a"].tolist() == [3.5, 4.5]


# Pickles that want more ----------------------------------------------------------------------------------------------


class Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Plain:
    def __init__(self):
        self.x = 1


def archive(pickled, entries=(), prefix="archive"):
    """A zip file as PyTorch makes them, with this pickle and the storages `entries`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr(f"{prefix}/data.pkl", pickled)
        for name, content in dict(entries).items():
            out.writestr(f"{prefix}/{name}", content)
    return file.getvalue()


def rezipped(source, changes):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name in source.namelist():
            out.writestr(name, changes.get(name, source.read(name)))
    return file.getvalue()


MAGIC = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("weights_only", [True, False])
def test_nothing_is_run(protocol, weights_only, tmp_path):
    target = str(tmp_path / "exploded")
    bombs = {
        "posix.mkdir": Call(os.mkdir, target),
        "builtins.eval": Call(eval, f"__import__('os').mkdir({target!r})"),
        "test_pytorch_files.Plain": Plain(),
        "builtins.complex": 1j,
    }
    for name, bomb in bombs.items():
        for pickled in (pickle.dumps(bomb, protocol), pickle.dumps({"a": [bomb]}, protocol)):
            for content in (archive(pickled), MAGIC + pickled):
                with pytest.raises(CheckpointError) as info:
                    read(content, weights_only=weights_only)
                message = str(info.value).replace("__builtin__", "builtins").replace("nt.", "posix.")
                assert f"the forbidden global {name}" in message and "weights_only=False" in message
    assert os.listdir(tmp_path) == []


def storage(kind="FloatStorage", key="0", count=4):
    return (
        b"(X\7\0\0\0storagectorch\n"
        + kind.encode()
        + b"\nX\1\0\0\0"
        + key.encode()
        + b"X\3\0\0\0cpu"
        + number(count)
        + b"tQ"
    )


def number(n):
    return b"\x8a\x0c" + n.to_bytes(12, "little", signed=True)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def rebuilt(shape=(4,), strides=(1,), offset=0, **options):
    head = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(**options) + number(offset)
    return head + numbers(shape) + numbers(strides) + b"\x89NtR"


def nested(count):
    return b"\x80\2" + b"]" * count + b"a" * (count - 1) + b"."


BAD = {
    "call of a value": (b"\x80\2ctorch\nfloat32\n)R.", "it calls a DType"),
    "call of a tensor": (b"\x80\2" + rebuilt() + b")R.", "it calls a Tensor"),
    "state of a tensor": (b"\x80\2" + rebuilt() + b"}b.", "no container"),
    "state of a list": (b"\x80\2]}b.", "no container"),
    "protocol 0": (b"(dp0\n.", "protocol|instruction"),
    "instance": (b"\x80\2(ios\nsystem\n.", "instruction b'i'"),
    "object": (b"\x80\2ccollections\nOrderedDict\n)\x81.", r"instruction b'\\x81'"),
    "extension": (b"\x80\2\x82\1.", "instruction"),
    "buffer": (b"\x80\5\x97.", "instruction"),
    "empty": (b"", "ends too early"),
    "no stop": (b"\x80\2N", "ends too early"),
    "two values": (b"\x80\2NN.", "damaged"),
    "no value": (b"\x80\2.", "damaged"),
    "stack": (b"\x80\2\x86.", "takes more values"),
    "mark": (b"\x80\2t.", "damaged"),
    "memo": (b"\x80\2h\7.", "damaged"),
    "memo far": (b"\x80\2Nr\xff\xff\xff\xff0j\xff\xff\xff\xfe.", "damaged"),
    "long string": (b"\x80\2X\xff\xff\xff\xffabc.", "ends too early"),
    "longer string": (b"\x80\4\x8d" + b"\xff" * 8 + b"abc.", "ends too early"),
    "endless name": (b"\x80\2c" + b"x" * 5000, "doesn't end"),
    "long number": (b"\x80\2\x8b\xff\xff\xff\x7f.", "ends too early"),
    "key": (b"\x80\2}]Ns.", "a key is a list"),
    "deep key": (b"\x80\2}" + b")" + b"\x85" * 50 + b"Ns.", "a key is a tuple"),
    "nested": (nested(200), "nested more than 100"),
    "deeply nested": (nested(20_000), "nested more than 100"),
    "in itself": (b"\x80\2]q\0h\0a.", "contains itself"),
    "in itself, far": (b"\x80\2}q\0K\1]h\0as.", "contains itself"),
    "ordered": (b"\x80\2ccollections\nOrderedDict\n]\x85R.", "OrderedDict"),
    "growing": (
        b"\x80\2]q\0(" + b"N" * 1000 + b"ec__builtin__\nset\nq\1" + b"0h\1h\0\x85R" * 1000 + b".",
        "would grow",
    ),
    "negative size": (b"\x80\2" + rebuilt((-4,)) + b".", "whole numbers"),
    "negative stride": (b"\x80\2" + rebuilt(strides=(-1,), offset=3) + b".", "whole numbers"),
    "huge size": (b"\x80\2" + rebuilt((10**18,)) + b".", "doesn't fit into its storage of 4"),
    "huge and empty": (b"\x80\2" + rebuilt((10**18, 10**18, 0), (1, 1, 1)) + b".", "damaged"),
    "huge product": (b"\x80\2" + rebuilt((10**27,) * 60, (0,) * 60) + b".", "doesn't fit"),
    "repeated": (b"\x80\2" + rebuilt((10**9,), (0,)) + b".", "doesn't fit into its storage of 4"),
    "offset": (b"\x80\2" + rebuilt(offset=1) + b".", "from element 1 on"),
    "far offset": (b"\x80\2" + rebuilt(offset=2**60) + b".", "doesn't fit"),
    "stride": (b"\x80\2" + rebuilt((2, 2), (3, 1)) + b".", "doesn't fit"),
    "dimensions": (b"\x80\2" + rebuilt((1,) * 65, (1,) * 65) + b".", "65 sizes"),
    "strides": (b"\x80\2" + rebuilt((4,), (1, 1)) + b".", "1 sizes and 2 strides"),
    "no storage": (b"\x80\2" + rebuilt(key="7") + b".", "storage '7' should have 16 bytes and isn't there"),
    "count": (b"\x80\2" + rebuilt(count=10**15) + b".", "and has 16 bytes"),
    "negative count": (b"\x80\2" + rebuilt(count=-4) + b".", "has the key '0' and -4"),
    "complex": (b"\x80\2" + rebuilt(kind="ComplexFloatStorage") + b".", "global torch.ComplexFloatStorage"),
    "two types": (b"\x80\2" + rebuilt() + rebuilt(kind="IntStorage") + b"\x86.", "described in two ways"),
    "other tag": (b"\x80\2" + storage().replace(b"storage", b"modules") + b".", "unknown way"),
    "view": (b"\x80\2" + storage().replace(b"tQ", b"K\1tQ") + b".", "unknown way"),
    "no storage at all": (b"\x80\2NQ.", "damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_pickles_that_make_no_sense_are_refused(case):
    pickled, message = BAD[case]
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=message):
            read(archive(pickled, {"data/0": bytes(16)}))
        assert tracemalloc.get_traced_memory()[1] < 200 * len(pickled) + 3_000_000
    finally:
        tracemalloc.stop()


def test_shared_branches_are_walked_once():
    """A pickle of sixty pairs of the pair before would be a tree of 2⁶⁰ leaves."""
    pickled = b"\x80\2]" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(60)) + b"."
    assert len(read(archive(pickled))) == 2


# Archives ------------------------------------------------------------------------------------------------------------

EMPTY = pickle.dumps({}, 2)


def zipped(entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        for name, content in entries:
            out.writestr(name, content)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped([("a/data.pkl", EMPTY), ("../../etc/x", b"x")]), "leads out of the archive"),
        (zipped([("a/data.pkl", EMPTY), ("/etc/x", b"x")]), "leads out"),
        (zipped([("a/data.pkl", EMPTY), ("a\\..\\x", b"x")]), "leads out"),
        (zipped([("a/data.pkl", EMPTY), ("C:/x", b"x")]), "leads out"),
        (zipped([("a/data.pkl", EMPTY), ("a/data.pkl", EMPTY)]), "occurs twice"),
        (zipped([("a/data.pkl", EMPTY), ("b/data.pkl", EMPTY)]), "without the data.pkl"),
        (zipped([("data.pkl", EMPTY)]), "without the data.pkl"),
        (zipped([]), "without the data.pkl"),
        (zipped([("a/data.pkl", EMPTY), ("a/data/0", bytes(10**7))], zipfile.ZIP_DEFLATED), "is compressed"),
        (zipped([("a/data.pkl", EMPTY), ("a/constants.pkl", EMPTY)]), "TorchScript program"),
        (zipped([("x.npy", b"")]), "np.load"),
        (zipped([("a/data.pkl", EMPTY), ("a/byteorder", b"middle")]), "byte order"),
        (MAGIC[:20], "damaged PyTorch file"),
        (MAGIC.replace(b"\x88", b"\x89"), "the system"),
        (MAGIC + pickle.dumps({}, 2) + pickle.dumps(["7"], 2), "not those that its tensors stand on"),
        (MAGIC + pickle.dumps({}, 2) + pickle.dumps([], 2) + b"more", "goes on after"),
        (MAGIC + b"\x80\2" + rebuilt(count=10**15, kind="ByteStorage") + b".", "more than the file has left"),
        (MAGIC + b"\x80\2" + rebuilt() + b"." + pickle.dumps(["0"], 2) + bytes(8) + bytes(15), "middle of storage '0'"),
    ],
)
def test_archives_and_streams_that_are_wrong(content, message):
    with pytest.raises(CheckpointError, match=message):
        read(content)


def test_entries_that_overlap_are_no_way_to_grow():
    """The trick of archives that unpack to more than they are: many entries on the same bytes."""
    content = bytearray(zipped([("a/data.pkl", EMPTY), ("a/data/0", bytes(1000)), ("a/data/1", bytes(1000))]))
    directory = content.index(b"PK\1\2")
    first, second = (content.index(b"PK\1\2", directory + 46 * n + 1 * n) for n in (1, 2))
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    with pytest.raises(CheckpointError, match="overlaps"):
        read(bytes(content))


@given(st.data())
def test_damage_is_noticed_or_harmless(data):
    """Cutting off is always noticed. A flipped byte is noticed or gives plain values; it is never any other error."""
    form = data.draw(st.sampled_from([0, 1]))
    content = HONEST[form]
    place = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(CheckpointError):
        read(content[:place])
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CheckpointError):
        read(bytes(changed))


@given(st.lists(st.sampled_from(sorted(BAD)), min_size=1, max_size=3), st.binary(max_size=8), st.randoms())
def test_pickles_of_scraps_are_refused_or_plain(cases, noise, random):
    parts = [BAD[c][0][:2000] for c in cases] + [noise]
    pieces = [p[i : i + random.randint(1, 12)] for p in parts for i in range(0, len(p), 8)]
    random.shuffle(pieces)
    for content in (archive(b"\x80\2" + b"".join(pieces) + b".", {"data/0": bytes(16)}), MAGIC + b"".join(pieces)):
        with contextlib.suppress(CheckpointError):
            read(content)


_ENTRIES = b"\x80\2}(X\1\0\0\0w" + rebuilt((2, 2), (2, 1)) + b"X\1\0\0\0b" + rebuilt((2,)) + b"X\1\0\0\0nK\5u."
HONEST = [
    archive(_ENTRIES, {"data/0": struct.pack("<4f", 1, 2, 3, 4), "byteorder": b"little"}),
    MAGIC + _ENTRIES + pickle.dumps(["0"], 2) + struct.pack("<q4f", 4, 1, 2, 3, 4),
]


@pytest.mark.parametrize("content", HONEST, ids=["zip", "stream"])
def test_the_honest_files_of_the_fuzzing_are_read(content):
    found = read(content)
    assert found["w"].tolist() == [[1, 2], [3, 4]] and found["b"].tolist() == [1, 2] and found["n"] == 5


# Shards --------------------------------------------------------------------------------------------------------------


def test_an_index_reads_its_shards(tmp_path):
    tg.save({"a": tg.ones(1), "b": tg.zeros(1)}, tmp_path / "m-1.safetensors")
    tg.save({"c": tg.ones(2)}, tmp_path / "m-2.safetensors")
    index = tmp_path / "m.safetensors.index.json"
    places = {"c": "m-2.safetensors", "a": "m-1.safetensors", "b": "m-1.safetensors"}
    index.write_text(json.dumps({"metadata": {"total_size": 16}, "weight_map": places}))
    found = load(index)
    assert list(found) == ["c", "a", "b"] and found["c"].tolist() == [1, 1]
    os.unlink(tmp_path / "m-2.safetensors")
    with pytest.raises(FileNotFoundError, match=r"names the shard 'm-2.safetensors', which isn't there"):
        load(index)
    tg.save({"d": tg.ones(2)}, tmp_path / "m-2.safetensors")
    with pytest.raises(CheckpointError, match="lacks 'c'"):
        load(index)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', '{"weight_map": {"a": ["x"]}}']
    + [json.dumps({"weight_map": {"a": name}}) for name in ("../x", "/etc/passwd", "a\\b", "..", "", "b.index.json")]
    + ["[" * 100_000],
)
def test_an_index_that_is_none(text, tmp_path):
    (tmp_path / "m.index.json").write_text(text)
    with pytest.raises(CheckpointError, match="no index of a sharded checkpoint"):
        load(tmp_path / "m.index.json")
