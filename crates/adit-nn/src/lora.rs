//! Low-rank adapters of linear maps (LoRA: Hu et al., 2021).
//!
//! An adapted map computes `x·Wᵀ + bias + alpha/rank · (dropout(x)·Aᵀ)·Bᵀ`; `W` is frozen, `A` and
//! `B` are learned. Beside `W` of `[out, in]` stand the parameters `W.lora_A` `[rank, in]` and
//! `W.lora_B` `[out, rank]`.

use serde::{Deserialize, Serialize};

use crate::error::NnError;
use crate::kernels::{elementwise, matmul};
use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// The size of adapters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    /// The rank of what an adapter can add to a weight.
    pub rank: usize,
    /// The adapter's product is scaled by `alpha / rank`.
    pub alpha: f32,
    /// The share of an adapter's inputs that is dropped in training, in `[0, 1)`.
    pub dropout: f32,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 16.0,
            dropout: 0.05,
        }
    }
}

/// The adapter of one weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapter {
    a: ParamId,
    b: ParamId,
    scale: f32,
    dropout: f32,
}

/// True for the parameters of adapters.
pub fn is_adapter(name: &str) -> bool {
    name.ends_with(".lora_A") || name.ends_with(".lora_B")
}

/// Adds an adapter to every linear weight whose name satisfies `wanted`, and freezes all other
/// parameters; a new head is to be let free again with [`Params::unfreeze`].
///
/// `A` is normal with deviation `1/rank`, drawn from `seed`; `B` is zero, so that nothing changes yet.
/// `wanted` should name weights of linear maps only: an adapter of a table is never used.
///
/// Errors: [`NnError::Config`] when no name satisfies `wanted`, a weight is no matrix or is adapted
/// already, or the configuration makes no sense.
pub fn adapt(
    params: &mut Params,
    config: &LoraConfig,
    seed: u64,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), NnError> {
    let fault = |reason: String| NnError::Config { reason };
    if config.rank == 0 || !config.alpha.is_finite() || !(0.0..1.0).contains(&config.dropout) {
        return Err(fault(format!("adapters cannot have {config:?}")));
    }
    let chosen: Vec<(ParamId, String, Vec<usize>)> = params
        .iter()
        .filter(|(_, name, _)| wanted(name) && !is_adapter(name))
        .map(|(id, name, tensor)| (id, name.to_string(), tensor.shape.clone()))
        .collect();
    if chosen.is_empty() {
        return Err(fault("no weight has a name that adapters are for".into()));
    }
    for (id, name, shape) in &chosen {
        if shape.len() != 2 {
            let reason = format!("{name} has shape {shape:?}, only matrices can be adapted");
            return Err(fault(reason));
        }
        if params.adapters.contains_key(&id.index()) {
            return Err(fault(format!("{name} is adapted already")));
        }
    }
    params.freeze(|name| !is_adapter(name));
    let mut init = Init::new(seed);
    let rank = config.rank;
    for (id, name, shape) in chosen {
        let drawn = init.normal(&[rank, shape[1]], 1.0 / rank as f32);
        let adapter = Adapter {
            a: params.add(format!("{name}.lora_A"), drawn),
            b: params.add(format!("{name}.lora_B"), Tensor::zeros(&[shape[0], rank])),
            scale: config.alpha / rank as f32,
            dropout: config.dropout,
        };
        params.adapters.insert(id.index(), adapter);
    }
    Ok(())
}

/// Adds every adapter's product to its weight and takes the adapters away; says how many there were.
///
/// What was frozen stays so.
///
/// Errors: [`NnError::Config`] when parameters were added after the adapters, which must be the last.
pub fn merge(params: &mut Params) -> Result<usize, NnError> {
    let adapters = std::mem::take(&mut params.adapters);
    let first = params.len() - 2 * adapters.len();
    let parts = adapters.values().flat_map(|adapter| [adapter.a, adapter.b]);
    if let Some(part) = parts.into_iter().find(|part| part.index() < first) {
        let reason = format!("parameters were added after {}", params.name(part));
        params.adapters = adapters;
        return Err(NnError::Config { reason });
    }
    for (&weight, adapter) in &adapters {
        let (a, b) = (params.get(adapter.a), params.get(adapter.b));
        let (out, rank, n_in) = (b.rows(), b.cols(), a.cols());
        let mut product = vec![0.0; out * n_in];
        matmul::nn((out, n_in, rank), &mut product, &b.data, &a.data, false);
        let weight = params.get_mut(ParamId(weight));
        elementwise::add_scaled(&mut weight.data, &product, adapter.scale);
    }
    params.truncate(first);
    Ok(adapters.len())
}

impl Tape<'_> {
    /// Where `weight` is adapted: `alpha/rank · dropout(x)·Aᵀ` and `B`.
    pub(crate) fn low_rank(&mut self, x: Var, weight: Var) -> Option<(Var, Var)> {
        let id = self.param_of(weight)?;
        let adapter = *self.params().adapters.get(&id.index())?;
        let (a, b) = (self.param(adapter.a), self.param(adapter.b));
        let dropped = self.dropout(x, adapter.dropout);
        let narrow = self.linear(dropped, a, None);
        Some((self.scale(narrow, adapter.scale), b))
    }
}
