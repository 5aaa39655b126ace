"""Which device is chosen, why, and what is said where none can be."""

import ctypes
import importlib.util
import sys
import types

import pytest

from ragopt import devices
from ragopt.devices import CPU, Device, Driver, choose_device
from ragopt.errors import InputError, MissingExtra
from tests.cli import ragopt
from tests.gpu_stand_in import stand_in
from tests.helpers import run_python

GPU = Driver(2, "a GPU with CUDA 12.4")


def fake_torch(n_cuda=0, *, mps=False, cuda="12.6"):
    """A torch that answers what is asked of it about devices."""
    return types.SimpleNamespace(
        __version__="2.13.0",
        version=types.SimpleNamespace(cuda=cuda),
        cuda=types.SimpleNamespace(
            is_available=lambda: n_cuda > 0, device_count=lambda: n_cuda, get_device_name=lambda name: f"GPU {name}"
        ),
        backends=types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: mps)),
    )


@pytest.fixture
def machine(monkeypatch):
    """Say what the driver shows and what torch can use; torch None is not installed."""

    def say(driver, torch):
        monkeypatch.setattr(devices, "accelerator_driver", lambda: driver)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: torch)
        if torch is not None:
            monkeypatch.setitem(sys.modules, "torch", torch)

    return say


def test_cpu_is_the_cpu_by_faiss():
    """--device cpu trains with FAISS, and its line says that it was asked for."""
    assert choose_device("cpu") == CPU == Device("cpu", "cpu", "", "asked for", "faiss")
    assert CPU.printed() == "cpu (--device cpu: asked for)"


def test_auto_without_an_accelerator_is_the_cpu_and_does_not_import_torch():
    """Where no driver shows an accelerator torch stays out, however well it is installed."""
    code = """
    import sys
    from ragopt import devices
    devices.accelerator_driver = lambda: None
    print(devices.choose_device("auto").printed(), "torch" in sys.modules)
    """
    assert run_python(code).stdout.strip() == "cpu (--device auto: no accelerator is there) False"


def test_auto_takes_the_first_cuda_device_then_mps(machine):
    """An accelerator that torch can use is taken, and torch trains there."""
    machine(GPU, fake_torch(2, mps=True))
    assert choose_device("auto") == Device(
        "auto", "cuda:0", "GPU cuda:0", "the first accelerator that torch can use", "torch"
    )
    machine(Driver(1, "Apple's GPU"), fake_torch(mps=True))
    assert choose_device("auto").name == "mps"


def test_auto_says_why_a_gpu_stays_unused(machine):
    """A driver without torch, or with one of another kind, gives the CPU and its reason."""
    machine(GPU, None)
    assert choose_device("auto").printed() == (
        "cpu (--device auto: a GPU with CUDA 12.4 is there, but torch is not installed: pip install 'ragopt[gpu]')"
    )
    machine(GPU, fake_torch(cuda=None))
    assert choose_device("auto").why == (
        "a GPU with CUDA 12.4 is there, but torch 2.13.0 is built for the CPU only and cannot use it"
    )
    machine(GPU, fake_torch(cuda="13.0"))
    assert choose_device("auto").why == (
        "a GPU with CUDA 12.4 is there, but torch 2.13.0 is built for CUDA 13.0 and cannot use it"
    )


def test_a_named_device_is_taken_or_refused_with_what_is_there(machine):
    """Plain cuda is the first, cuda:1 the second; one that is not there is an error that lists those that are."""
    machine(GPU, fake_torch(2))
    assert (choose_device("cuda").name, choose_device("cuda:1").name) == ("cuda:0", "cuda:1")
    with pytest.raises(InputError) as refused:
        choose_device("cuda:2")
    assert refused.value.failed == "There is no device 'cuda:2' on this machine"
    assert refused.value.allowed == "auto, cpu, cuda:0, cuda:1"
    machine(GPU, fake_torch(cuda="13.0"))
    with pytest.raises(InputError, match=r"no device 'cuda' on this machine: a GPU with CUDA 12.4 is there, but torch"):
        choose_device("cuda")
    machine(None, None)
    with pytest.raises(MissingExtra, match=r"ragopt\[gpu\]"):
        choose_device("cuda")


