//! The unit tests of the comparison, `benches/comparison`: a benchmark itself runs under `cargo bench` only.

#[path = "../benches/comparison/main.rs"]
mod comparison;
