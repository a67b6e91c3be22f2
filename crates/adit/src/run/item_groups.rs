//! Items whose names mean nearly the same, as groups that rules can be about.

use super::{Context, RunError};
use crate::mine::rules::Group;
use crate::represent::baskets::Baskets;
use crate::represent::encoder::EncoderDirectory;
use crate::represent::meaning;
use crate::store::ModelStore;

/// Members that a group's name tells.
const TOLD: usize = 4;
/// Rarer items are in no group.
const LEAST_COUNT: u32 = 2;

/// Groups of items by the vectors that a text encoder gives to their names, each with the mean cosine of its members.
/// Items that exclude each other, as values of one column do, are grouped within their column only.
///
/// # Errors
/// Those of the encoder.
pub(super) fn item_groups(
    baskets: &Baskets,
    (encoder, likeness): (&str, f64),
    leave_out: &[u32],
    context: &Context,
) -> Result<Vec<(Group, f64)>, RunError> {
    let transactions = &baskets.transactions;
    let names = transactions.names();
    let counts = transactions.counts();
    let mut items: Vec<(u32, &str)> = (0u32..)
        .zip(names)
        .filter(|(item, _)| counts[*item as usize] >= LEAST_COUNT && !leave_out.contains(item))
        .filter_map(|(item, name)| Some((item, meant(name, baskets.column_of.is_some())?)))
        .filter(|(_, text)| meaning::has_words(text))
        .collect();
    items.sort_by_key(|(item, _)| (std::cmp::Reverse(counts[*item as usize]), *item));
    items.truncate(meaning::MOST_ITEMS);
    let found = ModelStore::new(context.model_store).resolve(encoder)?;
    let encoder = EncoderDirectory::open(&found.path, &found.manifest.name)?.sentence_encoder()?;
    let texts: Vec<&str> = items.iter().map(|(_, text)| *text).collect();
    let mut vectors = encoder.embed(&texts, context.watch)?;
    let width = encoder.hidden_size();
    for vector in vectors.chunks_mut(width) {
        let size = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector
            .iter_mut()
            .for_each(|x| *x /= size.max(f32::MIN_POSITIVE));
    }
    let column: Vec<u32> = (items.iter())
        .map(|(item, _)| match &baskets.column_of {
            Some(column_of) => column_of[*item as usize],
            None => 0,
        })
        .collect();
    let groups = meaning::groups(&vectors, width, &column, likeness as f32);
    let made = groups.into_iter().map(|places| {
        let told: Vec<&str> = (places.iter().take(TOLD))
            .map(|&at| names[items[at].0 as usize].as_str())
            .collect();
        let mut name = format!("any of {}", told.join(", "));
        if places.len() > TOLD {
            name.push_str(&format!(" and {} more", places.len() - TOLD));
        }
        let like = mean_cosine(&vectors, width, &places);
        let mut members: Vec<u32> = places.iter().map(|&at| items[at].0).collect();
        members.sort_unstable();
        (Group { name, members }, like)
    });
    Ok(made.collect())
}

/// What a name says: of a column with its value the value; `None` of a part of numbers.
fn meant(name: &str, is_of_column: bool) -> Option<&str> {
    if is_of_column {
        return name.split_once(" = ").map(|(_, value)| value);
    }
    Some(name)
}

fn mean_cosine(vectors: &[f32], width: usize, places: &[usize]) -> f64 {
    let row = |at: usize| &vectors[at * width..(at + 1) * width];
    let mut sum = 0.0;
    for (k, &a) in places.iter().enumerate() {
        for &b in &places[k + 1..] {
            sum += row(a)
                .iter()
                .zip(row(b))
                .map(|(x, y)| f64::from(x * y))
                .sum::<f64>();
        }
    }
    sum / (places.len() * (places.len() - 1) / 2) as f64
}
