"""Checkpoints of all formats are read correctly, and no file can run code, exhaust memory or cause a traceback.

`data/torch_zip.pth` and `data/torch_legacy.pth` were written by PyTorch 2.13, as `torch.save(state, ...)` with
`_use_new_zipfile_serialization` true and false; `expected_state` defines each tensor.
"""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from drujax.errors import UsageError
from drujax.weights.formats.pickles import Damaged, read_pickle
from drujax.weights.formats.readers import read_checkpoint
from tests.support.torch_writer import Call, Storage, Tensor, pickled, tensor, write_stream, write_zip

DATA = Path(__file__).parent / "data"
WRITERS = [write_zip, write_stream]
PAIR = tensor("0", np.arange(6, dtype=np.float32).reshape(2, 3))


def expected_state():
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8
    return {
        "module.conv.weight": np.arange(36, dtype=np.float32).reshape(2, 2, 3, 3) / 4 - 3,
        "module.conv.bias": np.array([0.5, -1.25], np.float32),  # an nn.Parameter
        "module.transposed": base.transpose(2, 0, 1),  # these three share the storage of base
        "module.tail": base[1],
        "module.every_second": base.ravel()[1::2],
        "module.half": np.array([[1.5, -2.0], [65504.0, 6e-8]], np.float16),
        "module.brain": np.array([1.0, -3.140625, 1.0000e30], np.float32),  # a bfloat16
        "module.double": np.array([0.1, 1e-300]),
        "module.bn.num_batches_tracked": np.array(7),
        "module.flags": np.array([True, False, True]),
        "module.bytes": np.array([0, 255], np.uint8),
        "module.empty": np.zeros((0, 3), np.float32),
        "module.expanded": np.full(3, 2, np.float32),  # stride 0
        "module.channels_last": np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4),
    }


@pytest.mark.parametrize("file", ["torch_zip.pth", "torch_legacy.pth"])
def test_pytorchs_own_files(file):
    state = read_checkpoint(DATA / file)
    assert list(state) == list(expected_state())
    for name, value in expected_state().items():
        assert state[name].dtype == value.dtype, name
        assert state[name].flags.c_contiguous, name
        if name == "module.brain":
            np.testing.assert_allclose(state[name], value, rtol=2**-8)
            assert not np.any(state[name].view(np.uint32) & 0xFFFF)
        else:
            np.testing.assert_array_equal(state[name], value, strict=True)


@pytest.mark.parametrize(
    ("file", "golden"),
    [
        ("sci_easy.pt", "sci_easy"),
        ("sci_medium.pt", "sci_medium"),
        ("sci_difficult.pt", "sci_difficult"),
        ("zero_dce_pp_Epoch99.pth", "zero_dce_pp"),
        ("clip_lit_enhancement_model.pth", "clip_lit_released"),
        ("ruas_lol.pt", "ruas_lol"),  # RUAS's are streams of torch 0.4.1 from a GPU
        ("ruas_denoise.pt", "ruas_denoise_init"),
    ],
)
def test_published_checkpoints(shared, goldens, file, golden):
    state = read_checkpoint(shared / "weights/llie" / file)
    wanted = goldens(f"compared_methods/weights_{golden}")
    assert {name.removeprefix("module.") for name in state} == set(wanted)
    for name, value in state.items():
        np.testing.assert_array_equal(value, wanted[name.removeprefix("module.")], strict=True)


@pytest.mark.parametrize("write", WRITERS)
def test_layouts_in_one_storage(write, tmp_path):
    elements = np.arange(10, dtype=np.float64)
    shared = Storage("7", elements)
    state = {
        "whole": Tensor(shared, (2, 5), (5, 1)),
        "transposed": Tensor(shared, (5, 2), (1, 5)),
        "scalar": Tensor(shared, (), (), offset=9),
        "old": Tensor(shared, (3,), (3,), offset=1, rest=(), maker="torch._utils._rebuild_tensor"),  # torch 0.3.1
    }
    read = read_checkpoint(write(tmp_path / "a.pth", state))
    np.testing.assert_array_equal(read["whole"], elements.reshape(2, 5), strict=True)
    np.testing.assert_array_equal(read["transposed"], elements.reshape(2, 5).T, strict=True)
    np.testing.assert_array_equal(read["scalar"], np.array(9.0), strict=True)
    np.testing.assert_array_equal(read["old"], elements[1::3], strict=True)


