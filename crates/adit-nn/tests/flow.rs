//! The gradient reaches every parameter of every family, along every way: a cut anywhere is seen.

use std::collections::BTreeSet;

use adit_nn::{
    BertLikeConfig, EncoderClassifier, EncoderConfig, MaskedLm, Mode, NumberEmbedding,
    PackedTokens, Params, RowBatch, RowBody, RowTransformer, RowTransformerConfig, T5, T5Config,
    Tape, Tensor, Var,
};

/// Every family with small sizes, in the words of its own `config.json`.
const FAMILIES: [&str; 10] = [
    r#""model_type": "bert""#,
    r#""model_type": "roberta", "type_vocab_size": 2"#,
    r#""model_type": "xlm-roberta", "type_vocab_size": 1"#,
    r#""model_type": "distilbert", "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24"#,
    r#""model_type": "albert", "embedding_size": 8, "num_hidden_groups": 1"#,
    r#""model_type": "electra", "embedding_size": 8"#,
    r#""model_type": "mpnet""#,
    r#""model_type": "modernbert", "local_attention": 4, "global_attn_every_n_layers": 2"#,
    r#""model_type": "t5", "feed_forward_proj": "relu""#,
    r#""model_type": "t5", "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false"#,
];

fn config(family: &str) -> EncoderConfig {
    let text = format!(
        r#"{{{family}, "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 3,
        "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 20,
        "pad_token_id": 1, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 3, "num_heads": 2}}"#
    );
    let config = EncoderConfig::from_json(&text).expect("a configuration");
    config.without_dropout()
}

fn tokens() -> PackedTokens {
    let ids: Vec<u32> = (0..19).map(|i| 2 + (i * 11) % 29).collect();
    let kinds = (0..19).map(|i| i % 2).collect();
    PackedTokens::new(ids, kinds, vec![0, 7, 8, 19]).expect("tokens")
}

/// Weights so large that attention is not even, and no value where a gradient vanishes by symmetry.
fn stir(params: &mut Params) {
    let ids: Vec<_> = params.iter().map(|(id, _, _)| id).collect();
    let mut state = 7u64;
    for id in ids {
        let tensor = params.get_mut(id);
        let spread = if tensor.shape.len() == 2 { 0.4 } else { 0.2 };
        for value in &mut tensor.data {
            state = adit_nn::random::mix(state, 1);
            let unit = (state >> 40) as f32 / (1u64 << 24) as f32;
            *value += spread * (2.0 * unit - 1.0);
        }
    }
}

/// A sum of outputs in which none cancels another.
fn summed(tape: &mut Tape<'_>, outputs: Var) -> Var {
    let n = tape.value(outputs).len();
    let weights: Vec<f32> = (0..n).map(|i| 1.0 + (i * 7 % 5) as f32 * 0.4).collect();
    tape.weighted_sum(outputs, &weights)
}

