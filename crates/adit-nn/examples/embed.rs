//! Prints one line of JSON: seconds of the encoder alone, on token ids.
//!
//! `cargo run --release -p adit-nn --example embed -- MODEL_DIR IDS [--precision f32|bf16|int8|auto]
//! [--tokens 512] [--rounds 3] [--length N] [--vectors OUT]`
//!
//! IDS holds the ids of one text a line, parted by spaces (`tests/reference/token_ids.py`). With
//! `--length`, the first text that is as long is embedded alone on all cores, again and again.
//! OUT gets the vectors as raw little-endian f32, in the order of the lines.

use std::path::Path;
use std::time::Instant;

use adit_nn::pool::{Pooling, embed_all};
use adit_nn::precision::{Precision, choose};
use adit_nn::{Encoder, EncoderConfig, PackedTokens, Params, Session, WeightFiles};

fn pack(ids: &[Vec<u32>], batch: &[usize]) -> PackedTokens {
    let zeros = vec![0u32; 1 << 13];
    let texts = batch
        .iter()
        .map(|&at| (ids[at].as_slice(), &zeros[..ids[at].len()]));
    PackedTokens::pack(texts).expect("tokens")
}

/// Texts from the longest to the shortest, in batches of about `tokens` tokens.
fn batches(ids: &[Vec<u32>], tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(ids[at].len()));
    let mut out: Vec<Vec<usize>> = Vec::new();
    let mut held = usize::MAX;
    for at in order {
        if held.saturating_add(ids[at].len()) > tokens {
            out.push(Vec::new());
            held = 0;
        }
        held += ids[at].len();
        out.last_mut().expect("a batch").push(at);
    }
    out
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let flag = |name: &str| {
        let at = args.iter().position(|a| a == name)?;
        args.get(at + 1).cloned()
    };
    let number =
        |name: &str, default: usize| flag(name).map_or(default, |v| v.parse().expect("a number"));
    let (folder, rounds) = (Path::new(&args[1]), number("--rounds", 3));
    let text = std::fs::read_to_string(folder.join("config.json")).expect("config.json");
    let config = EncoderConfig::from_json(&text).expect("a configuration");
    let file = WeightFiles::open(folder).expect("weights");
    let mut params = Params::new();
    let bert = Encoder::load(&config, &file, &mut params).expect("a model");
    let lines = std::fs::read_to_string(&args[2]).expect("ids");
    let mut ids: Vec<Vec<u32>> = lines
        .lines()
        .map(|l| l.split(' ').map(|v| v.parse().expect("an id")).collect())
        .collect();
    if let Some(length) = flag("--length").map(|v| v.parse::<usize>().expect("a length")) {
        ids.retain(|text| text.len() == length);
        ids.truncate(1);
    }
    let groups = batches(&ids, number("--tokens", 512));
    let packed: Vec<PackedTokens> = groups.iter().map(|b| pack(&ids, b)).collect();
    let name = flag("--precision").unwrap_or("f32".into());
    let asked: Precision = serde_json::from_value(name.into()).expect("f32, bf16, int8 or auto");
    params.prepare(asked);
    if asked == Precision::Auto {
        let some: Vec<_> = packed.iter().step_by(packed.len().div_ceil(8)).collect();
        let choice = choose(&mut params, &some, |tape, tokens| {
            let hidden = bert.hidden(tape, tokens)?;
            let pooled = Pooling::Mean.apply(tape, hidden, &tokens.offsets);
            Ok(tape.take(pooled))
        });
        println!(
            "{}",
            serde_json::to_string(&choice.expect("a choice")).expect("JSON")
        );
    }
    let session = Session::new(&params);
    let run = || embed_all(&bert, &session, &packed, Pooling::Mean, true).expect("vectors");
    let mut found = run();
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        found = run();
        seconds.push(start.elapsed().as_secs_f64());
    }
    if let Some(path) = flag("--vectors") {
        let mut rows: Vec<(usize, &[f32])> = Vec::new();
        for (group, tensor) in groups.iter().zip(&found) {
            rows.extend(
                group
                    .iter()
                    .enumerate()
                    .map(|(row, &at)| (at, tensor.row(row))),
            );
        }
        rows.sort_by_key(|&(at, _)| at);
        let bytes = rows
            .iter()
            .flat_map(|(_, r)| r.iter().flat_map(|v| v.to_le_bytes()));
        std::fs::write(path, bytes.collect::<Vec<u8>>()).expect("a file to write");
    }
    let tokens: usize = ids.iter().map(Vec::len).sum();
    let precision = params.precision();
    println!(
        r#"{{"precision": "{precision:?}", "texts": {}, "tokens": {tokens}, "threads": {}, "seconds": {seconds:?}}}"#,
        ids.len(),
        rayon::current_num_threads()
    );
}
