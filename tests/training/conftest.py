"""Settings of torch hold for the whole process: each test gets its own."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _settings_of_torch():
    """One thread, because tests in parallel would wait for each other's; what a run sets is put back."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    torch.use_deterministic_algorithms(before[1])
    torch.backends.cudnn.benchmark = before[2]
