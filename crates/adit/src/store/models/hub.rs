//! Models of a Hugging Face hub.

use std::fmt::Display;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::config::RedirectAuthHeaders;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::intake::{self, Intake};
use super::{AddOptions, Fetched, StoreError};
use crate::Watch;

/// A hub that says nothing for this long is given up, which also bounds how late a wish to stop
/// is heard.
const SILENCE: Duration = Duration::from_secs(20);
const MAX_LISTING: u64 = 32 << 20;

/// Takes the model of `repo` (`owner/name`) at `revision` into `folder`.
pub(super) fn take<'a>(
    repo: &str,
    revision: &str,
    options: &AddOptions,
    folder: &Path,
    watch: &'a dyn Watch,
) -> Result<Fetched<'a>, StoreError> {
    let hub = Hub::new(options);
    let place = format!("hf:{repo}");
    let listing = hub.listing(repo, revision)?;
    // Everything is fetched at one commit, also when the branch moves meanwhile.
    let commit = listing["sha"]
        .as_str()
        .filter(|sha| is_commit(sha))
        .unwrap_or(revision);
    let files = remote_files(&listing, &place)?;
    let mut intake = Intake::new(&place, folder, "download model", watch);
    intake.expect(files.iter().filter_map(|file| file.bytes).sum());
    for file in &files {
        hub.download(&mut intake, &format!("{repo}/resolve/{commit}"), file)?;
    }
    Ok((intake, format!("hf:{repo}@{commit}"), None))
}

fn is_commit(sha: &str) -> bool {
    !sha.is_empty() && sha.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A file of the repository.
struct RemoteFile {
    path: String,
    bytes: Option<u64>,
    /// Hex SHA-256, known for large files.
    sha256: Option<String>,
}

/// The files of the listing that belong to a model, after a check that it is one.
fn remote_files(listing: &Value, place: &str) -> Result<Vec<RemoteFile>, StoreError> {
    let siblings = listing["siblings"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let names: Vec<&str> = siblings
        .iter()
        .filter_map(|file| file["rfilename"].as_str())
        .collect();
    if let Some(path) = names.iter().find(|name| intake::climbs_out(name)) {
        return Err(StoreError::Escapes {
            path: path.to_string(),
        });
    }
    let relevant: Vec<&str> = names
        .into_iter()
        .filter(|name| intake::is_wanted(name) || intake::is_pickle(name))
        .collect();
    intake::check_listing(place, &relevant)?;
    let mut files: Vec<RemoteFile> = siblings
        .iter()
        .filter_map(|file| {
            let path = file["rfilename"]
                .as_str()
                .filter(|path| intake::is_wanted(path))?;
            Some(RemoteFile {
                path: path.to_string(),
                bytes: file["lfs"]["size"].as_u64().or(file["size"].as_u64()),
                sha256: file["lfs"]["sha256"].as_str().map(str::to_ascii_lowercase),
            })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    for file in &files {
        intake::check_size(place, &file.path, file.bytes.unwrap_or(0))?;
    }
    Ok(files)
}

struct Hub<'a> {
    agent: Agent,
    endpoint: &'a str,
    token: Option<&'a str>,
}

impl<'a> Hub<'a> {
    fn new(options: &'a AddOptions) -> Hub<'a> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(options.hub.starts_with("https://"))
            // Large files come from another host by a signed address: the token is not for it.
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("adit/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(3 * SILENCE))
            .timeout_per_read(Some(SILENCE))
            .build();
        let token = options.token.as_deref();
        Hub {
            agent: config.into(),
            endpoint: options.hub.trim_end_matches('/'),
            token,
        }
    }

    fn get(&self, url: &str) -> Result<Response<Body>, StoreError> {
        let mut request = self.agent.get(url);
        if let Some(token) = self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|e| broken(url, &e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let reason = format!("the hub answered {status}");
        Err(StoreError::Download {
            url: url.into(),
            reason,
            status: Some(status.as_u16()),
        })
    }

    fn listing(&self, repo: &str, revision: &str) -> Result<Value, StoreError> {
        let revision = revision.replace('/', "%2F");
        let url = format!(
            "{}/api/models/{repo}/revision/{revision}?blobs=true",
            self.endpoint
        );
        let mut response = self.get(&url)?;
        let body = response.body_mut().with_config().limit(MAX_LISTING);
        body.read_json().map_err(|e| broken(&url, &e))
    }

    fn download(
        &self,
        intake: &mut Intake,
        base: &str,
        file: &RemoteFile,
    ) -> Result<(), StoreError> {
        let url = format!("{}/{base}/{}", self.endpoint, file.path);
        let response = self.get(&url)?;
        let bytes = match file.bytes.or(response.body().content_length()) {
            Some(bytes) => bytes,
            None => return Err(intake.damaged(&file.path, "its size is not known".into())),
        };
        let limit = intake::limit_of(&file.path);
        let mut reader: Box<dyn Read> = Box::new(
            response
                .into_body()
                .into_with_config()
                .limit(limit + 1)
                .reader(),
        );
        let digest = intake.take(&file.path, bytes, &mut reader, &|error| {
            broken(&url, &error)
        })?;
        match &file.sha256 {
            Some(sha256) if *sha256 != intake::hex(&digest) => {
                Err(intake.damaged(&file.path, "its hash is not the one the hub lists".into()))
            }
            _ => Ok(()),
        }
    }
}

fn broken(url: &str, error: &dyn Display) -> StoreError {
    StoreError::Download {
        url: url.into(),
        reason: error.to_string(),
        status: None,
    }
}
