//! A search for clusters: the whole way from rows to report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use serde::{Deserialize, Serialize};

use super::apply::batch_of;
use super::cluster_job::{ClusterJob, ClusterMethod};
use super::cluster_map::map_of;
use super::cluster_names::conditions;
use super::pattern_data::warning;
use super::patterns::sources;
use super::points::{self, FittedPoints, LoadedPoints, Shaping};
use super::{Context, PointSection, RunError, cluster_cards, limits};
use crate::explain::{
    AgainstChance, Agreement, ClusterData, ClusterFindings, ClusterSearch, Compared, Cost, Merge,
    Tried, cluster_verdict, held_out,
};
use crate::mine::cluster_method::{ClusterModel, Method, Shape};
use crate::mine::cluster_tree::joined;
use crate::mine::clusters::{
    ChanceSettings, ChoiceSettings, ClusterStability, Found, StabilitySettings,
    adjusted_rand_index, grid, silhouette, v_measure,
};
use crate::prepare::Values;
use crate::report;
use crate::represent::points::Points;
use crate::represent::row_points::PointUse;
use crate::store::{RunFolder, npy_bytes};

/// Where a search keeps its clusters.
pub(super) const SAVED: &str = "model/clusters.json";
/// The points that clusters were found in, where new ones are compared with them.
pub(super) const KNOWN: &str = "model/known.npy";
/// Format of the file; raised when an old one can no longer be read.
pub(super) const VERSION: u32 = 1;
/// Rows that the number of clusters is chosen by, at most.
const CHOICE_ROWS: usize = 4_000;
/// More clusters make a tree that nobody reads.
const MOST_IN_TREE: usize = 200;

/// A finished search.
#[derive(Debug)]
pub struct ClusterOutcome {
    pub folder: PathBuf,
    pub findings: ClusterFindings,
    pub cost: Cost,
    /// What `result.json` holds.
    pub result_json: String,
}

/// What new rows are put into clusters by.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedClusters {
    pub version: u32,
    pub points: FittedPoints,
    /// Absent where there are no clusters.
    pub model: Option<ClusterModel>,
    pub names: Vec<String>,
}

/// What was found, before it is told.
pub(super) struct FoundClusters {
    pub found: Found,
    pub model: Option<ClusterModel>,
    /// Means of the members. `[n_clusters, width]`
    pub centers: Vec<f32>,
    pub sizes: Vec<u64>,
    /// How far each row is from any border; empty where there are no clusters. `[n_rows]`
    pub margins: Vec<f32>,
    pub stability: Vec<ClusterStability>,
    pub silhouettes: Vec<Option<f64>>,
}

/// Searches and leaves a run folder at `out`.
///
/// # Errors
/// Whatever is wrong with the job, the data or the disk; nothing half-written stays.
pub fn mine_clusters(
    job: &ClusterJob,
    out: &Path,
    overwrite: bool,
    context: &Context,
) -> Result<ClusterOutcome, RunError> {
    job.check()?;
    let started = Instant::now();
    let folder = RunFolder::create(out, overwrite)?;
    let (findings, cost, result_json) = context.limits.apply(|| {
        let spool = super::spool()?;
        let shaping = Shaping {
            of_use: PointUse::Groups,
            components: job.cluster.components,
            learned: job.cluster.learned.then_some(job.seed),
        };
        let loaded = points::load(&job.data, &shaping, spool.path(), context)?;
        let (findings, found) = search(job, &loaded, out, context)?;
        let cost = Cost {
            seconds: started.elapsed().as_secs_f64(),
            peak_rss_bytes: limits::peak_rss_bytes(),
        };
        let version = env!("CARGO_PKG_VERSION");
        let result_json = report::cluster_json(&findings, &cost, version)?;
        folder.write("result.json", result_json.as_bytes())?;
        folder.write(
            "report.html",
            report::cluster_html(&findings, &cost, version)?.as_bytes(),
        )?;
        let names: Vec<String> = findings.clusters.iter().map(|c| c.name.clone()).collect();
        let table = table(&loaded, &found, &names)?;
        folder.write("clusters.parquet", &crate::store::parquet_bytes(&table)?)?;
        folder.write("job.toml", job.to_toml()?.as_bytes())?;
        super::saved::write_bad_rows(&folder, &loaded.bad_rows)?;
        if found.model.as_ref().is_some_and(ClusterModel::needs_known) {
            let (n, width) = (loaded.rows.n_rows(), loaded.fitted.width);
            folder.write(KNOWN, &npy_bytes(n, width, &loaded.points))?;
        }
        loaded.fitted.write_weights(&folder)?;
        let saved = SavedClusters {
            version: VERSION,
            points: loaded.fitted,
            model: found.model,
            names,
        };
        folder.write(SAVED, &super::saved::to_json(SAVED, &saved)?)?;
        Ok((findings, cost, result_json))
    })?;
    if context.watch.cancelled() {
        return Err(RunError::Interrupted);
    }
    Ok(ClusterOutcome {
        folder: folder.commit()?,
        findings,
        cost,
        result_json,
    })
}