def test_a_storage_that_is_a_view_of_another(tmp_path):
    half = Storage("0", np.arange(8, dtype=np.float32), view=("view", 2, 4))
    read = read_checkpoint(write_stream(tmp_path / "a.pth", {"w": Tensor(half, (3,), (1,), offset=1)}))
    np.testing.assert_array_equal(read["w"], [3, 4, 5])


def test_big_endian(tmp_path):
    read = read_checkpoint(write_zip(tmp_path / "a.pth", {"w": PAIR}, byteorder="big"))
    np.testing.assert_array_equal(read["w"], np.arange(6, dtype=np.float32).reshape(2, 3), strict=True)


def test_ordered_dict_of_python_2(tmp_path):
    ordered = Call("collections.OrderedDict", [["a", PAIR], ["b", PAIR]])
    assert list(read_checkpoint(write_stream(tmp_path / "a.pth", ordered))) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"epoch": 3, "w": PAIR}, ["w"]),
        ({"epoch": 3, "state_dict": {"w": PAIR}, "optimizer": {"state": {0: {"step": PAIR}}}}, ["w"]),
        ({"params": {"old": PAIR}, "params_ema": {"averaged": PAIR}}, ["averaged"]),
        ({"model": {"state_dict": {"w": PAIR}}, "config": {"lr": 0.1}}, ["w"]),
        ({"config": {"model": "x"}, "weights": {"w": PAIR}}, ["w"]),
    ],
)
def test_wrapped_state_dicts(content, names, tmp_path):
    assert list(read_checkpoint(write_zip(tmp_path / "a.pth", content))) == names


def test_folder_of_arrays(tmp_path):
    np.save(tmp_path / "conv.weight.npy", np.arange(6, dtype=np.float32).reshape(2, 3).T)
    (tmp_path / "README.md").write_text("not an array")
    (read,) = read_checkpoint(tmp_path).items()
    assert read[0] == "conv.weight"
    np.testing.assert_array_equal(read[1], np.arange(6, dtype=np.float32).reshape(2, 3).T, strict=True)
    assert read[1].flags.c_contiguous
    with pytest.raises(UsageError, match="only PyTorch checkpoints have parts"):
        read_checkpoint(tmp_path, part="generator")
    np.save(tmp_path / "objects.npy", np.array([print]), allow_pickle=True)
    with pytest.raises(UsageError, match=r"objects\.npy: not an array, or damaged"):
        read_checkpoint(tmp_path)


def test_several_networks_need_a_choice(tmp_path):
    path = write_zip(tmp_path / "a.pth", {"dark": {"w": PAIR}, "bright": {"v": PAIR}})
    with pytest.raises(UsageError, match=r"a\.pth: contains several networks \(dark, bright\); choose one with --part"):
        read_checkpoint(path)
    assert list(read_checkpoint(path, part="bright")) == ["v"]
    with pytest.raises(UsageError, match="unknown part 'dim'. Choices: dark, bright"):
        read_checkpoint(path, part="dim")


@pytest.mark.parametrize("content", [{}, [], 3, {"epoch": 1}, [PAIR], {"a": {"b": {"c": 1}}}])
def test_no_state_dict(content, tmp_path):
    with pytest.raises(UsageError, match=r"no state dict \(names and tensors\) found"):
        read_checkpoint(write_zip(tmp_path / "a.pth", content))


def test_a_recursive_dict_ends(tmp_path):
    loop = {}
    loop["state_dict"] = loop
    with pytest.raises(UsageError, match="no state dict "):
        read_checkpoint(write_zip(tmp_path / "a.pth", loop))


def test_numpy_archives(tmp_path):
    arrays = {"a.weight": np.arange(6.0).reshape(2, 3).T, "b": np.array(3), "h": np.float16([1, 2])}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays)
        read = read_checkpoint(tmp_path / "a.npz")
        assert list(read) == list(arrays)
        for name, value in arrays.items():
            np.testing.assert_array_equal(read[name], value, strict=True)


