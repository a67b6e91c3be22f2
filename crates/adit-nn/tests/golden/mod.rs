//! Reads the recorded reference values beside this file.
//!
//! They were written by the scripts under `tests/reference/`, which say how.

#![allow(dead_code, reason = "each test uses its own part of this module")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use adit_nn::{Gradients, Params, Tensor};
use safetensors::{Dtype, SafeTensors};

/// The folder of the recorded values.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The tensors of one recorded safetensors file, floats and integers.
pub struct Golden {
    floats: BTreeMap<String, Tensor>,
    ints: BTreeMap<String, Vec<i32>>,
}

impl Golden {
    /// Reads `path` below the golden folder.
    pub fn read(path: &str) -> Self {
        let bytes = std::fs::read(folder().join(path)).expect("recorded values");
        let file = SafeTensors::deserialize(&bytes).expect("valid safetensors");
        let (mut floats, mut ints) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.tensors() {
            let words = view
                .data()
                .chunks_exact(4)
                .map(|b| [b[0], b[1], b[2], b[3]]);
            match view.dtype() {
                Dtype::F32 => {
                    let data = words.map(f32::from_le_bytes).collect();
                    floats.insert(name, Tensor::new(view.shape(), data).expect("whole tensor"));
                }
                Dtype::I32 => {
                    ints.insert(name, words.map(i32::from_le_bytes).collect());
                }
                other => panic!("{name} has type {other:?}"),
            }
        }
        Self { floats, ints }
    }

    /// The float tensor of that name.
    pub fn tensor(&self, name: &str) -> Tensor {
        self.floats
            .get(name)
            .unwrap_or_else(|| panic!("no float tensor {name}"))
            .clone()
    }

    /// The float tensor of that name, if it was recorded.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.floats.get(name)
    }

    /// The single value of that name.
    pub fn scalar(&self, name: &str) -> f32 {
        self.tensor(name).item()
    }

    /// The integers of that name as indices.
    pub fn indices(&self, name: &str) -> Vec<usize> {
        let ints = self
            .ints
            .get(name)
            .unwrap_or_else(|| panic!("no integer tensor {name}"));
        ints.iter()
            .map(|&i| usize::try_from(i).expect("an index"))
            .collect()
    }

    /// The integers of that name as ids.
    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.indices(name)
            .into_iter()
            .map(|i| u32::try_from(i).expect("an id"))
            .collect()
    }

    /// The names of all float tensors that start with `prefix`, with the prefix taken off.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.floats
            .keys()
            .filter_map(|k| k.strip_prefix(prefix))
            .map(str::to_owned)
            .collect()
    }
}

impl Golden {
    /// Holds the gradient of every parameter against the recorded one, by size and relative to it.
    ///
    /// Fails unless one was recorded for every parameter.
    pub fn see_gradients(
        &self,
        params: &Params,
        gradients: &Gradients,
        [worst, relative]: [&mut Worst; 2],
    ) {
        let names = self.names("grad.");
        assert_eq!(names.len(), params.len(), "a gradient for every parameter");
        for name in names {
            let id = params
                .by_name(&name)
                .unwrap_or_else(|| panic!("no parameter {name}"));
            let wanted = self.tensor(&format!("grad.{name}"));
            let found = gradients
                .get(id)
                .unwrap_or_else(|| panic!("no gradient of {name}"));
            assert_eq!(found.shape, wanted.shape, "{name}");
            worst.see(format!("gradient of {name}"), &found.data, &wanted.data);
            relative.see_relative(name, &found.data, &wanted.data);
        }
    }
}

/// The largest absolute difference; infinite where one is not a number.
pub fn distance(found: &[f32], wanted: &[f32]) -> f64 {
    assert_eq!(found.len(), wanted.len(), "as many values as were recorded");
    let apart = |(&a, &b): (&f32, &f32)| {
        let d = (f64::from(a) - f64::from(b)).abs();
        if d.is_nan() { f64::INFINITY } else { d }
    };
    found.iter().zip(wanted).map(apart).fold(0.0, f64::max)
}

/// Collects differences, so that a test reports the worst one and every one that is too large.
pub struct Worst {
    tolerance: f64,
    seen: Vec<(f64, String)>,
}

impl Worst {
    /// Nothing seen yet.
    pub fn new(tolerance: f64) -> Self {
        Self {
            tolerance,
            seen: Vec::new(),
        }
    }

    /// Compares one set of values.
    pub fn see(&mut self, name: impl Into<String>, found: &[f32], wanted: &[f32]) {
        self.seen.push((distance(found, wanted), name.into()));
    }

    /// Compares a gradient by the size of its largest entry, so that small ones count too.
    ///
    /// Those of key biases are left out: softmax does not change when all scores of a query shift,
    /// so they are zero but for rounding.
    pub fn see_relative(&mut self, name: impl Into<String>, found: &[f32], wanted: &[f32]) {
        let name = name.into();
        if ["key.bias", "k_lin.bias", ".k.bias"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            return;
        }
        let largest = wanted
            .iter()
            .fold(1e-5f64, |top, &v| top.max(f64::from(v).abs()));
        self.seen.push((distance(found, wanted) / largest, name));
    }

    /// Prints the worst difference; fails when any is above the tolerance.
    pub fn done(mut self, subject: &str) {
        self.seen.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (worst, name) = self.seen.first().expect("something was compared");
        println!(
            "{subject}: {} compared, worst {worst:.2e} at {name}",
            self.seen.len()
        );
        let above: Vec<_> = self.seen.iter().filter(|s| s.0 > self.tolerance).collect();
        assert!(
            above.is_empty(),
            "{subject}: above {:e}: {above:?}",
            self.tolerance
        );
    }
}
