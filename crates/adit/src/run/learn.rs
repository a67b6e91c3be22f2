//! Classify and regress: the whole way from source to report.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::arena::{Arena, TrainedMember, metered};
use super::data::{self, Loaded};
use super::embedded::Embedded;
use super::event_encoder::{EventEncoderFolder, EventVectors};
use super::plan::Plan;
use super::saved::{self, Manifest, MemberKind, Predictor, SavedLinear, SavedMember};
use super::{ClassWeights, Context, Job, RunError, apply, limits, summary};
use crate::explain::{self, Cost, Findings, JudgeInput, JudgedMember, Warning};
use crate::mine::{Predictions, linear};
use crate::prepare::Target;
use crate::report;
use crate::represent::encoder::EncoderDirectory;
use crate::store::{ModelStore, RunFolder};

/// A finished run.
#[derive(Debug)]
pub struct Outcome {
    pub folder: PathBuf,
    pub findings: Findings,
    pub cost: Cost,
    /// What `result.json` holds.
    pub result_json: String,
}

/// Runs a job and leaves a run folder at `out`.
///
/// # Errors
/// Whatever is wrong with the job, the data, the encoder or the disk; nothing half-written stays.
pub fn learn(
    job: &Job,
    out: &Path,
    overwrite: bool,
    context: &Context,
) -> Result<Outcome, RunError> {
    let started = Instant::now();
    let given = given_events(job)?;
    let encoder = match given {
        Some(_) => None,
        None => encoder(job, context)?,
    };
    let folder = RunFolder::create(out, overwrite)?;
    let (findings, cost, result_json) = context.limits.apply(|| {
        let (findings, loaded) =
            train_and_judge(job, out, &folder, (encoder.as_ref(), given), context)?;
        // Counting begins anew with every member.
        let of_members = findings.scoreboard.iter().map(|member| member.peak_bytes);
        let peak_rss_bytes = of_members.fold(limits::peak_rss_bytes(), u64::max);
        let cost = Cost {
            seconds: started.elapsed().as_secs_f64(),
            peak_rss_bytes: peak_rss_bytes.max(loaded.peak_bytes),
        };
        let result_json = write_report(job, &folder, &findings, &cost, &loaded)?;
        Ok((findings, cost, result_json))
    })?;
    if context.watch.cancelled() {
        return Err(RunError::Interrupted);
    }
    Ok(Outcome {
        folder: folder.commit()?,
        findings,
        cost,
        result_json,
    })
}

fn encoder(job: &Job, context: &Context) -> Result<Option<EncoderDirectory>, RunError> {
    let Some(name) = &job.transformer.encoder else {
        return Ok(None);
    };
    let found = ModelStore::new(context.model_store).resolve(name)?;
    let encoder = EncoderDirectory::open(&found.path, &found.manifest.name)?;
    if job.transformer.writes_text() {
        encoder.t5_config()?;
    }
    Ok(Some(encoder))
}

/// The encoder of events that the job names, if that is what it names.
fn given_events(job: &Job) -> Result<Option<EventEncoderFolder>, RunError> {
    let named = job.transformer.encoder.as_deref().map(Path::new);
    let folder = named.filter(|folder| job.events.is_some() && EventEncoderFolder::is_one(folder));
    folder.map(EventEncoderFolder::open).transpose()
}

