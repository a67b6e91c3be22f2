//! Rows of numbers, times and categories as points whose distances mean something.
//!
//! Enters: raw rows. Leaves: coordinates. For groups, every number has a variance of 1, whatever its unit, and every
//! category one half in all, however many values it has, because few values make tight groups by themselves (Huang 1998
//! weighs them so); skewed numbers are told on a logarithmic scale first. For outliers, numbers have a variance of 1 and
//! stay as far out as they are, and a category is 1 at one coordinate. Not here: texts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RepresentError;
use super::baskets::{cell, number};
use super::log_scale::LogScale;
use crate::prepare::{Role, Rows, Values};

/// Numbers whose skewness is larger than this are bent where that makes it smaller.
const SKEWED: f64 = 1.5;
/// Total variance of a category.
const CATEGORY: f32 = 0.5;
/// Categories of fewer rows than this share one coordinate.
const LEAST_SHARE: f64 = 0.01;
/// Categories with a coordinate of their own, at most.
const MOST_CATEGORIES: usize = 40;
/// What lies further out, in deviations, is put there: one cell makes no cluster.
const FAR: f32 = 6.0;
/// The same of outliers: only so that distances stay numbers.
const VERY_FAR: f32 = 1e6;
const MISSING: &str = "missing";

/// What is looked for in points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointUse {
    Groups,
    Outliers,
}

/// How rows become points, fitted on rows and saved with what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowPoints {
    columns: Vec<PointColumn>,
    /// What lies further out is put there.
    #[serde(default = "far")]
    far: f32,
    /// Columns that hold one value only.
    pub constant: Vec<String>,
    /// Columns of categories of which none is in enough rows.
    #[serde(default)]
    pub rare: Vec<String>,
}

/// Why no points are made of a column.
enum LeftOut {
    Constant,
    Rare,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PointColumn {
    name: String,
    scale: PointScale,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "as")]
enum PointScale {
    /// In deviations from the mean.
    Linear { mean: f64, deviation: f64 },
    /// The same of the logarithm.
    Logarithmic { scale: LogScale },
    /// A coordinate a category and one for all others; `shares` of the rows, the others last.
    Category {
        names: Vec<String>,
        shares: Vec<f32>,
        unit: f32,
    },
}

fn far() -> f32 {
    FAR
}

impl RowPoints {
    /// Looks at the feature columns of all rows.
    pub fn fit(rows: &Rows, of_use: PointUse) -> RowPoints {
        let mut columns = Vec::new();
        let (mut constant, mut rare) = (Vec::new(), Vec::new());
        for column in &rows.columns {
            let scale = match column.role {
                Role::Number | Role::Time => {
                    let values = (0..rows.n_rows()).filter_map(|row| number(&column.values, row));
                    number_scale(&values.collect::<Vec<f64>>(), of_use).ok_or(LeftOut::Constant)
                }
                Role::Category => category_scale(&column.values, rows.n_rows(), of_use),
                _ => continue,
            };
            match scale {
                Ok(scale) => columns.push(PointColumn {
                    name: column.name.clone(),
                    scale,
                }),
                Err(LeftOut::Constant) => constant.push(column.name.clone()),
                Err(LeftOut::Rare) => rare.push(column.name.clone()),
            }
        }
        let far = match of_use {
            PointUse::Groups => FAR,
            PointUse::Outliers => VERY_FAR,
        };
        RowPoints {
            columns,
            far,
            constant,
            rare,
        }
    }

    /// Values a point.
    pub fn width(&self) -> usize {
        self.columns.iter().map(|column| column.scale.width()).sum()
    }

    /// Number of columns that points are made of.
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Columns on a logarithmic scale.
    pub fn bent(&self) -> Vec<String> {
        let is_bent = |c: &&PointColumn| matches!(c.scale, PointScale::Logarithmic { .. });
        self.columns
            .iter()
            .filter(is_bent)
            .map(|c| c.name.clone())
            .collect()
    }

    /// The column that each coordinate belongs to. `[width]`
    pub fn column_of(&self) -> Vec<usize> {
        let of =
            |(at, column): (usize, &PointColumn)| std::iter::repeat_n(at, column.scale.width());
        self.columns.iter().enumerate().flat_map(of).collect()
    }

