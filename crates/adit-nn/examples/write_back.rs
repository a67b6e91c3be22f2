//! Reads a directory that Hugging Face wrote and writes it again, in one file of full names.
//!
//! `cargo run --release -p adit-nn --example write_back -- DIR OUT`; see `tests/reference/write_back.py`.

use std::error::Error;
use std::path::PathBuf;

use adit_nn::{EncoderClassifier, EncoderConfig, Params, WeightFiles};

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(from), Some(to)) = (paths.next(), paths.next()) else {
        return Err("two folders are needed: DIR OUT".into());
    };
    let text = std::fs::read_to_string(from.join("config.json"))?;
    let config = EncoderConfig::from_json(&text)?;
    let files = WeightFiles::open(&from)?;
    let mut params = Params::new();
    let n_outputs = EncoderClassifier::n_outputs_in(&config, &files).ok_or("it has no head")?;
    EncoderClassifier::load(&config, n_outputs, &files, &mut params, 0)?;
    std::fs::create_dir_all(&to)?;
    std::fs::write(to.join("config.json"), text)?;
    std::fs::write(to.join("model.safetensors"), params.to_safetensors_bytes())?;
    println!("{}: {} tensors", config.model_type(), params.len());
    Ok(())
}