fn search(
    job: &ClusterJob,
    loaded: &LoadedPoints,
    out: &Path,
    context: &Context,
) -> Result<(ClusterFindings, FoundClusters), RunError> {
    let points = loaded.points();
    let method = method_of(job, points.len());
    // What is learned bends one cloud into shapes that drawn clouds do not have: there the question means nothing.
    let chance = match job.cluster.learned {
        true => None,
        false => against_chance(job, points, &method, context)?,
    };
    let is_chance = chance.as_ref().is_some_and(|c| !c.is_there);
    let mut tried = Vec::new();
    let found = if (is_chance && job.cluster.k.is_none()) || points.len() < 3 {
        nothing(points)
    } else {
        let k = number(job, points, &method, context, &mut tried)?;
        fit(job, points, &method, k, context)?
    };
    let mut findings = begun(job, loaded, out, chance, tried);
    findings.noise = found.found.labels.iter().filter(|l| l.is_none()).count() as f64
        / points.len().max(1) as f64;
    let n_clusters = found.found.n_clusters;
    let labels = &found.found.labels;
    if n_clusters > 0 {
        let seen = silhouette(points, labels, n_clusters, job.seed)?;
        findings.silhouette = seen.mean;
        let own: Vec<_> = loaded.own_columns().collect();
        let told = conditions(&loaded.rows, &own, (labels, n_clusters), job.seed, context)?;
        cluster_cards::tell(job, loaded, (&found, told), &mut findings)?;
        compare(loaded, (labels, n_clusters), &mut findings);
        findings.over_time = cluster_cards::over_time(loaded, labels, n_clusters);
        withhold(&mut findings);
        if n_clusters <= MOST_IN_TREE {
            findings.merges = merges(&found, points.width());
        }
    }
    let is_told = |cluster: u32| {
        let of = findings.clusters.get(cluster as usize);
        of.is_none_or(|cluster| !cluster.withheld)
    };
    findings.map = map_of(loaded, (labels, &is_told), job.seed, context)?;
    findings.verdict = cluster_verdict(
        &findings.data,
        findings.chance.as_ref(),
        &findings.clusters,
        if n_clusters == 0 { 0.0 } else { findings.noise },
    );
    notes(job, loaded, &mut findings);
    Ok((findings, found))
}

/// What clusters are found by.
fn method_of(job: &ClusterJob, n: usize) -> Method {
    let size = job
        .cluster
        .min_cluster_size
        .unwrap_or_else(|| (n / 50).clamp(10, 100));
    Method {
        shape: match job.cluster.method {
            ClusterMethod::Kmeans => Shape::Round,
            ClusterMethod::Mixture => Shape::Gaussian,
            ClusterMethod::Hdbscan => Shape::Dense {
                min_cluster_size: size.max(2),
            },
        },
        n_starts: 50,
    }
}

fn nothing(points: Points) -> FoundClusters {
    FoundClusters {
        found: Found {
            labels: vec![None; points.len()],
            ..Found::default()
        },
        model: None,
        centers: Vec::new(),
        sizes: Vec::new(),
        margins: Vec::new(),
        stability: Vec::new(),
        silhouettes: Vec::new(),
    }
}

