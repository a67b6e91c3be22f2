//! Named parameters, in the order in which they were added.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use safetensors::tensor::{Dtype, TensorView};

use crate::error::NnError;
use crate::kernels::bytes;
use crate::kernels::prepared::Weight;
use crate::lora::Adapter;
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
    frozen: Vec<bool>,
    index: HashMap<String, usize>,
    /// Adapters by the position of the weight that they adapt.
    pub(crate) adapters: BTreeMap<usize, Adapter>,
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
        self.frozen.push(false);
        self.prepared.push(OnceLock::new());
        ParamId(at)
    }

    /// Freezes every parameter whose name satisfies `wanted`; says how many do.
    ///
    /// A frozen parameter has no gradient and is left alone by optimisers. The way back ends where
    /// only frozen parameters lie below, so training the upper layers alone costs that much less.
    pub fn freeze(&mut self, wanted: impl Fn(&str) -> bool) -> usize {
        self.set_frozen(wanted, true)
    }

    /// Lets every parameter whose name satisfies `wanted` be trained again; says how many do.
    pub fn unfreeze(&mut self, wanted: impl Fn(&str) -> bool) -> usize {
        self.set_frozen(wanted, false)
    }

    fn set_frozen(&mut self, wanted: impl Fn(&str) -> bool, frozen: bool) -> usize {
        let mut count = 0;
        for (name, slot) in self.names.iter().zip(&mut self.frozen) {
            if wanted(name) {
                *slot = frozen;
                count += 1;
            }
        }
        count
    }

    /// True when the parameter is not to be trained.
    pub fn is_frozen(&self, id: ParamId) -> bool {
        self.frozen[id.0]
    }

    /// Forgets every parameter from position `n` on.
    pub(crate) fn truncate(&mut self, n: usize) {
        self.names.truncate(n);
        self.tensors.truncate(n);
        self.frozen.truncate(n);
        self.prepared.truncate(n);
        self.index.retain(|_, at| *at < n);
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
        self.to_safetensors_bytes_of(|_| true)
    }

    /// As [`Params::to_safetensors_bytes`], of the parameters whose names satisfy `wanted`.
    pub fn to_safetensors_bytes_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<u8> {
        let chosen: Vec<_> = self.iter().filter(|(_, name, _)| wanted(name)).collect();
        let raw: Vec<Vec<u8>> = chosen
            .iter()
            .map(|(_, _, t)| bytes::from_f32(&t.data))
            .collect();
        let mut views = BTreeMap::new();
        for ((_, name, tensor), raw) in chosen.into_iter().zip(&raw) {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), raw);
            views.insert(name, view.expect("a tensor's bytes fit its shape"));
        }
        // Some readers refuse a file that does not say which framework its layouts are of.
        let format = HashMap::from([("format".to_string(), "pt".to_string())]);
        safetensors::serialize(views, Some(format)).expect("valid views serialise")
    }

    /// Replaces every parameter by the tensor of its name in `file`.
    ///
    /// Errors: a tensor that is missing, or has another shape or an unread type; on an error some
    /// parameters may have been replaced already.
    pub fn load_from(&mut self, file: &WeightFile) -> Result<(), NnError> {
        self.load_those(file, |_| true)
    }

    /// As [`Params::load_from`], of the parameters whose names satisfy `wanted`.
    ///
    /// Errors: as [`Params::load_from`].
    pub fn load_those(
        &mut self,
        file: &WeightFile,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), NnError> {
        self.forget();
        for (name, tensor) in self.names.iter().zip(&mut self.tensors) {
            if wanted(name) {
                *tensor = file.read(name, &tensor.shape)?;
            }
        }
        Ok(())
    }
}
