//! From files to points: what clusters and anomalies are looked for in.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::data::bad_row_warnings;
use super::learned_cells::LearnedCells;
use super::pattern_data::warning;
use super::point_encoders::{FittedHistories, FittedTexts, Vectors};
use super::{Context, PointSection, RunError};
use crate::engine::Session;
use crate::explain::Warning;
use crate::prepare::{self, ColumnRole, Profiles, Role, RoleSettings, RowColumn, Rows, Values};
use crate::represent::components::Components;
use crate::represent::points::Points;
use crate::represent::row_points::{PointUse, RowPoints};
use crate::source::{BadRow, Origin, SourceError, SourceSettings, Table};
use crate::store::RunFolder;

/// Format of what is saved; raised when an old one can no longer be read.
const VERSION: u32 = 2;
/// Share of the total variance that vectors of an encoder have beside other columns, where none is told.
pub(super) const ENCODER_SHARE: f64 = 0.5;

/// Rows as points, and how they became so.
pub(super) struct LoadedPoints {
    /// All columns that were read, and those that groups of histories are told by; held-out ones last.
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

    /// The texts of a row, column after column, with a line between.
    pub fn text_of(&self, row: usize) -> String {
        let cells = (self.own_columns())
            .filter(|column| column.role == Role::Text)
            .filter_map(|column| match &column.values {
                Values::Strings(cells) => Some(cells[row].as_deref().unwrap_or_default()),
                _ => None,
            });
        let own: Vec<String> = cells.map(prepare::normalise_text).collect();
        own.join("\n")
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
    /// What reads the events of each entity beside its profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histories: Option<FittedHistories>,
    /// What the vectors of texts or histories are multiplied by, beside other columns.
    #[serde(default = "one")]
    scale: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    components: Option<Components>,
    /// Values a point.
    pub width: usize,
}

fn one() -> f32 {
    1.0
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
    let has_texts = !section.texts.is_empty() || section.vectors.is_some();
    if has_texts && section.encoder.is_none() {
        return Err(RunError::NoEncoder);
    }
    let watch = context.watch;
    watch.progress("read", 0, 2, &section.inputs.join(" "));
    let session = Session::new(context.limits.threads, None).map_err(SourceError::from)?;
    let table = Table::open(&section.source_settings(), spool, &session, watch)?;
    let mut warnings = bad_row_warnings(&table);
    let histories = match (&section.entity, &section.encoder) {
        (Some(_), Some(encoder)) => Some(FittedHistories::open(encoder)?),
        _ => None,
    };
    let roles = roles(
        (section, histories.as_ref()),
        &table,
        context,
        &mut warnings,
    )?;
    let mut rows = prepare::load(&table, &roles)?;
    watch.progress("read", 1, 2, "");
    let is_held = |name: &String| section.hold_out.contains(name);
    let (own, mut held) = (rows.columns.into_iter()).partition(|c| !is_held(&c.name));
    rows.columns = own;
    let (mut profiles, mut vectors, mut steps) = (None, None, Vec::new());
    if let (Some(entity), Some(time)) = (&section.entity, &section.time) {
        let fitted = Profiles::fit(&rows, entity, time)?;
        if let Some(histories) = &histories {
            vectors = Some(histories.vectors(&rows, (entity, time), context)?);
            // What an encoder sees has to be told in words that a profile lacks.
            if shaping.of_use == PointUse::Groups {
                steps = fitted.steps(&rows)?;
            }
        }
        held = fitted.latest(&rows, held)?;
        rows = fitted.rows(&rows)?;
        profiles = Some(fitted);
    }
    if rows.n_rows() == 0 {
        return Err(RunError::NoRows);
    }
    let cells = RowPoints::fit(&rows, shaping.of_use);
    let texts: Vec<String> = (rows.columns.iter().filter(|c| c.role == Role::Text))
        .map(|c| c.name.clone())
        .collect();
    let columns = || table.schema().iter().map(|c| c.name.clone()).collect();
    if section.encoder.is_some() && texts.is_empty() && vectors.is_none() {
        return Err(RunError::NoTextColumn { columns: columns() });
    }
    if cells.width() == 0 && texts.is_empty() && vectors.is_none() {
        return Err(RunError::NoPoints { columns: columns() });
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
        histories,
        scale: one(),
        components: None,
    };
    let mut points = fitted.cells.points(&rows)?;
    if let Some(seed) = shaping.learned {
        points = fitted.learn(&points, (seed, rows.n_rows()), context)?;
    }
    if let (false, Some(name)) = (texts.is_empty(), &section.encoder) {
        let made = section.vectors.as_deref();
        let (texts, found) = FittedTexts::fit((name, made), texts, &rows, context)?;
        (fitted.texts, vectors) = (Some(texts), Some(found));
    }
    if let Some(vectors) = vectors {
        let share = section.encoder_share.unwrap_or(ENCODER_SHARE);
        let width = fitted.width + vectors.width;
        fitted.scale = scale_beside((&points, fitted.width), &vectors, share);
        points = joined((points, fitted.width), vectors, fitted.scale);
        fitted.width = width;
    }
    let mut kept = None;
    if let Some(n) = shaping.components.filter(|n| *n < fitted.width) {
        let found = reduced(Points::new(&points, fitted.width), n);
        // Points that are all the same have no components.
        if !found.0.is_empty() {
            kept = Some(found.0.kept());
            fitted.width = found.0.len();
            (fitted.components, points) = (Some(found.0), found.1);
        }
    }
    watch.progress("read", 2, 2, "");
    Ok(LoadedPoints {
        held_out: held.iter().map(|c| c.name.clone()).collect(),
        rows: Rows {
            row_ids: rows.row_ids,
            columns: (rows.columns.into_iter().chain(steps).chain(held)).collect(),
        },
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

/// What vectors are multiplied by to have `share` of the total variance beside cells.
fn scale_beside(cells: (&[f32], usize), vectors: &Vectors, share: f64) -> f32 {
    if cells.1 == 0 {
        return one();
    }
    let of_cells = total_variance(Points::new(cells.0, cells.1));
    let of_vectors = total_variance(Points::new(&vectors.values, vectors.width));
    (of_cells * share / (1.0 - share) / of_vectors.max(1e-12)).sqrt() as f32
}

/// Cells and vectors of each row side by side. `[n_rows, width of cells + width of vectors]`
fn joined((cells, width): (Vec<f32>, usize), vectors: Vectors, scale: f32) -> Vec<f32> {
    // Of many texts a copy is much.
    if width == 0 {
        return vectors.values;
    }
    let own = vectors.values.chunks(vectors.width.max(1));
    let mut points = Vec::with_capacity(cells.len() + vectors.values.len());
    for (row, own) in own.enumerate() {
        points.extend_from_slice(&cells[row * width..][..width]);
        points.extend(own.iter().map(|x| x * scale));
    }
    points
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
    (section, histories): (&PointSection, Option<&FittedHistories>),
    table: &Table,
    context: &Context,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<ColumnRole>, RunError> {
    let profile = table.profile(context.watch)?;
    let mut given = section.roles.clone();
    // As its encoder learned them, where no one says otherwise.
    let learned = || histories.into_iter().flat_map(FittedHistories::columns);
    let is_there = |name: &str| table.schema().iter().any(|column| column.name == name);
    for (name, role) in learned().filter(|(name, _)| is_there(name)) {
        given.entry(name.to_string()).or_insert(role);
    }
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
        if role.role == Role::Text && section.entity.is_some() {
            warnings.push(warning(
                "text_left_out",
                format!(
                    "the column `{}` holds texts, which profiles do not read",
                    role.name
                ),
                "left out",
            ));
            role.role = Role::Ignore;
        } else if role.role == Role::Text && section.encoder.is_none() && !is_held {
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
    if let Some(name) = section
        .hold_out
        .iter()
        .find(|name| learned().any(|(own, _)| own == *name))
    {
        return Err(RunError::HeldOutLearned {
            column: name.clone(),
        });
    }
    let is_read = |name: &str| {
        let role = roles.iter().find(|role| role.name == name);
        role.is_some_and(|role| role.role != Role::Ignore)
    };
    let unread: Vec<&str> = (learned().map(|(name, _)| name))
        .filter(|name| !is_read(name))
        .collect();
    if !unread.is_empty() {
        warnings.push(warning(
            "encoder_columns",
            format!(
                "the encoder learned from columns that are not read: {}",
                unread.join(", ")
            ),
            "missing in every event; name them with `--column`, or pre-train without them",
        ));
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
        if let Some(learned) = &mut self.learned {
            learned.read(run)?;
        }
        if let Some(histories) = &mut self.histories {
            histories.read(run)?;
        }
        Ok(())
    }

    /// Writes what does not lie beside the settings.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write_weights(&self, run: &RunFolder) -> Result<(), RunError> {
        if let Some(learned) = &self.learned {
            learned.write(run)?;
        }
        if let Some(histories) = &self.histories {
            histories.write(run)?;
        }
        Ok(())
    }

    /// What the vectors beside cells are called where a person reads of them.
    pub fn vectors_name(&self) -> Option<String> {
        match (&self.texts, &self.histories) {
            (Some(texts), _) => Some(texts.columns.join(" and ")),
            (None, Some(_)) => Some("course of events".into()),
            (None, None) => None,
        }
    }

    /// The encoder that made them.
    pub fn encoder(&self) -> Option<&str> {
        let of_texts = self.texts.as_ref().map(|texts| texts.encoder.as_str());
        of_texts.or(self.histories.as_ref().map(|h| h.encoder.as_str()))
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
        let mut vectors = None;
        if let Some(profiles) = &self.profiles {
            if let Some(histories) = &self.histories {
                let of = (profiles.entity.as_str(), profiles.time.as_str());
                vectors = Some(histories.vectors(&rows, of, context)?);
            }
            rows = profiles.rows(&rows)?;
        }
        let mut points = (self.cells.points(&rows)?, self.cells.width());
        if let Some(learned) = &self.learned {
            let cells = Points::new(&points.0, points.1);
            points = (learned.vectors(cells, context)?, learned.width());
        }
        if let Some(texts) = &self.texts {
            vectors = Some(texts.vectors(&rows, context)?);
        }
        let mut points = match vectors {
            Some(vectors) => joined(points, vectors, self.scale),
            None => points.0,
        };
        if let Some(components) = &self.components {
            points = components.projected(Points::new(&points, components.width()));
        }
        if self.width == 0 || points.len() != rows.n_rows() * self.width {
            return Err(RunError::ModelFile {
                path: "model/points.json".into(),
                reason: "is damaged: its columns do not make points of its width".into(),
            });
        }
        Ok((rows, points, table.n_bad_rows()))
    }
}