fn against_chance(
    job: &ClusterJob,
    points: Points,
    method: &Method,
    context: &Context,
) -> Result<Option<AgainstChance>, RunError> {
    if !job.cluster.chance || points.len() < 3 {
        return Ok(None);
    }
    let watch = context.watch;
    let goes_on = |at: usize, of: usize| {
        watch.progress("compare with chance", at as u64, of as u64, "");
        !watch.cancelled()
    };
    let mut settings = ChanceSettings {
        seed: job.seed,
        ..ChanceSettings::default()
    };
    if job.cluster.method == ClusterMethod::Hdbscan {
        // It finds as many as there are, whatever number is asked for.
        settings.counts = vec![2];
    }
    let quick = (method.quick()).thinned(points.len(), settings.most_rows);
    let found = settings.test(points, &quick, &goes_on)?;
    Ok(Some(AgainstChance {
        statistic: match job.cluster.method {
            ClusterMethod::Hdbscan => "Persistence of the clusters, by their share of the rows",
            _ => "Largest mean silhouette over the numbers of clusters",
        }
        .into(),
        seen: found.seen,
        gaussian: found.gaussian,
        uniform: found.uniform,
        one_mode: found.one_mode,
        p_value: found.p_value,
        is_there: found.is_there,
    }))
}

/// The number of clusters: as given, or the best of those that are tried.
fn number(
    job: &ClusterJob,
    points: Points,
    method: &Method,
    context: &Context,
    tried: &mut Vec<Tried>,
) -> Result<usize, RunError> {
    if job.cluster.method == ClusterMethod::Hdbscan {
        return Ok(1);
    }
    if let Some(k) = job.cluster.k {
        return Ok(k);
    }
    let watch = context.watch;
    let goes_on = |at: usize, of: usize| {
        watch.progress("choose the number of clusters", at as u64, of as u64, "");
        !watch.cancelled()
    };
    let settings = ChoiceSettings {
        counts: grid(points.len(), job.cluster.max_k),
        most_rows: CHOICE_ROWS,
        seed: job.seed,
        ..ChoiceSettings::default()
    };
    let choice = settings.choose(points, &method.quick(), &goes_on)?;
    tried.extend(choice.candidates.iter().map(|c| Tried {
        k: c.n_clusters as u64,
        silhouette: c.silhouette,
        stability: c.stability,
        chosen: c.n_clusters == choice.n_clusters,
    }));
    Ok(choice.n_clusters)
}

fn fit(
    job: &ClusterJob,
    points: Points,
    method: &Method,
    k: usize,
    context: &Context,
) -> Result<FoundClusters, RunError> {
    let watch = context.watch;
    let goes_on = |stage: &'static str| {
        move |at: usize, of: usize| {
            watch.progress(stage, at as u64, of as u64, "");
            !watch.cancelled()
        }
    };
    let (model, found) = method.fit(points, k, job.seed, &goes_on("cluster"))?;
    if found.n_clusters == 0 {
        return Ok(nothing(points));
    }
    let (centers, sizes) = means(points, &found);
    let margins = model.margins(points)?;
    let seen = silhouette(points, &found.labels, found.n_clusters, job.seed)?;
    let stability = match job.cluster.resamples {
        0 => Vec::new(),
        n_resamples => {
            let settings = StabilitySettings {
                n_resamples,
                seed: job.seed,
                ..StabilitySettings::default()
            };
            let quick = (method.quick()).thinned(points.len(), settings.most_rows);
            settings.stability(points, &found, &quick, &goes_on("draw rows anew"))?
        }
    };
    Ok(FoundClusters {
        model: Some(model),
        centers,
        sizes,
        margins,
        stability,
        silhouettes: seen.by_cluster,
        found,
    })
}

/// Mean and number of the members of each cluster.
fn means(points: Points, found: &Found) -> (Vec<f32>, Vec<u64>) {
    let width = points.width();
    let mut sums = vec![0f64; found.n_clusters * width];
    let mut sizes = vec![0u64; found.n_clusters];
    for (row, label) in found.labels.iter().enumerate() {
        if let Some(label) = label {
            let at = *label as usize;
            sizes[at] += 1;
            let own = sums[at * width..][..width].iter_mut();
            own.zip(points.row(row))
                .for_each(|(sum, &x)| *sum += f64::from(x));
        }
    }
    let means = sums
        .chunks(width)
        .zip(&sizes)
        .flat_map(|(sum, &size)| sum.iter().map(move |x| (x / size.max(1) as f64) as f32));
    (means.collect(), sizes)
}

