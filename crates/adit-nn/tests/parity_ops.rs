//! Every operation of the tape agrees with PyTorch, forward and backward.
//!
//! Recorded by `tests/reference/ops_torch.py`, computed there in f64.

use adit_nn::ops::{RowTokenVars, RowTokens};
use adit_nn::optim::{AdamW, AdamWState, clip_global_norm};
use adit_nn::{Gradients, Mode, Params, Tape, Tensor, Var};

mod golden;
use golden::{Golden, Worst};

const TOLERANCE: f64 = 1e-5;

struct Cases {
    recorded: Golden,
    worst: Worst,
}

impl Cases {
    fn new() -> Self {
        Self {
            recorded: Golden::read("ops.safetensors"),
            worst: Worst::new(TOLERANCE),
        }
    }

    /// Runs `op` on the inputs of `case`, takes it to a scalar and back, and compares everything.
    fn check(
        &mut self,
        case: &str,
        inputs: &[&str],
        op: impl Fn(&mut Tape<'_>, &[Var], &Golden) -> Var,
    ) {
        let recorded = &self.recorded;
        let mut params = Params::new();
        let ids: Vec<_> = inputs
            .iter()
            .map(|n| params.add(*n, recorded.tensor(&format!("{case}.in.{n}"))))
            .collect();
        let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
        let vars: Vec<Var> = ids.iter().map(|&id| tape.param(id)).collect();
        let out = op(&mut tape, &vars, recorded);
        let mut loss = out;
        if let Some(target) = recorded.find(&format!("{case}.in.target")) {
            let y = recorded.tensor(&format!("{case}.out.y"));
            assert_eq!(tape.value(out).shape, y.shape, "{case}");
            self.worst
                .see(format!("{case} y"), &tape.value(out).data, &y.data);
            loss = tape.mean_squared_error(out, &target.data);
        }
        let wanted = recorded.tensor(&format!("{case}.out.loss"));
        // Losses are compared by their own size; gradients and values by that of their inputs, near 1.
        let size = wanted.item().abs().max(1.0);
        self.worst.see(
            format!("{case} loss"),
            &[tape.value(loss).item() / size],
            &[wanted.item() / size],
        );
        let gradients = tape.backward(loss);
        for (name, id) in inputs.iter().zip(ids) {
            let wanted = recorded.tensor(&format!("{case}.grad.{name}"));
            let found = gradients
                .get(id)
                .unwrap_or_else(|| panic!("{case}: no gradient of {name}"));
            assert_eq!(found.shape, wanted.shape, "{case} {name}");
            self.worst.see(
                format!("{case} gradient of {name}"),
                &found.data,
                &wanted.data,
            );
        }
    }
}

#[test]
fn products_agree_with_pytorch() {
    let mut cases = Cases::new();
    for case in ["linear", "linear_one_row", "linear_wide"] {
        cases.check(case, &["input", "weight", "bias"], |t, v, _| {
            t.linear(v[0], v[1], Some(v[2]))
        });
    }
    cases.check("linear_no_bias", &["input", "weight"], |t, v, _| {
        t.linear(v[0], v[1], None)
    });
    cases.check("gelu_of_linear", &["input", "weight", "bias"], |t, v, _| {
        t.linear_gelu(v[0], v[1], Some(v[2]))
    });
    cases.check("embedding_sum", &["words", "places", "kinds"], |t, v, g| {
        let ids = |name: &str| g.ids(&format!("embedding_sum.in.{name}_ids"));
        t.embedding_sum(vec![
            (v[0], ids("word")),
            (v[1], ids("place")),
            (v[2], ids("kind")),
        ])
    });
    cases.worst.done("products");
}

#[test]
fn element_wise_operations_agree_with_pytorch() {
    let mut cases = Cases::new();
    cases.check("gelu", &["x"], |t, v, _| t.gelu(v[0]));
    cases.check("tanh", &["x"], |t, v, _| t.tanh(v[0]));
    cases.check("relu", &["x"], |t, v, _| t.relu(v[0]));
    cases.check("reglu", &["x"], |t, v, _| t.reglu(v[0]));
    cases.check("add", &["a", "b"], |t, v, _| t.add(v[0], v[1]));
    cases.check("product", &["a", "b"], |t, v, _| t.product(v[0], v[1]));
    cases.check("abs_diff", &["a", "b"], |t, v, _| t.abs_diff(v[0], v[1]));
    cases.check("match", &["u", "v"], |t, v, _| {
        let (apart, product) = (t.abs_diff(v[0], v[1]), t.product(v[0], v[1]));
        t.concat_columns(&[v[0], v[1], apart, product])
    });
    cases.worst.done("element-wise operations");
}

#[test]
fn norms_agree_with_pytorch() {
    let mut cases = Cases::new();
    for case in ["layer_norm", "layer_norm_wide_eps"] {
        cases.check(case, &["x", "gain", "bias"], |t, v, g| {
            t.layer_norm(v[0], None, v[1], v[2], g.scalar(&format!("{case}.in.eps")))
        });
    }
    cases.check(
        "add_layer_norm",
        &["x", "residual", "gain", "bias"],
        |t, v, g| {
            t.layer_norm(
                v[0],
                Some(v[1]),
                v[2],
                v[3],
                g.scalar("add_layer_norm.in.eps"),
            )
        },
    );
    cases.check("normalise", &["x"], |t, v, _| t.l2_normalise(v[0]));
    cases.worst.done("norms");
}

#[test]
fn attention_agrees_with_pytorch() {
    let check = |cases: &mut Cases, case: &str| {
        cases.check(case, &["q", "k", "v"], |t, v, g| {
            let heads = g.indices(&format!("{case}.in.heads"))[0];
            t.attention(
                [v[0], v[1], v[2]],
                &g.indices(&format!("{case}.in.offsets")),
                heads,
                0.0,
            )
        });
    };
    let mut cases = Cases::new();
    for case in [
        "attention",
        "attention_odd",
        "attention_head16",
        "attention_head32",
        "attention_head64",
    ] {
        check(&mut cases, case);
    }
    cases.worst.done("attention");
    // Scores in the hundreds are themselves only known to some 1e-5 in f32.
    let mut sharp = Cases {
        worst: Worst::new(1e-4),
        ..Cases::new()
    };
    check(&mut sharp, "attention_sharp");
    sharp.worst.done("attention with scores far apart");
}

#[test]
fn pooling_agrees_with_pytorch() {
    let mut cases = Cases::new();
    let offsets = |g: &Golden, case: &str| g.indices(&format!("{case}.in.offsets"));
    cases.check("mean_pool", &["x"], |t, v, g| {
        t.mean_pool(v[0], &offsets(g, "mean_pool"))
    });
    cases.check("max_pool", &["x"], |t, v, g| {
        t.max_pool(v[0], &offsets(g, "max_pool"))
    });
    cases.check("first_token", &["x"], |t, v, g| {
        let starts = offsets(g, "first_token");
        t.select_rows(v[0], &starts[..starts.len() - 1])
    });
    cases.check("tanh_pooler", &["x", "weight", "bias"], |t, v, g| {
        let starts = offsets(g, "tanh_pooler");
        let first = t.select_rows(v[0], &starts[..starts.len() - 1]);
        let dense = t.linear(first, v[1], Some(v[2]));
        t.tanh(dense)
    });
    cases.worst.done("pooling");
}

#[test]
fn row_tokens_agree_with_pytorch() {
    let mut cases = Cases::new();
    for (case, relu) in [("row_tokens", false), ("row_tokens_relu", true)] {
        let inputs = ["cls", "weight", "bias", "absent", "table", "table_bias"];
        cases.check(case, &inputs, |t, v, g| {
            let components = g.tensor(&format!("{case}.in.components"));
            let batch = RowTokens {
                starts: g.indices(&format!("{case}.in.starts")),
                n: components.rows(),
                components: components.data,
                missing: g
                    .ids(&format!("{case}.in.missing"))
                    .iter()
                    .map(|&m| m != 0)
                    .collect(),
                codes: g.ids(&format!("{case}.in.codes")),
                relu,
                own_token: true,
                waves: None,
            };
            let [cls, weight, bias, missing, table, table_bias] = v else {
                panic!("six inputs")
            };
            let vars = RowTokenVars {
                cls: *cls,
                frequencies: None,
                weight: *weight,
                bias: *bias,
                missing: *missing,
                table: *table,
                table_bias: *table_bias,
            };
            t.row_tokens(batch, vars)
        });
    }
    cases.worst.done("row tokens");
}

#[test]
fn losses_agree_with_pytorch() {
    let mut cases = Cases::new();
    for case in ["cross_entropy", "cross_entropy_sharp"] {
        cases.check(case, &["logits"], |t, v, g| {
            t.cross_entropy(v[0], &g.ids(&format!("{case}.in.labels")), None)
        });
    }
    cases.check("cross_entropy_weighted", &["logits"], |t, v, g| {
        let weights = g.tensor("cross_entropy_weighted.in.weights").data;
        t.cross_entropy(
            v[0],
            &g.ids("cross_entropy_weighted.in.labels"),
            Some(&weights),
        )
    });
    cases.check("mse", &["y"], |t, v, g| {
        t.mean_squared_error(v[0], &g.tensor("mse.in.wanted").data)
    });
    cases.worst.done("losses");
}

/// Gradients that hold the given values, taken from a tape: d(x·g)/dx = g.
fn gradients(params: &Params, wanted: &[(&str, Tensor)]) -> Gradients {
    let mut all = Gradients::empty(params.len());
    for (name, gradient) in wanted {
        let mut tape = Tape::new(params, Mode::Train { seed: 0 });
        let param = tape.param(params.by_name(name).expect("a parameter"));
        let factor = tape.constant(gradient.clone());
        let product = tape.product(param, factor);
        all.add_assign(&tape.backward(product));
    }
    all
}

#[test]
fn five_steps_of_adamw_agree_with_pytorch() {
    let recorded = Golden::read("ops.safetensors");
    let mut worst = Worst::new(TOLERANCE);
    let mut params = Params::new();
    let ids = ["w", "b"].map(|n| params.add(n, recorded.tensor(&format!("adamw.in.{n}"))));
    let adam = AdamW {
        weight_decay: 0.1,
        ..AdamW::default()
    };
    let mut state = AdamWState::default();
    for (at, &rate) in recorded.tensor("adamw.in.lr").data.iter().enumerate() {
        let of = |name: &str| recorded.tensor(&format!("adamw.in.grad_{name}{at}"));
        let step = gradients(&params, &[("w", of("w")), ("b", of("b"))]);
        adam.step(&mut params, &step, &mut state, rate, &|name| name == "b");
        for (name, id) in ["w", "b"].into_iter().zip(ids) {
            let wanted = recorded.tensor(&format!("adamw.out.{name}{at}"));
            worst.see(
                format!("{name} after step {at}"),
                &params.get(id).data,
                &wanted.data,
            );
        }
    }
    worst.done("AdamW");
}

#[test]
fn clipping_agrees_with_pytorch() {
    let recorded = Golden::read("ops.safetensors");
    let mut worst = Worst::new(TOLERANCE);
    for case in ["clip", "clip_not_needed"] {
        let of = |name: &str| recorded.tensor(&format!("{case}.{name}"));
        let mut params = Params::new();
        let ids = ["a", "b"].map(|n| params.add(n, Tensor::zeros(&of(&format!("in.{n}")).shape)));
        let mut found = gradients(&params, &[("a", of("in.a")), ("b", of("in.b"))]);
        let norm = clip_global_norm(&mut found, f64::from(of("in.limit").item()));
        worst.see(format!("{case} norm"), &[norm as f32], &of("out.norm").data);
        for (name, id) in ["a", "b"].into_iter().zip(ids) {
            let clipped = found.get(id).expect("a gradient");
            worst.see(
                format!("{case} {name}"),
                &clipped.data,
                &of(&format!("out.{name}")).data,
            );
        }
    }
    worst.done("clipping");
}
