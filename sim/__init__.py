"""The science: stochastic dynamical systems that learn, as compiled kernels. Arrays in, arrays out."""
