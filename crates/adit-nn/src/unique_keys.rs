//! A JSON object none of whose keys stands twice: readers of one with such a key disagree on it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// What stands under a key, read at once so that nothing is held which does not fit.
pub(crate) trait Entry: Sized {
    /// The next value of `map`, whose key was just read.
    fn next<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Self, A::Error>;
}

impl Entry for String {
    fn next<'de, A: MapAccess<'de>>(_: &str, map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}

/// The entries of a JSON object, by key.
pub(crate) struct UniqueKeys<V>(pub BTreeMap<String, V>);

impl<'de, V: Entry> Deserialize<'de> for UniqueKeys<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<V>(PhantomData<V>);

impl<'de, V: Entry> Visitor<'de> for Entries<V> {
    type Value = UniqueKeys<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let entry =
                V::next(&key, &mut map).map_err(|e| A::Error::custom(format!("{key}: {e}")))?;
            if entries.contains_key(&key) {
                return Err(A::Error::custom(format!("{key} stands there twice")));
            }
            entries.insert(key, entry);
        }
        Ok(UniqueKeys(entries))
    }
}
