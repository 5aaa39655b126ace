import importlib.util

import pytest

from ragopt.devices import Device
from ragopt.embed import torch_devices as module
from ragopt.embed.torch_devices import torch_devices


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
@pytest.mark.parametrize(
    ("asked", "chosen", "expected"),
    [
        ("cuda", "cuda:0", ("cuda:0", "cuda:1", "cuda:2")),
        ("cuda:1", "cuda:1", ("cuda:1",)),
        ("auto", "cuda:0", ("cuda:0",)),
        ("mps", "mps", ("mps",)),
        ("auto", "cpu", ("cpu",)),
    ],
)
def test_cuda_alone_means_every_device(monkeypatch, asked, chosen, expected):
    """`cuda` is every CUDA device of three; a numbered one, `auto` and Apple's GPU are one."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr(module, "choose_device", lambda text: Device(text, chosen))
    assert torch_devices(asked) == expected
