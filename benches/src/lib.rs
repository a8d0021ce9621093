//! Micro benchmarks, allocation and instruction gates.
