//! From files to points: what clusters and anomalies are looked for in.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::data::bad_row_warnings;
use super::learned_cells::LearnedCells;
use super::pattern_data::warning;
use super::texts::texts_of;
use super::{Context, PointSection, RunError};
use crate::engine::Session;
use crate::explain::Warning;
use crate::prepare::{self, ColumnRole, Profiles, Role, RoleSettings, RowColumn, Rows};
use crate::represent::components::Components;
use crate::represent::encoder::EncoderDirectory;
use crate::represent::points::Points;
use crate::represent::row_points::{PointUse, RowPoints};
use crate::source::{BadRow, Origin, SourceError, SourceSettings, Table};
use crate::store::ModelStore;

/// Format of what is saved; raised when an old one can no longer be read.
const VERSION: u32 = 1;
/// Share of the total variance that texts have beside other columns, where none is told.
pub(super) const TEXT_SHARE: f64 = 0.5;
/// What every encoder is asked, so that another one under the same name is noticed.
const PROBE: &str = "the same text has the same vector";
/// Vectors of the probe that differ by more, as squared distance, are of another encoder.
const OTHER: f32 = 1e-4;

/// Rows as points, and how they became so.
pub(super) struct LoadedPoints {
    /// All columns that were read; held-out ones last.
    pub rows: Rows,
    /// Names of the columns that were held out.
    pub held_out: Vec<String>,
    pub points: Vec<f32>,
    pub fitted: FittedPoints,
    /// `rows`, `texts` or `entities`
    pub of: &'static str,
    /// Share of the variance that the components keep, where there are such.
    pub kept: Option<f64>,
    pub origins: Vec<Origin>,
    pub bad_rows: Vec<BadRow>,
    pub warnings: Vec<Warning>,
}

impl LoadedPoints {
    /// The points.
    pub fn points(&self) -> Points<'_> {
        Points::new(&self.points, self.fitted.width)
    }

    /// The columns that points are made of.
    pub fn own_columns(&self) -> impl Iterator<Item = &RowColumn> {
        let is_held = |c: &&RowColumn| !self.held_out.contains(&c.name);
        self.rows.columns.iter().filter(is_held)
    }

    /// The columns that were held out.
    pub fn held_columns(&self) -> impl Iterator<Item = &RowColumn> {
        let is_held = |c: &&RowColumn| self.held_out.contains(&c.name);
        self.rows.columns.iter().filter(is_held)
    }

    /// The texts of each row, column after column, with a line between.
    pub fn texts(&self) -> Vec<String> {
        let columns: Vec<Vec<String>> = (self.own_columns())
            .filter(|column| column.role == Role::Text)
            .map(texts_of)
            .collect();
        (0..self.rows.n_rows())
            .map(|row| {
                let own: Vec<&str> = columns.iter().map(|c| c[row].as_str()).collect();
                own.join("\n")
            })
            .collect()
    }
}

/// How rows become points, so that new ones do alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FittedPoints {
    version: u32,
    /// Columns that are read.
    roles: BTreeMap<String, Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profiles: Option<Profiles>,
    pub cells: RowPoints,
    /// What rows are told by instead of their cells, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedCells>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<FittedTexts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    components: Option<Components>,
    /// Values a point.
    pub width: usize,
}

/// Text columns and their encoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FittedTexts {
    pub columns: Vec<String>,
    pub encoder: String,
    /// What vectors are multiplied by, beside other columns.
    scale: f32,
    /// What the encoder made of a known text.
    probe: Vec<f32>,
}

/// What points are made for, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shaping {
    pub of_use: PointUse,
    /// Principal components that points are reduced to.
    pub components: Option<usize>,
    /// The seed of a transformer over cells, whose vectors stand for these.
    pub learned: Option<u64>,
}

impl Shaping {
    /// Points of cells as they are.
    pub fn of_use(of_use: PointUse) -> Shaping {
        Shaping {
            of_use,
            components: None,
            learned: None,
        }
    }
}