def test_a_faiss_for_gpus_is_used_where_it_sees_one(machine, monkeypatch):
    """Installed in place of faiss-cpu it trains, with torch or without; a GPU that it does not see is torch's."""
    stand_in(monkeypatch, n_gpus=1)
    machine(GPU, None)
    assert choose_device("auto") == Device(
        "auto", "cuda:0", "", "the first GPU that the installed FAISS can use", "faiss-gpu"
    )
    assert choose_device("cuda").trainer == "faiss-gpu"
    with pytest.raises(MissingExtra):
        choose_device("cuda:1")
    with pytest.raises(MissingExtra):
        choose_device("mps")
    machine(GPU, fake_torch(2))
    assert (choose_device("cuda:0").trainer, choose_device("cuda:1").trainer) == ("faiss-gpu", "torch")
    machine(GPU, fake_torch(cuda=None))
    assert choose_device("auto").why == (
        "the first GPU that the installed FAISS can use; a GPU with CUDA 12.4 is there, but torch 2.13.0 is built for "
        "the CPU only and cannot use it"
    )


def test_a_faiss_without_gpus_is_not_imported_to_find_out():
    """Where no wheel of FAISS for GPUs is installed the answer is 0 without loading FAISS."""
    code = """
    import sys
    from ragopt import devices
    print(devices.faiss_gpus(), "faiss" in sys.modules)
    """
    assert run_python(code).stdout.strip() == "0 False"


def test_the_number_of_a_device():
    """Only CUDA counts its devices."""
    assert [Device(name=name).number for name in ("cpu", "mps", "cuda:0", "cuda:3")] == [0, 0, 0, 3]


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cpu:0", "", "CUDA", "cuda:1234", "cuda:\u0661"])
def test_text_that_names_no_device_is_refused(text):
    """Anything but the allowed names is an error with those names, before torch is imported."""
    with pytest.raises(InputError) as refused:
        choose_device(text)
    assert refused.value.allowed == "auto, cpu, cuda, cuda:N or mps"


@pytest.mark.parametrize("value", [None, 3, True, b"cpu"])
def test_what_is_no_text_is_refused_likewise(value):
    """A device that is no text is an error of ragopt's, in Python as on the command line."""
    with pytest.raises(InputError, match="names no device"):
        choose_device(value)


@pytest.mark.parametrize("command", ["sweep", "build", "check", "cache", "bench-serve"])
def test_every_command_refuses_nonsense_as_a_usage_error(command, tmp_path):
    """Exit code 2 with the names that there are, before any file is looked for."""
    out = ["--out", tmp_path / "x"] if command == "build" else []
    done = ragopt(command, tmp_path / "none", *out, "--device", "nonsense")
    assert done.returncode == 2
    assert "'nonsense' names no device: auto, cpu, cuda, cuda:N or mps." in done.stderr


class Library:
    """NVIDIA's driver library with its three calls."""

    def __init__(self, n_devices, version, failure=0):
        self.n_devices, self.version, self.failure = n_devices, version, failure

    def cuInit(self, _flags):  # noqa: N802 - NVIDIA's name
        """Start."""
        return self.failure

    def cuDeviceGetCount(self, into):  # noqa: N802 - NVIDIA's name
        """Count devices."""
        into._obj.value = self.n_devices
        return 0

    def cuDriverGetVersion(self, into):  # noqa: N802 - NVIDIA's name
        """Tell the version."""
        into._obj.value = self.version
        return 0


@pytest.mark.parametrize(
    ("library", "found"),
    [
        (Library(2, 12040), Driver(2, "a GPU with CUDA 12.4")),
        (Library(1, 13010), Driver(1, "a GPU with CUDA 13.1")),
        (Library(0, 12040), None),
        (Library(1, 12040, failure=100), None),
    ],
)
def test_the_driver_is_asked_for_devices_and_version(monkeypatch, library, found):
    """Version 12040 is CUDA 12.4; a library without a device, or that fails (100, no device), shows none."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    assert devices._cuda_driver() == found