fn train_and_judge(
    job: &Job,
    out: &Path,
    folder: &RunFolder,
    (encoder, given): (Option<&EncoderDirectory>, Option<EventEncoderFolder>),
    context: &Context,
) -> Result<(Findings, Loaded), RunError> {
    let learned = given.as_ref().map(|encoder| &encoder.about.histories);
    let mut loaded = data::load(job, learned, folder.path(), context)?;
    let target = loaded
        .dataset
        .target
        .clone()
        .ok_or_else(|| RunError::NoTarget {
            part: "training".into(),
            target: job.data.target.clone(),
        })?;
    if !loaded.dataset.texts.is_empty() && encoder.is_none() {
        without_encoder(job, &mut loaded)?;
    }
    let positive = loaded.preparation.positive_class();
    // What cannot be decided by is told before anything is learned.
    job.decision.wanted(loaded.preparation.class_names())?;
    let reads_texts = encoder.is_some() && !loaded.dataset.texts.is_empty();
    let embedded = match encoder.filter(|_| reads_texts) {
        Some(encoder) => Embedded::beside_rows(&mut loaded, encoder, context.watch)?,
        None => None,
    };
    let plan = Plan::of(job, &loaded, reads_texts)?;
    let events = EventVectors::of(job, (&loaded, &plan), given, context.watch)?;
    let arena = Arena {
        job,
        loaded: &loaded,
        target: &target,
        plan,
        metric: explain::selection_metric(&target),
        positive,
        class_weights: class_weights(job, &target, &loaded.fit_rows()),
        embedded: embedded.as_ref(),
        events: events.as_ref(),
        watch: context.watch,
    };
    let leaks = arena.leaks()?;
    let (members, linear) = train_all(&arena, encoder)?;
    let mut findings = judge(&arena, &members, out, positive)?;
    if let Some(chosen) = members.iter().find(|m| m.name == findings.chosen) {
        let truth = target.select(&loaded.split.test);
        let of_two = explain::positive_of(&target, positive);
        let groups = loaded.test_groups()?;
        let test = (&chosen.test, groups.as_deref());
        let measured = explain::measure_decisions(&chosen.decisions, test, &truth, of_two);
        findings.decisions = Some(measured);
        findings.leaks = leaks;
        findings.leaks.extend(arena.shared_rows(&chosen.test));
    }
    findings.row_curve = arena.row_curve(&members)?;
    findings.event_reasons = arena.event_reasons(&members)?;
    save(folder, &arena, &members, &linear, encoder, &findings.chosen)?;
    predict_test_rows(folder, &arena, &members, &findings.chosen)?;
    Ok((findings, loaded))
}

/// Weights of the classes by the rows that may be learned from, where the job wants any.
fn class_weights(job: &Job, target: &Target, rows: &[usize]) -> Option<Vec<f32>> {
    let Target::Classes { codes, names } = target else {
        return None;
    };
    if job.class_weights != ClassWeights::Balanced {
        return None;
    }
    let mut counts = vec![0usize; names.len()];
    rows.iter()
        .for_each(|&row| counts[codes[row] as usize] += 1);
    let weights = linear::ClassWeights::Balanced.by_class(&counts);
    Some(weights.into_iter().map(|weight| weight as f32).collect())
}

/// Texts that were asked for need an encoder; those that were found beside other columns go to the
/// linear model alone.
fn without_encoder(job: &Job, loaded: &mut Loaded) -> Result<(), RunError> {
    let dataset = &loaded.dataset;
    let nothing_else = dataset.numbers.is_empty() && dataset.categories.is_empty();
    if nothing_else || !job.data.texts.is_empty() {
        return Err(RunError::NoEncoder);
    }
    let names: Vec<&str> = dataset.texts.iter().map(|t| t.name.as_str()).collect();
    loaded.warnings.push(Warning {
        kind: "text_without_encoder".into(),
        column: None,
        message: format!(
            "no encoder was named for the text columns {}",
            names.join(", ")
        ),
        action: "only the linear model reads them".into(),
    });
    Ok(())
}

