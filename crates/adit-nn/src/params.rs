//! Named parameters, in the order in which they were added, and their gradients.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use safetensors::tensor::{Dtype, TensorView};

use crate::error::NnError;
use crate::kernels::prepared::Weight;
use crate::kernels::{bytes, elementwise};
use crate::precision::Precision;
use crate::tensor::Tensor;
use crate::weights::WeightFile;

/// Names one parameter of one [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(pub(crate) usize);

impl ParamId {
    /// The position of the parameter in its [`Params`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// Named tensors that are learned.
#[derive(Clone, Debug, Default)]
pub struct Params {
    names: Vec<String>,
    tensors: Vec<Tensor>,
    index: HashMap<String, usize>,
    precision: Precision,
    /// Packed when a product first needs them.
    prepared: Vec<OnceLock<Arc<Weight>>>,
}

impl Params {
    /// No parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter; a name that is taken already gets its tensor replaced.
    pub fn add(&mut self, name: impl Into<String>, tensor: Tensor) -> ParamId {
        let name = name.into();
        if let Some(&at) = self.index.get(&name) {
            self.tensors[at] = tensor;
            self.prepared[at] = OnceLock::new();
            return ParamId(at);
        }
        let at = self.names.len();
        self.index.insert(name.clone(), at);
        self.names.push(name);
        self.tensors.push(tensor);
        self.prepared.push(OnceLock::new());
        ParamId(at)
    }

    /// The tensor of a parameter.
    pub fn get(&self, id: ParamId) -> &Tensor {
        &self.tensors[id.0]
    }

    /// The tensor of a parameter, to be changed.
    pub fn get_mut(&mut self, id: ParamId) -> &mut Tensor {
        self.prepared[id.0] = OnceLock::new();
        &mut self.tensors[id.0]
    }

    /// Chooses how inference multiplies with these weights from now on.
    ///
    /// Each weight is packed when a product first needs it, and shared by all threads; changing a
    /// parameter drops its packed form. [`Precision::Auto`] computes as [`Precision::F32`] until
    /// [`crate::precision::choose`] has measured.
    pub fn prepare(&mut self, precision: Precision) {
        if self.precision != precision {
            self.forget();
        }
        self.precision = precision;
    }

    fn forget(&mut self) {
        self.prepared.fill_with(OnceLock::new);
    }

    /// How inference multiplies with these weights.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// A parameter `[n, k]` ready for products.
    pub(crate) fn prepared(&self, id: ParamId) -> &Weight {
        // Packing stays on this thread: another task of the pool could ask for the same weight.
        self.prepared[id.0].get_or_init(|| {
            let tensor = &self.tensors[id.0];
            let size = (tensor.rows(), tensor.cols());
            let precision = self.precision.of_weight(&self.names[id.0], size.0);
            Arc::new(Weight::new(precision, size, &tensor.data))
        })
    }

    /// The name of a parameter.
    pub fn name(&self, id: ParamId) -> &str {
        &self.names[id.0]
    }

    /// The parameter of that name.
    pub fn by_name(&self, name: &str) -> Option<ParamId> {
        self.index.get(name).map(|&at| ParamId(at))
    }

    /// How many parameters there are (tensors, not values).
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// How many values all parameters hold together.
    pub fn n_values(&self) -> usize {
        self.tensors.iter().map(Tensor::len).sum()
    }

    /// All parameters in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (ParamId, &str, &Tensor)> {
        self.names
            .iter()
            .zip(&self.tensors)
            .enumerate()
            .map(|(at, (name, tensor))| (ParamId(at), name.as_str(), tensor))
    }

    /// The parameters as the bytes of a safetensors file (f32), the same bytes for the same values.
    pub fn to_safetensors_bytes(&self) -> Vec<u8> {
        let mut views = BTreeMap::new();
        let raw: Vec<Vec<u8>> = self
            .tensors
            .iter()
            .map(|t| bytes::from_f32(&t.data))
            .collect();
        for ((name, tensor), raw) in self.names.iter().zip(&self.tensors).zip(&raw) {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), raw);
            views.insert(name.as_str(), view.expect("a tensor's bytes fit its shape"));
        }
        safetensors::serialize(views, None).expect("valid views serialise")
    }

    /// Replaces every parameter by the tensor of its name in `file`.
    ///
    /// Errors: a tensor that is missing, or has another shape or an unread type; on an error some
    /// parameters may have been replaced already.
    pub fn load_from(&mut self, file: &WeightFile) -> Result<(), NnError> {
        self.forget();
        for (name, tensor) in self.names.iter().zip(&mut self.tensors) {
            *tensor = file.read(name, &tensor.shape)?;
        }
        Ok(())
    }
}

/// Gradients of the parameters of one [`Params`]; a parameter that was not used has none.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    pub(crate) slots: Vec<Option<Tensor>>,
}

impl Gradients {
    /// No gradient yet for any of `n` parameters.
    pub fn empty(n: usize) -> Self {
        Self {
            slots: vec![None; n],
        }
    }

    /// The gradient of a parameter, if it was used.
    pub fn get(&self, id: ParamId) -> Option<&Tensor> {
        self.slots.get(id.0).and_then(Option::as_ref)
    }

    /// All gradients that exist, in the order of the parameters.
    pub fn iter(&self) -> impl Iterator<Item = (ParamId, &Tensor)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| slot.as_ref().map(|t| (ParamId(at), t)))
    }

    /// The Euclidean norm over all gradients (summed in f64, in a fixed order).
    pub fn global_norm(&self) -> f64 {
        self.iter()
            .map(|(_, t)| elementwise::sum_of_squares(&t.data))
            .sum::<f64>()
            .sqrt()
    }

    /// Multiplies every gradient by `factor`.
    pub fn scale(&mut self, factor: f32) {
        for tensor in self.slots.iter_mut().flatten() {
            elementwise::scale(&mut tensor.data, factor);
        }
    }

    /// Adds the gradients of `other`, which must belong to the same parameters.
    pub fn add_assign(&mut self, other: &Gradients) {
        if self.slots.len() < other.slots.len() {
            self.slots.resize(other.slots.len(), None);
        }
        for (mine, theirs) in self.slots.iter_mut().zip(&other.slots) {
            match (mine.as_mut(), theirs) {
                (_, None) => {}
                (None, Some(theirs)) => *mine = Some(theirs.clone()),
                (Some(mine), Some(theirs)) => elementwise::add_assign(&mut mine.data, &theirs.data),
            }
        }
    }
}