/// The parameters that have no gradient, or one that is not the slope of the sum along itself.
fn amiss(params: &Params, build: &dyn Fn(&mut Tape<'_>) -> Var) -> BTreeSet<String> {
    let at = |params: &Params| {
        let mut tape = Tape::new(params, Mode::Train { seed: 1 });
        let sum = build(&mut tape);
        f64::from(tape.value(sum).item())
    };
    let mut tape = Tape::new(params, Mode::Train { seed: 1 });
    let sum = build(&mut tape);
    let gradients = tape.backward(sum);
    let mut moved = params.clone();
    let mut found = BTreeSet::new();
    for (id, name, tensor) in params.iter() {
        // The biases of keys move all scores of a row alike, which softmax does not see.
        let of_keys = [".key.bias", ".k.bias", ".k_lin.bias"];
        if of_keys.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let zeros = Tensor::zeros(&tensor.shape);
        let gradient = gradients.get(id).unwrap_or(&zeros);
        let squares = gradient.data.iter().map(|&g| f64::from(g).powi(2));
        let size = squares.sum::<f64>().sqrt();
        // Where the slope is steep it also bends soon.
        let step = 0.005 * (30.0 / size).min(1.0);
        let mut towards = |sign: f64| {
            let at_place = moved.get_mut(id).data.iter_mut().zip(&gradient.data);
            for ((value, &g), &old) in at_place.zip(&tensor.data) {
                *value = old + (sign * step * f64::from(g) / size) as f32;
            }
            at(&moved)
        };
        let slope = if size > 0.0 {
            (towards(1.0) - towards(-1.0)) / (2.0 * step)
        } else {
            0.0
        };
        moved.get_mut(id).data.clone_from(&tensor.data);
        // A cut of one way of several leaves a part of the gradient, which is not the slope.
        if size == 0.0 || !size.is_finite() || (slope - size).abs() > 0.05 * size + 5e-3 {
            found.insert(format!("{name}: gradient {size}, slope {slope}"));
        }
    }
    found
}

fn names(found: &BTreeSet<String>) -> BTreeSet<&str> {
    let name = |line: &'_ String| -> usize { line.find(':').unwrap_or(line.len()) };
    found.iter().map(|line| &line[..name(line)]).collect()
}

#[test]
fn every_parameter_of_every_classifier_has_the_whole_of_its_gradient() {
    for family in FAMILIES {
        let mut params = Params::new();
        let model = EncoderClassifier::new(&config(family), 3, &mut params, 5);
        stir(&mut params);
        let found = amiss(&params, &|tape| {
            let logits = model.logits(tape, &tokens()).expect("logits");
            summed(tape, logits)
        });
        assert!(found.is_empty(), "{family}: {found:#?}");
    }
}

#[test]
fn a_cut_below_any_layer_of_any_family_is_seen() {
    for family in FAMILIES {
        let mut params = Params::new();
        let config = config(family);
        let model = EncoderClassifier::new(&config, 3, &mut params, 5);
        stir(&mut params);
        let mut before = BTreeSet::new();
        for cut in 0..=model.encoder.n_layers() {
            let found = amiss(&params, &|tape| {
                let tokens = tokens();
                let x = model.encoder.embed_tokens(tape, &tokens).expect("states");
                let x = model.encoder.layers(tape, x, &tokens, 0..cut);
                let value = tape.value(x).clone();
                let x = tape.constant(value);
                let x = model
                    .encoder
                    .layers(tape, x, &tokens, cut..model.encoder.n_layers());
                let features = model.features(tape, x, &tokens);
                let logits = model.head.apply(tape, features);
                summed(tape, logits)
            });
            assert!(!found.is_empty(), "{family} cut below layer {cut}");
            let names: BTreeSet<String> = names(&found).into_iter().map(String::from).collect();
            // Weights that layers share are still reached by the layers above the cut.
            let grows = config.shares_layers() || names.is_superset(&before) && names != before;
            assert!(grows, "{family} cut below layer {cut}: {found:#?}");
            before = names;
        }
    }
}

#[test]
fn every_parameter_of_every_model_of_masked_words_has_the_whole_of_its_gradient() {
    for family in FAMILIES {
        let EncoderConfig::BertLike(config) = config(family) else {
            continue;
        };
        let BertLikeConfig { family: kind, .. } = &config;
        let mut params = Params::new();
        let Ok(model) = MaskedLm::new(&config, &mut params, 5) else {
            assert_eq!(kind.model_type(), "electra", "{family}");
            continue;
        };
        stir(&mut params);
        let unused = |line: &String| line.contains("pooler") || line.contains("classifier");
        let found: BTreeSet<String> = amiss(&params, &|tape| {
            let logits = model.logits(tape, &tokens(), &[1, 7, 12]).expect("logits");
            summed(tape, logits)
        })
        .into_iter()
        .filter(|line| !unused(line))
        .collect();
        assert!(found.is_empty(), "{family}: {found:#?}");
    }
}

#[test]
fn every_parameter_of_t5_has_the_whole_of_its_gradient() {
    for family in &FAMILIES[8..] {
        let EncoderConfig::T5(config) = config(family) else {
            panic!("{family} is T5");
        };
        let config = T5Config {
            num_decoder_layers: 2,
            ..config
        };
        let mut params = Params::new();
        let model = T5::new(&config, &mut params, 5);
        stir(&mut params);
        let target: Vec<u32> = (0..9).map(|i| 2 + (i * 5) % 29).collect();
        let target = PackedTokens::new(target, vec![0; 9], vec![0, 3, 4, 9]).expect("tokens");
        let found = amiss(&params, &|tape| {
            let logits = model.logits(tape, &tokens(), &target).expect("logits");
            let few = tape.select_rows(logits, &[0, 2, 3, 8]);
            summed(tape, few)
        });
        assert!(found.is_empty(), "{family}: {found:#?}");
    }
}

#[test]
fn every_parameter_of_a_row_transformer_has_the_whole_of_its_gradient() {
    for number_relu in [false, true] {
        let config = RowTransformerConfig {
            n_numbers: 2,
            bins: vec![vec![0.0, 0.4, 1.0], vec![-1.0, 1.0]],
            cardinalities: vec![2, 4],
            d_token: 16,
            n_layers: 3,
            n_heads: 2,
            ffn_hidden: 20,
            attention_dropout: 0.0,
            ffn_dropout: 0.0,
            residual_dropout: 0.0,
            number_relu,
            n_outputs: 2,
            numbers: NumberEmbedding::default(),
            body: RowBody::default(),
            members: None,
        };
        let mut params = Params::new();
        let model = RowTransformer::new(config, &mut params, 5).expect("a model");
        stir(&mut params);
        let n = 12;
        let batch = RowBatch {
            numbers: (0..2 * n).map(|i| (i * 37 % 101) as f32 / 100.0).collect(),
            missing: (0..2 * n).map(|i| i % 5 == 3).collect(),
            codes: (0..n as u32).flat_map(|i| [i % 2, i * 7 % 4]).collect(),
        };
        let found = amiss(&params, &|tape| {
            let outputs = model.outputs(tape, &batch).expect("outputs");
            summed(tape, outputs)
        });
        assert!(found.is_empty(), "{found:#?}");
    }
}
