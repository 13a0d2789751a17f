"""Records what PyTorch answers to the table of modules: `cd tests && python -m oracle.record`.

Run where torch is installed, in the version that the file is named after; see `make oracle`.
"""

from __future__ import annotations

import torch

from nn_cases import COMPARED
from nn_parity import RECORDING, TORCH, save_recording
from oracle.torch_side import recorded

if __name__ == "__main__":
    if torch.__version__.split("+")[0] != TORCH:
        raise SystemExit(f"The recording is of torch {TORCH}, installed is {torch.__version__}.")
    save_recording(recorded(COMPARED))
    print(f"{RECORDING.name}: {RECORDING.stat().st_size / 1e3:.0f} kB")
