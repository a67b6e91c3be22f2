//! A dense, row-major array of `f32`.

use crate::error::NnError;
use crate::kernels::memory::zeros;

/// A dense, row-major array of `f32`; a scalar has the empty shape and one value.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tensor {
    /// The length of each dimension.
    pub shape: Vec<usize>,
    /// The values, last dimension fastest.
    pub data: Vec<f32>,
}

impl Tensor {
    /// A tensor of `shape` over `data`.
    ///
    /// Errors: [`NnError::Shape`] when `data` does not hold the product of `shape` values.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Result<Self, NnError> {
        if data.len() != shape.iter().product::<usize>() {
            return Err(NnError::Shape {
                shape: shape.to_vec(),
                len: data.len(),
            });
        }
        Ok(Self {
            shape: shape.to_vec(),
            data,
        })
    }

    /// A tensor of zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            data: zeros(shape.iter().product()),
        }
    }

    /// A tensor with `value` everywhere.
    pub fn full(shape: &[usize], value: f32) -> Self {
        Self {
            shape: shape.to_vec(),
            data: vec![value; shape.iter().product()],
        }
    }

    /// A tensor of the empty shape.
    pub fn scalar(value: f32) -> Self {
        Self {
            shape: Vec::new(),
            data: vec![value],
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True when there are no values.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The length of the last dimension; 1 for a scalar.
    pub fn cols(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The product of all dimensions but the last.
    pub fn rows(&self) -> usize {
        self.shape
            .split_last()
            .map_or(1, |(_, lead)| lead.iter().product())
    }

    /// Row `index` of the tensor seen as `[rows, cols]`.
    pub fn row(&self, index: usize) -> &[f32] {
        let cols = self.cols();
        &self.data[index * cols..(index + 1) * cols]
    }

    /// The value of a tensor with one value; NaN for any other.
    pub fn item(&self) -> f32 {
        if self.data.len() == 1 {
            self.data[0]
        } else {
            f32::NAN
        }
    }
}
