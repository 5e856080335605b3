//! Where the server is that a command speaks to.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use sdk::Secret;

use super::Failure;
use super::address_file;
use super::client::Client;

/// Where the server is, and how its answer is wanted.
#[derive(Debug, Default, Args)]
pub(super) struct Place {
    /// The management API of the server. Found in the data folder if it is not given.
    #[arg(long, value_name = "URL", env = "RUNNER_ADMIN_URL")]
    pub(super) admin: Option<String>,
    /// The data folder of the server: the token is there. `.runner/NAME` if it is not given.
    #[arg(long, value_name = "DIR", env = "RUNNER_DATA", alias = "data-dir")]
    pub(super) data: Option<PathBuf>,
    /// Print the JSON of the management API.
    #[arg(long)]
    pub(super) json: bool,
}

/// As [`Place`], for a command whose `--data` is what it sends.
#[derive(Debug, Default, Args)]
pub(super) struct PlaceBesideData {
    /// The management API of the server. Found in the data folder if it is not given.
    #[arg(long, value_name = "URL", env = "RUNNER_ADMIN_URL")]
    admin: Option<String>,
    /// The data folder of the server: the token is there. `.runner/NAME` if it is not given. Other commands call it `--data` too.
    #[arg(long, value_name = "DIR", env = "RUNNER_DATA")]
    data_dir: Option<PathBuf>,
    /// Print the JSON of the management API.
    #[arg(long)]
    json: bool,
}

impl From<PlaceBesideData> for Place {
    fn from(place: PlaceBesideData) -> Self {
        Self {
            admin: place.admin,
            data: place.data_dir,
            json: place.json,
        }
    }
}

impl Place {
    /// Finds the server of an integration and the token that it demands.
    pub(super) fn find(&self, name: &str) -> Result<Client, Failure> {
        let data = match &self.data {
            Some(data) => data.clone(),
            None => data_folder(name),
        };
        let hint = how_to_start(name, self.data.as_deref());
        let url = match &self.admin {
            Some(url) => url.clone(),
            None => read_address(name, &data, &hint)?,
        };
        let token = read_token(&data)?;
        Client::new(&url, &token, hint)
    }
}

/// Returns where the server of an integration keeps everything if it is not told.
pub(super) fn data_folder(name: &str) -> PathBuf {
    Path::new(".runner").join(name)
}

fn how_to_start(name: &str, data: Option<&Path>) -> String {
    let data = data.map_or_else(String::new, |data| format!(" --data {}", data.display()));
    format!(
        "start it with `{name} serve{data}`, or in its workspace with `cargo run -p runner -- serve -p {name}{data}`"
    )
}

fn read_address(name: &str, data: &Path, hint: &str) -> Result<String, Failure> {
    let shown = data.display();
    match address_file::read(data) {
        Ok(Some(url)) => Ok(url),
        Ok(None) => Err(Failure(format!(
            "no server of `{name}` runs on the data folder `{shown}`; {hint}, or say where it is with `--data DIR` (`invoke`: `--data-dir DIR`) or `--admin URL`"
        ))),
        Err(fault) => Err(Failure(format!(
            "`{}` does not say where the server is: {fault}; say it with `--admin URL`",
            address_file::path(data).display()
        ))),
    }
}

fn read_token(data: &Path) -> Result<Secret, Failure> {
    let file = data.join("admin-token");
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Secret::new(text.trim())),
        Err(fault) => Err(Failure(format!(
            "the token of the management API cannot be read from `{}`: {fault}; name the data folder of the server with `--data DIR` (`invoke`: `--data-dir DIR`)",
            file.display()
        ))),
    }
}
