//! Low-rank adapters: gradients, agreement with PyTorch, merging.

use adit_nn::lora::{LoraConfig, adapt, is_adapter, merge};
use adit_nn::optim::{AdamW, AdamWState, no_decay};
use adit_nn::{
    EncoderClassifier, EncoderConfig, Mode, NnError, PackedTokens, ParamId, Params, Tape, Tensor,
    Var, WeightFile, WeightFiles,
};

mod golden;
use golden::{Golden, Worst, distance};

fn config(rank: usize, alpha: f32, dropout: f32) -> LoraConfig {
    LoraConfig {
        rank,
        alpha,
        dropout,
    }
}

#[test]
fn adapted_maps_agree_with_pytorch() {
    let recorded = Golden::read("lora.safetensors");
    let mut worst = Worst::new(1e-5);
    for (case, gelu) in [("plain", false), ("gelu", true), ("wide", false)] {
        let of = |name: &str| recorded.tensor(&format!("{case}.{name}"));
        let mut params = Params::new();
        let [x, weight, bias] =
            ["x", "weight", "bias"].map(|n| params.add(n, of(&format!("in.{n}"))));
        let rank = of("in.a").rows();
        let settings = config(rank, of("in.alpha").item(), 0.0);
        adapt(&mut params, &settings, 1, |name| name == "weight").expect("adapters");
        params.unfreeze(|name| name == "x" || name == "bias");
        let [a, b] = ["weight.lora_A", "weight.lora_B"].map(|n| params.by_name(n).expect(n));
        *params.get_mut(a) = of("in.a");
        *params.get_mut(b) = of("in.b");
        let apply = |params: &Params, mode: Mode| {
            let mut tape = Tape::new(params, mode);
            let [x, w, c] = [x, weight, bias].map(|id| tape.param(id));
            let y = if gelu {
                tape.linear_gelu(x, w, Some(c))
            } else {
                tape.linear(x, w, Some(c))
            };
            let loss = tape.mean_squared_error(y, &of("in.target").data);
            let gradients = tape.backward(loss);
            (tape.value(y).clone(), tape.value(loss).item(), gradients)
        };
        let (y, loss, gradients) = apply(&params, Mode::Train { seed: 0 });
        worst.see(format!("{case} y"), &y.data, &of("out.y").data);
        worst.see(format!("{case} loss"), &[loss], &of("out.loss").data);
        assert!(gradients.get(weight).is_none(), "the weight is frozen");
        for (name, id) in [("x", x), ("bias", bias), ("a", a), ("b", b)] {
            let found = gradients.get(id).expect(name);
            let wanted = of(&format!("grad.{name}"));
            worst.see(
                format!("{case} gradient of {name}"),
                &found.data,
                &wanted.data,
            );
        }
        let before = apply(&params, Mode::Inference).0;
        assert_eq!(before, y, "{case}: training and inference differ");
        assert_eq!(merge(&mut params).expect("adapters last"), 1);
        assert_eq!(params.len(), 3);
        let merged = apply(&params, Mode::Inference).0;
        worst.see(
            format!("{case} merged"),
            &merged.data,
            &of("out.merged").data,
        );
    }
    worst.done("adapters");
}

/// Values near one, the same for the same seed.
fn fill(shape: &[usize], seed: u64) -> Tensor {
    adit_nn::random::Init::new(seed).uniform(shape, 1.0)
}

#[test]
fn gradients_equal_differences_with_the_same_dropout_mask() {
    for (gelu, dropout) in [(false, 0.0), (true, 0.0), (false, 0.4), (true, 0.4)] {
        let mut params = Params::new();
        let x = params.add("x", fill(&[5, 7], 1));
        let weight = params.add("w", fill(&[6, 7], 2));
        let bias = params.add("bias", fill(&[6], 3));
        adapt(&mut params, &config(2, 3.0, dropout), 4, |name| name == "w").expect("adapters");
        params.unfreeze(|name| name != "w");
        let b = params.by_name("w.lora_B").expect("an adapter");
        *params.get_mut(b) = fill(&[6, 2], 5);
        let share = fill(&[30], 6).data;
        let run = |params: &Params| {
            let mut tape = Tape::new(params, Mode::Train { seed: 9 });
            let [x, w, c] = [x, weight, bias].map(|id| tape.param(id));
            let y = if gelu {
                tape.linear_gelu(x, w, Some(c))
            } else {
                tape.linear(x, w, Some(c))
            };
            let loss = tape.weighted_sum(y, &share);
            (tape.value(y).clone(), tape.backward(loss))
        };
        let sum = |params: &Params| -> f64 {
            let y = run(params).0.data;
            y.iter()
                .zip(&share)
                .map(|(&y, &s)| f64::from(y) * f64::from(s))
                .sum()
        };
        let gradients = run(&params).1;
        let ids: Vec<ParamId> = params.iter().map(|(id, _, _)| id).collect();
        for id in ids.into_iter().filter(|&id| id != weight) {
            for at in 0..params.get(id).len() {
                let old = params.get(id).data[at];
                let mut sums = [0.0; 4];
                for (slot, factor) in sums.iter_mut().zip([1.0, -1.0, 2.0, -2.0]) {
                    params.get_mut(id).data[at] = old + factor * 1e-2;
                    *slot = sum(&params);
                }
                params.get_mut(id).data[at] = old;
                let numeric = (8.0 * (sums[0] - sums[1]) - (sums[2] - sums[3])) / 0.12;
                let got = f64::from(gradients.get(id).expect("a gradient").data[at]);
                assert!(
                    (got - numeric).abs() < 2e-3 + 5e-3 * numeric.abs(),
                    "{}[{at}], dropout {dropout}: {got} by hand, {numeric} by differences",
                    params.name(id)
                );
            }
        }
    }
}

