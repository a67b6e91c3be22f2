//! The only code that knows all rooms: job file, plan, limits, progress.
//!
//! Enters: a [`Job`]. Leaves: a finished run folder. Not here: how anything is read, learned,
//! judged or drawn.

mod anomalies;
mod anomaly_apply;
mod anomaly_cards;
mod anomaly_detectors;
mod anomaly_groups;
mod anomaly_job;
mod anomaly_known_rows;
mod anomaly_labels;
mod anomaly_reasons;
mod anomaly_series;
mod anomaly_series_data;
mod apply;
mod arena;
mod basket_parts;
mod basket_patterns;
mod bench;
mod blend;
mod cluster_apply;
mod cluster_cards;
mod cluster_job;
mod cluster_map;
mod cluster_names;
mod clusters;
mod data;
mod decision;
mod demo;
mod division;
mod embed;
mod embedded;
mod error;
mod event_data;
mod event_encoder;
mod event_members;
mod event_pretraining;
mod event_reasons;
mod event_stream;
mod export;
mod gate;
mod generate;
mod horizon;
mod inspect;
mod item_groups;
mod job;
mod learn;
mod learned_cells;
mod limits;
mod members;
mod molecule_member;
mod next_events;
mod pattern_data;
mod pattern_job;
mod pattern_marks;
mod patterns;
mod plan;
mod point_encoders;
mod point_section;
mod point_vectors;
mod points;
mod pretrain;
mod rates;
mod row_curve;
mod row_member;
mod saved;
mod sequence_data;
mod sequence_patterns;
mod summary;
mod text_members;
mod texts;
mod tree_member;

pub use crate::mine::event_transformer::EventShape;
pub use crate::mine::pretraining::HeldOut;
pub use crate::represent::from_scratch::NewEncoder;
pub use anomalies::{AnomalyOutcome, mine_anomalies};
pub use anomaly_job::{AnomalyJob, AnomalySection, AnomalyTask};
pub use apply::{PredictJob, PredictOutcome, predict};
pub use bench::{
    BenchModel, ClusterBench, ClusterSpeed, ClusterWork, DrawnModel, EmbedBench, EmbedSpeed,
    EventBench, EventSpeed, Form, Growth, ItemsetBench, ItemsetSpeed, KernelBench, KernelSpeed,
    KernelSpeeds, PeakSpeed, Rate, Scaling, ScalingBench, StepSpeed, TrainBench, TrainSpeeds,
    TreeSpeed, bench_clusters, bench_embed, bench_events, bench_itemsets, bench_kernels,
    bench_peer, bench_scaling, bench_train, bench_trees,
};
pub use cluster_job::{ClusterJob, ClusterMethod, ClusterSection, ClusterTask};
pub use clusters::{ClusterOutcome, mine_clusters};
pub use decision::{Costs, DecisionSection};
pub use demo::demo_events;
pub use embed::{EmbedJob, EmbedOutcome, embed};
pub use error::RunError;
pub use event_encoder::is_event_encoder;
pub use event_pretraining::{
    EventEmbedJob, EventPretrainJob, EventPretrainOutcome, embed_events, pretrain_events,
};
pub use export::{ExportJob, export};
pub use generate::{GenerateJob, GenerateOutcome, generate};
pub use inspect::{ProfileOutcome, inspect};
pub use job::{
    ClassWeights, DataSection, EventsSection, Job, Outcome as EventOutcome, SplitSection,
    TransformerSection, WindowsSection,
};
pub use learn::{Outcome, learn};
pub use limits::Limits;
pub use pattern_job::{
    CutBy, PatternForm, PatternJob, PatternKind, PatternSection, PatternTask, SearchSection,
};
pub use patterns::{PatternOutcome, mine_patterns};
pub use point_section::PointSection;
pub use pretrain::{PretrainJob, PretrainOutcome, PretrainStart, pretrain};

use std::path::PathBuf;

use crate::Watch;

/// What a run is given beside its job.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub limits: Limits,
    /// Folder of the model store.
    pub model_store: &'a PathBuf,
    pub watch: &'a dyn Watch,
}

/// A folder for what is spooled while a table is read; it goes away with the value.
fn spool() -> Result<tempfile::TempDir, RunError> {
    tempfile::tempdir().map_err(|e| RunError::ModelFile {
        path: std::env::temp_dir(),
        reason: format!("cannot make a temporary folder: {e}"),
    })
}