/// Reads what the job names and makes points of it.
///
/// # Errors
/// Whatever is wrong with the files, columns that are not there, nothing that points could be made of.
pub(super) fn load(
    section: &PointSection,
    shaping: &Shaping,
    spool: &Path,
    context: &Context,
) -> Result<LoadedPoints, RunError> {
    if !section.texts.is_empty() && section.encoder.is_none() {
        return Err(RunError::NoEncoder);
    }
    let watch = context.watch;
    watch.progress("read", 0, 2, &section.inputs.join(" "));
    let session = Session::new(context.limits.threads, None).map_err(SourceError::from)?;
    let table = Table::open(&section.source_settings(), spool, &session, watch)?;
    let mut warnings = bad_row_warnings(&table);
    let roles = roles(section, &table, context, &mut warnings)?;
    let mut rows = prepare::load(&table, &roles)?;
    watch.progress("read", 1, 2, "");
    let profiles = match (&section.entity, &section.time) {
        (Some(entity), Some(time)) => {
            let profiles = Profiles::fit(&rows, entity, time)?;
            rows = profiles.rows(&rows)?;
            Some(profiles)
        }
        _ => None,
    };
    if rows.n_rows() == 0 {
        return Err(RunError::NoRows);
    }
    let is_held = |name: &String| section.hold_out.contains(name);
    rows.columns.sort_by_key(|column| is_held(&column.name));
    let own = Rows {
        row_ids: rows.row_ids.clone(),
        columns: (rows.columns.iter().filter(|c| !is_held(&c.name)).cloned()).collect(),
    };
    let cells = RowPoints::fit(&own, shaping.of_use);
    let texts: Vec<String> = (own.columns.iter().filter(|c| c.role == Role::Text))
        .map(|c| c.name.clone())
        .collect();
    if cells.width() == 0 && texts.is_empty() {
        return Err(RunError::NoPoints {
            columns: table.schema().iter().map(|c| c.name.clone()).collect(),
        });
    }
    let of = match (&profiles, cells.width()) {
        (Some(_), _) => "entities",
        (None, 0) => "texts",
        _ => "rows",
    };
    let role_of = roles
        .iter()
        .filter(|r| r.role != Role::Ignore && !is_held(&r.name));
    let mut fitted = FittedPoints {
        version: VERSION,
        roles: role_of.map(|role| (role.name.clone(), role.role)).collect(),
        profiles,
        width: cells.width(),
        cells,
        learned: None,
        texts: None,
        components: None,
    };
    let mut points = fitted.cells.points(&own)?;
    if let Some(seed) = shaping.learned {
        points = fitted.learn(&points, (seed, own.n_rows()), context)?;
    }
    if let (false, Some(name)) = (texts.is_empty(), &section.encoder) {
        let vectors = Encoder::open(name, context)?;
        let found = vectors.embed(&own, &texts, context)?;
        let share = section.text_share.unwrap_or(TEXT_SHARE);
        let scale = match fitted.width {
            0 => 1.0,
            _ => {
                let of_cells = total_variance(Points::new(&points, fitted.width));
                let of_texts = total_variance(Points::new(&found, vectors.width * texts.len()));
                (of_cells * share / (1.0 - share) / of_texts.max(1e-12)).sqrt() as f32
            }
        };
        fitted.texts = Some(FittedTexts {
            encoder: name.clone(),
            scale,
            probe: vectors.probe(context)?,
            columns: texts,
        });
        points = fitted.joined(points, found, vectors.width);
    }
    let mut kept = None;
    if let Some(n) = shaping.components.filter(|n| *n < fitted.width) {
        let found = reduced(Points::new(&points, fitted.width), n);
        kept = Some(found.0.kept());
        fitted.width = found.0.len();
        (fitted.components, points) = (Some(found.0), found.1);
    }
    watch.progress("read", 2, 2, "");
    Ok(LoadedPoints {
        held_out: (rows.columns.iter().map(|c| c.name.clone()))
            .filter(is_held)
            .collect(),
        rows,
        points,
        fitted,
        of,
        kept,
        origins: table.origins().to_vec(),
        bad_rows: table.bad_rows().to_vec(),
        warnings,
    })
}

fn reduced(points: Points, n: usize) -> (Components, Vec<f32>) {
    let all: Vec<usize> = (0..points.len()).collect();
    let components = Components::fit(points.values(), points.width(), &all, n);
    let places = components.projected(points);
    (components, places)
}

