//! `adit bench`: measures this machine.

mod clusters;
mod embed;
mod events;
mod itemsets;
mod kernels;
mod scaling;
mod train;
mod trees;

use std::process::ExitCode;

use adit::run::{BenchModel, DrawnModel, Form};
use adit::{Precision, Products};

use super::{CliError, Session, ruled_table, usage};
use crate::args::{BenchModelArgs, BenchVerb, FormArg, PrecisionArg, ProductsArg};

pub fn bench(verb: BenchVerb, session: &Session) -> Result<ExitCode, CliError> {
    match verb {
        BenchVerb::Embed(args) => embed::embed(args, session)?,
        BenchVerb::Train(args) => train::train(&args, session)?,
        BenchVerb::Events(args) => events::events(&args, session)?,
        BenchVerb::Trees(args) => trees::trees(args, session)?,
        BenchVerb::Clusters(args) => clusters::clusters(&args, session)?,
        BenchVerb::Itemsets(args) => itemsets::itemsets(&args, session)?,
        BenchVerb::Kernels(args) => kernels::kernels(&args, session)?,
        BenchVerb::Scaling(args) => scaling::scaling(&args, session)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub fn precision_of(given: PrecisionArg) -> Precision {
    match given {
        PrecisionArg::F32 => Precision::F32,
        PrecisionArg::Bf16 => Precision::Bf16,
        PrecisionArg::Int8 => Precision::Int8,
        PrecisionArg::Auto => Precision::Auto,
    }
}

/// The numbers that products are measured in: those given, or both.
fn products_of(given: Option<ProductsArg>) -> Vec<Products> {
    match given {
        Some(one) => vec![one.products()],
        None => vec![Products::F32, Products::Bf16],
    }
}

/// The word for the numbers of products.
fn word_of_products(products: Products) -> &'static str {
    match products {
        Products::F32 => "f32",
        Products::Bf16 => "bf16",
    }
}

/// The word for a precision on the command line.
pub fn word(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
        Precision::Int8 => "int8",
        Precision::Auto => "auto",
    }
}

fn model_of(args: &BenchModelArgs) -> Result<BenchModel, CliError> {
    if let Some(name) = &args.encoder {
        return Ok(BenchModel::Named(name.clone()));
    }
    if !args.hidden_size.is_multiple_of(32) {
        return Err(usage(
            format!(
                "`--hidden-size {}` is not a multiple of 32",
                args.hidden_size
            ),
            "heads are 32 or 64 values wide; give 128, 256, 384, 768, …",
        ));
    }
    Ok(BenchModel::Drawn(DrawnModel {
        form: match args.form {
            FormArg::Bert => Form::Bert,
            FormArg::ModernBert => Form::ModernBert,
        },
        n_layers: args.layers as usize,
        hidden_size: args.hidden_size as usize,
        vocab_size: args.vocab_size as usize,
    }))
}

/// `0.031 ms`, `4.21 ms`, `380 ms`.
fn milliseconds(ms: f64) -> String {
    let digits = match ms {
        0.0..0.1 => 4,
        0.1..1.0 => 3,
        1.0..100.0 => 2,
        _ => 0,
    };
    format!("{ms:.digits$} ms")
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or("–".to_string(), |n| {
        format!("{:.0} MiB", n as f64 / 1_048_576.0)
    })
}

fn threads_of(n: usize) -> String {
    format!("{n} thread{}", if n == 1 { "" } else { "s" })
}