fn train_all(
    arena: &Arena,
    encoder: Option<&EncoderDirectory>,
) -> Result<(Vec<TrainedMember>, SavedLinear), RunError> {
    let encoder = encoder.filter(|_| !arena.loaded.dataset.texts.is_empty());
    // What is wrong with a prompt is told before anything is learned.
    let text_model = encoder
        .map(|encoder| arena.text_model(encoder))
        .transpose()?;
    let mut members = vec![metered(|| arena.trivial(), |m| Some(m))?];
    let (linear, saved) = metered(|| arena.linear(), |(m, _)| Some(m))?;
    members.push(linear);
    members.extend(metered(|| arena.trees(), Option::as_mut)?);
    members.extend(metered(|| arena.perceptrons(), Option::as_mut)?);
    // Attention over hundreds of aggregates costs more than all else together; the events themselves are read below.
    if arena.events.is_none() {
        members.extend(metered(|| arena.row_transformer(), Option::as_mut)?);
    }
    members.extend(metered(|| arena.molecule_transformer(), Option::as_mut)?);
    if let Some(events) = arena.events {
        let mut embedding = metered(|| arena.event_embedding(events), |m| Some(m))?;
        embedding.seconds += events.seconds;
        members.push(embedding);
        members.extend(metered(|| arena.event_trees(events), Option::as_mut)?);
        members.push(metered(|| arena.event_transformer(events), |m| Some(m))?);
    }
    if let (Some(encoder), Some(model)) = (encoder, text_model) {
        let mut frozen = metered(|| arena.frozen_encoder(encoder), |m| Some(m))?;
        frozen.seconds += arena.embedded.map_or(0.0, |texts| texts.seconds);
        members.push(frozen);
        let fine_tuned = || arena.text_transformer(encoder, model);
        members.push(metered(fine_tuned, |m| Some(m))?);
    }
    let blend = metered(|| arena.blend(&members), Option::as_mut)?;
    members.extend(blend);
    // Blended as they came; what is handed out is calibrated.
    let able = |member: &&mut TrainedMember| member.role != explain::MemberRole::Baseline;
    members
        .iter_mut()
        .filter(able)
        .try_for_each(|member| arena.decide(member))?;
    Ok((members, saved))
}

fn judge(
    arena: &Arena,
    members: &[TrainedMember],
    out: &Path,
    positive: Option<usize>,
) -> Result<Findings, RunError> {
    arena.watch.progress("judge", 0, 1, "");
    let loaded = arena.loaded;
    let test = &loaded.split.test;
    let truth = arena.target.select(test);
    let row_ids: Vec<u64> = test.iter().map(|&i| loaded.rows.row_ids[i]).collect();
    let cells = |k: usize| summary::cells(&loaded.rows, test[k]);
    let groups = loaded.test_groups()?;
    let input = JudgeInput {
        task: arena.job.task,
        target_name: &arena.job.data.target,
        test_truth: &truth,
        test_row_ids: &row_ids,
        members: members.iter().map(judged).collect(),
        positive,
        groups: groups.as_deref(),
        seed: arena.job.seed,
        cells: &cells,
    };
    let data = summary::data(arena.job, loaded, &arena.plan, arena.target);
    let mut findings = explain::judge(
        &input,
        data,
        loaded.warnings.clone(),
        summary::run_again(out),
    )?;
    if let Some(title) = &arena.job.title {
        findings.title = title.clone();
    }
    arena.watch.progress("judge", 1, 1, "");
    Ok(findings)
}

fn judged(member: &TrainedMember) -> JudgedMember<'_> {
    JudgedMember {
        name: member.name.clone(),
        role: member.role,
        test: &member.test,
        singles: &member.singles,
        validation_score: member.held_out.score(),
        fold_scores: member.held_out.fold_scores.clone(),
        threshold: member.decisions.threshold(),
        train_score: member.train_score,
        settings: member.settings.clone(),
        seconds: member.seconds,
        peak_bytes: member.peak_bytes,
        histories: member.histories.clone(),
    }
}

