"""The switches of cuDNN, which is not used here: ``benchmark`` and the like have no effect, ``deterministic`` has."""

import sys

from tinygrad_edu.backends.switches import Cudnn

benchmark = enabled = allow_tf32 = False
benchmark_limit = 10
sys.modules[__name__].__class__ = Cudnn  # so that a switch that is turned on can say what it does