fn begun(
    job: &ClusterJob,
    loaded: &LoadedPoints,
    out: &Path,
    chance: Option<AgainstChance>,
    tried: Vec<Tried>,
) -> ClusterFindings {
    let c = &job.cluster;
    let size = match method_of(job, loaded.rows.n_rows()).shape {
        Shape::Dense { min_cluster_size } => Some(min_cluster_size as u64),
        _ => None,
    };
    ClusterFindings {
        task: "cluster".into(),
        title: job.title.clone().unwrap_or_else(|| match loaded.of {
            "texts" => "Topics".into(),
            "entities" => "Profiles".into(),
            _ => "Groups of rows".into(),
        }),
        verdict: String::new(),
        data: data_of(&job.data, loaded),
        search: ClusterSearch {
            method: c.method.name().into(),
            k_given: c.k.is_some(),
            min_cluster_size: size,
            components: loaded.kept.map(|kept| (loaded.fitted.width as u64, kept)),
            min_people: c.min_people,
            resamples: c.resamples as u64,
            seed: job.seed,
        },
        chance,
        tried,
        silhouette: 0.0,
        noise: 0.0,
        clusters: Vec::new(),
        columns: Vec::new(),
        held_out: Vec::new(),
        agreement: Vec::new(),
        merges: Vec::new(),
        over_time: None,
        map: None,
        warnings: loaded.warnings.clone(),
        run_again: vec![format!("adit run {}/job.toml", out.display())],
    }
}

/// What was read, and what points were made of.
pub(super) fn data_of(section: &PointSection, loaded: &LoadedPoints) -> ClusterData {
    let texts = loaded.fitted.texts.as_ref();
    let encoder = loaded.fitted.encoder();
    let is_mixed = encoder.is_some() && loaded.fitted.cells.width() > 0;
    ClusterData {
        sources: sources(&loaded.origins),
        of: loaded.of.into(),
        n: loaded.rows.n_rows() as u64,
        columns: loaded.fitted.cells.names().map(String::from).collect(),
        logarithmic: loaded.fitted.cells.bent(),
        constant: loaded.fitted.cells.constant.clone(),
        rare: loaded.fitted.cells.rare.clone(),
        learned: loaded.fitted.learned.is_some(),
        texts: texts.map(|t| t.columns.clone()).unwrap_or_default(),
        encoder: encoder.map(|name| super::summary::file_name(Path::new(name))),
        encoder_share: is_mixed.then(|| section.encoder_share.unwrap_or(points::ENCODER_SHARE)),
        held_out: loaded.held_out.clone(),
        width: loaded.fitted.width as u64,
    }
}

/// How clusters differ in the columns that were held out.
fn compare(
    loaded: &LoadedPoints,
    (labels, n_clusters): (&[Option<u32>], usize),
    findings: &mut ClusterFindings,
) {
    let held: Vec<Compared> = loaded.held_columns().filter_map(Compared::of).collect();
    findings.held_out = held_out(&held, labels, n_clusters);
    for column in &held {
        if let Compared::Category {
            name,
            values,
            codes,
        } = column
        {
            // Beyond the most frequent values they are not told apart.
            if codes
                .iter()
                .flatten()
                .any(|code| *code as usize == values.len())
            {
                continue;
            }
            // Rows of no cluster are a group of their own.
            let group = |label: &Option<u32>| Some(label.unwrap_or(n_clusters as u32));
            let (truth, group): (Vec<_>, Vec<_>) = (codes.iter().zip(labels))
                .filter(|(code, _)| code.is_some())
                .map(|(code, label)| (*code, group(label)))
                .unzip();
            findings.agreement.push(Agreement {
                column: name.clone(),
                v_measure: v_measure(&truth, &group).v_measure,
                adjusted_rand: adjusted_rand_index(&truth, &group),
            });
        }
    }
}