fn save(
    folder: &RunFolder,
    arena: &Arena,
    members: &[TrainedMember],
    linear: &SavedLinear,
    encoder: Option<&EncoderDirectory>,
    chosen: &str,
) -> Result<(), RunError> {
    let needed = needed(members, chosen);
    let mut saved_members = Vec::new();
    for member in members {
        let is_frozen = matches!(member.kind, MemberKind::Frozen { .. });
        // The encoder's own weights are large and lie in the model store; a blend without its parts is nothing.
        let is_blend = matches!(member.kind, MemberKind::Blend { .. });
        if (is_frozen || is_blend) && !needed.contains(&member.name.as_str()) {
            continue;
        }
        let prefix = match member.kind {
            MemberKind::Text(_) | MemberKind::TextToText(_) => "text",
            MemberKind::Molecule(_) => "molecules",
            MemberKind::Events(_) => "histories",
            _ if member.role == explain::MemberRole::Perceptrons => "perceptrons",
            _ => "row",
        };
        let mut weights = Vec::new();
        for (k, params) in member.weights.iter().enumerate() {
            let file = format!("{prefix}-{}.safetensors", k + 1);
            folder.write(&format!("model/{file}"), &params.to_safetensors_bytes())?;
            weights.push(file);
        }
        // Two members may be of trees.
        let prefix = match member.role {
            explain::MemberRole::Trees => "trees",
            _ => "event-trees",
        };
        for (k, trees) in member.trees.iter().enumerate() {
            let file = format!("{prefix}-{}.json", k + 1);
            folder.write(&format!("model/{file}"), &saved::to_json(&file, trees)?)?;
            weights.push(file);
        }
        saved_members.push(SavedMember {
            name: member.name.clone(),
            kind: member.kind.clone(),
            weights,
            decisions: member.decisions.clone(),
        });
    }
    let frozen_needed = members
        .iter()
        .any(|m| needed.contains(&m.name.as_str()) && matches!(m.kind, MemberKind::Frozen { .. }));
    let numbers = arena.embedded.and_then(|texts| texts.numbers.as_ref());
    if let Some(encoder) = encoder.filter(|_| frozen_needed || numbers.is_some()) {
        for (name, path) in encoder.all_files() {
            folder.copy_in(&path, &format!("model/encoder/{name}"))?;
        }
    } else if let Some(encoder) = encoder {
        for (name, text) in encoder.files()? {
            folder.write(&format!("model/encoder/{name}"), text.as_bytes())?;
        }
    }
    if let Some(events) = arena.events {
        events.encoder.write(folder, "model/")?;
    }
    let weights = arena.class_weights.clone();
    let manifest = Manifest::new(chosen.to_string(), saved_members, weights);
    saved::write(
        folder,
        (&arena.loaded.preparation, numbers),
        linear,
        &manifest,
    )
}

/// The chosen member, and those that it is a blend of.
fn needed<'a>(members: &'a [TrainedMember], chosen: &'a str) -> Vec<&'a str> {
    let mut names = vec![chosen];
    for member in members.iter().filter(|m| m.name == chosen) {
        if let MemberKind::Blend { parts } = &member.kind {
            names.extend(parts.iter().map(|(part, _)| part.as_str()));
        }
    }
    names
}

/// Writes predictions.parquet by the saved model, as `adit predict` would, and compares them with
/// what was judged: what is handed out is what was measured.
fn predict_test_rows(
    folder: &RunFolder,
    arena: &Arena,
    members: &[TrainedMember],
    chosen: &str,
) -> Result<(), RunError> {
    let predictor = Predictor::open(folder.path(), None)?;
    let rows = crate::prepare::subset(&arena.loaded.rows, &arena.loaded.split.test);
    let truth = arena.target.select(&arena.loaded.split.test);
    let mut parts = Vec::new();
    for chunk in apply::chunks(&rows) {
        parts.push(predictor.predict(&chunk, arena.watch)?);
    }
    let predictions = Predictions::concat(&parts).ok_or(RunError::NotRepeated { rows: 0 })?;
    let judged = members.iter().find(|m| m.name == chosen);
    if let Some(judged) = judged {
        let differing = judged.test.count_different(&predictions);
        if differing > 0 {
            return Err(RunError::NotRepeated { rows: differing });
        }
    }
    let batch = apply::prediction_batch(&rows.row_ids, &predictions, &predictor, Some(&truth))?;
    let bytes = crate::store::parquet_bytes(&batch)?;
    folder.write("predictions.parquet", &bytes)?;
    Ok(())
}

fn write_report(
    job: &Job,
    folder: &RunFolder,
    findings: &Findings,
    cost: &Cost,
    loaded: &Loaded,
) -> Result<String, RunError> {
    let version = env!("CARGO_PKG_VERSION");
    let result_json = report::result_json(findings, cost, version)?;
    folder.write("result.json", result_json.as_bytes())?;
    let html = report::html(findings, cost, version)?;
    folder.write("report.html", html.as_bytes())?;
    folder.write(
        "MODEL_CARD.md",
        report::model_card(findings, version).as_bytes(),
    )?;
    folder.write("job.toml", job.to_toml()?.as_bytes())?;
    super::saved::write_bad_rows(folder, &loaded.bad_rows)?;
    Ok(result_json)
}
