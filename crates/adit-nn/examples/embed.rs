//! Embeds token ids and prints one line of JSON: seconds of the encoder alone.
//!
//! `cargo run --release -p adit-nn --example embed -- MODEL_DIR IDS [--budget 512] [--rounds 1] [--vectors OUT.npy]`
//!
//! IDS holds the ids of one text a line, parted by spaces.

use std::path::Path;
use std::time::Instant;

use adit_nn::pool::embed;
use adit_nn::{Bert, BertConfig, PackedTokens, Params, Pooling, WeightFile};
use rayon::prelude::*;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let flag = |name: &str| args.iter().position(|a| a == name).map(|at| args[at + 1].clone());
    let folder = Path::new(&args[1]);
    let budget: usize = flag("--budget").map_or(512, |v| v.parse().expect("a number"));
    let rounds: usize = flag("--rounds").map_or(1, |v| v.parse().expect("a number"));
    let text = std::fs::read_to_string(folder.join("config.json")).expect("config.json");
    let config = BertConfig::from_json(&text).expect("a configuration");
    let file = WeightFile::open(&folder.join("model.safetensors")).expect("weights");
    let mut params = Params::new();
    let bert = Bert::load(&config, &file, &mut params).expect("a model");
    let lines = std::fs::read_to_string(&args[2]).expect("ids");
    let ids: Vec<Vec<u32>> = lines.lines().map(|l| l.split(' ').map(|v| v.parse().expect("an id")).collect()).collect();
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(ids[at].len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut held = usize::MAX;
    for at in order {
        if held.saturating_add(ids[at].len()) > budget {
            batches.push(Vec::new());
            held = 0;
        }
        held += ids[at].len();
        batches.last_mut().expect("a batch").push(at);
    }
    let packed: Vec<PackedTokens> = batches.iter().map(|b| {
        let zeros = vec![0u32; 512];
        PackedTokens::pack(b.iter().map(|&at| (ids[at].as_slice(), &zeros[..ids[at].len()]))).expect("tokens")
    }).collect();
    let run = || -> Vec<_> { packed.par_iter().map(|p| embed(&bert, &params, p, Pooling::Mean, true).expect("vectors")).collect() };
    let _ = run();
    let mut seconds = Vec::new();
    for _ in 0..rounds { let start = Instant::now(); let _ = run(); seconds.push(start.elapsed().as_secs_f64()); }
    println!("{seconds:?}");
}
