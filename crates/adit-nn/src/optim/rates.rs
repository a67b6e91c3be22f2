//! Learning rates by step and by layer.

/// The factor of the rate at `step` (from 0) of `total`: rises over `warmup` steps, then falls to 0.
pub fn linear_warmup_decay(step: usize, total: usize, warmup: usize) -> f32 {
    if step < warmup {
        return step as f32 / warmup.max(1) as f32;
    }
    total.saturating_sub(step) as f32 / total.saturating_sub(warmup).max(1) as f32
}

/// Factors of the rate that fall by `decay` from each layer to the one below (Howard and Ruder, 2018,
/// discriminative fine-tuning; Clark et al., 2020, ELECTRA): 1 for what stands above the layers.
///
/// A parameter's layer is the first whole number among the parts of its name; embeddings and the
/// tokens of rows lie below layer 0. For [`crate::optim::Update::rate_of`].
pub fn layer_decay(n_layers: usize, decay: f32) -> impl Fn(&str) -> f32 {
    move |name| {
        let number = name.split('.').find_map(|part| part.parse::<usize>().ok());
        let row = name.strip_prefix("row.").is_some_and(|rest| {
            ["cls", "numbers", "categories"].contains(&rest.split('.').next().unwrap_or(rest))
        });
        let above = match number {
            Some(layer) => n_layers.saturating_sub(layer),
            None if row || name.contains("embed") => n_layers + 1,
            None => 0,
        };
        decay.powi(i32::try_from(above).unwrap_or(i32::MAX))
    }
}
