//! Where the parameters of a new model come from: a seed, or weight files.

use crate::error::NnError;
use crate::layers::{LayerNorm, Linear};
use crate::params::{ParamId, Params};
use crate::projections::{CentredNorm, Projection, ScaleNorm};
use crate::random::Init;
use crate::tensor::Tensor;
use crate::weight_files::WeightFiles;

/// The deviation of drawn weights, as in BERT.
const SPREAD: f32 = 0.02;

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

    /// Weights of `files`, where each of `prefixes` may stand before a name or be absent; what may be
    /// missing is drawn from `seed`.
    pub fn read(
        params: &'a mut Params,
        files: &'a WeightFiles,
        prefixes: &'static [&'static str],
        seed: u64,
    ) -> Self {
        Self {
            files: Some((files, prefixes)),
            ..Self::drawn(params, seed)
        }
    }

    /// A table of `rows` vectors, drawn with the deviation of BERT.
    pub fn table(&mut self, name: &str, rows: usize, cols: usize) -> ParamId {
        self.matrix(&[&format!("{name}.weight")], [rows, cols], SPREAD)
    }

    /// A matrix `[rows, cols]`, drawn normal with deviation `std`, under the first of `names`; files
    /// may hold it under any of them.
    pub fn matrix(&mut self, names: &[&str], shape: [usize; 2], std: f32) -> ParamId {
        self.add(names, &shape, true, |init| init.normal(&shape, std))
    }

    /// A linear map with a bias, drawn with the deviation of BERT.
    pub fn linear(&mut self, name: &str, size: (usize, usize)) -> Linear {
        self.map(name, size, true)
    }

    /// A linear map that weight files may lack.
    pub fn linear_or_drawn(&mut self, name: &str, size: (usize, usize)) -> Linear {
        self.map(name, size, false)
    }

    fn map(&mut self, name: &str, (n_in, n_out): (usize, usize), needed: bool) -> Linear {
        let shape = [n_out, n_in];
        let draw = |init: &mut Init| init.normal(&shape, SPREAD);
        let zeros = |_: &mut Init| Tensor::zeros(&[n_out]);
        Linear {
            weight: self.add(&[&format!("{name}.weight")], &shape, needed, draw),
            bias: self.add(&[&format!("{name}.bias")], &[n_out], needed, zeros),
        }
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

    /// A layer norm with shifts.
    pub fn norm(&mut self, name: &str, hidden: usize, eps: f32) -> LayerNorm {
        LayerNorm {
            weight: self.vector(&format!("{name}.weight"), hidden, 1.0),
            bias: self.vector(&format!("{name}.bias"), hidden, 0.0),
            eps,
        }
    }

    /// A layer norm whose shifts may be absent.
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

    /// A vector that is `value` everywhere at first.
    pub fn vector(&mut self, name: &str, len: usize, value: f32) -> ParamId {
        self.add(&[name], &[len], true, |_| Tensor::full(&[len], value))
    }

    fn add(
        &mut self,
        names: &[&str],
        shape: &[usize],
        needed: bool,
        draw: impl FnOnce(&mut Init) -> Tensor,
    ) -> ParamId {
        let tensor = match (self.files, &self.error) {
            (_, Some(_)) => Tensor::default(),
            (None, None) => draw(&mut self.init),
            (Some((files, prefixes)), None) => {
                let found = names.iter().find_map(|name| name_in(files, name, prefixes));
                match found {
                    None if !needed => draw(&mut self.init),
                    found => {
                        let found = found.unwrap_or_else(|| names[0].to_string());
                        files.read(&found, shape).unwrap_or_else(|error| {
                            self.error = Some(error);
                            Tensor::default()
                        })
                    }
                }
            }
        };
        self.params.add(names[0], tensor)
    }

    /// The first error, if there was one.
    pub fn finish(self) -> Result<(), NnError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// The name under which `files` hold the parameter `name`: as it is, with one of `prefixes` taken off or
/// put before it, or as norms were called once (`gamma`, `beta`).
pub(crate) fn name_in(files: &WeightFiles, name: &str, prefixes: &[&str]) -> Option<String> {
    let others = prefixes
        .iter()
        .map(|prefix| match name.strip_prefix(prefix) {
            Some(bare) => bare.to_string(),
            None => format!("{prefix}{name}"),
        });
    let new: Vec<String> = std::iter::once(name.to_string()).chain(others).collect();
    let old: Vec<String> = new.iter().filter_map(|name| old_name(name)).collect();
    new.into_iter()
        .chain(old)
        .find(|candidate| files.shape(candidate).is_some())
}

fn old_name(name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    match kind {
        "weight" if stem.ends_with("LayerNorm") => Some(format!("{stem}.gamma")),
        "bias" if stem.ends_with("LayerNorm") => Some(format!("{stem}.beta")),
        _ => None,
    }
}