    /// The points of rows; missing numbers lie at the mean. `[n_rows, width]`
    ///
    /// # Errors
    /// `MissingColumn` where a column is not there.
    pub fn points(&self, rows: &Rows) -> Result<Vec<f32>, RepresentError> {
        let (n, width) = (rows.n_rows(), self.width());
        let mut points = vec![0f32; n * width];
        let mut first = 0;
        for own in &self.columns {
            let column = rows
                .column(&own.name)
                .ok_or_else(|| RepresentError::MissingColumn {
                    column: own.name.clone(),
                })?;
            for row in 0..n {
                let to = &mut points[row * width + first..];
                own.scale.place(&column.values, row, self.far, to);
            }
            first += own.scale.width();
        }
        Ok(points)
    }
}

impl PointScale {
    fn width(&self) -> usize {
        match self {
            PointScale::Category { shares, .. } => shares.len(),
            _ => 1,
        }
    }

    fn place(&self, values: &Values, row: usize, far: f32, to: &mut [f32]) {
        match self {
            PointScale::Linear { mean, deviation } => {
                let place = number(values, row).map_or(0.0, |x| ((x - mean) / deviation) as f32);
                to[0] = place.clamp(-far, far);
            }
            PointScale::Logarithmic { scale } => {
                let place = number(values, row).map_or(0.0, |x| scale.place(x));
                to[0] = place.clamp(-far, far);
            }
            PointScale::Category {
                names,
                shares,
                unit,
            } => {
                let name = cell(values, row).unwrap_or_else(|| MISSING.to_string());
                let own = names
                    .iter()
                    .position(|known| *known == name)
                    .unwrap_or(names.len());
                for (at, share) in shares.iter().enumerate() {
                    let is_it = f32::from(u8::from(at == own));
                    to[at] = (is_it - share) * unit;
                }
            }
        }
    }
}

/// `None` where all values are the same.
fn number_scale(values: &[f64], of_use: PointUse) -> Option<PointScale> {
    let (mean, deviation, skewness) = moments(values.iter().copied())?;
    let linear = PointScale::Linear { mean, deviation };
    if skewness.abs() <= SKEWED || of_use == PointUse::Outliers {
        return Some(linear);
    }
    let scale = LogScale::fit(values.iter().copied());
    let bent = moments(values.iter().map(|&x| f64::from(scale.place(x))));
    Some(match bent {
        Some((_, _, less)) if less.abs() < skewness.abs() => PointScale::Logarithmic { scale },
        _ => linear,
    })
}

/// Mean, deviation and skewness; `None` where the values do not differ.
fn moments(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64, f64)> {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().map(|x| x / n).sum::<f64>();
    let deviation = values
        .clone()
        .map(|x| (x - mean).powi(2) / n)
        .sum::<f64>()
        .sqrt();
    if !(deviation.is_finite() && deviation > 1e-9 * mean.abs()) {
        return None;
    }
    let skewness = values
        .map(|x| ((x - mean) / deviation).powi(3) / n)
        .sum::<f64>();
    Some((mean, deviation, skewness))
}

