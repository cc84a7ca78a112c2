"""How fast the kernels are next to what else one could have used: `python -m tests.benchmarks`. Not tests."""
