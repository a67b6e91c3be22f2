//! `adit pretrain`.

use std::process::ExitCode;

use adit::run::{self, NewEncoder, PretrainJob, PretrainStart};

use super::{CliError, Session, ruled_table, source_settings};
use crate::args::PretrainArgs;
use crate::progress::duration;

pub fn pretrain(args: PretrainArgs, session: &Session) -> Result<ExitCode, CliError> {
    let scratch = args.from_scratch;
    let job = PretrainJob {
        source: source_settings(&args.of.inputs, &args.source)?,
        texts: args.of.texts,
        start: match args.encoder {
            Some(encoder) => PretrainStart::Encoder(encoder),
            None => PretrainStart::FromScratch(NewEncoder {
                vocab_size: args.vocab_size,
                n_layers: args.layers,
                hidden_size: args.hidden_size,
                max_tokens: args.max_tokens,
                keep_case: args.keep_case,
                seed: args.seed,
            }),
        },
        output: args.out,
        epochs: args.epochs.unwrap_or(if scratch { 20 } else { 3 }),
        learning_rate: args
            .learning_rate
            .unwrap_or(if scratch { 1e-3 } else { 1e-4 }),
        max_tokens: args.max_tokens,
        batch_tokens: args.batch_tokens,
        share: args.mask_share,
        whole_words: args.whole_words,
        held_out: args.held_out,
        seed: args.seed,
        resume: args.resume,
        checkpoint_seconds: args.checkpoint_seconds,
        products: args.training_precision.products(),
    };
    let done = run::pretrain(&job, &session.context())?;
    session.progress.finish();
    let mut table = ruled_table();
    table.set_header([
        "epoch",
        "training loss",
        "held-out loss",
        "held-out accuracy",
    ]);
    for row in &done.held_out {
        table.add_row([
            row.epoch.to_string(),
            row.train_loss
                .map_or("–".to_string(), |loss| format!("{loss:.4}")),
            format!("{:.4}", row.loss),
            format!("{:.3}", row.accuracy),
        ]);
    }
    println!("{table}");
    println!();
    println!(
        "texts    {} to learn from, {} held out",
        done.texts, done.held_out_texts
    );
    println!("encoder  {}", done.output.display());
    println!("took     {}", duration(done.seconds));
    Ok(ExitCode::SUCCESS)
}
