//! The perceptron of members that share their linear maps.

use crate::params::{ParamId, Params};
use crate::random::Init;
use crate::row::config::MemberConfig;
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

/// Members that share the linear maps of their hidden layers.
///
/// Each member has factors of the input, factors and biases behind every hidden layer, and an output
/// layer of its own. Factors before the later layers are left out: before them stands a ReLU, through
/// which a positive factor is one behind the layer below.
#[derive(Clone, Debug)]
pub(super) struct Members {
    inputs: ParamId,
    layers: Vec<Layer>,
    weight: ParamId,
    bias: ParamId,
    dropout: f32,
}

#[derive(Clone, Copy, Debug)]
struct Layer {
    shared: ParamId,
    factors: ParamId,
    biases: ParamId,
}

/// What members read and give.
#[derive(Clone, Copy)]
pub(super) struct MemberShape {
    /// Tokens side by side, each of which gets one factor in the beginning.
    pub n_tokens: usize,
    /// The width of a token.
    pub d_token: usize,
    /// Outputs of each member.
    pub n_outputs: usize,
}

impl Members {
    /// Members drawn from `init`.
    pub fn new(
        params: &mut Params,
        config: &MemberConfig,
        shape: MemberShape,
        init: &mut Init,
    ) -> Self {
        let (count, width) = (config.count, config.width);
        let name = |part: String| format!("row.members.{part}");
        let inputs = params.add(
            name("inputs.factors".into()),
            first_factors(count, shape, init),
        );
        let mut n_in = shape.n_tokens * shape.d_token;
        let mut layers = Vec::with_capacity(config.n_layers);
        for at in 0..config.n_layers {
            let limit = 1.0 / (n_in.max(1) as f32).sqrt();
            layers.push(Layer {
                shared: params.add(
                    name(format!("{at}.weight")),
                    init.uniform(&[width, n_in], limit),
                ),
                factors: params.add(
                    name(format!("{at}.factors")),
                    Tensor::full(&[count, width], 1.0),
                ),
                biases: params.add(
                    name(format!("{at}.bias")),
                    init.uniform(&[count, width], limit),
                ),
            });
            n_in = width;
        }
        let limit = 1.0 / (n_in as f32).sqrt();
        let n_out = shape.n_outputs;
        Self {
            inputs,
            layers,
            weight: params.add(
                name("outputs.weight".into()),
                init.uniform(&[count, n_out, n_in], limit),
            ),
            bias: params.add(
                name("outputs.bias".into()),
                init.uniform(&[count, n_out], limit),
            ),
            dropout: config.dropout,
        }
    }

    /// The outputs of every member for every row of `x` `[n, n_in]`: `[n · n_members, n_outputs]`.
    pub fn apply(&self, tape: &mut Tape<'_>, x: Var) -> Var {
        let factors = tape.param(self.inputs);
        let mut x = tape.member_inputs(x, factors);
        for layer in &self.layers {
            let [shared, factors, biases] =
                [layer.shared, layer.factors, layer.biases].map(|id| tape.param(id));
            let wide = tape.linear(x, shared, None);
            let wide = tape.member_relu(wide, factors, biases);
            x = tape.dropout(wide, self.dropout);
        }
        let (weight, bias) = (tape.param(self.weight), tape.param(self.bias));
        tape.member_outputs(x, weight, bias)
    }
}

/// One normal number a member and token, so that members begin with views of their own of the columns.
fn first_factors(count: usize, shape: MemberShape, init: &mut Init) -> Tensor {
    let MemberShape {
        n_tokens, d_token, ..
    } = shape;
    let drawn = init.normal(&[count, n_tokens], 1.0);
    let repeated = drawn
        .data
        .iter()
        .flat_map(|&v| std::iter::repeat_n(v, d_token));
    Tensor {
        shape: vec![count, n_tokens * d_token],
        data: repeated.collect(),
    }
}
