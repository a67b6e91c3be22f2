//! Linear maps and norms whose biases may be absent, and where their values come from.

use crate::error::NnError;
use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;
use crate::weight_files::WeightFiles;

/// A linear map, with or without a bias.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// `[out, in]`.
    pub weight: ParamId,
    /// `[out]`.
    pub bias: Option<ParamId>,
}

impl Projection {
    /// `x · weightᵀ`, plus the bias if there is one.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let weight = tape.param(self.weight);
        let bias = self.bias.map(|bias| tape.param(bias));
        tape.linear(x, weight, bias)
    }
}

/// A layer normalisation, with or without shifts.
#[derive(Clone, Copy, Debug)]
pub struct CentredNorm {
    /// Scales, `[hidden]`.
    pub weight: ParamId,
    /// Shifts, `[hidden]`.
    pub bias: Option<ParamId>,
    /// Added to the variance.
    pub eps: f32,
}

impl CentredNorm {
    /// Normalises `x` over its last dimension.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let weight = tape.param(self.weight);
        let bias = match self.bias {
            Some(bias) => tape.param(bias),
            None => tape.constant(Tensor::zeros(&[tape.value(weight).len()])),
        };
        tape.layer_norm(x, None, weight, bias, self.eps)
    }
}

/// A root-mean-square normalisation.
#[derive(Clone, Copy, Debug)]
pub struct ScaleNorm {
    /// Scales, `[hidden]`.
    pub weight: ParamId,
    /// Added to the mean square.
    pub eps: f32,
}

impl ScaleNorm {
    /// Normalises `x` over its last dimension.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let weight = tape.param(self.weight);
        tape.rms_norm(x, weight, self.eps)
    }
}

/// Adds the parameters of a model one by one: drawn from a seed, or read from files.
///
/// The first error is kept for [`ParameterSource::finish`]; after it nothing large is made, because
/// the shapes of a false configuration can be huge.
pub(crate) struct ParameterSource<'a> {
    params: &'a mut Params,
    files: Option<(&'a WeightFiles, &'static [&'static str])>,
    init: Init,
    error: Option<NnError>,
}

impl<'a> ParameterSource<'a> {
    /// Weights drawn from `seed`.
    pub fn drawn(params: &'a mut Params, seed: u64) -> Self {
        Self {
            params,
            files: None,
            init: Init::new(seed),
            error: None,
        }
    }

    /// Weights of `files`, where each of `prefixes` may stand before a name or be absent.
    pub fn read(
        params: &'a mut Params,
        files: &'a WeightFiles,
        prefixes: &'static [&'static str],
    ) -> Self {
        Self {
            files: Some((files, prefixes)),
            ..Self::drawn(params, 0)
        }
    }

    /// A matrix `[rows, cols]`, drawn normal with deviation `std`, under the first of `names`; files
    /// may hold it under any of them.
    pub fn matrix(&mut self, names: &[&str], shape: [usize; 2], std: f32) -> ParamId {
        self.add(names, &shape, |init| init.normal(&shape, std))
    }

    /// A linear map from `n_in` to `n_out`, weights normal with deviation `std`, bias 0.
    pub fn projection(
        &mut self,
        name: &str,
        (n_in, n_out): (usize, usize),
        bias: bool,
        std: f32,
    ) -> Projection {
        let weight = self.matrix(&[&format!("{name}.weight")], [n_out, n_in], std);
        let bias = bias.then(|| self.vector(&format!("{name}.bias"), n_out, 0.0));
        Projection { weight, bias }
    }

    /// A layer norm over `hidden` columns.
    pub fn centred_norm(&mut self, name: &str, hidden: usize, bias: bool, eps: f32) -> CentredNorm {
        CentredNorm {
            weight: self.vector(&format!("{name}.weight"), hidden, 1.0),
            bias: bias.then(|| self.vector(&format!("{name}.bias"), hidden, 0.0)),
            eps,
        }
    }

    /// A root-mean-square norm over `hidden` columns.
    pub fn scale_norm(&mut self, name: &str, hidden: usize, eps: f32) -> ScaleNorm {
        let weight = self.vector(&format!("{name}.weight"), hidden, 1.0);
        ScaleNorm { weight, eps }
    }

    fn vector(&mut self, name: &str, len: usize, value: f32) -> ParamId {
        self.add(&[name], &[len], |_| Tensor::full(&[len], value))
    }

    fn add(
        &mut self,
        names: &[&str],
        shape: &[usize],
        draw: impl FnOnce(&mut Init) -> Tensor,
    ) -> ParamId {
        let tensor = match (self.files, &self.error) {
            (_, Some(_)) => Tensor::default(),
            (None, None) => draw(&mut self.init),
            (Some((files, prefixes)), None) => {
                let found = names.iter().find_map(|name| name_in(files, name, prefixes));
                let found = found.unwrap_or_else(|| names[0].to_string());
                files.read(&found, shape).unwrap_or_else(|error| {
                    self.error = Some(error);
                    Tensor::default()
                })
            }
        };
        self.params.add(names[0], tensor)
    }

    /// The first error, if there was one.
    pub fn finish(self) -> Result<(), NnError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// The name under which `files` hold the parameter `name`: as it is, or with one of `prefixes` taken
/// off or put before it.
pub(crate) fn name_in(files: &WeightFiles, name: &str, prefixes: &[&str]) -> Option<String> {
    let others = prefixes
        .iter()
        .map(|prefix| match name.strip_prefix(prefix) {
            Some(bare) => bare.to_string(),
            None => format!("{prefix}{name}"),
        });
    std::iter::once(name.to_string())
        .chain(others)
        .find(|candidate| files.shape(candidate).is_some())
}
