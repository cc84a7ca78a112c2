"""How fast the kernels are next to what else one could have used: `python -m tests.benchmarks`. Not tests."""

import os

# Here, before any module of the package imports numpy or jax: they read their environment once, on import.
for _pool in ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM"):
    os.environ[f"{_pool}_NUM_THREADS"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false " + os.environ.get("XLA_FLAGS", "")
# These would have OpenBLAS use the code for another processor than the one that is here.
for _override in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_override, None)
