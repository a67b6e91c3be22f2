//! Laws that hold in every precision, and how near the precisions are to each other.

use adit_nn::kernels::prepared::bf16_rounds_inputs;
use adit_nn::pool::{embed, embed_all};
use adit_nn::precision::{self, Measured};
use adit_nn::{
    Encoder, EncoderConfig, Mode, NnError, PackedTokens, Params, Pooling, Precision, Session, Tape,
    Tensor, WeightFiles,
};

mod golden;

const ALL: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

/// Maps with more and fewer than sixteen columns over, and inputs that four does not divide.
fn config() -> EncoderConfig {
    EncoderConfig::from_json(
        r#"{"model_type": "bert", "vocab_size": 97, "hidden_size": 78, "num_hidden_layers": 2,
        "num_attention_heads": 3, "intermediate_size": 301, "max_position_embeddings": 60}"#,
    )
    .unwrap()
}

fn model(precision: Precision) -> (Encoder, Params) {
    let mut params = Params::new();
    let bert = Encoder::new(&config(), &mut params, 3);
    // Weights as large as a trained model's, so that rounding shows.
    let ids: Vec<_> = params.iter().map(|(id, _, _)| id).collect();
    for id in ids {
        let tensor = params.get_mut(id);
        if tensor.shape.len() == 2 {
            tensor.data.iter_mut().for_each(|v| *v *= 5.0);
        }
    }
    params.prepare(precision);
    (bert, params)
}

fn texts(n: usize) -> Vec<Vec<u32>> {
    let text = |i: usize| {
        let len = 1 + (i * 13) % 60;
        (0..len).map(|j| ((i * 31 + j * 17) % 97) as u32).collect()
    };
    (0..n).map(text).collect()
}

fn pack(texts: &[Vec<u32>]) -> PackedTokens {
    let zeros = [0u32; 512];
    PackedTokens::pack(texts.iter().map(|t| (t.as_slice(), &zeros[..t.len()]))).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn one(bert: &Encoder, tape: &mut Tape<'_>, tokens: &PackedTokens) -> Result<Tensor, NnError> {
    let hidden = bert.hidden(tape, tokens)?;
    let pooled = Pooling::Mean.apply(tape, hidden, &tokens.offsets);
    Ok(tape.take(pooled))
}

#[test]
fn a_text_in_a_batch_gives_the_bits_of_the_text_alone() {
    let texts = texts(30);
    for precision in ALL {
        let (bert, params) = model(precision);
        let all = embed(&bert, &params, &pack(&texts), Pooling::Mean, true).unwrap();
        for (at, text) in texts.iter().enumerate() {
            let alone = pack(std::slice::from_ref(text));
            let alone = embed(&bert, &params, &alone, Pooling::Mean, true).unwrap();
            assert_eq!(bits(all.row(at)), bits(&alone.data), "{precision:?} {at}");
        }
    }
}

#[test]
fn any_number_of_threads_and_a_batch_a_thread_give_the_same_bits() {
    let batches: Vec<PackedTokens> = texts(80).chunks(20).map(pack).collect();
    for precision in ALL {
        let (bert, params) = model(precision);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let session = Session::new(&params);
                let mut out = Vec::new();
                // The second time in memory that was used before.
                for _ in 0..2 {
                    let all = embed_all(&bert, &session, &batches, Pooling::Mean, true).unwrap();
                    out.push(all.iter().flat_map(|t| bits(&t.data)).collect::<Vec<_>>());
                    let each = batches.iter().map(|b| {
                        let out = embed(&bert, &params, b, Pooling::Mean, true).unwrap();
                        bits(&out.data)
                    });
                    out.push(each.flatten().collect());
                }
                out
            })
        };
        let first = run(1);
        for threads in [1, 2, 3] {
            for (at, found) in run(threads).iter().enumerate() {
                assert!(
                    found == &first[0],
                    "{precision:?}, {threads} threads, way {at}"
                );
            }
        }
    }
}

#[test]
fn a_parameter_that_changes_is_packed_again() {
    for precision in ALL {
        let (bert, mut params) = model(precision);
        let tokens = pack(&texts(3));
        let run = |params: &Params| {
            let out = embed(&bert, params, &tokens, Pooling::Mean, true).unwrap();
            bits(&out.data)
        };
        let before = run(&params);
        let id = params
            .by_name("bert.encoder.layer.1.output.dense.weight")
            .unwrap();
        let kept = params.get(id).clone();
        params.get_mut(id).data.iter_mut().for_each(|v| *v *= -1.0);
        assert_ne!(run(&params), before, "{precision:?}");
        params.add("bert.encoder.layer.1.output.dense.weight", kept);
        assert_eq!(run(&params), before, "{precision:?}");
    }
}

#[test]
fn training_does_not_see_the_precision() {
    let tokens = pack(&texts(4));
    let run = |precision| {
        let (bert, params) = model(precision);
        let mut tape = Tape::new(&params, Mode::Train { seed: 1 });
        let hidden = bert.hidden(&mut tape, &tokens).unwrap();
        bits(&tape.value(hidden).data)
    };
    assert_eq!(run(Precision::F32), run(Precision::Int8));
    assert_eq!(run(Precision::F32), run(Precision::Bf16));
}

