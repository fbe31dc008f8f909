"""What runs Jiayuan on one machine: real servers for tests, the demo and the benchmarks."""