/// Sum of the variances of all coordinates.
fn total_variance(points: Points) -> f64 {
    let n = points.len().max(1) as f64;
    let mut sums = vec![(0f64, 0f64); points.width()];
    for row in 0..points.len() {
        for (sum, &x) in sums.iter_mut().zip(points.row(row)) {
            sum.0 += f64::from(x);
            sum.1 += f64::from(x) * f64::from(x);
        }
    }
    sums.iter()
        .map(|(sum, squares)| (squares / n - (sum / n).powi(2)).max(0.0))
        .sum()
}

/// The columns to read, and as what.
fn roles(
    section: &PointSection,
    table: &Table,
    context: &Context,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<ColumnRole>, RunError> {
    let profile = table.profile(context.watch)?;
    let mut given = section.roles.clone();
    for name in &section.texts {
        given.insert(name.clone(), Role::Text);
    }
    if let Some(entity) = &section.entity {
        given.insert(entity.clone(), Role::Entity);
    }
    let named: Vec<String> = (section.columns.iter().chain(&section.hold_out))
        .chain(&section.time)
        .cloned()
        .collect();
    super::pattern_data::check_columns(table, named.iter())?;
    let settings = RoleSettings {
        given,
        ..RoleSettings::default()
    };
    let mut roles = prepare::assign_roles(&profile, &settings)?;
    let is_only_texts = !section.texts.is_empty() && section.columns.is_empty();
    for role in &mut roles {
        let is_named = section.columns.contains(&role.name) || section.texts.contains(&role.name);
        let is_held = section.hold_out.contains(&role.name);
        let is_of_events = Some(&role.name) == section.entity.as_ref()
            || Some(&role.name) == section.time.as_ref();
        let is_given = section.roles.contains_key(&role.name);
        if (is_named || is_held) && !role.role.is_feature() && !is_given {
            (role.role, role.reason) = (Role::Category, "given".into());
        }
        let is_left = !is_named && (!section.columns.is_empty() || is_only_texts);
        let is_id = matches!(role.role, Role::Id | Role::Entity);
        if is_left && !is_held && !is_of_events && !is_id {
            role.role = Role::Ignore;
        }
        if role.role == Role::Text && section.encoder.is_none() && !is_held {
            warnings.push(warning(
                "text_left_out",
                format!(
                    "the column `{}` holds texts, which need an encoder",
                    role.name
                ),
                "left out; `--encoder NAME` reads it",
            ));
            role.role = Role::Ignore;
        }
        if role.role == Role::Molecule {
            role.role = Role::Ignore;
        }
        // Two numbers are two names: a median of them says nothing.
        let distinct = profile
            .columns
            .iter()
            .find(|c| c.name == role.name)
            .map(|c| c.distinct);
        if role.role == Role::Number && distinct == Some(2) && !is_given && section.entity.is_none()
        {
            (role.role, role.reason) = (Role::Category, "two values".into());
        }
    }
    Ok(roles)
}

impl FittedPoints {
    /// Whether each point is an entity with its events.
    pub fn is_of_entities(&self) -> bool {
        self.profiles.is_some()
    }

    /// Learns how cells go together; the vectors of the rows.
    fn learn(
        &mut self,
        points: &[f32],
        (seed, n_rows): (u64, usize),
        context: &Context,
    ) -> Result<Vec<f32>, RunError> {
        let n_columns = self.cells.n_columns();
        let too_few = RunError::TooLittleToLearn { n_rows, n_columns };
        if n_columns == 0 {
            return Err(too_few);
        }
        let points = Points::new(points, self.cells.width());
        let learned = LearnedCells::fit(points, &self.cells.column_of(), seed, context)?;
        let learned = learned.ok_or(too_few)?;
        let vectors = learned.vectors(points, context)?;
        self.width = learned.width();
        self.learned = Some(learned);
        Ok(vectors)
    }

    /// Reads what does not lie beside the settings.
    ///
    /// # Errors
    /// A file that is not there, or of other settings.
    pub fn read_weights(&mut self, run: &Path) -> Result<(), RunError> {
        match &mut self.learned {
            Some(learned) => learned.read(run),
            None => Ok(()),
        }
    }

    /// Values of a point but for those of texts.
    fn cell_width(&self) -> usize {
        (self.learned.as_ref()).map_or(self.cells.width(), LearnedCells::width)
    }

    /// Cells and vectors of each row side by side. `[n_rows, width]`
    fn joined(&mut self, cells: Vec<f32>, vectors: Vec<f32>, width: usize) -> Vec<f32> {
        let Some(texts) = &self.texts else {
            return cells;
        };
        let of_cells = self.cell_width();
        let of_texts = width * texts.columns.len();
        self.width = of_cells + of_texts;
        if of_cells == 0 {
            return vectors;
        }
        let n = vectors.len() / of_texts.max(1);
        let mut points = Vec::with_capacity(n * self.width);
        for row in 0..n {
            points.extend_from_slice(&cells[row * of_cells..][..of_cells]);
            let own = &vectors[row * of_texts..][..of_texts];
            points.extend(own.iter().map(|x| x * texts.scale));
        }
        points
    }

    /// New rows, and their points.
    ///
    /// # Errors
    /// Columns that are not there, another encoder than the one that was used, or whatever is wrong with the files.
    pub fn read(
        &self,
        source: &SourceSettings,
        spool: &Path,
        context: &Context,
    ) -> Result<(Rows, Vec<f32>, u64), RunError> {
        if self.version != VERSION {
            return Err(RunError::ModelFile {
                path: "model/points.json".into(),
                reason: format!(
                    "has format {}, but this program reads format {VERSION}",
                    self.version
                ),
            });
        }
        let session = Session::new(context.limits.threads, None).map_err(SourceError::from)?;
        let table = Table::open(source, spool, &session, context.watch)?;
        let roles: Vec<ColumnRole> = (self.roles.iter())
            .map(|(name, role)| ColumnRole {
                name: name.clone(),
                role: *role,
                reason: "as before".into(),
            })
            .collect();
        let mut rows = prepare::load(&table, &roles)?;
        if let Some(profiles) = &self.profiles {
            rows = profiles.rows(&rows)?;
        }
        let mut points = self.cells.points(&rows)?;
        if let Some(learned) = &self.learned {
            points = learned.vectors(Points::new(&points, self.cells.width()), context)?;
        }
        if let Some(texts) = &self.texts {
            let encoder = Encoder::open(&texts.encoder, context)?;
            let probe = encoder.probe(context)?;
            let apart = |(a, b): (&f32, &f32)| (a - b) * (a - b);
            let apart: f32 = probe.iter().zip(&texts.probe).map(apart).sum();
            if probe.len() != texts.probe.len() || apart > OTHER {
                return Err(RunError::OtherEncoder {
                    name: texts.encoder.clone(),
                });
            }
            let vectors = encoder.embed(&rows, &texts.columns, context)?;
            points = self.clone().joined(points, vectors, encoder.width);
        }
        if let Some(components) = &self.components {
            points = components.projected(Points::new(&points, components.width()));
        }
        Ok((rows, points, table.n_bad_rows()))
    }
}

/// A text encoder that is open.
struct Encoder {
    encoder: crate::represent::embedding::SentenceEncoder,
    width: usize,
}

impl Encoder {
    fn open(name: &str, context: &Context) -> Result<Encoder, RunError> {
        let found = ModelStore::new(context.model_store).resolve(name)?;
        let encoder =
            EncoderDirectory::open(&found.path, &found.manifest.name)?.sentence_encoder()?;
        Ok(Encoder {
            width: encoder.hidden_size(),
            encoder,
        })
    }

    fn probe(&self, context: &Context) -> Result<Vec<f32>, RunError> {
        Ok(self.encoder.embed(&[PROBE], context.watch)?)
    }

    /// Vectors of the text columns of each row, side by side.
    fn embed(
        &self,
        rows: &Rows,
        columns: &[String],
        context: &Context,
    ) -> Result<Vec<f32>, RunError> {
        let mut all = Vec::new();
        for name in columns {
            let column = rows.column(name).ok_or_else(|| {
                crate::represent::RepresentError::MissingColumn {
                    column: name.clone(),
                }
            })?;
            let texts = texts_of(column);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            all.push(self.encoder.embed(&texts, context.watch)?);
        }
        if let [only] = all.as_mut_slice() {
            return Ok(std::mem::take(only));
        }
        let n = rows.n_rows();
        let mut joined = Vec::with_capacity(n * self.width * all.len());
        for row in 0..n {
            for vectors in &all {
                joined.extend_from_slice(&vectors[row * self.width..][..self.width]);
            }
        }
        Ok(joined)
    }
}
