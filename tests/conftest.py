"""What several test files share."""

import pytest
import torch


@pytest.fixture(scope="module")
def one_thread():
    """Small tensors on many threads wait for each other: four times as slow on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
