//! The same bits for any number of threads: logits, loss, every gradient, and weights after steps.

use adit_nn::optim::{AdamW, AdamWState, clip_global_norm, no_decay};
use adit_nn::{
    EncoderClassifier, EncoderConfig, Mode, PackedTokens, Params, RowBatch, RowTransformer,
    RowTransformerConfig, Tape, Var, WeightFiles,
};

mod golden;
use golden::Golden;

/// Two training steps in a pool of `n_threads`; gives the bits of outputs, gradients and weights.
fn bits(
    n_threads: usize,
    mut params: Params,
    forward: impl Fn(&mut Tape<'_>) -> (Var, Var) + Sync,
) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .expect("a pool");
    pool.install(|| {
        let mut bits = Vec::new();
        let mut state = AdamWState::default();
        for step in 0..2 {
            let mut tape = Tape::new(&params, Mode::Train { seed: step });
            let (outputs, loss) = forward(&mut tape);
            for var in [outputs, loss] {
                bits.extend(tape.value(var).data.iter().map(|v| v.to_bits()));
            }
            let mut gradients = tape.backward(loss);
            for (_, gradient) in gradients.iter() {
                bits.extend(gradient.data.iter().map(|v| v.to_bits()));
            }
            bits.push((clip_global_norm(&mut gradients, 0.5) as f32).to_bits());
            AdamW::default().step(&mut params, &gradients, &mut state, 1e-3, &no_decay);
        }
        for (_, _, tensor) in params.iter() {
            bits.extend(tensor.data.iter().map(|v| v.to_bits()));
        }
        bits
    })
}

#[test]
fn a_bert_classifier_trains_to_the_same_bits() {
    let folder = golden::folder().join("bert_h32a4");
    let recorded = Golden::read("bert_h32a4/expected.safetensors");
    let text = std::fs::read_to_string(folder.join("config.json")).expect("a configuration");
    let text = text.replace("dropout_prob\": 0.0", "dropout_prob\": 0.1");
    let config = EncoderConfig::from_json(&text).expect("a valid configuration");
    assert_eq!(config.head_dropout(), 0.1);
    let files = WeightFiles::open(&folder).expect("weights");
    // Long and short sequences side by side, three times over.
    let (ids, types, offsets) = (
        recorded.ids("ids"),
        recorded.ids("types"),
        recorded.indices("offsets"),
    );
    let parts = offsets
        .windows(2)
        .map(|w| (&ids[w[0]..w[1]], &types[w[0]..w[1]]));
    let parts: Vec<_> = parts.collect();
    let tokens = PackedTokens::pack(parts.repeat(3)).expect("packed tokens");
    let labels = recorded.ids("target").repeat(3);
    let run = |n_threads| {
        let mut params = Params::new();
        let model = EncoderClassifier::load(&config, 3, &files, &mut params, 0).expect("a model");
        bits(n_threads, params, |tape| {
            let logits = model.logits(tape, &tokens).expect("logits");
            (logits, tape.cross_entropy(logits, &labels, None))
        })
    };
    let alone = run(1);
    for n_threads in [2, 3, 7] {
        assert!(
            alone == run(n_threads),
            "{n_threads} threads give other bits"
        );
    }
}

/// Shared layers, narrow embeddings and biases of distances gather gradients from many places.
#[test]
fn other_families_train_to_the_same_bits() {
    for name in ["albert", "electra", "mpnet"] {
        let folder = golden::folder().join("families").join(name);
        let recorded = Golden::read(&format!("families/{name}/expected.safetensors"));
        let text = std::fs::read_to_string(folder.join("config.json")).expect("a configuration");
        let text = text.replace("dropout_prob\": 0.0", "dropout_prob\": 0.1");
        let config = EncoderConfig::from_json(&text).expect("a valid configuration");
        assert_eq!(config.head_dropout(), 0.1);
        let files = WeightFiles::open(&folder).expect("weights");
        let (ids, types) = (recorded.ids("ids"), recorded.ids("types"));
        let offsets = recorded.indices("offsets");
        let parts: Vec<_> = offsets
            .windows(2)
            .map(|w| (&ids[w[0]..w[1]], &types[w[0]..w[1]]))
            .collect();
        let tokens = PackedTokens::pack(parts.repeat(9)).expect("packed tokens");
        let labels = recorded.ids("target").repeat(9);
        let n_outputs = recorded.tensor("logits").cols();
        let run = |n_threads| {
            let mut params = Params::new();
            let model = EncoderClassifier::load(&config, n_outputs, &files, &mut params, 0)
                .expect("a model");
            bits(n_threads, params, |tape| {
                let logits = model.logits(tape, &tokens).expect("logits");
                (logits, tape.cross_entropy(logits, &labels, None))
            })
        };
        let alone = run(1);
        for n_threads in [2, 3, 7] {
            assert!(alone == run(n_threads), "{name}, {n_threads} threads");
        }
    }
}

#[test]
fn a_row_transformer_trains_to_the_same_bits() {
    let recorded = Golden::read("row/mixed.safetensors");
    let text = std::fs::read_to_string(golden::folder().join("row/mixed.json")).expect("a file");
    let mut config: RowTransformerConfig = serde_json::from_str(&text).expect("a configuration");
    config.attention_dropout = 0.2;
    config.ffn_dropout = 0.1;
    let missing: Vec<bool> = recorded.ids("missing").iter().map(|&m| m != 0).collect();
    let batch = RowBatch {
        numbers: recorded.tensor("numbers").data.repeat(60),
        missing: missing.repeat(60),
        codes: recorded.ids("codes").repeat(60),
    };
    let labels = recorded.ids("target").repeat(60);
    let run = |n_threads| {
        let mut params = Params::new();
        let model = RowTransformer::new(config.clone(), &mut params, 5).expect("a model");
        bits(n_threads, params, |tape| {
            let outputs = model.outputs(tape, &batch).expect("outputs");
            (outputs, tape.cross_entropy(outputs, &labels, None))
        })
    };
    let alone = run(1);
    for n_threads in [2, 3, 7] {
        assert!(
            alone == run(n_threads),
            "{n_threads} threads give other bits"
        );
    }
}
