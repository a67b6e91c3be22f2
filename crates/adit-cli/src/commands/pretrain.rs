//! `adit pretrain`.

use std::process::ExitCode;

use adit::run::{
    self, EventPretrainJob, EventShape, HeldOut, NewEncoder, PretrainJob, PretrainStart,
};

use super::{CliError, Session, ruled_table, source_settings};
use crate::args::PretrainArgs;
use crate::progress::duration;

pub fn pretrain(args: PretrainArgs, session: &Session) -> Result<ExitCode, CliError> {
    if let (Some(entity), Some(time)) = (args.entity.clone(), args.time.clone()) {
        return events(args, (entity, time), session);
    }
    let scratch = args.from_scratch;
    let job = PretrainJob {
        source: source_settings(&args.of.inputs, &args.source)?,
        texts: args.of.texts,
        start: match args.encoder {
            Some(encoder) => PretrainStart::Encoder(encoder),
            None => PretrainStart::FromScratch(NewEncoder {
                vocab_size: args.vocab_size,
                n_layers: args.layers.unwrap_or(4),
                hidden_size: args.hidden_size.unwrap_or(256),
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
        held_out: args.held_out.unwrap_or(0.05),
        seed: args.seed,
        resume: args.resume,
        checkpoint_seconds: args.checkpoint_seconds,
        products: args.training_precision.products(),
    };
    let done = run::pretrain(&job, &session.context())?;
    session.progress.finish();
    print_epochs(&done.held_out);
    println!(
        "texts    {} to learn from, {} held out",
        done.texts, done.held_out_texts
    );
    println!("encoder  {}", done.output.display());
    println!("took     {}", duration(done.seconds));
    Ok(ExitCode::SUCCESS)
}

fn print_epochs(epochs: &[HeldOut]) {
    let mut table = ruled_table();
    table.set_header([
        "epoch",
        "training loss",
        "held-out loss",
        "held-out accuracy",
    ]);
    for row in epochs {
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
}

fn events(
    args: PretrainArgs,
    (entity, time): (String, String),
    session: &Session,
) -> Result<ExitCode, CliError> {
    let usual = EventShape::default();
    let width = args.hidden_size.unwrap_or(usual.width);
    let job = EventPretrainJob {
        source: source_settings(&args.of.inputs, &args.source)?,
        entity,
        time,
        output: args.out,
        shape: EventShape {
            width,
            n_layers: args.layers.unwrap_or(usual.n_layers),
            ffn_hidden: 2 * width,
            window: args.window,
            ..usual
        },
        epochs: args.epochs,
        learning_rate: args.learning_rate,
        held_out: args.held_out.unwrap_or(0.1),
        seed: args.seed,
        resume: args.resume,
        checkpoint_seconds: args.checkpoint_seconds,
        products: args.training_precision.products(),
        memory: args.memory << 20,
    };
    let done = run::pretrain_events(&job, &session.context())?;
    session.progress.finish();
    print_epochs(&done.held_out);
    if let Some(fitted) = &done.temperatures {
        let mut table = ruled_table();
        table.set_header([
            "of the next event",
            "temperature",
            "calibration error",
            "calibrated",
        ]);
        let rows = done.fields.iter().zip(&fitted.by_field).zip(&fitted.errors);
        for ((field, temperature), [before, after]) in rows {
            table.add_row([
                field.clone(),
                format!("{temperature:.2}"),
                format!("{before:.3}"),
                format!("{after:.3}"),
            ]);
        }
        println!("{table}");
        println!();
    }
    println!(
        "events     {} of {} histories, {} of them held out",
        done.events,
        done.histories + done.held_out_histories,
        done.held_out_histories
    );
    println!("encoder    {}", done.output.display());
    println!("took       {}", duration(done.seconds));
    Ok(ExitCode::SUCCESS)
}