/// One coordinate a category that is in enough rows.
fn category_scale(values: &Values, n_rows: usize, of_use: PointUse) -> Result<PointScale, LeftOut> {
    let mut count_of: BTreeMap<String, usize> = BTreeMap::new();
    for row in 0..n_rows {
        let name = cell(values, row).unwrap_or_else(|| MISSING.to_string());
        *count_of.entry(name).or_insert(0) += 1;
    }
    if count_of.len() < 2 {
        return Err(LeftOut::Constant);
    }
    let n = n_rows as f64;
    let mut kept: Vec<(String, usize)> = count_of.into_iter().collect();
    kept.retain(|(_, count)| *count as f64 >= LEAST_SHARE * n);
    kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    kept.truncate(MOST_CATEGORIES);
    kept.sort();
    let others = n_rows - kept.iter().map(|(_, count)| count).sum::<usize>();
    let mut shares: Vec<f32> = kept
        .iter()
        .map(|(_, count)| (*count as f64 / n) as f32)
        .collect();
    shares.push((others as f64 / n) as f32);
    let variance: f32 = shares.iter().map(|p| p * (1.0 - p)).sum();
    // Where every category is rare, the column tells rows apart, but not groups of them.
    if variance <= 1e-6 {
        return Err(LeftOut::Rare);
    }
    Ok(PointScale::Category {
        names: kept.into_iter().map(|(name, _)| name).collect(),
        shares,
        unit: match of_use {
            PointUse::Groups => (CATEGORY / variance).sqrt(),
            PointUse::Outliers => 1.0,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::RowColumn;

    fn rows() -> Rows {
        let column = |name: &str, role, values| RowColumn {
            name: name.into(),
            role,
            values,
        };
        let n = 200;
        let number = |f: &dyn Fn(usize) -> f64| Values::Numbers((0..n).map(f).collect());
        let text = |f: &dyn Fn(usize) -> Option<&'static str>| {
            Values::Strings((0..n).map(|row| f(row).map(String::from)).collect())
        };
        Rows {
            row_ids: (0..n as u64).collect(),
            columns: vec![
                column("even", Role::Number, number(&|row| row as f64 * 1000.0)),
                column(
                    "skewed",
                    Role::Number,
                    number(&|row| 1.1f64.powi((row % 100) as i32)),
                ),
                column("constant", Role::Number, number(&|_| 3.0)),
                column(
                    "gaps",
                    Role::Number,
                    number(&|row| if row % 4 == 0 { f64::NAN } else { row as f64 }),
                ),
                column(
                    "colour",
                    Role::Category,
                    text(&|row| [Some("red"), Some("blue"), None][row % 3]),
                ),
                column("name", Role::Id, text(&|_| Some("x"))),
            ],
        }
    }

    #[test]
    fn every_number_has_a_variance_of_one_and_every_category_of_a_half() {
        let rows = rows();
        let fitted = RowPoints::fit(&rows, PointUse::Groups);
        assert_eq!(fitted.constant, ["constant"]);
        assert_eq!(fitted.bent(), ["skewed"]);
        assert_eq!(fitted.width(), 3 + 4);
        let points = fitted.points(&rows).expect("points");
        let mut of_column = vec![0f64; fitted.n_columns()];
        for (at, column) in fitted.column_of().into_iter().enumerate() {
            let values: Vec<f64> = points
                .iter()
                .skip(at)
                .step_by(fitted.width())
                .map(|x| f64::from(*x))
                .collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            of_column[column] += values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        }
        let names: Vec<&str> = fitted.names().collect();
        assert_eq!(names, ["even", "skewed", "gaps", "colour"]);
        for (name, variance) in names.iter().zip(&of_column) {
            // Missing numbers lie at the mean.
            let expected = match *name {
                "gaps" => 0.75,
                "colour" => 0.5,
                _ => 1.0,
            };
            assert!((variance - expected).abs() < 0.02, "{name}: {variance}");
        }
    }

    #[test]
    fn a_new_row_has_the_place_of_an_equal_one_and_an_unknown_category_is_another() {
        let all = rows();
        let fitted = RowPoints::fit(&all, PointUse::Groups);
        let points = fitted.points(&all).expect("points");
        let some = crate::prepare::subset(&all, &[7, 5]);
        let again = fitted.points(&some).expect("points");
        assert_eq!(again[..7], points[7 * 7..8 * 7]);
        let mut strange = some.clone();
        strange.columns[4].values = Values::Strings(vec![Some("green".into()), None]);
        let placed = fitted.points(&strange).expect("points");
        // The last coordinate is that of all other categories.
        assert!(placed[6] > 0.0 && placed[3..6].iter().all(|x| *x < 0.0));
        strange.columns.remove(0);
        assert!(matches!(
            fitted.points(&strange),
            Err(RepresentError::MissingColumn { .. })
        ));
    }

    #[test]
    fn one_wild_cell_lies_no_further_than_six_deviations() {
        let mut all = rows();
        if let Values::Numbers(values) = &mut all.columns[0].values {
            values[0] = 1e300;
        }
        let points = RowPoints::fit(&all, PointUse::Groups)
            .points(&all)
            .expect("points");
        assert!(points.iter().all(|x| x.is_finite() && x.abs() <= FAR));
    }

    #[test]
    fn for_outliers_wild_cells_stay_where_they_are() {
        let mut all = rows();
        if let Values::Numbers(values) = &mut all.columns[0].values {
            values.iter_mut().for_each(|x| *x %= 7.0);
            values[3] = 1e9;
        }
        let fitted = RowPoints::fit(&all, PointUse::Outliers);
        assert!(fitted.bent().is_empty());
        let points = fitted.points(&all).expect("points");
        let width = fitted.width();
        assert!(points[3 * width] > 14.0, "{}", points[3 * width]);
        // Another category is at a distance of the root of 2.
        let colours = |row: usize| &points[row * width + width - 4..(row + 1) * width];
        let apart: f32 = colours(0)
            .iter()
            .zip(colours(1))
            .map(|(a, b)| (a - b) * (a - b))
            .sum();
        assert!((apart - 2.0).abs() < 1e-5, "{apart}");
        // A new row may be farther out than any f32.
        let mut strange = crate::prepare::subset(&all, &[0]);
        if let Values::Numbers(values) = &mut strange.columns[0].values {
            values[0] = 1e300;
        }
        assert_eq!(fitted.points(&strange).expect("points")[0], VERY_FAR);
    }
}