def test_safetensors(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.arange(3), "h": np.float16([1, 2])}
    save_file(arrays, tmp_path / "a.safetensors")
    read = read_checkpoint(tmp_path / "a.safetensors")
    for name, value in arrays.items():
        np.testing.assert_array_equal(read[name], value, strict=True)
    header = b'{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "b").write_bytes(struct.pack("<Q", len(header)) + header + bytes([0x80, 0x3F, 0x48, 0xC0]))
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "b")["x"], np.float32([1, -3.125]), strict=True)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("name", ["os.system", "posix.system", "builtins.eval", "builtins.getattr", "torch.load"])
def test_code_is_refused_and_does_not_run(write, name, tmp_path):
    trace = tmp_path / "trace"
    for content in (
        Call(name, f"touch {trace}"),
        {"w": PAIR, "note": Call(name, f"touch {trace}")},
        {"state_dict": {"w": Tensor(PAIR.storage, (2,), (1,), rest=(False, Call(name, f"touch {trace}")))}},
    ):
        with pytest.raises(UsageError, match=f"contains the global '{name}', which a state dict does not need"):
            read_checkpoint(write(tmp_path / "a.pth", content))
    assert not trace.exists()


def test_a_payload_before_the_stream_does_not_run(tmp_path):
    trace = tmp_path / "trace"
    good = write_stream(tmp_path / "good.pth", {"w": PAIR}).read_bytes()
    (tmp_path / "a.pth").write_bytes(pickled(Call("os.system", f"touch {trace}")).content + good)
    with pytest.raises(UsageError, match="unknown checkpoint format"):
        read_checkpoint(tmp_path / "a.pth")
    assert not trace.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"c__main__\nx\n(S'a'\ni.",
        b"(ios\nsystem\n.",  # INST
        b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00a\x85R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01a\x85R.",  # STACK_GLOBAL
        b"\x80\x02\x82\x01.",  # EXT1, a registered extension
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",  # NEWOBJ
        b"\x80\x02ccollections\nOrderedDict\n)\x81}X\x01\x00\x00\x00aK\x01sb.",
    ],
)
def test_every_way_to_name_code_is_refused(program):
    with pytest.raises(UsageError, match="which a state dict does not need"):
        read_pickle(io.BytesIO(program))


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"\x80\x02}",  # no end
        b"\x80\x02.",  # empty stack
        b"\x80\x02K\x01K\x02R.",  # calls a number
        b"\x80\x02ctorch\nFloatStorage\n)R.",  # calls a type
        b"\x80\x02K\x01}b.",  # sets attributes of a number
        b"\x80\x02}((K\x01tK\x02u.",  # a tuple as key
        b"\x80\x02r\xff\xff\xff\x7f.",  # a memo of two billion entries
        b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a string of 8 EiB
        b"\x80\x02\x8b\xff\xff\xff\x7f.",  # a number of 2 GiB
        b"\x80\x02((((((",
        b"\x80\x02h\x05.",  # an undefined memo entry
    ],
)
def test_invalid_pickles(program):
    with pytest.raises(Damaged):
        read_pickle(io.BytesIO(program))


def test_deep_nesting_does_not_exhaust_the_stack():
    depth = 5_000
    for opening, closing in ((b"(" * depth, b"t" * depth), (b"]" * depth, b"a" * (depth - 1))):
        value, _ = read_pickle(io.BytesIO(b"\x80\x02" + opening + closing + b"."))
        assert len(value) <= 1


HUGE = 1 << 40


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (2, 4)}, "exceeds its storage"),
        ({"strides": (3, HUGE)}, "exceeds its storage"),
        ({"offset": 1}, "exceeds its storage"),
        ({"offset": -1}, "a negative size, stride or offset"),
        ({"shape": (-2, 3)}, "a negative size, stride or offset"),
        ({"strides": (-3, 1)}, "a negative size, stride or offset"),
        ({"shape": (2.0, 3)}, "a negative size, stride or offset"),
        ({"strides": (3,)}, "differ in number"),
        ({"shape": (HUGE,), "strides": (0,)}, "100 times the file's size"),  # 4 TiB from one element
        ({"shape": (HUGE, HUGE), "strides": (0, 0)}, "100 times the file's size"),
    ],
)
def test_tensors_outside_of_their_storage(write, changes, message, tmp_path):
    bad = tensor("0", np.arange(6, dtype=np.float32).reshape(2, 3), **changes)
    with pytest.raises(UsageError, match=f"the file is damaged: .*{message}"):
        read_checkpoint(write(tmp_path / "a.pth", {"w": bad}))