/// A small classifier from recorded weights, its tokens and labels.
fn classifier() -> (Params, EncoderClassifier, PackedTokens, Vec<u32>) {
    let folder = golden::folder().join("bert_h32a4");
    let recorded = Golden::read("bert_h32a4/expected.safetensors");
    let text = std::fs::read_to_string(folder.join("config.json")).expect("a configuration");
    let text = text.replace("dropout_prob\": 0.0", "dropout_prob\": 0.1");
    assert!(text.contains("dropout_prob\": 0.1"), "no dropout to set");
    let config = EncoderConfig::from_json(&text).expect("a valid configuration");
    let file = WeightFiles::open(&folder).expect("weights");
    let (ids, types) = (recorded.ids("ids"), recorded.ids("types"));
    let tokens = PackedTokens::new(ids, types, recorded.indices("offsets")).expect("tokens");
    let mut params = Params::new();
    let model = EncoderClassifier::load(&config, 3, &file, &mut params, 0).expect("a model");
    (params, model, tokens, recorded.ids("target"))
}

fn logits(params: &Params, model: &EncoderClassifier, tokens: &PackedTokens) -> Tensor {
    let mut tape = Tape::new(params, Mode::Inference);
    let out: Var = model.logits(&mut tape, tokens).expect("logits");
    tape.take(out)
}

fn is_attention(name: &str) -> bool {
    name.ends_with("query.weight") || name.ends_with("value.weight")
}

#[test]
fn a_trained_classifier_merges_into_ordinary_weights_with_the_same_outputs() {
    let (mut params, model, tokens, labels) = classifier();
    let plain = params.clone();
    let before = logits(&params, &model, &tokens);
    adapt(&mut params, &config(4, 8.0, 0.1), 7, is_attention).expect("adapters");
    params.unfreeze(|name| name.starts_with("classifier."));
    assert_eq!(
        logits(&params, &model, &tokens),
        before,
        "B is zero at first"
    );
    let mut state = AdamWState::default();
    for seed in 0..20 {
        let mut tape = Tape::new(&params, Mode::Train { seed });
        let out = model.logits(&mut tape, &tokens).expect("logits");
        let loss = tape.cross_entropy(out, &labels, None);
        let gradients = tape.backward(loss);
        drop(tape);
        for (id, _) in gradients.iter() {
            let name = params.name(id);
            assert!(
                is_adapter(name) || name.starts_with("classifier."),
                "{name}"
            );
        }
        AdamW::default().step(&mut params, &gradients, &mut state, 5e-3, &no_decay);
    }
    let adapted = logits(&params, &model, &tokens);
    assert!(
        distance(&adapted.data, &before.data) > 0.05,
        "training moved nothing"
    );
    for (id, name, tensor) in plain.iter() {
        if !name.starts_with("classifier.") {
            assert_eq!(tensor, params.get(id), "{name} is frozen");
        }
    }
    let bytes = params.to_safetensors_bytes_of(is_adapter);
    let n = merge(&mut params).expect("adapters last");
    assert!(n > 0 && params.len() == plain.len());
    let merged = logits(&params, &model, &tokens);
    let apart = distance(&merged.data, &adapted.data);
    println!("merged and adapted differ by {apart:.1e}");
    assert!(apart < 1e-5, "{apart}");
    // The adapters alone, put on the first weights again, are the trained model but for the head.
    let file = WeightFile::from_bytes("adapters".as_ref(), bytes).expect("a file");
    assert_eq!(file.names().len(), 2 * n);
    let mut again = plain.clone();
    adapt(&mut again, &config(4, 8.0, 0.1), 99, is_attention).expect("adapters");
    again
        .load_those(&file, is_adapter)
        .expect("the adapters' tensors");
    for (id, name, tensor) in params.iter() {
        if name.starts_with("classifier.") {
            *again.get_mut(id) = tensor.clone();
        }
    }
    assert_eq!(logits(&again, &model, &tokens), adapted);
}

#[test]
fn adapters_that_make_no_sense_are_refused() {
    let fresh = || {
        let mut params = Params::new();
        params.add("w", fill(&[3, 4], 1));
        params.add("bias", fill(&[3], 1));
        params
    };
    let refuse = |config: LoraConfig, wanted: &str| {
        let mut params = fresh();
        let found = adapt(&mut params, &config, 1, |name| name == wanted);
        assert!(
            matches!(found, Err(NnError::Config { .. })),
            "{config:?} {wanted}"
        );
        assert_eq!(params.len(), 2, "nothing is added on an error");
    };
    refuse(config(0, 1.0, 0.0), "w");
    refuse(config(2, f32::NAN, 0.0), "w");
    refuse(config(2, 1.0, 1.0), "w");
    refuse(config(2, 1.0, 0.0), "none");
    refuse(config(2, 1.0, 0.0), "bias");
    let mut params = fresh();
    adapt(&mut params, &LoraConfig::default(), 1, |name| name == "w").expect("adapters");
    assert!(adapt(&mut params, &LoraConfig::default(), 1, |name| name == "w").is_err());
    params.add("late", fill(&[1], 1));
    assert!(matches!(merge(&mut params), Err(NnError::Config { .. })));
    assert_eq!(params.len(), 5, "a refused merge changes nothing");
    assert_eq!(merge(&mut fresh()).expect("nothing to merge"), 0);
}
