//! Where the parameters of a new model come from: a seed, or weight files.

use crate::error::NnError;
use crate::layers::{LayerNorm, Linear};
use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::tensor::Tensor;
use crate::weight_files::WeightFiles;

/// The deviation of drawn weights, as in BERT.
const SPREAD: f32 = 0.02;

/// Adds the parameters of a model one by one; the first error is kept for [`Builder::finish`].
pub(crate) struct Builder<'a> {
    params: &'a mut Params,
    files: Option<(&'a WeightFiles, &'static str)>,
    init: Init,
    error: Option<NnError>,
}

impl<'a> Builder<'a> {
    /// Weights drawn from `seed`: normal with deviation 0.02, biases 0, scales of norms 1.
    pub fn drawn(params: &'a mut Params, seed: u64) -> Self {
        Self {
            params,
            files: None,
            init: Init::new(seed),
            error: None,
        }
    }

    /// Weights of `files`, whose names may lack `prefix`; those that may be absent are drawn from `seed`.
    pub fn read(
        params: &'a mut Params,
        files: &'a WeightFiles,
        prefix: &'static str,
        seed: u64,
    ) -> Self {
        Self {
            files: Some((files, prefix)),
            ..Self::drawn(params, seed)
        }
    }

    /// A table of `rows` vectors.
    pub fn table(&mut self, name: &str, rows: usize, cols: usize) -> ParamId {
        let shape = [rows, cols];
        self.add(format!("{name}.weight"), &shape, true, |init| {
            init.normal(&shape, SPREAD)
        })
    }

    /// A linear map.
    pub fn linear(&mut self, name: &str, size: (usize, usize)) -> Linear {
        self.map(name, size, true)
    }

    /// A linear map that weight files may lack.
    pub fn linear_or_drawn(&mut self, name: &str, size: (usize, usize)) -> Linear {
        self.map(name, size, false)
    }

    fn map(&mut self, name: &str, (n_in, n_out): (usize, usize), needed: bool) -> Linear {
        let shape = [n_out, n_in];
        Linear {
            weight: self.add(format!("{name}.weight"), &shape, needed, |init| {
                init.normal(&shape, SPREAD)
            }),
            bias: self.add(format!("{name}.bias"), &[n_out], needed, |_| {
                Tensor::zeros(&[n_out])
            }),
        }
    }

    /// A vector of shifts, 0 at first.
    pub fn shift(&mut self, name: &str, len: usize) -> ParamId {
        self.add(name.to_string(), &[len], true, |_| Tensor::zeros(&[len]))
    }

    /// A layer norm.
    pub fn norm(&mut self, name: &str, hidden: usize, eps: f32) -> LayerNorm {
        LayerNorm {
            weight: self.add(format!("{name}.weight"), &[hidden], true, |_| {
                Tensor::full(&[hidden], 1.0)
            }),
            bias: self.add(format!("{name}.bias"), &[hidden], true, |_| {
                Tensor::zeros(&[hidden])
            }),
            eps,
        }
    }

    fn add(
        &mut self,
        name: String,
        shape: &[usize],
        needed: bool,
        draw: impl FnOnce(&mut Init) -> Tensor,
    ) -> ParamId {
        // After an error nothing large is made: shapes of a false configuration can be huge.
        let tensor = match (self.files, &self.error) {
            (_, Some(_)) => Tensor::default(),
            (None, None) => draw(&mut self.init),
            (Some((files, prefix)), None) => match name_in(files, &name, prefix) {
                None if !needed => draw(&mut self.init),
                found => {
                    let found = found.unwrap_or_else(|| name.clone());
                    files.read(&found, shape).unwrap_or_else(|error| {
                        self.error = Some(error);
                        Tensor::default()
                    })
                }
            },
        };
        self.params.add(name, tensor)
    }

    /// The first error, if there was one.
    pub fn finish(self) -> Result<(), NnError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// The name under which files hold the parameter `name`: with or without `prefix`, or as norms were
/// called once (`gamma`, `beta`).
pub(crate) fn name_in(files: &WeightFiles, name: &str, prefix: &str) -> Option<String> {
    let bare = name.strip_prefix(prefix).unwrap_or(name);
    let old = |name: &str| {
        let (stem, kind) = name.rsplit_once('.')?;
        let kind = match kind {
            "weight" if stem.ends_with("LayerNorm") => "gamma",
            "bias" if stem.ends_with("LayerNorm") => "beta",
            _ => return None,
        };
        Some(format!("{stem}.{kind}"))
    };
    let candidates = [
        Some(name.to_string()),
        Some(bare.to_string()),
        old(name),
        old(bare),
    ];
    candidates
        .into_iter()
        .flatten()
        .find(|candidate| files.shape(candidate).is_some())
}