#[test]
fn bf16_is_f32_with_rounded_weights() {
    if bf16_rounds_inputs() {
        println!("skipped: this machine rounds inputs too");
        return;
    }
    let (bert, params) = model(Precision::Bf16);
    let (_, mut rounded) = model(Precision::F32);
    let maps: Vec<_> = rounded
        .iter()
        .filter(|(_, name, t)| t.shape.len() == 2 && !name.contains("embeddings"))
        .map(|(id, _, _)| id)
        .collect();
    for id in maps {
        for v in &mut rounded.get_mut(id).data {
            let bits = v.to_bits();
            *v = f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000);
        }
    }
    let tokens = pack(&texts(9));
    let of = |params| embed(&bert, params, &tokens, Pooling::Mean, true).unwrap();
    let (found, wanted) = (of(&params), of(&rounded));
    for (found, wanted) in found.data.iter().zip(&wanted.data) {
        assert!((found - wanted).abs() < 2e-6, "{found} {wanted}");
    }
    assert_ne!(bits(&found.data), bits(&of(&model(Precision::F32).1).data));
}

#[test]
fn the_choice_is_the_fastest_that_holds() {
    let batches: Vec<PackedTokens> = texts(40).chunks(20).map(pack).collect();
    let (bert, mut params) = model(Precision::Auto);
    let found = precision::choose(&mut params, &batches, |tape, b| one(&bert, tape, b)).unwrap();
    assert_eq!(params.precision(), found.precision);
    let (last, before) = found.measured.split_last().unwrap();
    assert_eq!(last.precision, found.precision);
    assert!(
        last.holds() && !before.iter().any(Measured::holds),
        "{found:?}"
    );
    // A weight whose rows hold one huge value leaves nothing of the others in eight bits.
    let (bert, mut params) = model(Precision::Auto);
    let id = params
        .by_name("bert.encoder.layer.0.intermediate.dense.weight")
        .unwrap();
    let tensor = params.get_mut(id);
    for row in tensor.data.chunks_mut(78) {
        row[0] = 300.0;
    }
    // The input that meets it is nothing, so that f32 is as before.
    for name in ["weight", "bias"] {
        let name = format!("bert.encoder.layer.0.attention.output.LayerNorm.{name}");
        let id = params.by_name(&name).unwrap();
        params.get_mut(id).data[0] = 0.0;
    }
    let found = precision::choose(&mut params, &batches, |tape, b| one(&bert, tape, b)).unwrap();
    assert_ne!(found.precision, Precision::Int8, "{found:?}");
    assert!(!found.measured[0].holds());
    let none: [PackedTokens; 0] = [];
    assert!(precision::choose(&mut params, &none, |tape, b| one(&bert, tape, b)).is_err());
}

/// The promise on real weights and texts; needs `ADIT_MINILM`, the folder of all-MiniLM-L6-v2.
#[test]
fn real_embeddings_keep_the_promised_cosine() {
    let Some(folder) = std::env::var_os("ADIT_MINILM").map(std::path::PathBuf::from) else {
        println!("skipped: set ADIT_MINILM to the folder of all-MiniLM-L6-v2");
        return;
    };
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let file = WeightFiles::open(&folder).unwrap();
    let mut params = Params::new();
    let bert = Encoder::load(
        &EncoderConfig::from_json(&text).unwrap(),
        &file,
        &mut params,
    )
    .unwrap();
    let recorded = std::fs::read_to_string(golden::folder().join("minilm.json")).unwrap();
    let recorded: serde_json::Value = serde_json::from_str(&recorded).unwrap();
    let ids = |text: &serde_json::Value| -> Vec<u32> {
        let ids = text["ids"].as_array().unwrap().iter();
        ids.map(|id| id.as_u64().unwrap() as u32).collect()
    };
    let texts: Vec<Vec<u32>> = recorded["texts"]
        .as_array()
        .unwrap()
        .iter()
        .map(ids)
        .collect();
    let tokens = pack(&texts);
    let mut of = |precision| {
        params.prepare(precision);
        embed(&bert, &params, &tokens, Pooling::Mean, true).unwrap()
    };
    let exact = of(Precision::F32);
    for (precision, mean, min) in [
        (Precision::Bf16, 0.9999, 0.9995),
        (Precision::Int8, 0.997, 0.98),
    ] {
        let found = of(precision);
        let all: Vec<f64> = (0..texts.len())
            .map(|row| cosine(exact.row(row), found.row(row)))
            .collect();
        let found_mean = all.iter().sum::<f64>() / all.len() as f64;
        let found_min = all.iter().copied().fold(1.0, f64::min);
        println!(
            "{precision:?}: cosine mean {found_mean:.5}, min {found_min:.5}, {} texts",
            all.len()
        );
        assert!(
            found_mean >= mean && found_min >= min,
            "{precision:?}: {all:?}"
        );
    }
}