@pytest.mark.parametrize("write", WRITERS)
def test_a_storage_smaller_than_declared(write, tmp_path):
    lie = Storage("0", np.arange(6, dtype=np.float32), size=7)
    with pytest.raises(UsageError, match="storage 0 does not have the type and size"):
        read_checkpoint(write(tmp_path / "a.pth", {"w": Tensor(lie, (7,), (1,))}))


@pytest.mark.parametrize("count", [HUGE, -1, 7])
def test_a_stream_that_declares_more_than_it_has(count, tmp_path):
    whole = write_stream(tmp_path / "a.pth", {"w": PAIR}).read_bytes()
    (tmp_path / "a.pth").write_bytes(whole[:-32] + struct.pack("<q", count) + whole[-24:])
    with pytest.raises(UsageError, match="the file is damaged: it is truncated"):
        read_checkpoint(tmp_path / "a.pth")


def test_a_bomb_of_many_tensors_of_one_storage_is_refused(tmp_path):
    big = Storage("0", np.zeros(10_000, np.float32))
    path = write_zip(tmp_path / "a.pth", {f"w{i}": Tensor(big, (10_000,), (1,)) for i in range(1000)})
    with pytest.raises(UsageError, match="100 times the file's size"):
        read_checkpoint(path)


def test_compressed_members_are_refused(tmp_path):
    written = pickled({"w": tensor("0", np.zeros(1 << 20, np.float32))})
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", written.content)
        archive.writestr("a/data/0", bytes(4 << 20))
    with pytest.raises(UsageError, match="is compressed or larger than the file"):
        read_checkpoint(tmp_path / "a.pth")


def test_numpy_archives_with_false_headers(tmp_path):
    np.savez(tmp_path / "objects.npz", a=np.array([{}, None], object))
    with pytest.raises(UsageError, match=r"a\.npy holds Python objects"):
        read_checkpoint(tmp_path / "objects.npz")
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (HUGE,)})
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive:
        archive.writestr("a.npy", stream.getvalue() + bytes(16))
    with pytest.raises(UsageError, match=r"a\.npy declares more elements than it has"):
        read_checkpoint(tmp_path / "lie.npz")
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(30_000_000, np.float32))
    with pytest.raises(UsageError, match="its arrays exceed 100 times"):
        read_checkpoint(tmp_path / "bomb.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>Google Drive can't scan this file", "a web page, not a checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n", "HDF5 .* not supported"),
        (b"data".ljust(257, b"\0") + b"ustar\0", r"before 0\.1\.10"),
        (b"hello world", "unknown checkpoint format"),
        (b"PK\x03\x04 and then nothing", "the file is damaged: File is not a zip file"),
        (b"\x40\0\0\0\0\0\0\0{", "the file is damaged"),
    ],
)
def test_other_files_are_reported_in_one_line(content, message, tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        read_checkpoint(tmp_path / "none.pth")


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UsageError, match="neither PyTorch's nor NumPy's"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("cut", [1, 10, 30, 60, 200])
def test_truncated_streams(cut, tmp_path):
    with pytest.raises(UsageError, match="the file is damaged"):
        read_checkpoint(write_stream(tmp_path / "a.pth", {"w": PAIR}, cut=cut))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_never_causes_a_traceback(data, tmp_path):
    """Alters, extends and truncates the pickle of a valid zip file (with the checksum corrected) and of a stream."""
    whole_stream = data.draw(st.booleans())
    good = (DATA / "torch_legacy.pth").read_bytes() if whole_stream else pickled({"w": PAIR, "v": PAIR}).content
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(bad) - 1))
        match data.draw(st.sampled_from(["change", "insert", "cut"])):
            case "change":
                bad[at] = data.draw(st.integers(0, 255))
            case "insert":
                bad[at:at] = data.draw(st.binary(min_size=1, max_size=6))
            case "cut":
                del bad[at : at + data.draw(st.integers(1, 8))]
    path = tmp_path / "a.pth"
    if whole_stream:
        path.write_bytes(bad)
    else:
        write_zip(path, {"w": PAIR}, data=bytes(bad))
    try:
        outcome = read_checkpoint(path)
    except UsageError as error:
        outcome = error
    assert isinstance(outcome, dict) or str(outcome).startswith(f"{path}: ")
