//! What AdamW remembers between steps, and its bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use crate::error::NnError;
use crate::kernels::bytes;
use crate::kernels::memory::zeros;
use crate::params::Params;
use crate::tensor::Tensor;
use crate::weights::WeightFile;

/// What AdamW remembers between steps.
#[derive(Clone, Debug, Default)]
pub struct AdamWState {
    pub(super) step: u32,
    pub(super) moments: Vec<Option<Moments>>,
}

/// The moments of one parameter's gradients.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub mean: Vec<f32>,
    pub square: Vec<f32>,
    /// Which rows ever had a gradient; the others' moments are zero. None where that is not known.
    pub seen: Option<Vec<bool>>,
}

impl Moments {
    /// No gradient yet of a parameter of the shape of `like`.
    pub fn new(like: &Tensor) -> Self {
        Self {
            mean: zeros(like.len()),
            square: zeros(like.len()),
            seen: Some(vec![false; like.rows()]),
        }
    }
}

/// Where a state's file says how many steps were taken.
const STEP: &str = "step";
const MEAN: &str = "mean.";
const SQUARE: &str = "square.";

impl AdamWState {
    /// How many steps were taken.
    pub fn step(&self) -> u32 {
        self.step
    }

    /// The state as the bytes of a safetensors file: `mean.NAME` and `square.NAME` of every parameter
    /// that ever had a gradient, and the number of steps among the metadata.
    pub fn to_safetensors_bytes(&self, params: &Params) -> Vec<u8> {
        let mut raw: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
        for ((_, name, tensor), moments) in params.iter().zip(&self.moments) {
            let Some(moments) = moments else { continue };
            for (prefix, values) in [(MEAN, &moments.mean), (SQUARE, &moments.square)] {
                let entry = (tensor.shape.clone(), bytes::from_f32(values));
                raw.insert(format!("{prefix}{name}"), entry);
            }
        }
        let views = raw.iter().map(|(name, (shape, raw))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), raw);
            (name, view.expect("moments fit their shape"))
        });
        let metadata = HashMap::from([(STEP.to_string(), self.step.to_string())]);
        safetensors::serialize(views, Some(metadata)).expect("valid views serialise")
    }

    /// Reads a state of the optimiser of `params`; training then goes on bit for bit.
    ///
    /// Errors: the number of steps is missing; a tensor belongs to no parameter, lacks its other
    /// moment, or has another shape or an unread type.
    pub fn from_safetensors(file: &WeightFile, params: &Params) -> Result<Self, NnError> {
        let steps = file.metadata(STEP).and_then(|text| text.parse().ok());
        let Some(step) = steps else {
            return Err(corrupt(
                file.path(),
                "it does not say how many steps were taken".into(),
            ));
        };
        let mut moments: Vec<Option<Moments>> = Vec::new();
        moments.resize_with(params.len(), || None);
        for name in file.names() {
            let bare = name
                .strip_prefix(MEAN)
                .or_else(|| name.strip_prefix(SQUARE));
            let Some(id) = bare.and_then(|bare| params.by_name(bare)) else {
                return Err(corrupt(
                    file.path(),
                    format!("{name} belongs to no parameter"),
                ));
            };
            let slot = &mut moments[id.index()];
            if slot.is_none() {
                let (bare, like) = (params.name(id), params.get(id));
                let read = |prefix: &str| file.read(&format!("{prefix}{bare}"), &like.shape);
                *slot = Some(restored(read(MEAN)?, read(SQUARE)?));
            }
        }
        Ok(Self { step, moments })
    }
}

fn corrupt(path: &Path, reason: String) -> NnError {
    let path = path.into();
    NnError::Corrupt { path, reason }
}

/// Moments from a file; rows whose moments are zero count as never seen, which gives the same bits.
fn restored(mean: Tensor, square: Tensor) -> Moments {
    let seen = |row| {
        [&mean, &square]
            .iter()
            .any(|t| t.row(row).iter().any(|&v| v != 0.0))
    };
    Moments {
        seen: Some((0..mean.rows()).map(seen).collect()),
        mean: mean.data,
        square: square.data,
    }
}
