//! The only code that writes to disk: atomic folders and files, and the model store.
