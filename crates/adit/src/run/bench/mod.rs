//! Measures this machine: texts to vectors, training steps, kernels, and how time grows.

mod clusters;
mod embed;
mod events;
mod itemsets;
mod kernels;
mod model;
mod scaling;
mod timing;
mod train;
mod trees;

pub use clusters::{ClusterBench, ClusterSpeed, ClusterWork, bench_clusters};
pub use embed::{EmbedBench, EmbedSpeed, bench_embed, bench_peer};
pub use events::{EventBench, EventSpeed, bench_events};
pub use itemsets::{ItemsetBench, ItemsetSpeed, bench_itemsets};
pub use kernels::{KernelBench, KernelSpeed, KernelSpeeds, PeakSpeed, Rate, bench_kernels};
pub use model::{BenchModel, DrawnModel, Form};
pub use scaling::{Growth, Scaling, ScalingBench, bench_scaling};
pub use train::{StepSpeed, TrainBench, TrainSpeeds, bench_train};
pub use trees::{TreeSpeed, bench_trees};