/// Small groups are not told by the table of columns either, nor by what they have in each period.
fn withhold(findings: &mut ClusterFindings) {
    let small: Vec<usize> = (findings.clusters.iter().enumerate())
        .filter(|(_, cluster)| cluster.withheld)
        .map(|(at, _)| at)
        .collect();
    let columns = findings.columns.iter_mut().map(|c| &mut c.by_cluster);
    let held_out = findings.held_out.iter_mut().map(|c| &mut c.by_cluster);
    for by_cluster in columns.chain(held_out) {
        small.iter().for_each(|&at| by_cluster[at] = None);
    }
    if let Some(over_time) = &mut findings.over_time {
        small.iter().for_each(|&at| over_time.shares[at].clear());
    }
}

fn merges(found: &FoundClusters, width: usize) -> Vec<Merge> {
    let merges = joined(Points::new(&found.centers, width), &found.sizes);
    let most = merges
        .iter()
        .map(|m| m.height)
        .fold(f64::MIN_POSITIVE, f64::max);
    let merge = |m: &crate::mine::cluster_tree::Joined| Merge {
        first: m.first as u64 + 1,
        second: m.second as u64 + 1,
        height: m.height / most,
    };
    merges.iter().map(merge).collect()
}

/// What a person should know before building on it.
fn notes(job: &ClusterJob, loaded: &LoadedPoints, findings: &mut ClusterFindings) {
    if job.cluster.learned {
        findings.warnings.push(warning(
            "learned",
            "learned values of one cloud look grouped too, so it was not asked whether there are clusters at all"
                .into(),
            "run it without `--learned` to ask",
        ));
    }
    if let Some(k) = job
        .cluster
        .k
        .filter(|k| findings.clusters.len() < *k && !findings.clusters.is_empty())
    {
        let n = findings.clusters.len();
        let message = match job.cluster.method {
            ClusterMethod::Mixture => {
                format!("{k} clusters were asked for, but only {n} have members")
            }
            _ => format!("{k} clusters were asked for, but there are only {n} different points"),
        };
        findings
            .warnings
            .push(warning("fewer_clusters", message, "as many were made"));
    }
    let small = findings.clusters.iter().filter(|c| c.withheld).count();
    if small > 0 {
        let have = match small {
            1 => "1 cluster has".into(),
            n => format!("{n} clusters have"),
        };
        let message = format!("{have} fewer than {} members", job.cluster.min_people);
        findings.warnings.push(warning(
            "small_groups",
            message,
            "told by their size only; `--min-people` moves the bar",
        ));
    }
    if loaded.fitted.cells.width() > 0
        && loaded.fitted.cells.n_columns() == 1
        && loaded.of == "rows"
        && loaded.fitted.texts.is_none()
    {
        findings.warnings.push(warning(
            "one_column",
            "points are made of one column".into(),
            "clusters are parts of its range",
        ));
    }
}

/// Columns `row`, the entity where there is one, `cluster` (from 1; none is in no cluster), `name` and `margin`: 1 at the
/// centre, 0 half way to the next.
fn table(
    loaded: &LoadedPoints,
    found: &FoundClusters,
    names: &[String],
) -> Result<RecordBatch, RunError> {
    let mut columns: Vec<(String, ArrayRef)> = vec![(
        "row".into(),
        Arc::new(UInt64Array::from(loaded.rows.row_ids.clone())),
    )];
    if loaded.of == "entities"
        && let Some(first) = loaded.rows.columns.first()
        && let Values::Strings(ids) = &first.values
    {
        columns.push((first.name.clone(), Arc::new(StringArray::from(ids.clone()))));
    }
    columns.extend(label_columns(&found.found.labels, &found.margins, names));
    batch_of(columns, "clusters.parquet")
}

/// Columns `cluster`, `name` and `margin`.
pub(super) fn label_columns(
    labels: &[Option<u32>],
    margins: &[f32],
    names: &[String],
) -> Vec<(String, ArrayRef)> {
    let number = labels.iter().map(|label| label.map(|label| label + 1));
    let name = labels
        .iter()
        .map(|label| label.map(|label| names[label as usize].as_str()));
    let margin = (0..labels.len()).map(|row| {
        let of = margins.get(row).copied();
        of.filter(|_| labels[row].is_some())
    });
    vec![
        ("cluster".into(), Arc::new(number.collect::<UInt32Array>())),
        ("name".into(), Arc::new(name.collect::<StringArray>())),
        ("margin".into(), Arc::new(margin.collect::<Float32Array>())),
    ]
}
